use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn set_up() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/serve.tokens");
    (dir, path)
}

fn known(name: &str) -> Found {
    Found::Known(name.into())
}

#[test]
fn a_credential_is_made_found_replaced_and_taken_away() {
    let (_dir, path) = set_up();
    let laptop = issue(&path, "laptop", &[1; 32], false).unwrap();
    let desktop = issue(&path, "desktop", &[2; 32], false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&laptop) && !text.contains(&hex::encode(&[1; 32])), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (credentials, start) = (Credentials::open(&path).unwrap(), Instant::now());
    assert_eq!(credentials.find(laptop.as_bytes(), start), known("laptop"));
    assert_eq!(credentials.find(desktop.as_bytes(), start), known("desktop"));
    for wrong in ["", "carry_", &laptop[1..], &format!("{laptop}0"), &"x".repeat(600), "laptop"] {
        assert_eq!(credentials.find(wrong.as_bytes(), start), Found::Unknown, "{wrong}");
    }
    assert!(matches!(issue(&path, "laptop", &[3; 32], false), Err(CredentialError::Exists(_))));
    let renewed = issue(&path, "laptop", &[3; 32], true).unwrap();
    let later = start + Duration::from_secs(2);
    assert_eq!(credentials.find(laptop.as_bytes(), later), Found::Unknown, "what changed is read");
    assert_eq!(credentials.find(renewed.as_bytes(), later), known("laptop"));
    assert_eq!(names(&path).unwrap(), ["desktop", "laptop"]);
    revoke(&path, "laptop").unwrap();
    assert!(matches!(revoke(&path, "laptop"), Err(CredentialError::Unknown(_))));
    assert_eq!(credentials.find(renewed.as_bytes(), later + Duration::from_secs(2)), Found::Unknown);
}

#[test]
fn a_file_by_hand_is_read_and_kept() {
    let (_dir, path) = set_up();
    let text = "# ours\n\n  desktop   a-token-by-hand-0123\nlaptop sha256:zz\n";
    disk::write_atomic(&path, text.as_bytes()).unwrap();
    let error = Credentials::open(&path).unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("64 hex digits"), "{error}");
    disk::write_atomic(&path, text.replace("laptop sha256:zz", "").as_bytes()).unwrap();
    let credentials = Credentials::open(&path).unwrap();
    assert_eq!(credentials.find(b"a-token-by-hand-0123", Instant::now()), known("desktop"));
    issue(&path, "laptop", &[1; 32], false).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("# ours\n\n  desktop   a-token-by-hand-0123\n"));
    for (wrong, problem) in [
        ("desktop short\n", "shorter"),
        ("a b c\n", "not a name and a credential"),
        ("a/b 0123456789abcdef\n", "the name"),
    ] {
        disk::write_atomic(&path, wrong.as_bytes()).unwrap();
        let error = Credentials::open(&path).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    for name in ["", ".x", "a b", "a/b", "ä", &"x".repeat(65)] {
        assert!(matches!(issue(&path, name, &[1; 32], false), Err(CredentialError::Name(_))), "{name}");
    }
}

#[test]
fn a_file_that_others_can_read_or_that_is_damaged_lets_nobody_in() {
    let (_dir, path) = set_up();
    let token = issue(&path, "laptop", &[1; 32], false).unwrap();
    let (credentials, start) = (Credentials::open(&path).unwrap(), Instant::now());
    assert_eq!(credentials.find(token.as_bytes(), start), known("laptop"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Credentials::open(&path).is_err());
    assert_eq!(credentials.find(token.as_bytes(), start + Duration::from_secs(2)), Found::Broken);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(credentials.find(token.as_bytes(), start + Duration::from_secs(4)), known("laptop"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(credentials.find(token.as_bytes(), start + Duration::from_secs(6)), Found::Unknown);
}
