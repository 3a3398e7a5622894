//! File systems that do not tell of changes made elsewhere.

use std::path::Path;

/// The file system's kind if it is one that does not report changes made elsewhere (nfs, cifs, smb, 9p, fuse…); `None` for others,
/// and where the system does not say.
pub fn unreported_file_system(path: &Path) -> Option<String> {
    kind(&rustix::fs::statfs(path).ok()?)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn kind(found: &rustix::fs::StatFs) -> Option<String> {
    // Magic numbers have 32 bits; the field's width and sign differ between architectures.
    name(found.f_type as u32).map(str::to_owned)
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
fn kind(found: &rustix::fs::StatFs) -> Option<String> {
    let name: Vec<u8> = found.f_fstypename.iter().take_while(|c| **c != 0).map(|c| c.to_ne_bytes()[0]).collect();
    let name = String::from_utf8_lossy(&name).into_owned();
    let is_remote = ["nfs", "smbfs", "afpfs", "webdav", "ftp", "9p"].contains(&name.as_str()) || name.contains("fuse");
    is_remote.then_some(name)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd"
)))]
fn kind(_: &rustix::fs::StatFs) -> Option<String> {
    None
}

/// Magic numbers from the kernel's `magic.h` and the file systems' own sources.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse",
        0x00c3_6400 => "ceph",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x7375_7245 => "coda",
        0x786f_4256 => "vboxsf",
        0xbacb_acbc => "vmhgfs",
        0x0bd0_0bd0 => "lustre",
        0x0116_1970 => "gfs2",
        0x7461_636f => "ocfs2",
        0x4750_4653 => "gpfs",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_named_and_local_ones_are_not() {
        assert_eq!(name(0x6969), Some("nfs"));
        assert_eq!(name(0xff53_4d42), Some("cifs"));
        assert_eq!(name(0x6573_5546), Some("fuse"));
        for local in [0xef53, 0x9123_683e, 0x5846_5342, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(name(local), None, "{local:x}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_has_no_kind() {
        assert_eq!(unreported_file_system(Path::new("/nonexistent/folder")), None);
        assert_eq!(unreported_file_system(Path::new("/proc")), None);
    }
}
