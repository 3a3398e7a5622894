//! Tokens for peers and logins for WebDAV: from a variable, or from a file that is the owner's alone.

use std::io;
use std::path::PathBuf;

use carry_exchange::remote::{self as peer, Login};
use carry_kernel::disk;

use super::settings::Token;

/// Longest file with a token.
const FILE_BYTES_MAX: u64 = 4096;

/// Why there is no token. Never repeats it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read, or others can.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there is no token.
    #[error("what {} holds cannot be used", path.display())]
    Form {
        /// The file, or the variable of the environment.
        path: PathBuf,
        /// Why.
        source: peer::TokenError,
    },
    /// What is there is no login.
    #[error("what {} holds cannot be used", path.display())]
    Login {
        /// The file, or the environment.
        path: PathBuf,
        /// Why.
        source: peer::LoginError,
    },
}

/// Reads a token. `variable` is the one that may have said it.
///
/// # Errors
/// [`TokenError`].
pub(super) fn read(token: &Token, variable: &str) -> Result<peer::Token, TokenError> {
    let (path, text) = said(token, variable)?;
    peer::Token::new(&text).map_err(|source| TokenError::Form { path, source })
}

/// Reads a user and a password. `variable` is the one that may have said them.
///
/// # Errors
/// [`TokenError`].
pub(super) fn login(token: &Token, variable: &str) -> Result<Login, TokenError> {
    let (path, text) = said(token, variable)?;
    Login::new(&text).map_err(|source| TokenError::Login { path, source })
}

/// What was said, and where.
fn said(token: &Token, variable: &str) -> Result<(PathBuf, String), TokenError> {
    Ok(match token {
        Token::Said(token) => (PathBuf::from(variable), token.clone()),
        Token::File(path) => {
            let failed = |source| TokenError::File { path: path.clone(), source };
            let file = disk::open_private(path).map_err(failed)?;
            let bytes = disk::read_at_most(file, FILE_BYTES_MAX).map_err(failed)?;
            (path.clone(), String::from_utf8_lossy(&bytes).into_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_in_a_file_is_for_the_owner_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token");
        disk::write_atomic(&path, b"0123456789abcdef-DEF\n").expect("a file");
        let token = Token::File(path.clone());
        assert_eq!(read(&token, "X").expect("it is fine"), peer::Token::new("0123456789abcdef-DEF").expect("a token"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
        assert!(matches!(read(&token, "X"), Err(TokenError::File { .. })));
        assert!(matches!(read(&Token::File(dir.path().join("none")), "X"), Err(TokenError::File { .. })));
    }

    #[test]
    fn a_login_in_a_file_is_for_the_owner_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("login");
        disk::write_atomic(&path, b"ada:open sesame\n").expect("a file");
        let token = Token::File(path.clone());
        assert_eq!(login(&token, "X").expect("it is fine"), Login::new("ada:open sesame").expect("a login"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(matches!(login(&token, "X"), Err(TokenError::File { .. })));
        let error = login(&Token::Said("hunter2".to_owned()), "X").expect_err("it is none");
        assert!(matches!(error, TokenError::Login { .. }) && !format!("{error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        for said in ["", "0123456789abcdef 0", "0123456789abcdef\n0", "pässword-0123456789"] {
            let error = read(&Token::Said(said.to_owned()), "CARRY_REMOTE_TOKEN_X").expect_err("it is none");
            assert!(error.to_string().contains("CARRY_REMOTE_TOKEN_X"), "{error}");
            assert!(!error.to_string().contains("ssword"), "{error}");
        }
    }
}
