//! What a value looks like: a placeholder, a reference, code, or something that may be secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Words that stand in documentation where a secret would.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "xxxx",
    "your_",
    "your-",
    "yourp",
    "yours",
    "yourt",
    "yourk",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "redacted",
    "dummy",
    "replace_",
    "replace-",
    "insert_",
    "insert-",
    "0000000",
    "1234567",
    "abcdefgh",
    "iosfodnn",
    "...",
    "****",
    "_here",
    "-here",
    "todo",
    "foobar",
];

/// A value without the dots at its end. Behind the beginning of a value they stand for the rest of it; behind a whole one they are
/// its sentence's.
fn unended(text: &str) -> &str {
    /// Bytes of what is taken for whole.
    const LENGTH_MIN: usize = 16;
    let bare = text.trim_end_matches('.');
    if bare.len() < LENGTH_MIN { text } else { bare }
}

/// Starts of what only points to a secret kept elsewhere.
const REFERENCES: &[&str] = &[
    "$",
    "{{",
    "<",
    "%(",
    "#{",
    "@{",
    "[redacted",
    "process.",
    "os.environ",
    "os.getenv",
    "getenv",
    "env.",
    "env[",
    "env(",
    "env:",
    "import.meta",
    "config.",
    "config[",
    "settings.",
    "self.",
    "this.",
    "args.",
    "opts.",
    "options.",
    "params.",
    "props.",
    "secrets.",
    "var.",
    "local.",
    "data.",
    "vault:",
    "op://",
    "arn:",
    "ref:",
    "file:",
    "http://",
    "https://",
    "/",
    "./",
    "../",
    "~/",
    "sha1-",
    "sha256",
    "sha384",
    "sha512",
    "md5:",
    "system.",
    "request.",
    "req.",
    "ctx.",
    "context.",
    "module.",
    "std::",
    "crate::",
    "keyring",
    "kms:",
    "ssm:",
    "aws-sm",
    "projects/",
    "!",
    "*",
    "&",
    "%{",
    "urn:",
    "enc[",
    "ssh-",
    "ecdsa-",
    "deno.",
];

/// Whole values that people write where they do not write a secret, and names of types.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "string",
    "undefined",
    "null",
    "none",
    "true",
    "false",
    "boolean",
    "optional",
    "required",
    "unknown",
    "default",
    "disabled",
    "enabled",
    "localhost",
    "bearer",
    "basic",
    "hidden",
    "invalid",
    "missing",
    "expired",
    "encrypted",
    "masked",
    "number",
    "integer",
    "object",
    "bytes",
    "buffer",
    "float",
];

/// Whether `secret` may be one: it is none of the texts that documentation shows in its place.
pub(super) fn plausible(secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    let shows = |text: &str| PLACEHOLDERS.iter().any(|word| unended(text).contains(word));
    if distinct(secret) > 4 && !shows(&lower) && !ascends(secret) {
        return true;
    }
    // Numbers of accounts may count upwards: the random part behind them tells.
    let Some(at) = secret.rfind(['/', ':', '-']) else { return false };
    let random = &secret[at + 1..];
    let others: String = lower[..at].chars().filter(|c| !c.is_ascii_digit()).collect();
    random.len() >= 20 && entropy(random) >= 3.0 && !shows(&lower[at + 1..]) && !ascends(random) && !shows(&others)
}

/// The same for values without structure that may be short: a password in an address, a header.
pub(super) fn plausible_password(secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    secret.len() >= 3
        && !is_reference(&lower)
        && !PLACEHOLDERS.iter().any(|word| unended(&lower).contains(word))
        && !WORDS.contains(&lower.trim_end_matches(['=', ':', ';', ',', '.', '!', '?']))
        && !matches!(
            lower.as_str(),
            "pass" | "pwd" | "pw" | "user" | "admin" | "root" | "test" | "host" | "x-oauth-basic"
        )
        && distinct(secret) > 2
}

