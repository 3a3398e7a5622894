//! Puts into a folder whose process dies: what is under the final name is nothing or all.

use std::path::Path;
use std::process::{Command, Stdio};

use carry_exchange::name::Folder;
use carry_exchange::remote::{Deadline, FolderRemote, Put, Remote as _, Source, Ways};
use carry_kernel::clock::Timestamp;
use tempfile::TempDir;

use crate::rig::{WHOLE, get, log, names, segment};

/// The folder that a child works on, and how it may name files.
const FOLDER: &str = "TEST_EXCHANGE_FOLDER";
const WAYS: &str = "TEST_EXCHANGE_WAYS";

/// Each set of ways, by the name a child knows it by.
const SETS: [(&str, Ways); 4] = [
    ("link", Ways { link: true, rename_new: true, rename: true }),
    ("rename-new", Ways { link: false, rename_new: true, rename: true }),
    ("rename", Ways { link: false, rename_new: false, rename: true }),
    ("none", Ways { link: false, rename_new: false, rename: false }),
];

/// More than one piece.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect()
}

fn remote(folder: &Path, ways: Ways, seed: u64) -> FolderRemote {
    FolderRemote::new(folder, log(), seed).with_ways(ways)
}

/// What the other process runs.
#[test]
fn puts() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let named = std::env::var(WAYS).unwrap();
    let ways = SETS.iter().find(|(name, _)| *name == named).unwrap().1;
    let remote = remote(Path::new(&folder), ways, 5);
    remote.init(&Deadline::NONE).unwrap();
    remote.put(&segment(1), Source::Bytes(&content()), &Deadline::NONE).unwrap();
    get(&remote, &segment(1), WHOLE).unwrap();
}

/// Runs that; says whether it came to its end.
fn child(folder: &Path, ways: &str, name: &str, value: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "died::puts"]).env(FOLDER, folder).env(WAYS, ways).env(name, value);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// Every passage of a point, as `name#n`, in an undisturbed run.
fn passages(ways: &str) -> Vec<String> {
    let (place, trace) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let trace = trace.path().join("trace");
    assert!(child(place.path(), ways, "CARRY_FAULT_TRACE", trace.to_str().unwrap()));
    let trace = std::fs::read_to_string(&trace).unwrap();
    let mut passed = std::collections::BTreeMap::<&str, u32>::new();
    let ours = trace.lines().filter(|point| point.starts_with("exchange.folder."));
    ours.map(|point| {
        let nth = passed.entry(point).or_default();
        *nth += 1;
        format!("{point}#{nth}")
    })
    .collect()
}

#[test]
fn a_put_that_died_anywhere_leaves_nothing_or_all_and_can_be_repeated() {
    for (name, ways) in SETS {
        let mut halves = 0;
        let passages = passages(name);
        for point in ["made#3", "created#2", "write#4", "synced#2", "done#2", "read#3"] {
            assert!(passages.contains(&format!("exchange.folder.{point}")), "{point} in {passages:?}");
        }
        for passage in passages {
            for action in ["kill", "torn"] {
                if action == "torn" && !passage.contains(".write#") {
                    continue;
                }
                let place = TempDir::new().unwrap();
                assert!(!child(place.path(), name, "CARRY_FAULT", &format!("{passage}={action}")), "{passage}");
                halves += after_death(&remote(place.path(), ways, 6), ways, &format!("{name} {passage} {action}"));
            }
        }
        assert_eq!(
            halves > 0,
            ways == SETS[3].1,
            "{name}: half a file is seen where it cannot be helped, and only there"
        );
    }
}

/// Looks at what is left; gives how many halves lay under final names.
fn after_death(remote: &FolderRemote, ways: Ways, what: &str) -> usize {
    let can_name = ways != SETS[3].1;
    if remote.init(&Deadline::NONE).is_err() {
        // The marker is half there: only where files cannot be named. Somebody has to look.
        assert!(!can_name, "{what}");
        return 1;
    }
    if let Ok((there, _)) = get(remote, &segment(1), WHOLE) {
        assert!(there == content() || (!can_name && content().starts_with(&there)), "{what}");
    }
    let whole = content().len() as u64;
    let put = remote.put(&segment(1), Source::Bytes(&content()), &Deadline::NONE).unwrap();
    let is_half = !matches!(put, Put::Created) && put != Put::Exists { bytes: whole };
    assert!(!(is_half && can_name), "{what}: {put:?}");
    if can_name {
        assert!(get(remote, &segment(1), WHOLE).unwrap().0 == content(), "{what}");
    }
    // What the dead left is removed a day later, and not before.
    let left = |remote: &FolderRemote| {
        let all = [Folder::Root, Folder::Log(log())].map(|folder| names(remote, folder).unwrap());
        all.iter().flatten().filter(|(name, _)| name.starts_with('~')).count()
    };
    let before = left(remote);
    assert!(before <= 1, "{what}");
    assert_eq!(remote.sweep(&[log()], Timestamp::EPOCH, &Deadline::NONE).unwrap(), 0);
    assert_eq!(left(remote), before);
    let far = Timestamp::from_secs(9_000_000_000);
    assert_eq!(remote.sweep(&[log()], far, &Deadline::NONE).unwrap(), before as u64, "{what}");
    assert_eq!(left(remote), 0);
    usize::from(is_half)
}

