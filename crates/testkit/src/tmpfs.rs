//! A small disk of its own, to be filled.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::git::run;

/// A mounted tmpfs, unmounted when this value goes.
#[derive(Debug)]
pub struct Tmpfs {
    dir: TempDir,
}

impl Tmpfs {
    /// Mounts one of `bytes`. `None` where that is not allowed (no root, no Linux, a container without the right): the test
    /// that asked then has nothing to fill, and says so.
    pub fn mount(bytes: u64) -> Option<Self> {
        let dir = TempDir::new().expect("a temporary folder can be made");
        let options = format!("size={bytes},mode=0755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "carry-test"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self { dir })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Fills it up to the last `spare` bytes with a file `ballast`, which may be deleted to make room again.
    #[track_caller]
    pub fn fill(&self, spare: u64) {
        let free = run(Command::new("stat").args(["-f", "-c", "%a %S"]).arg(self.path())).stdout;
        let free = String::from_utf8_lossy(&free).into_owned();
        let numbers: Vec<u64> = free.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [blocks, size] = numbers[..] else { panic!("stat said {free:?}") };
        let bytes = usize::try_from((blocks * size).saturating_sub(spare)).expect("a small disk");
        crate::repo::write_file(&self.path().join("ballast"), &vec![0; bytes]);
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a process that still has a file open must not keep the mount for ever.
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_disk_takes_no_more() {
        let Some(disk) = Tmpfs::mount(1 << 20) else { return };
        disk.fill(8192);
        let mut file = std::fs::File::create(disk.path().join("more")).expect("a name fits");
        let written = std::io::Write::write_all(&mut file, &[0; 65536]);
        assert_eq!(written.map_err(|error| error.kind()), Err(std::io::ErrorKind::StorageFull));
    }
}
