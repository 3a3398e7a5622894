//! The user and the password that a server knows.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// Longest login, in bytes.
const BYTES_MAX: usize = 1024;

/// A user and a password, for Basic authentication. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login(String);

/// Text that is no login. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no login: it is one line, user:password, of at most {BYTES_MAX} bytes and without control characters")]
pub struct LoginError;

impl Login {
    /// Reads `user:password`. The user's name has no colon; a password may have any, and may be empty.
    /// The end of the line is left out, other white space is not.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn new(text: &str) -> Result<Self, LoginError> {
        let text = text.trim_end_matches(['\r', '\n']);
        let is_login = text.split_once(':').is_some_and(|(user, _)| !user.is_empty())
            && text.len() <= BYTES_MAX
            && !text.contains(char::is_control);
        if is_login { Ok(Self(text.to_owned())) } else { Err(LoginError) }
    }

    pub(super) fn header(&self) -> HeaderValue {
        let text = format!("Basic {}", STANDARD.encode(&self.0));
        let mut value = HeaderValue::from_str(&text).expect("Base64 is allowed in headers");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_user_and_a_password() {
        for text in ["ada:x", "ada:\n", "ada: with : all \r\n", "ädä:pässword"] {
            assert_eq!(format!("{:?}", Login::new(text).unwrap()), "Login");
        }
        assert_eq!(Login::new("Aladdin:open sesame\n").unwrap().header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for text in ["", "ada", ":x", "ada:x\ny", "ada:\0", &format!("a:{}", "x".repeat(1024))] {
            assert_eq!(Login::new(text), Err(LoginError));
        }
    }
}
