//! Examples of secrets, put together at run time: no file holds a whole token.

/// Lower and upper case letters and digits.
const ALNUM: &[u8] = b"7ABtuCDE2FGHIvwJKLM5NOPQxyRSTUVWX9YZabcdefghij4klmnopqrs0136z8";

/// `length` characters of `alphabet` in an order that looks random and is always the same.
fn random(alphabet: &[u8], length: usize) -> String {
    let mut state = 0x9e37_79b9_u32 ^ u32::try_from(length * 31 + alphabet.len()).unwrap_or(1);
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            char::from(alphabet[state as usize % alphabet.len()])
        })
        .collect()
}

/// Letters and digits.
pub(super) fn alnum(length: usize) -> String {
    random(ALNUM, length)
}

/// Lower-case letters and digits.
pub(super) fn lower(length: usize) -> String {
    random(b"a7bcd2efg4hijk5lmno0pq9rs3tuv1w8xy6z", length)
}

/// Upper-case letters and the digits 2 to 7.
pub(super) fn base32(length: usize) -> String {
    random(b"ABCDE2FGHI3JKLMNO4PQRS5TUVW6XYZ7", length)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(length: usize) -> String {
    random(b"0a1b2c3d4e5f6789", length)
}

/// Digits; the first is not zero.
pub(super) fn digits(length: usize) -> String {
    random(b"582947163", length)
}

/// A UUID.
pub(super) fn uuid() -> String {
    [hex(8), hex(4), format!("4{}", hex(3)), format!("a{}", &hex(5)[..3]), hex(12)].join("-")
}

/// Base64 without padding, the letters only; `length` characters.
pub(super) fn base64(length: usize) -> String {
    random(b"ABt+uCDE2FGHI/vwJKLM5NOPQxyRSTUVWX9YZabcdefghij4klmnopqrs01367z8", length)
}

/// JSON in base64 for addresses, as in a token.
pub(super) fn encoded(json: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
}

/// Base64 with padding.
pub(super) fn standard(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A secret that needs nothing around it.
pub(super) fn alone(pieces: &[&str]) -> (String, String) {
    let secret = pieces.concat();
    (format!("here it is: {secret} thanks"), secret)
}

/// A secret between what names it and what ends it.
pub(super) fn within(before: &str, secret: &str, after: &str) -> (String, String) {
    (format!("{before}{secret}{after}"), secret.to_owned())
}

/// A key block of a kind.
pub(super) fn block(kind: &str) -> (String, String) {
    let line = base64(64);
    let secret =
        format!("-----{} {kind}-----\n{line}\n{}\n{}\n-----{} {kind}-----", "BEGIN", base64(63), base64(44), "END");
    (format!("file:\n{secret}\nend"), secret)
}
