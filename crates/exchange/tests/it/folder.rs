//! What only folders have to bear.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use carry_exchange::name::{FORMAT_BYTES, Folder};
use carry_exchange::remote::{Class, Deadline, FolderRemote, Put, Remote as _, Source};
use carry_kernel::clock::Timestamp;
use carry_kernel::disk::write_cache;
use carry_testkit::tmpfs::Tmpfs;
use tempfile::TempDir;

use crate::rig::{WHOLE, get, head, log, names, segment};

fn marked() -> (TempDir, FolderRemote) {
    let dir = TempDir::new().unwrap();
    let remote = FolderRemote::new(dir.path(), log(), 1);
    remote.init(&Deadline::NONE).unwrap();
    (dir, remote)
}

fn put(remote: &FolderRemote, bytes: &[u8]) -> Result<Put, Class> {
    remote.put(&segment(1), Source::Bytes(bytes), &Deadline::NONE).map_err(|error| error.class())
}

/// All paths below `dir`.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            paths.extend(tree(&path));
        }
        paths.push(path);
    }
    paths.sort();
    paths
}

#[test]
fn an_empty_mount_point_is_left_empty() {
    let dir = TempDir::new().unwrap();
    let remote = FolderRemote::new(dir.path(), log(), 1);
    assert_eq!(put(&remote, b"x"), Err(Class::NoMarker));
    assert_eq!(remote.sweep(&[log()], Timestamp::EPOCH, &Deadline::NONE).unwrap_err().class(), Class::NoMarker);
    assert_eq!(tree(dir.path()), Vec::<PathBuf>::new());
    fs::create_dir(dir.path().join("carry")).unwrap();
    assert_eq!(put(&remote, b"x"), Err(Class::NoMarker));
    assert_eq!(tree(dir.path()).len(), 1);
}

#[test]
fn a_folder_that_is_missing_is_not_made() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("stick");
    let remote = FolderRemote::new(&missing, log(), 1);
    let error = remote.init(&Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    assert!(error.to_string().contains("stick") && error.to_string().contains("is mounted"), "{error}");
    assert_eq!(put(&remote, b"x"), Err(Class::Unreachable));
    assert!(!missing.exists());
    write_cache(&missing, b"a file").unwrap();
    assert_eq!(remote.init(&Deadline::NONE).unwrap_err().class(), Class::Unreachable);
}

