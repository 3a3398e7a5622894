use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;

use super::*;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn entries(dir: &Path) -> usize {
    dir.read_dir().unwrap().count()
}

#[test]
fn written_files_and_new_folders_are_private() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("a/b/file");
    write_atomic(&path, b"x").unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&top.path().join("a")), 0o700);
    assert_eq!(mode(&top.path().join("a/b")), 0o700);
}

#[test]
fn an_existing_folder_keeps_its_permissions() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("shared");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    create_dir(&dir).unwrap();
    create_dir(&dir.join("inner")).unwrap();
    assert_eq!(mode(&dir), 0o755);
    assert_eq!(mode(&dir.join("inner")), 0o700);
}

#[test]
fn a_file_in_the_place_of_a_folder_is_an_error_that_names_it() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    write_cache(&path, b"x").unwrap();
    let error = create_dir(&path).unwrap_err();
    assert_eq!(error.path, path);
    assert!(write_atomic(&path.join("below"), b"y").is_err());
}

#[test]
fn both_ways_of_writing_replace_whole_files_and_leave_nothing_behind() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    for write in [write_atomic, write_cache] {
        write(&path, b"long old content").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap().unwrap(), b"new");
        assert_eq!(entries(top.path()), 1);
    }
}

#[test]
fn a_failed_write_leaves_the_old_state_and_no_temporary_file() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("folder");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(write_atomic(&path, b"x").unwrap_err().path, path);
    assert_eq!(entries(top.path()), 1);
}

#[test]
fn a_link_is_replaced_and_its_target_left_alone() {
    let top = tempfile::tempdir().unwrap();
    let (target, link) = (top.path().join("target"), top.path().join("link"));
    write_cache(&target, b"target").unwrap();
    symlink(&target, &link).unwrap();
    write_atomic(&link, b"new").unwrap();
    assert_eq!(read_bounded(&target, 99).unwrap().unwrap(), b"target");
    assert!(!link.is_symlink());
}

#[test]
fn reading_tells_missing_from_too_large_from_not_a_file() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    assert!(read_bounded(&path, 10).unwrap().is_none());
    write_cache(&path, b"12345").unwrap();
    assert_eq!(read_bounded(&path, 5).unwrap().unwrap(), b"12345");
    assert_eq!(read_bounded(&path, u64::MAX).unwrap().unwrap(), b"12345");
    assert_eq!(read_bounded(&path, 4).unwrap_err().source.kind(), io::ErrorKind::FileTooLarge);
    assert!(read_bounded(top.path(), 10).is_err());
    let socket = top.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(read_bounded(&socket, 10).is_err());
}

#[test]
fn a_pipe_does_not_hang_its_reader() {
    let top = tempfile::tempdir().unwrap();
    let pipe = top.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(read_bounded(&pipe, 10).is_err());
}

#[test]
fn of_several_creators_one_wins_and_all_see_its_whole_content() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    let barrier = Barrier::new(8);
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8u8)
            .map(|i| {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let won = create_new(path, &[i; 100]).unwrap();
                    (i, won, read_bounded(path, 100).unwrap().unwrap())
                })
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    let winners: Vec<u8> = won.iter().filter(|(_, w, _)| *w).map(|(i, ..)| *i).collect();
    assert_eq!(winners.len(), 1);
    assert!(won.iter().all(|(.., seen)| *seen == [winners[0]; 100]));
    assert_eq!(entries(top.path()), 1);
}

/// Not a test by itself: the process that dies in the one below.
#[test]
fn writes_new_content_when_asked_by_its_parent() {
    if let Some(path) = std::env::var_os("TEST_WRITE_ATOMIC") {
        write_atomic(Path::new(&path), b"new content").unwrap();
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_process_that_dies_while_writing_leaves_old_or_new_but_never_half() {
    for (fault, content) in [
        ("disk.write_atomic.write=torn", "old"),
        ("disk.write_atomic.write=kill", "old"),
        ("disk.write_atomic.write=enospc", "old"),
        ("disk.write_atomic.written=kill", "old"),
        ("disk.write_atomic.written=error", "old"),
        ("disk.write_atomic.renamed=kill", "new content"),
    ] {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("file");
        write_atomic(&path, b"old").unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk::tests::writes_new_content_when_asked_by_its_parent"])
            .env("TEST_WRITE_ATOMIC", &path)
            .env("CARRY_FAULT", fault)
            .output()
            .unwrap();
        assert!(!child.status.success(), "{fault}");
        assert_eq!(read_bounded(&path, 99).unwrap().unwrap(), content.as_bytes(), "{fault}");
        // Only a process that died leaves its temporary file.
        let left = usize::from(content == "old" && (fault.ends_with("torn") || fault.ends_with("kill")));
        assert_eq!(entries(top.path()), 1 + left, "{fault}");
    }
}