/// A value that an environment file, an option or a key of a settings file names as a secret.
pub(super) fn plausible_setting(secret: &str) -> bool {
    plausible_password(secret)
        && !is_type_or_call(secret)
        && !is_number(secret)
        && !is_name(secret)
        && (mixes(secret) || (secret.len() >= 16 && !is_words(secret)) || is_erratic(secret))
}

/// A value that code or prose assigns to a name: it must look random, since most are variables, calls and words.
pub(super) fn plausible_assignment(secret: &str) -> bool {
    plausible_setting(secret) && !is_words(secret) && !is_uuid(secret) && entropy(secret) >= 2.8
}

/// The same for values in quotes, which are not variables.
pub(super) fn plausible_quoted(secret: &str) -> bool {
    plausible_setting(secret) && !is_words(secret) && entropy(secret) >= 2.5
}

/// Forty characters of base64 as AWS makes them: all of lower, upper and digit, and not hexadecimal or a path.
pub(super) fn plausible_mixed(secret: &str) -> bool {
    plausible(secret)
        && secret.bytes().any(|b| b.is_ascii_uppercase())
        && secret.bytes().any(|b| b.is_ascii_lowercase())
        && secret.bytes().any(|b| b.is_ascii_digit())
        && secret.bytes().filter(|b| *b == b'/').count() <= 6
}

/// Random letters of both cases with digits, and no path or words joined.
pub(super) fn plausible_random(secret: &str) -> bool {
    plausible_mixed(secret)
        && !is_words(secret)
        && secret.split(['/', '_', '-', '+']).any(|part| part.len() >= 12 && !is_words(part))
}

/// Holds a letter and a digit.
pub(super) fn plausible_alnum(secret: &str) -> bool {
    plausible(secret) && secret.bytes().any(|b| b.is_ascii_digit()) && secret.bytes().any(|b| b.is_ascii_alphabetic())
}

/// A GitHub token: six last characters that are the checksum of the others make it certain; others must be plausible.
pub(super) fn plausible_github(secret: &str) -> bool {
    github_checksum_holds(secret) || plausible(secret)
}

/// Whether the token ends in the base-62 CRC-32 of what stands between prefix and checksum.
fn github_checksum_holds(secret: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((_, body)) = secret.rsplit_once('_') else { return false };
    let Some((payload, checksum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let mut rest = crc32fast::hash(payload.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    !payload.is_empty() && checksum.as_bytes() == digits
}

/// Whether the first part decodes to JSON that names an algorithm.
pub(super) fn is_jwt(secret: &str) -> bool {
    let Some((header, _)) = secret.split_once('.') else { return false };
    URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|value| value.get("alg").is_some_and(serde_json::Value::is_string))
}

/// Whether it is base64 of `user:password`.
pub(super) fn is_basic(secret: &str) -> bool {
    STANDARD_NO_PAD
        .decode(secret.trim_end_matches('='))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.split_once(':').map(|(_, password)| !password.is_empty()))
        .unwrap_or(false)
}

/// Whether a block between BEGIN and END (or what is left of it) holds a key: base64, escapes and header lines.
pub(super) fn is_pem(secret: &str) -> bool {
    let body = secret.split_once("-----").map_or(secret, |(_, rest)| rest);
    let body = body.split_once("-----").map_or(body, |(_, rest)| rest);
    let letters = body.bytes().filter(|b| b.is_ascii_alphanumeric()).count();
    letters >= 24 && distinct(body) > 8
}

/// Whether the words of a phrase could be a mnemonic: twelve or more, short, no word thrice.
pub(super) fn is_mnemonic(secret: &str) -> bool {
    let words: Vec<&str> = secret.split_ascii_whitespace().collect();
    (12..=24).contains(&words.len())
        && words.iter().all(|word| (3..=8).contains(&word.len()))
        && words.iter().all(|word| words.iter().filter(|other| *other == word).count() < 3)
        && !words.iter().any(|word| matches!(*word, "the" | "and" | "with" | "that" | "your" | "this" | "for"))
}

/// Whether it is a UUID.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a lower-case text only points to a value.
fn is_reference(lower: &str) -> bool {
    REFERENCES.iter().any(|start| lower.starts_with(start))
        || (lower.starts_with('%') && lower.ends_with('%'))
        || lower.contains("${")
        || lower.contains("{{")
        || lower.contains("process.env")
        || lower.contains("environ")
        || lower.contains("getenv")
}

/// Whether it is a call, a path of names or a generic type.
fn is_type_or_call(text: &str) -> bool {
    text.contains("()")
        || text.contains("::")
        || text.contains("->")
        || text.contains("=>")
        || (text.contains('(') && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()))
        || (text.contains('<') && text.contains('>'))
        || (text.contains('[') && text.contains(']'))
}