#[test]
fn files_and_folders_are_private() {
    let (dir, remote) = marked();
    put(&remote, b"x").unwrap();
    remote.put(&head(1), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    let paths = tree(dir.path());
    assert_eq!(paths.len(), 7);
    for path in paths {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn no_link_leads_out_of_the_place() {
    let outside = TempDir::new().unwrap();
    write_cache(&outside.path().join("format.json"), FORMAT_BYTES).unwrap();
    write_cache(&outside.path().join("secret"), b"secret").unwrap();
    // The user may reach the place itself over a link.
    let (dir, _) = marked();
    let link = outside.path().join("link");
    symlink(dir.path(), &link).unwrap();
    let remote = FolderRemote::new(&link, log(), 1);
    remote.check(&Deadline::NONE).unwrap();

    symlink(outside.path(), dir.path().join("carry/l")).unwrap();
    assert_eq!(put(&remote, b"x"), Err(Class::Foreign));
    assert_eq!(names(&remote, Folder::Log(log())).unwrap_err().class(), Class::Foreign);
    assert_eq!(get(&remote, &segment(1), WHOLE).unwrap_err().class(), Class::Foreign);
    fs::remove_file(dir.path().join("carry/l")).unwrap();
    put(&remote, b"x").unwrap();

    let file = dir.path().join(segment(2).to_string());
    symlink(outside.path().join("secret"), &file).unwrap();
    assert_eq!(get(&remote, &segment(2), WHOLE).unwrap_err().class(), Class::Foreign);
    assert_eq!(names(&remote, Folder::Log(log())).unwrap().len(), 1, "a link is not listed");
    let there = remote.put(&segment(2), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    assert_eq!(there, Put::Exists { bytes: 0 }, "a link has the name, and is no file");
    assert_eq!(remote.delete(&segment(2), &Deadline::NONE).unwrap_err().class(), Class::Foreign);
    assert!(file.is_symlink());

    fs::remove_file(dir.path().join("carry/format.json")).unwrap();
    symlink(outside.path().join("format.json"), dir.path().join("carry/format.json")).unwrap();
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::Foreign);
    fs::remove_dir_all(dir.path().join("carry")).unwrap();
    symlink(outside.path(), dir.path().join("carry")).unwrap();
    assert_eq!(remote.check(&Deadline::NONE).unwrap_err().class(), Class::Foreign);
    assert_eq!(remote.init(&Deadline::NONE).unwrap_err().class(), Class::Foreign);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 3);
}

#[test]
fn what_is_no_file_hangs_nobody() {
    let (dir, remote) = marked();
    remote.put(&head(1), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    let pipe = dir.path().join(head(2).to_string());
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir(dir.path().join(head(3).to_string())).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("carry/h/socket")).unwrap();
    assert_eq!(names(&remote, Folder::Heads).unwrap(), [(head(1).name().to_owned(), 1)]);
    for n in [2, 3] {
        assert_eq!(get(&remote, &head(n), WHOLE).unwrap_err().class(), Class::Foreign);
        assert_eq!(remote.delete(&head(n), &Deadline::NONE).unwrap_err().class(), Class::Foreign);
        let put = remote.put(&head(n), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
        assert_eq!(put, Put::Exists { bytes: 0 });
    }
}

#[test]
fn names_in_other_encodings_are_nobody_s_trouble() {
    let (dir, remote) = marked();
    remote.put(&head(1), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    write_cache(&dir.path().join("carry/h").join(OsStr::from_bytes(b"\xff\xfe.head")), b"x").unwrap();
    write_cache(&dir.path().join("carry/h/line\nbreak"), b"x").unwrap();
    assert_eq!(names(&remote, Folder::Heads).unwrap().len(), 1);
    assert_eq!(remote.sweep(&[log()], Timestamp::from_secs(9_000_000_000), &Deadline::NONE).unwrap(), 0);
}

#[test]
fn only_our_own_old_temporaries_are_removed() {
    let (dir, remote) = marked();
    put(&remote, b"x").unwrap();
    let ours = &log().to_string()[..8];
    let left = |name: String| {
        for folder in ["carry", "carry/h", &format!("carry/l/{}", log()), "carry/l/foreign"] {
            write_cache(&dir.path().join(folder).join(&name), b"half").unwrap();
        }
    };
    left(format!("~{ours}-00000001.tmp"));
    left("~00000000-00000001.tmp".to_owned());
    left(format!("{ours}-00000001.tmp"));
    let modified = fs::metadata(dir.path().join(format!("carry/h/~{ours}-00000001.tmp"))).unwrap().modified().unwrap();
    let hour = 3600;
    let later = |secs: i64| Timestamp::from(modified).after(std::time::Duration::from_secs(secs.unsigned_abs()));
    let sweep = |now| remote.sweep(&[log()], now, &Deadline::NONE).unwrap();
    assert_eq!(sweep(Timestamp::EPOCH), 0, "a clock that is behind removes nothing");
    assert_eq!(sweep(later(23 * hour)), 0);
    assert_eq!(sweep(later(25 * hour)), 3, "not in a folder that is not ours");
    assert_eq!(sweep(later(25 * hour)), 0);
    assert_eq!(tree(dir.path()).iter().filter(|path| path.to_string_lossy().ends_with("tmp")).count(), 9);
}

/// Appends to a file with the first bytes of it.
struct Meddler(Option<fs::File>);

impl Write for Meddler {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(mut file) = self.0.take() {
            file.write_all(b"more")?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_not_taken_for_whole() {
    let (dir, remote) = marked();
    put(&remote, &[1; 300_000]).unwrap();
    let file = fs::OpenOptions::new().append(true).open(dir.path().join(segment(1).to_string())).unwrap();
    let error = remote.get(&segment(1), WHOLE, &mut Meddler(Some(file)), &Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), Class::Changing);
    assert_eq!(get(&remote, &segment(1), WHOLE).unwrap().0.len(), 300_004);
}

#[test]
fn a_full_disk_is_named_and_left_tidy() {
    let Some(disk) = Tmpfs::mount(1 << 20) else { return };
    let remote = FolderRemote::new(disk.path(), log(), 1);
    remote.init(&Deadline::NONE).unwrap();
    disk.fill(128 << 10);
    let error = remote.put(&segment(1), Source::Bytes(&[7; 300_000]), &Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), Class::Full);
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(names(&remote, Folder::Log(log())).unwrap(), []);
    fs::remove_file(disk.path().join("ballast")).unwrap();
    assert_eq!(put(&remote, &[7; 300_000]), Ok(Put::Created));
}

#[test]
fn a_place_that_went_away_takes_nothing() {
    let Some(disk) = Tmpfs::mount(1 << 20) else { return };
    let remote = FolderRemote::new(disk.path(), log(), 1);
    remote.init(&Deadline::NONE).unwrap();
    put(&remote, b"x").unwrap();
    let under = disk.path().to_owned();
    assert!(std::process::Command::new("umount").arg(&under).status().unwrap().success());
    assert_eq!(put(&remote, b"y"), Err(Class::NoMarker));
    assert_eq!(tree(&under), Vec::<PathBuf>::new());
}

#[test]
fn what_to_watch_is_where_heads_come() {
    let (dir, remote) = marked();
    assert_eq!(remote.watched(), [dir.path().join("carry"), dir.path().join("carry/h")]);
}
