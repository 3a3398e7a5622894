//! Tokens whose beginning and length say who gave them out.

use crate::git::ByteSlice as _;

use super::Found;
use super::values::is_random;

/// The form of a token behind its prefix.
struct Form {
    /// What it is.
    kind: &'static str,
    /// How it begins.
    prefix: &'static str,
    /// Shortest and longest rest, in characters.
    lengths: (usize, usize),
    /// What the rest is made of.
    holds: fn(u8) -> bool,
}

const fn form(kind: &'static str, prefix: &'static str, min: usize, max: usize, holds: fn(u8) -> bool) -> Form {
    Form { kind, prefix, lengths: (min, max), holds }
}

/// Letters and digits.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Letters, digits, `-` and `_`.
fn dashed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The longest rest of tokens without a fixed length; what goes on is no token.
const LONG: usize = 400;

/// All forms. Lengths as their makers document them, or as tokens given out have had them.
const FORMS: &[Form] = &[
    form("GitHub token", "ghp_", 36, 36, plain),
    form("GitHub token", "gho_", 36, 36, plain),
    form("GitHub token", "ghu_", 36, 36, plain),
    form("GitHub token", "ghs_", 36, 36, plain),
    form("GitHub token", "ghr_", 36, 76, plain),
    form("GitHub token", "github_pat_", 82, 82, dashed),
    form("GitLab token", "glpat-", 20, LONG, dashed),
    form("Slack token", "xoxa-", 20, LONG, dashed),
    form("Slack token", "xoxb-", 20, LONG, dashed),
    form("Slack token", "xoxp-", 20, LONG, dashed),
    form("Slack token", "xoxr-", 20, LONG, dashed),
    form("Slack token", "xoxs-", 20, LONG, dashed),
    form("Stripe key", "sk_live_", 24, LONG, plain),
    form("Stripe key", "rk_live_", 24, LONG, plain),
    form("Google API key", "AIza", 35, 35, dashed),
    form("npm token", "npm_", 36, 36, plain),
    form("OpenAI key", "sk-proj-", 40, LONG, dashed),
    form("OpenAI key", "sk-svcacct-", 40, LONG, dashed),
    form("Anthropic key", "sk-ant-", 40, LONG, dashed),
    form("age key", "AGE-SECRET-KEY-1", 58, 58, plain),
    form("Nostr key", "nsec1", 58, 58, plain),
];

/// Looks for tokens.
pub(super) fn look(text: &[u8], found: &mut Found) {
    for form in FORMS {
        if !found.contains_key(form.kind)
            && let Some(at) = text.find_iter(form.prefix).find(|&at| form.fits(text, at))
        {
            found.insert(form.kind, Some(at));
        }
    }
    aws(text, found);
}

/// The token that `text` begins with.
pub(super) fn first(text: &[u8]) -> Option<(&'static str, &[u8])> {
    let mut forms = FORMS.iter().filter(|form| text.starts_with(form.prefix.as_bytes()));
    let of = |form: &Form| Some((form.kind, &text[..form.prefix.len() + form.length(&text[form.prefix.len()..])?]));
    forms.find_map(of)
}

impl Form {
    /// Whether the token that begins at `at` is whole, stands alone, and looks like something drawn at random.
    fn fits(&self, text: &[u8], at: usize) -> bool {
        // Within a longer word (base64, an identifier) it is chance.
        if at.checked_sub(1).is_some_and(|before| dashed(text[before]) || matches!(text[before], b'+' | b'/')) {
            return false;
        }
        self.length(&text[at + self.prefix.len()..]).is_some()
    }

    /// The length of what follows the prefix, if it is whole.
    fn length(&self, rest: &[u8]) -> Option<usize> {
        let (min, max) = self.lengths;
        let length = rest.iter().take(max + 1).take_while(|&&byte| (self.holds)(byte)).count();
        let stands_alone = !rest.get(length).is_some_and(|&byte| dashed(byte));
        let rest = &rest[..length];
        let has = |class: fn(&u8) -> bool| rest.iter().any(class);
        let is_whole = (min..=max).contains(&length)
            && stands_alone
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_alphabetic)
            && is_random(rest);
        is_whole.then_some(length)
    }
}

/// Looks for an AWS key id that has its secret beside it. Each alone is none.
fn aws(text: &[u8], found: &mut Found) {
    let id = |at: usize| {
        let word = text.get(at..at + 20)?;
        let is_alone = at.checked_sub(1).is_none_or(|before| !plain(text[before]))
            && !text.get(at + 20).is_some_and(|&byte| plain(byte));
        let is_id = is_alone && word.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) && is_random(word);
        is_id.then_some(at)
    };
    let first = |prefix: &str| text.find_iter(prefix).find_map(id);
    let Some(at) = first("AKIA").or_else(|| first("ASIA")) else { return };
    let is_secret = |word: &[u8]| {
        let has = |class: fn(&u8) -> bool| word.iter().any(class);
        word.len() == 40
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && is_random(word)
    };
    if text.split(|&byte| !(plain(byte) || matches!(byte, b'+' | b'/'))).any(is_secret) {
        found.insert("AWS access key", Some(at));
    }
}
