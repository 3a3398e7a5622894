//! Where the socket lies.

use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use carry_kernel::disk;
use carry_kernel::home::Home;

/// Longest path of a socket, in bytes: addresses hold 108 on Linux and 104 elsewhere, with the zero at the end.
const PATH_BYTES_MAX: usize = 100;
/// Longest pointer file.
const POINTER_BYTES_MAX: u64 = 4096;

/// The file that says where the socket is when it is not at its place.
fn pointer(home: &Home) -> PathBuf {
    home.state_dir().join("daemon.sock.path")
}

/// Where the socket of a running daemon is to be looked for.
///
/// # Errors
/// None listens at a place that can be known, or the pointer names one that others may write to.
pub(crate) fn find(home: &Home) -> io::Result<PathBuf> {
    let usual = home.socket();
    if fits(&usual) {
        return Ok(usual);
    }
    let Some(bytes) = disk::read_bounded(&pointer(home), POINTER_BYTES_MAX).map_err(|e| e.source)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    check_private(path.parent().unwrap_or(Path::new("/")))?;
    Ok(path)
}

/// Where a daemon that starts is to listen, and notes it where commands find it. `runtime` is `XDG_RUNTIME_DIR`.
///
/// # Errors
/// The short folder cannot be made, or belongs to somebody else.
pub(crate) fn choose(home: &Home, runtime: Option<&Path>) -> io::Result<PathBuf> {
    let usual = home.socket();
    if fits(&usual) {
        return Ok(usual);
    }
    let mut hash = std::hash::DefaultHasher::new();
    home.state_dir().hash(&mut hash);
    let name = format!("{:016x}.sock", hash.finish());
    let shared = PathBuf::from(format!("/tmp/carry-{}", rustix::process::getuid().as_raw()));
    let dir = runtime.map(|dir| dir.join("carry")).filter(|dir| fits(&dir.join(&name))).unwrap_or(shared);
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => check_private(&dir)?,
    }
    let path = dir.join(name);
    disk::write_atomic(&pointer(home), path.as_os_str().as_bytes()).map_err(|e| e.source)?;
    Ok(path)
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_BYTES_MAX
}

/// A folder in a place that everybody may write to must be a real one, ours, and closed to others.
fn check_private(dir: &Path) -> io::Result<()> {
    let found = dir.symlink_metadata()?;
    if found.is_dir() && found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} is not a private folder of yours", dir.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn deep(dir: &Path) -> Home {
        Home::at(dir.join("a-long-name".repeat(12)))
    }

    #[test]
    fn a_short_path_is_used_as_it_is() {
        let home = Home::at("/home/me/.carry");
        assert_eq!(choose(&home, None).unwrap(), home.socket());
        assert_eq!(find(&home).unwrap(), home.socket());
    }

    #[test]
    fn a_long_path_gets_a_short_private_one_that_commands_find() {
        let dir = tempfile::tempdir().unwrap();
        let home = deep(dir.path());
        let runtime = dir.path().join("run");
        std::fs::create_dir(&runtime).unwrap();
        let path = choose(&home, Some(&runtime)).unwrap();
        assert!(path.starts_with(&runtime) && fits(&path), "{}", path.display());
        assert_eq!(find(&home).unwrap(), path);
        assert_eq!(choose(&home, Some(&runtime)).unwrap(), path, "again is the same");
        let mode = path.parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = deep(dir.path());
        let runtime = dir.path().join("run");
        std::fs::create_dir_all(runtime.join("carry")).unwrap();
        std::fs::set_permissions(runtime.join("carry"), std::fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(choose(&home, Some(&runtime)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        // And so is a link to one.
        std::fs::remove_dir(runtime.join("carry")).unwrap();
        std::os::unix::fs::symlink(dir.path(), runtime.join("carry")).unwrap();
        assert_eq!(choose(&home, Some(&runtime)).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn without_a_pointer_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(&deep(dir.path())).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