/// Whether it is words with `_` or `.` between them, as names in programs are.
fn is_name(text: &str) -> bool {
    text.contains(['_', '.']) && longest_run(text) >= 4 && is_words(text)
}

/// The length of the longest run of letters.
fn longest_run(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max().unwrap_or(0)
}

/// Whether it is a number of a program, with what ends its line.
fn is_number(text: &str) -> bool {
    let text = text.trim_end_matches([',', ';', ')']);
    text.strip_prefix("0x")
        .is_some_and(|hex| hex.len() <= 16 && hex.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_'))
        || (text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// Letters together with digits or signs, as people's passwords have them.
fn mixes(text: &str) -> bool {
    let letters = text.bytes().any(|b| b.is_ascii_alphabetic()) || !text.is_ascii();
    let others = text.bytes().any(|b| b.is_ascii_digit() || b"!@#$%^&*+=?~".contains(&b));
    letters && others
}

/// Whether a text consists of words of a language or a program: `next_token`, `userPassword2`, `my-service.internal`.
fn is_words(text: &str) -> bool {
    let text = text.trim_end_matches(['!', ',', ';', '?']);
    if is_erratic(text) {
        return false;
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b)) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits == text.len() || text.bytes().all(|b| b.is_ascii_digit() || b"_-.:/".contains(&b)) {
        return text.len() < 24;
    }
    if digits > 2 {
        return false;
    }
    text.split(|c: char| !c.is_ascii_alphabetic()).all(is_word)
}

/// Whether letters read as one word or a few joined in camel case: case changes rarely, and vowels are there.
fn is_word(letters: &str) -> bool {
    let bytes = letters.as_bytes();
    if bytes.len() <= 3 {
        return true;
    }
    let changes = bytes.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    let vowels = bytes.iter().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    let rare = bytes.iter().filter(|b| b"qxzjQXZJ".contains(b)).count();
    let run = bytes.split(|b| b"aeiouyAEIOUY".contains(b)).map(<[u8]>::len).max().unwrap_or(0);
    changes * 4 <= bytes.len() && vowels * 6 >= bytes.len() && rare * 6 <= bytes.len() && run <= 5
}

/// Whether letters change their case as no name in a program does: `aBCdeFGh`.
fn is_erratic(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(10..=64).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    let starts = bytes.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    let is_odd =
        |run: &&[u8]| run[0].is_ascii_uppercase() && run[1].is_ascii_uppercase() && run[2].is_ascii_lowercase();
    let odd = bytes.windows(3).filter(is_odd).count();
    odd >= 2 && bytes.len() <= (starts + 1) * 4
}

/// How many different bytes occur.
fn distinct(text: &str) -> u32 {
    let mut seen = [0_u64; 4];
    for byte in text.bytes() {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|bits| bits.count_ones()).sum()
}

/// Whether eight neighbours count upwards, as no random text does.
fn ascends(text: &str) -> bool {
    text.as_bytes().windows(8).any(|run| run.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])))
}

/// Shannon entropy in bits per byte.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum()
}
