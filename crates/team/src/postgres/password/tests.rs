use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

fn file(dir: &tempfile::TempDir, text: &[u8], mode: u32) -> PathBuf {
    let path = dir.path().join("secret");
    disk::write_atomic(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_file_is_read_only_if_nobody_else_can() {
    let dir = tempfile::tempdir().unwrap();
    let of = |path: PathBuf| Password { file: Some(path), ..Password::default() }.find();
    assert_eq!(of(file(&dir, b"pass word\nmore\n", 0o600)).unwrap(), Some(Secret("pass word".to_owned())));
    assert_eq!(of(file(&dir, b"x\r\n", 0o400)).unwrap(), Some(Secret("x".to_owned())));
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644] {
        let error = of(file(&dir, b"pass word", mode)).unwrap_err();
        assert_eq!(error.class, Class::AuthRequired);
        assert!(error.hint.unwrap().contains("chmod 600"));
    }
    for text in [&b""[..], b"\nx", b"\xff"] {
        assert_eq!(of(file(&dir, text, 0o600)).unwrap_err().class, Class::AuthRequired);
    }
    assert_eq!(of(dir.path().join("none")).unwrap_err().class, Class::AuthRequired);
    assert_eq!(of(dir.path().to_owned()).unwrap_err().class, Class::AuthRequired);
}

#[test]
fn a_file_of_somebody_else_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, b"pass word", 0o600);
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    let error = read_private(&path, "the file").unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.message.contains("somebody else's"), "{error}");
}

#[test]
fn a_command_gives_its_first_line_and_nothing_of_it_is_shown() {
    let of = |command: &str| Password { command: Some(command.to_owned()), ..Password::default() }.find();
    assert_eq!(of("echo one; echo two").unwrap(), Some(Secret("one".to_owned())));
    assert_eq!(of("printf one").unwrap(), Some(Secret("one".to_owned())));
    assert_eq!(of("yes").unwrap(), Some(Secret("y".to_owned())));
    for command in
        ["exit 3", "printf canary; exit 3", "echo", "printf '\\377\\n'", "echo canary >&2", "head -c 100000 /dev/zero"]
    {
        match of(command) {
            Err(error) => {
                assert_eq!(error.class, Class::AuthRequired, "{command}");
                assert!(!format!("{error:?}").contains("canary"), "{command}");
            }
            // As long as a file may be, and no longer.
            Ok(secret) => assert!(secret.unwrap().0.len() <= 1 << 16, "{command}"),
        }
    }
}

#[test]
fn a_command_that_never_ends_is_not_waited_for() {
    let error = ask("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
}

#[test]
fn nothing_that_a_command_started_is_left_when_it_takes_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let command = format!("for n in 1 2; do sleep 1000 & echo $! >>{}; done; wait", pids.display());
    assert_eq!(ask(&command, Duration::from_secs(3)).unwrap_err().class, Class::AuthRequired);
    let pids = std::fs::read_to_string(&pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        // One that has ended, and that nobody has asked how, is still listed: as a zombie.
        carry_testkit::patience::until("a process is ended", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
        });
    }
}

#[test]
fn a_file_comes_before_a_command_and_that_before_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let mut password = Password {
        file: Some(file(&dir, b"file", 0o600)),
        command: Some("echo command".to_owned()),
        environment: Some(Secret("environment".to_owned())),
        by_host: None,
    };
    assert_eq!(password.find().unwrap(), Some(Secret("file".to_owned())));
    password.file = None;
    assert_eq!(password.find().unwrap(), Some(Secret("command".to_owned())));
    password.command = None;
    assert_eq!(password.find().unwrap(), Some(Secret("environment".to_owned())));
    assert_eq!(Password::default().find().unwrap(), None);
}
