use std::os::unix::fs::MetadataExt as _;

use tempfile::TempDir;

use super::*;
use crate::name::LogId;

fn place() -> (TempDir, FolderRemote, OwnedFd) {
    let dir = TempDir::new().unwrap();
    let remote = FolderRemote::new(dir.path(), LogId::of_key(&[1; 32]), 1);
    let fd = tree::root(dir.path()).unwrap();
    (dir, remote, fd)
}

fn put(named: &Result<Named, RemoteError>) -> Option<Put> {
    match named {
        Ok(Named::As(put)) => Some(*put),
        _ => None,
    }
}

#[test]
fn an_answer_that_was_lost_and_given_again_is_a_success() {
    let (dir, remote, fd) = place();
    let draft = Draft::new(&remote, remote.blame(""), &fd).unwrap();
    std::fs::hard_link(dir.path().join(&draft.name), dir.path().join("name")).unwrap();
    assert_eq!(put(&draft.settle("name", Err(Errno::EXIST))), Some(Put::Created), "a link");
    std::fs::remove_file(dir.path().join(&draft.name)).unwrap();
    assert_eq!(put(&draft.settle("name", Err(Errno::NOENT))), Some(Put::Created), "a rename");
}

#[test]
fn a_refusal_of_the_way_is_told_from_a_failure() {
    let (_dir, remote, fd) = place();
    let draft = Draft::new(&remote, remote.blame(""), &fd).unwrap();
    for e in [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::XDEV, Errno::INVAL, Errno::MLINK, Errno::ACCESS] {
        assert!(matches!(draft.settle("name", Err(e)), Ok(Named::NoWay)), "{e:?}");
    }
    for e in [Errno::NOSPC, Errno::IO, Errno::NOENT, Errno::ROFS, Errno::STALE] {
        assert!(draft.settle("name", Err(e)).is_err(), "{e:?}");
    }
}

#[test]
fn a_temporary_name_that_is_taken_is_drawn_anew() {
    let (dir, remote, fd) = place();
    let twin = FolderRemote::new(dir.path(), LogId::of_key(&[1; 32]), 1);
    let first = Draft::new(&remote, remote.blame(""), &fd).unwrap();
    let second = Draft::new(&twin, twin.blame(""), &fd).unwrap();
    assert_ne!(first.name, second.name);
    let ours = LogId::of_key(&[1; 32]).to_string()[..8].to_owned();
    assert!(first.name.starts_with(&format!("~{ours}-")) && first.name.len() == 22, "{}", first.name);
    drop((first, second));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_file_has_one_name_in_the_end() {
    let (dir, remote, fd) = place();
    super::put(&remote, &fd, "name", "name", Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    let data = std::fs::metadata(dir.path().join("name")).unwrap();
    assert_eq!((data.nlink(), std::fs::read_dir(dir.path()).unwrap().count()), (1, 1));
}
