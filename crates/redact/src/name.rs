//! Whether something is set to a name: a look at a few bytes that spares most of what is called "token" the rules of names.

/// How far behind a keyword the name may go on, in bytes.
const REST_MAX: usize = 24;

/// What may end the name of a secret, after a dash or without one.
const ENDINGS: &[&str] = &[
    "",
    "base",
    "prod",
    "production",
    "dev",
    "staging",
    "test",
    "live",
    "old",
    "new",
    "value",
    "primary",
    "secondary",
    "base64",
    "b64",
];

/// Whether `keyword`, which ends at `at`, ends the name of a secret to which something is set, as far as can be seen without
/// decoding. What is encoded or broken over lines counts as set.
pub(crate) fn is_set(text: &[u8], at: usize, keyword: &str) -> bool {
    let rest = &text[at..];
    let length = rest.iter().take(REST_MAX).take_while(|byte| is_word(**byte)).count();
    let name = &rest[..length];
    let rest = &rest[length..];
    if !rest.first().is_some_and(|byte| hides(*byte)) && !ends(name, keyword) {
        return false;
    }
    sets(rest)
}

/// The same for rules that let a few words stand behind the keyword.
pub(crate) fn is_set_later(text: &[u8], at: usize) -> bool {
    /// How far behind the keyword the name may go on, in bytes.
    const LATER_MAX: usize = 48;
    let is_name = |byte: &&u8| is_word(**byte) || matches!(byte, b' ' | b'.');
    let rest = &text[at..];
    sets(&rest[rest.iter().take(LATER_MAX).take_while(is_name).count()..])
}

/// Whether `rest`, what stands behind a name, sets something to it.
fn sets(rest: &[u8]) -> bool {
    let is_quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`' | b']' | b')');
    let quotes = rest.iter().take(4).take_while(|byte| is_quote(**byte)).count();
    let blanks = rest[quotes..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match rest.get(quotes + blanks) {
        Some(b'=' | b':') => true,
        // A string of its own may name another one: `{"name": "TOKEN", "value": …}`.
        Some(b',' | b'}') => quotes > 0,
        Some(byte) => hides(*byte),
        None => false,
    }
}

/// Whether `name`, what follows `keyword`, ends a name as secrets have them.
fn ends(name: &[u8], keyword: &str) -> bool {
    let tails: &[&str] = match keyword {
        "pass" => &["word", "wd", "phrase", "code"],
        "secret" => &["key"],
        "credential" => &["s"],
        _ => &[],
    };
    let strip = |tail: &&str| name.get(..tail.len()).filter(|start| start.eq_ignore_ascii_case(tail.as_bytes()));
    let name = tails.iter().find_map(|tail| strip(tail).map(|start| &name[start.len()..])).unwrap_or(name);
    let name = name.strip_prefix(b"_").or_else(|| name.strip_prefix(b"-")).unwrap_or(name);
    (name.len() <= 2 && name.iter().all(u8::is_ascii_digit))
        || ENDINGS.iter().any(|ending| name.eq_ignore_ascii_case(ending.as_bytes()))
}

/// Whether a byte may stand in a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether a byte may begin something encoded, or a line break.
fn hides(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | b'\n' | b'\r' | 0 | 0x1b)
}

#[cfg(test)]
mod tests {
    use super::is_set;

    fn sets(text: &str, keyword: &str) -> bool {
        let at = text.find(keyword).unwrap() + keyword.len();
        is_set(text.as_bytes(), at, keyword)
    }

    #[test]
    fn a_name_needs_something_that_is_set_to_it() {
        for (text, keyword) in [
            ("token=x", "token"),
            ("token: x", "token"),
            ("\"token\" : 1", "token"),
            ("c['token'] = x", "token"),
            ("token :=x", "token"),
            ("password=x", "pass"),
            ("passphrase: x", "pass"),
            ("PASS_2=x", "pass"),
            ("secretkey=x", "secret"),
            ("credentials: x", "credential"),
            ("token_prod: x", "token"),
            ("{\"name\": \"token\", \"value\": 1}", "token"),
        ] {
            let text = text.to_lowercase();
            assert!(sets(&text, keyword), "{text}");
        }
        for text in [
            "tokens=1",
            "token count: 1",
            "token_count=1",
            "token, x",
            "token",
            "tokenizer = x",
            "token)  x",
            "the token is",
        ] {
            assert!(!sets(text, "token"), "{text}");
        }
        assert!(!sets("passed=1", "pass"));
        assert!(!sets("password_hash = x", "pass"));
    }

    #[test]
    fn words_may_stand_behind_a_keyword() {
        for (text, is_expected) in
            [("lob api key: x", true), ("lob\" = x", true), ("lob the ball, x: y", false), ("lob", false)]
        {
            assert_eq!(super::is_set_later(text.as_bytes(), 3), is_expected, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_or_broken_is_not_ruled_out() {
        for text in
            ["token%3Dx", "token\\u003dx", "token&#61;x", "tok\0", "token\n=x", "token\\\"=x", "token\u{1b}[0m=x"]
        {
            let keyword = if text.starts_with("token") { "token" } else { "tok" };
            assert!(sets(text, keyword), "{text:?}");
        }
    }
}
