//! Private keys in PEM form: whole, cut off, indented, quoted, with their line breaks escaped.

use std::ops::Range;

use crate::decode::signals::after_break;

/// The rule that finds them.
pub(crate) const RULE: &str = "private-key";

/// The longest body, in bytes of text; longer ones are cut here and looked at as other text.
const BODY_MAX: usize = 64 << 10;

/// The fewest characters of base64 that make a body.
const BODY_MIN: usize = 16;

/// A private key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// From its BEGIN to its END, or to where it was cut off.
    pub(crate) span: Range<usize>,
    /// The characters of the key itself.
    pub(crate) body: String,
}

/// The private key whose BEGIN line is at `start`, if it is one.
pub(crate) fn at(text: &str, start: usize) -> Option<Block> {
    let bytes = text.as_bytes();
    let label_end = label(bytes, start)?;
    let limit = bytes.len().min(label_end + BODY_MAX);
    let mut body = String::new();
    let mut end = label_end;
    let mut at = label_end;
    while at < limit {
        let byte = bytes[at];
        if bytes[at..].starts_with(b"-----END ") {
            end = ending(bytes, at);
            break;
        }
        if let Some(next) = after_break(bytes, at) {
            at = next.max(at + 1).min(limit);
            // Headers (`Proc-Type: …`) stand before the body and are passed over.
            if body.len() < BODY_MIN
                && let Some(length) = header(&bytes[at..limit])
            {
                at += length;
                end = at;
            }
            continue;
        }
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => {
                body.push(char::from(byte));
                at += 1;
                end = at;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'\\' => at += 1,
            b'%' if limit > at + 2 && bytes[at + 1].is_ascii_hexdigit() => at += 3,
            // An escaped break that `after_break` does not know (`\u000a`) or the dash of a cut END.
            b'-' => {
                at += 1;
                end = at;
            }
            _ => break,
        }
        // Prose after a cut key is no key: a word between blanks ends it.
        if matches!(byte, b' ' | b'\t') && is_prose(&bytes[at..limit]) {
            break;
        }
    }
    (body.len() >= BODY_MIN).then_some(Block { span: start..end, body })
}

/// Behind the BEGIN line at `start`, if it announces a private key.
fn label(bytes: &[u8], start: usize) -> Option<usize> {
    const LABEL_MAX: usize = 64;
    let from = start + "-----BEGIN".len();
    let rest = bytes.get(from..bytes.len().min(from + LABEL_MAX))?;
    let dashes = memchr::memmem::find(rest, b"--")?;
    // A line may be broken within the label, and within the dashes behind it.
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let label: Vec<u8> = rest[..dashes].iter().copied().filter(|byte| !is_break(byte)).collect();
    let is_private =
        memchr::memmem::find(&label, b"PRIVATE").is_some() && memchr::memmem::find(&label, b"KEY").is_some();
    let mut open = 5;
    let mut length = 0;
    for byte in rest[dashes..].iter().take_while(|byte| **byte == b'-' || is_break(byte)) {
        length += 1;
        open -= u32::from(*byte == b'-');
        if open == 0 {
            break;
        }
    }
    (is_private && open == 0).then_some(from + dashes + length)
}

/// Behind the END line at `at`.
fn ending(bytes: &[u8], at: usize) -> usize {
    let from = at + "-----END ".len();
    let rest = &bytes[from..bytes.len().min(from + 64)];
    match memchr::memmem::find(rest, b"-----") {
        Some(length) if rest[..length].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'%' | b'+')) => {
            from + length + 5
        }
        _ => from + rest.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b' ').count(),
    }
}

/// The length of a header line (`Name: value`).
fn header(line: &[u8]) -> Option<usize> {
    let name = line.iter().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    if name == 0 || line.get(name) != Some(&b':') {
        return None;
    }
    Some(line.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r' | b'\\' | b'"' | b'\'')).count())
}

/// Whether what follows a blank is a word of prose and not a piece of a key.
fn is_prose(rest: &[u8]) -> bool {
    let word = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    word > 0 && word < BODY_MIN && !matches!(rest.get(word), Some(b'\n' | b'\\' | b'=' | b'+' | b'/') | None)
}

#[cfg(test)]
mod tests {
    use super::at;

    /// A body of two lines.
    const BODY: [&str; 2] = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7", "VJTUt9Us8cKjMzEfYyjiWA4R4"];

    fn begin(label: &str) -> String {
        ["-----BEG", "IN ", label, " KEY-----"].concat()
    }

    fn end(label: &str) -> String {
        ["-----E", "ND ", label, " KEY-----"].concat()
    }

    #[test]
    fn a_block_is_found_from_its_begin_to_its_end_however_its_lines_are_broken() {
        let (begin, end) = (begin("RSA PRIVATE"), end("RSA PRIVATE"));
        for gap in ["\n", "\r\n", "\\n", "\\\\n", "\n    ", "\n> ", "\n+", " "] {
            let block = [begin.as_str(), BODY[0], BODY[1], end.as_str()].join(gap);
            let text = format!("{block}\nthat was it");
            let found = at(&text, 0).unwrap_or_else(|| panic!("{gap:?}"));
            assert_eq!(&text[found.span], block, "{gap:?}");
            assert_eq!(found.body, BODY.concat(), "{gap:?}");
        }
    }

    #[test]
    fn a_block_that_is_cut_off_ends_where_its_text_does() {
        let text = format!("{}\n{}\n\nthe rest was lost", begin("PRIVATE"), BODY[0]);
        let found = at(&text, 0).unwrap();
        assert!(text[found.span.clone()].contains(BODY[0]), "{:?}", &text[found.span]);
        assert!(!text[found.span.clone()].contains("lost"), "{:?}", &text[found.span]);
    }

    #[test]
    fn the_announcement_itself_may_be_broken() {
        let whole = begin("OPENSSH PRIVATE");
        for cut in [14, 22, whole.len() - 2] {
            let text = format!("{}\n{}\n{}\n", &whole[..cut], &whole[cut..], BODY[0]);
            assert_eq!(at(&text, 0).map(|block| block.body).as_deref(), Some(BODY[0]), "{cut}");
        }
    }

    #[test]
    fn headers_are_passed_over() {
        let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,2A3B";
        let text = format!("{}\n{headers}\n\n{}\n{}", begin("RSA PRIVATE"), BODY[0], end("RSA PRIVATE"));
        assert_eq!(at(&text, 0).map(|block| block.body).as_deref(), Some(BODY[0]));
    }

    #[test]
    fn what_announces_no_private_key_or_has_no_body_is_none() {
        for text in [
            format!("{}\n{}", begin("PUBLIC"), BODY[0]),
            begin("PRIVATE"),
            format!("{}\nshort", begin("PRIVATE")),
            ["-----BEG", "IN PRIVATE KEY"].concat(),
            ["-----BEG", "IN"].concat(),
        ] {
            assert_eq!(at(&text, 0), None, "{text:?}");
        }
    }
}
