use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("program");
    std::fs::copy("/bin/sh", dir.join("sh")).unwrap();
    disk::write_atomic(&path, format!("#!{}\n{text}\n", dir.join("sh").display()).as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn no_lock_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    assert_eq!(liveness(&home).unwrap(), Liveness::Dead);
    assert!(!stop(&home, Duration::ZERO).unwrap());
}

#[test]
fn a_pid_without_a_lock_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    disk::write_atomic(&home.daemon_lock(), std::process::id().to_string().as_bytes()).unwrap();
    assert_eq!(liveness(&home).unwrap(), Liveness::Dead);
}

#[test]
fn a_lock_is_a_daemon_and_its_file_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    disk::write_atomic(&home.daemon_lock(), b"4711\n").unwrap();
    let file = File::open(home.daemon_lock()).unwrap();
    file.lock().unwrap();
    assert_eq!(liveness(&home).unwrap(), Liveness::Alive { pid: 4711 });
    // Not by closing it: a child that another test starts may hold a copy for a moment.
    file.unlock().unwrap();
    assert_eq!(liveness(&home).unwrap(), Liveness::Dead);
}

#[test]
fn a_daemon_that_does_not_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let program = script(dir.path(), "echo 'the disk is on fire' >&2; exit 3");
    let error = start(&home, &program).unwrap_err().to_string();
    assert!(error.contains("the disk is on fire") && error.contains('3'), "{error}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = start(&Home::at(dir.path()), Path::new("/nonexistent/carry")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/carry"), "{error}");
}