#[test]
fn a_put_that_failed_anywhere_leaves_no_temporary_file() {
    for (name, ways) in SETS {
        for passage in passages(name) {
            // Where a disk is full it is so when something is written.
            let is_write = passage.contains(".write#");
            for action in if is_write { &["error", "enospc"][..] } else { &["error"] } {
                let place = TempDir::new().unwrap();
                assert!(!child(place.path(), name, "CARRY_FAULT", &format!("{passage}={action}")), "{passage}");
                let remote = remote(place.path(), ways, 6);
                remote.init(&Deadline::NONE).unwrap();
                remote.put(&segment(1), Source::Bytes(&content()), &Deadline::NONE).unwrap();
                assert!(get(&remote, &segment(1), WHOLE).unwrap().0 == content(), "{name} {passage}");
                let listed = names(&remote, Folder::Log(log())).unwrap();
                assert_eq!(listed.len(), 1, "{name} {passage} {action}: {listed:?}");
            }
        }
    }
}

/// A system call: its name, the paths of its descriptors, and the names it was given.
struct Call {
    name: String,
    fds: Vec<String>,
    names: Vec<String>,
}

/// What the other process asks of the kernel; `None` where nobody can tell.
fn calls(ways: &str) -> Option<Vec<Call>> {
    let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let (place, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let log = dir.path().join("log");
    let mut command = Command::new("strace");
    let traced = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlinkat,openat,mkdirat";
    command.args(["-f", "-y", "-e", traced, "-o"]).arg(&log).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "died::puts"]).env(FOLDER, place.path()).env(WAYS, ways);
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let parse = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let names = arguments.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let fds = arguments.split('<').skip(1).filter_map(|part| Some(part.split_once('>')?.0.to_owned())).collect();
        (!result.starts_with('-')).then(|| Call { name: name.to_owned(), fds, names })
    };
    Some(text.lines().filter_map(parse).collect())
}

#[test]
fn a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_that_is_reported() {
    for (ways, _) in SETS {
        let Some(calls) = calls(ways) else { return };
        let mut named = 0;
        let is_final = |name: &str| name.ends_with(".seg") || name == "format.json";
        for (at, call) in calls.iter().enumerate() {
            let is_sync = |call: &Call| matches!(call.name.as_str(), "fsync" | "fdatasync");
            let made = match call.name.as_str() {
                "link" | "linkat" | "rename" | "renameat" | "renameat2" => {
                    call.names.last().filter(|name| is_final(name))
                }
                "openat" if ways == "none" => call.names.last().filter(|name| is_final(name)),
                _ => None,
            };
            let Some(made) = made.filter(|_| !call.fds.is_empty()) else { continue };
            let folder = &call.fds[0];
            if call.name == "openat" {
                // Made under its own name: synced before the folder is.
                let file = format!("{folder}/{made}");
                let Some(own) = calls[at..].iter().position(|call| is_sync(call) && call.fds[0] == file) else {
                    continue;
                };
                let rest = &calls[at + own..];
                assert!(
                    rest.iter().any(|call| is_sync(call) && call.fds[0] == *folder),
                    "{ways}: {folder} was not synced"
                );
            } else {
                let temporary = format!("{folder}/{}", call.names[0]);
                let is_own = |call: &Call| is_sync(call) && call.fds[0] == temporary;
                assert!(calls[..at].iter().any(is_own), "{ways}: {made} had its name before it was synced");
                let after = calls[at..].iter().any(|call| is_sync(call) && call.fds[0] == *folder);
                assert!(after, "{ways}: {folder} was not synced after {made} came");
            }
            named += 1;
        }
        assert_eq!(named, 2, "{ways}: the marker and a segment");
    }
}
