//! Where the strings of a JSON text are, and what names each. Goes as deep as the text does, without recursion.

use std::ops::Range;

use memchr::memchr2;

/// A string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// What is between its quotes.
    pub(crate) span: Range<usize>,
    /// The member that holds it, itself or in lists, as a place in the list of strings.
    pub(crate) name: Option<u32>,
    /// A string beside it that names it: `{"name": …, "value": …}`, or the one before it in a list.
    pub(crate) also: Option<u32>,
}

/// The strings of one JSON value.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// All strings, names of members included, in order.
    pub(crate) texts: Vec<Text>,
    /// Behind the value.
    pub(crate) end: usize,
}

/// A list or object that is not closed yet.
#[derive(Debug)]
enum Open {
    Object { member: Option<u32>, name: Option<u32>, value: Option<u32> },
    List { member: Option<u32>, previous: Option<u32> },
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    CommaOrEnd,
}

/// How many lists and objects may be open at once. What goes deeper is no JSON to anyone, and masked as text.
const OPEN_MAX: usize = 1 << 16;

/// The shape of the JSON value at the start of `text`; nothing if it is none.
pub(crate) fn shape(text: &str) -> Option<Shape> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, texts: Vec::new(), open: Vec::new() };
    reader.value()?;
    Some(Shape { texts: reader.texts, end: reader.at })
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    texts: Vec<Text>,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<()> {
        let mut next = Next::Value;
        loop {
            let byte = self.blank()?;
            if self.open.len() > OPEN_MAX {
                return None;
            }
            next = match (next, byte) {
                (Next::Value | Next::ValueOrEnd, b'{') => {
                    self.at += 1;
                    self.open.push(Open::Object { member: None, name: None, value: None });
                    Next::NameOrEnd
                }
                (Next::Value | Next::ValueOrEnd, b'[') => {
                    self.at += 1;
                    let member = match self.open.last() {
                        Some(Open::Object { member, .. } | Open::List { member, .. }) => *member,
                        None => None,
                    };
                    self.open.push(Open::List { member, previous: None });
                    Next::ValueOrEnd
                }
                (Next::ValueOrEnd | Next::CommaOrEnd, b']') => {
                    let Some(Open::List { .. }) = self.open.pop() else { return None };
                    self.at += 1;
                    Next::CommaOrEnd
                }
                (Next::NameOrEnd | Next::CommaOrEnd, b'}') => {
                    let Some(Open::Object { name, value, .. }) = self.open.pop() else { return None };
                    if let (Some(name), Some(value)) = (name, value) {
                        self.texts[value as usize].also = Some(name);
                    }
                    self.at += 1;
                    Next::CommaOrEnd
                }
                (Next::Name | Next::NameOrEnd, b'"') => {
                    let idx = self.string(None, None)?;
                    if self.blank()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    if let Some(Open::Object { member, .. }) = self.open.last_mut() {
                        *member = Some(idx);
                    }
                    Next::Value
                }
                (Next::CommaOrEnd, b',') => {
                    self.at += 1;
                    match self.open.last()? {
                        Open::Object { .. } => Next::Name,
                        Open::List { .. } => Next::Value,
                    }
                }
                (Next::Value | Next::ValueOrEnd, _) => {
                    self.scalar(byte)?;
                    Next::CommaOrEnd
                }
                _ => return None,
            };
            if self.open.is_empty() {
                return Some(());
            }
        }
    }

    /// The next byte that is not blank.
    fn blank(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.at)?, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn scalar(&mut self, byte: u8) -> Option<()> {
        if byte == b'"' {
            return self.text();
        }
        if let Some(Open::List { previous, .. }) = self.open.last_mut() {
            *previous = None;
        }
        for word in ["true", "false", "null"] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Some(());
            }
        }
        self.number()
    }

    fn number(&mut self) -> Option<()> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let whole = self.digits();
        let has_zero = whole > 1 && self.bytes[self.at - whole] == b'0';
        if whole == 0 || has_zero {
            return None;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// A string that is a value.
    fn text(&mut self) -> Option<()> {
        let (name, also) = match self.open.last() {
            Some(Open::Object { member, .. }) => (*member, None),
            Some(Open::List { member, previous }) => (*member, *previous),
            None => (None, None),
        };
        let idx = self.string(name, also)?;
        let role = name.map(|name| role(&self.bytes[self.texts[name as usize].span.clone()]));
        match self.open.last_mut() {
            Some(Open::Object { name, value, .. }) => match role {
                Some(Role::Name) => *name = Some(idx),
                Some(Role::Value) => *value = Some(idx),
                _ => {}
            },
            Some(Open::List { previous, .. }) => *previous = Some(idx),
            None => {}
        }
        Some(())
    }

    /// Any string; its place in the list.
    fn string(&mut self, name: Option<u32>, also: Option<u32>) -> Option<u32> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += memchr2(b'"', b'\\', self.bytes.get(at..)?)?;
            if self.bytes[at] == b'"' {
                break;
            }
            at += 2;
        }
        self.at = at + 1;
        let idx = u32::try_from(self.texts.len()).ok()?;
        self.texts.push(Text { span: start..at, name, also });
        Some(idx)
    }
}

/// What a member says about its neighbours.
enum Role {
    Name,
    Value,
    Other,
}

fn role(name: &[u8]) -> Role {
    const NAMES: &[&[u8]] =
        &[b"name", b"key", b"header", b"variable", b"var", b"field", b"id", b"k", b"param", b"option"];
    const VALUES: &[&[u8]] = &[b"value", b"val", b"v", b"content", b"default", b"data"];
    let is_one_of = |words: &[&[u8]]| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    if is_one_of(NAMES) {
        Role::Name
    } else if is_one_of(VALUES) {
        Role::Value
    } else {
        Role::Other
    }
}

#[cfg(test)]
mod tests {
    use super::{OPEN_MAX, shape};

    /// Each string with what names it.
    fn named(text: &str) -> Vec<(&str, Option<&str>, Option<&str>)> {
        let shape = shape(text).unwrap();
        let of = |idx: u32| &text[shape.texts[idx as usize].span.clone()];
        shape
            .texts
            .iter()
            .map(|string| (&text[string.span.clone()], string.name.map(of), string.also.map(of)))
            .collect()
    }

    #[test]
    fn strings_know_the_member_that_holds_them() {
        assert_eq!(
            named(r#"{"a": "x", "b": ["y", {"c": 1}], "d": 2}"#),
            [
                ("a", None, None),
                ("x", Some("a"), None),
                ("b", None, None),
                ("y", Some("b"), None),
                ("c", None, None),
                ("d", None, None),
            ]
        );
    }

    #[test]
    fn strings_know_what_stands_beside_them() {
        let pair = named(r#"{"value": "x", "name": "token"}"#);
        assert_eq!(pair[1], ("x", Some("value"), Some("token")));
        assert_eq!(named(r#"["--token", "x", 1, "y"]"#)[1..], [("x", None, Some("--token")), ("y", None, None)]);
    }

    #[test]
    fn what_is_no_json_has_no_shape() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "{1: 2}", "[01]", "tru", "\"open", "\"a\\", "[}", "nul"] {
            assert!(shape(text).is_none(), "{text:?}");
        }
        for text in ["1", "-0.5e+3", "null", "\"\"", " [ ] ", "{}"] {
            assert!(shape(text).is_some(), "{text:?}");
        }
        assert_eq!(shape("[1] rest").unwrap().end, 3);
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(shape(&nested(OPEN_MAX)).is_some());
        assert!(shape(&nested(OPEN_MAX + 1)).is_none());
    }
}
