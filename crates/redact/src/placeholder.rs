//! What stands in place of a secret.

use std::ops::Range;

use memchr::memmem;

use crate::mask::Fingerprint;

/// How each begins.
const START: &str = "[REDACTED:";

/// The rule of what was withheld since it could not be looked through.
pub const WITHHELD: &str = "withheld";

/// The placeholder for a secret that `rule` found.
pub fn placeholder(rule: &str, fingerprint: Fingerprint) -> String {
    format!("{START}{rule}:{fingerprint}]")
}

/// Where placeholders stand in `text`.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    memmem::find_iter(text.as_bytes(), START.as_bytes())
        .filter_map(|at| length(&text.as_bytes()[at + START.len()..]).map(|length| at..at + START.len() + length))
        .collect()
}

/// The length of the rest of a placeholder.
fn length(rest: &[u8]) -> Option<usize> {
    let is_name = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-';
    let name = rest.iter().take(64).take_while(is_name).count();
    let digits = rest.get(name + 1..name + 9)?;
    let is_whole = name > 0
        && rest[name] == b':'
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && rest.get(name + 9) == Some(&b']');
    is_whole.then_some(name + 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_placeholders_are_found() {
        let whole = placeholder("github-pat", Fingerprint([1, 2, 3, 0xab]));
        assert_eq!(whole, "[REDACTED:github-pat:010203ab]");
        assert_eq!(find(&format!("a {whole}{whole} [REDACTED:x:12] [REDACTED:")), [2..32, 32..62]);
    }
}
