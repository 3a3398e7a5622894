//! Whether a value is worth keeping secret at all.

use crate::git::ByteSlice as _;

/// Words that stand where a value belongs, compared without their case.
const WORDS: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "todo",
    "tbd",
    "fixme",
    "n/a",
    "na",
    "empty",
    "unset",
    "dummy",
    "fake",
    "test",
    "testing",
    "foo",
    "bar",
    "baz",
    "foobar",
    "foobarbaz",
    "password",
    "passwd",
    "pass",
    "pwd",
    "secret",
    "token",
    "user",
    "username",
    "admin",
    "root",
    "guest",
    "postgres",
    "mysql",
    "changeit",
    "change-it",
    "change_it",
    "redacted",
    "hidden",
    "value",
    "string",
    "key",
    "apikey",
    "api_key",
    "mypassword",
    "mysecret",
];

/// What placeholders contain, in lower case.
const PARTS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "replace-with",
    "replace_with",
    "placeholder",
    "example",
    "insert-",
    "insert_",
    "your-",
    "your_",
    "yourpass",
    "yourtoken",
    "yourkey",
    "yoursecret",
    "xxx",
    "***",
    "...",
    "…",
    "dummy",
    "redacted",
    "goes-here",
    "goes_here",
    "goeshere",
    "not-a-real",
    "notareal",
    "fake-",
    "fake_",
];

/// Whether `value` plainly is no secret: empty, a reference to be filled in elsewhere, or a placeholder.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let value = value.trim();
    if value.is_empty() || is_reference(value) || distinct(value) <= 2 {
        return true;
    }
    // Whole placeholders are short; a long value only needs its beginning looked at.
    let lower = value[..value.len().min(512)].to_ascii_lowercase();
    WORDS.iter().any(|word| lower == word.as_bytes()) || PARTS.iter().any(|part| lower.contains_str(part))
}

/// Whether something else puts the value in: `${NAME}`, `$NAME`, `$(command)`, `{{ name }}`, `<name>`, `%NAME%`, `[name]`,
/// `op://vault/item`.
fn is_reference(value: &[u8]) -> bool {
    let variable = |name: &[u8]| !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    match value {
        [b'$', b'{' | b'(', ..] | [b'{', b'{', ..] | [b'#', b'{', ..] | [b'{', .., b'}'] => true,
        [b'<', .., b'>'] | [b'[', .., b']'] => true,
        [b'%', name @ .., b'%'] => variable(name),
        [b'%', b's' | b'd' | b'v', ..] => true,
        // A password may begin with `$`; a variable is written in capitals.
        [b'$', name @ ..] => variable(name) && !name.iter().any(u8::is_ascii_lowercase),
        _ => value.starts_with(b"op://") || value.starts_with(b"vault:") || value.starts_with(b"ref+"),
    }
}

/// Whether a random string of this length looks like `value`: enough different bytes, and no placeholder.
pub(super) fn is_random(value: &[u8]) -> bool {
    distinct(value) >= 8 && !is_placeholder(value)
}

/// How many different bytes there are.
fn distinct(value: &[u8]) -> u32 {
    let mut seen = [0u64; 4];
    value.iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
    seen.iter().map(|part| part.count_ones()).sum()
}

/// Without blanks around, and without one pair of quotes.
pub(super) fn unquoted(value: &[u8]) -> &[u8] {
    match value.trim() {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] | [b'`', inner @ .., b'`'] => inner,
        value => value,
    }
}

/// Where `part`, which is a slice of `whole`, begins in it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}
