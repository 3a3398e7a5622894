//! What makes this installation this one: where a copy of its home is told apart from it.

use std::path::{Path, PathBuf};

use carry_exchange::hash::Digest;
use carry_kernel::disk;
use carry_kernel::home::Home;
use carry_kernel::secret::{self, SecretError};

/// Where Linux keeps the machine's id.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Longest id that is read.
const MACHINE_ID_BYTES_MAX: u64 = 256;

/// What a place is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The machine's id, if it has one that survives a restart.
    pub machine: String,
    /// Where the home lies, links resolved.
    pub home: PathBuf,
    /// The id of its file system, where that survives a restart; else 0.
    pub file_system: u64,
}

impl Place {
    /// The place of this home. Its folder must be there.
    ///
    /// # Errors
    /// [`std::io::Error`] when the folder cannot be looked at.
    pub fn of(home: &Home) -> std::io::Result<Self> {
        let folder = home.data_dir().canonicalize()?;
        Ok(Self { machine: machine_id(), file_system: file_system_id(&folder), home: folder })
    }

    /// A hash of it under a key of this home, so that nobody who sees it learns about the machine.
    pub fn fingerprint(&self, key: &[u8; 32]) -> Digest {
        use std::os::unix::ffi::OsStrExt as _;
        let home = self.home.as_os_str().as_bytes();
        let lengths = [self.machine.len() as u64, home.len() as u64].map(u64::to_le_bytes);
        let file_system = self.file_system.to_le_bytes();
        Digest::of(&[b"carry place 1\n", key, &lengths[0], self.machine.as_bytes(), &lengths[1], home, &file_system])
    }
}

/// The key of the fingerprint; made once. A copy of the home has the same one.
///
/// # Errors
/// [`SecretError`].
pub(super) fn key(home: &Home) -> Result<[u8; 32], SecretError> {
    secret::load_or_create(&home.data_dir().join("exchange-place.key"))
}

fn machine_id() -> String {
    let read = |path: &str| disk::read_bounded(Path::new(path), MACHINE_ID_BYTES_MAX).ok().flatten();
    let found = MACHINE_IDS.into_iter().find_map(|path| {
        let text = String::from_utf8(read(path)?).ok()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty() && id != "uninitialized")
    });
    found.unwrap_or_default()
}

/// File systems whose id is made of what is written on the disk. Others make it of the number that the disk happened to get when
/// the machine started.
#[cfg(target_os = "linux")]
fn file_system_id(folder: &Path) -> u64 {
    /// ext2 to ext4, btrfs, f2fs, ZFS.
    const LASTING: [i64; 4] = [0xef53, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1];
    let Ok(kind) = rustix::fs::statfs(folder) else { return 0 };
    #[allow(clippy::unnecessary_cast, reason = "its width differs between machines, and here it may be needless")]
    let is_lasting = LASTING.contains(&(kind.f_type as i64));
    if !is_lasting {
        return 0;
    }
    rustix::fs::statvfs(folder).map_or(0, |found| found.f_fsid)
}

#[cfg(not(target_os = "linux"))]
fn file_system_id(_folder: &Path) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_place_and_the_key_make_a_difference() {
        let place = Place { machine: "m".to_owned(), home: "/home/me".into(), file_system: 7 };
        let others = [
            Place { machine: "n".to_owned(), ..place.clone() },
            Place { home: "/home/you".into(), ..place.clone() },
            Place { file_system: 8, ..place.clone() },
            // What moves from one part to the next is another place, too.
            Place { machine: "m/home".to_owned(), home: "/me".into(), ..place.clone() },
        ];
        let key = [1; 32];
        assert!(others.iter().all(|other| other.fingerprint(&key) != place.fingerprint(&key)));
        assert_ne!(place.fingerprint(&key), place.fingerprint(&[2; 32]));
        assert_eq!(place.fingerprint(&key), place.clone().fingerprint(&key));
    }

    #[test]
    fn a_home_that_is_reached_over_a_link_is_the_same_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let real = dir.path().join("real");
        disk::create_dir(&real.join("data")).expect("a folder");
        std::os::unix::fs::symlink(&real, dir.path().join("link")).expect("a link");
        let there = Place::of(&Home::at(&real)).expect("it is there");
        assert_eq!(Place::of(&Home::at(dir.path().join("link"))).expect("it is there"), there);
        assert!(Place::of(&Home::at(dir.path().join("none"))).is_err());
    }
}
