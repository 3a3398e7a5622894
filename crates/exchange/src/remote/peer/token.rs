//! The credential that a server gave this device.

use std::fmt;

use reqwest::header::HeaderValue;

/// Longest credential, in bytes.
const BYTES_MAX: usize = 512;
/// Shortest: what is shorter can be guessed.
const BYTES_MIN: usize = 16;

/// A bearer credential. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Text that is no credential. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no credential of a server: it has {BYTES_MIN} to {BYTES_MAX} letters, digits and - . _ ~ + / =, as `carry serve \
     token` printed it"
)]
pub struct TokenError;

impl Token {
    /// Reads it; white space around it is left out.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let is_ours = (BYTES_MIN..=BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
        if is_ours { Ok(Self(text.to_owned())) } else { Err(TokenError) }
    }

    pub(super) fn header(&self) -> HeaderValue {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", self.0)).expect("these characters are allowed in headers");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
