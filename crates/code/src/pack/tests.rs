use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::index::Entry;
use super::*;
use crate::git::fixture::{self, Fixture, write};

/// Bytes that do not compress, always the same for a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn objects(fixture: &Fixture) -> PathBuf {
    fixture.root().join(".git/objects")
}

/// Files in the folder of packs, sorted.
fn files(fixture: &Fixture) -> Vec<String> {
    let dir = std::fs::read_dir(objects(fixture).join("pack")).unwrap();
    let mut names: Vec<_> = dir.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What git says an object is: its kind and content.
fn cat(fixture: &Fixture, id: &ObjectId) -> (String, Vec<u8>) {
    let kind = fixture.git(&["cat-file", "-t", &id.to_string()]);
    let output = fixture.try_git(&["cat-file", &kind, &id.to_string()]);
    assert!(output.status.success());
    (kind, output.stdout)
}

fn verify(fixture: &Fixture, written: &Written) {
    let pack = written.pack.as_ref().unwrap();
    fixture.git(&["verify-pack", pack.to_str().unwrap()]);
    fixture.git(&["fsck", "--full", "--strict"]);
    let length = |extension| pack.with_extension(extension).metadata().unwrap().len();
    assert_eq!(written.bytes, length("pack") + length("idx"));
    for extension in ["pack", "idx"] {
        assert_eq!(pack.with_extension(extension).metadata().unwrap().permissions().mode() & 0o777, 0o444);
    }
}

/// A batch of a commit with one file, and the commit.
fn commit(hash: HashKind, content: &[u8]) -> (Batch, ObjectId) {
    let mut batch = Batch::new(hash);
    let blob = batch.add(Kind::Blob, content);
    let mut tree = b"100644 file\0".to_vec();
    tree.extend_from_slice(blob.as_slice());
    let tree = batch.add(Kind::Tree, &tree);
    let text = format!("tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
    let commit = batch.add(Kind::Commit, text.as_bytes());
    (batch, commit)
}

#[test]
fn git_reads_what_was_written() {
    for (args, hash) in [(&[][..], HashKind::Sha1), (&["--object-format=sha256"], HashKind::Sha256)] {
        let fixture = Fixture::init(args);
        let (mut batch, commit) = commit(hash, b"hello\n");
        let empty_blob = batch.add(Kind::Blob, b"");
        let empty_tree = batch.add(Kind::Tree, b"");
        let large = noise(1, 9 * 1024 * 1024);
        let large_id = batch.add(Kind::Blob, &large);
        assert_eq!(batch.len(), 6);
        let written = batch.write(&objects(&fixture)).unwrap();
        assert_eq!((written.objects, written.fsyncs), (6, 3));
        fixture.git(&["update-ref", "refs/heads/main", &commit.to_string()]);
        verify(&fixture, &written);
        assert_eq!(fixture.git(&["show", "main:file"]), "hello");
        assert_eq!(cat(&fixture, &empty_blob), ("blob".into(), Vec::new()));
        assert_eq!(cat(&fixture, &empty_tree), ("tree".into(), Vec::new()));
        assert_eq!(cat(&fixture, &large_id).1, large);
        assert_eq!(files(&fixture).len(), 2, "temporary files stayed");
        // Git's own packing goes on from there.
        fixture.git(&["gc", "--quiet", "--prune=now"]);
        assert_eq!(fixture.git(&["show", "main:file"]), "hello");
    }
}

#[test]
fn many_small_objects_are_found_again() {
    let fixture = Fixture::init(&[]);
    let mut batch = Batch::new(HashKind::Sha1);
    let ids: Vec<_> = (0..10_000).map(|n| batch.add(Kind::Blob, format!("number {n}").as_bytes())).collect();
    let written = batch.write(&objects(&fixture)).unwrap();
    verify(&fixture, &written);
    let repo = fixture.open().gix();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(repo.find_object(*id).unwrap().data, format!("number {n}").as_bytes());
    }
}

#[test]
fn more_than_fits_in_memory_goes_to_disk() {
    let fixture = Fixture::init(&[]);
    let mut batch = Batch::spilling_to(HashKind::Sha1, objects(&fixture));
    let blobs: Vec<_> = (0..7).map(|n| noise(n, 12 * 1024 * 1024 + n as usize)).collect();
    let ids: Vec<_> = blobs.iter().map(|blob| batch.add(Kind::Blob, blob)).collect();
    assert!(batch.bytes() > store::SPILL_BYTES as u64);
    assert_eq!(files(&fixture), [""; 0]);
    for (id, blob) in ids.iter().zip(&blobs) {
        assert_eq!(batch.get(id), Some((Kind::Blob, blob.clone())));
    }
    let written = batch.write(&objects(&fixture)).unwrap();
    verify(&fixture, &written);
    for (id, blob) in ids.iter().zip(&blobs) {
        assert_eq!(&cat(&fixture, id).1, blob);
    }
}

#[test]
fn nowhere_to_spill_keeps_the_batch_right() {
    let mut batch = Batch::spilling_to(HashKind::Sha1, PathBuf::from("/nonexistent"));
    let blobs: Vec<_> = (0..3).map(|n| noise(n, 33 * 1024 * 1024)).collect();
    let ids: Vec<_> = blobs.iter().map(|blob| batch.add(Kind::Blob, blob)).collect();
    assert_eq!(batch.get(&ids[0]), Some((Kind::Blob, blobs[0].clone())));
    assert_eq!(batch.get(&ids[2]), Some((Kind::Blob, blobs[2].clone())));
}

#[test]
fn an_object_is_held_once() {
    let mut batch = Batch::new(HashKind::Sha1);
    let id = batch.add(Kind::Blob, b"x");
    let bytes = batch.bytes();
    assert_eq!(batch.add(Kind::Blob, b"x"), id);
    assert_eq!((batch.len(), batch.bytes()), (1, bytes));
    assert_eq!(id, Batch::id_of(HashKind::Sha1, Kind::Blob, b"x"));
    assert_ne!(id, Batch::id_of(HashKind::Sha1, Kind::Tree, b"x"));
    assert!(batch.contains(&id) && !batch.contains(&HashKind::Sha1.null()));
    assert_eq!(batch.get(&HashKind::Sha1.null()), None);
}

#[test]
fn an_empty_batch_writes_nothing() {
    let fixture = Fixture::init(&[]);
    let batch = Batch::new(HashKind::Sha1);
    assert!(batch.is_empty());
    assert_eq!(batch.write(&objects(&fixture)).unwrap(), Written::default());
    assert_eq!(files(&fixture), [""; 0]);
}

#[test]
fn the_same_pack_written_again_is_kept_and_marked_as_used() {
    let fixture = Fixture::init(&[]);
    let (batch, _) = commit(HashKind::Sha1, b"hello\n");
    let first = batch.write(&objects(&fixture)).unwrap();
    let pack = first.pack.clone().unwrap();
    let old = pack.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(3600);
    std::fs::set_permissions(&pack, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::File::options().write(true).open(&pack).unwrap().set_modified(old).unwrap();
    let second = batch.write(&objects(&fixture)).unwrap();
    assert_eq!((second.pack, second.bytes), (first.pack, first.bytes));
    assert!(pack.metadata().unwrap().modified().unwrap() > old);
    assert_eq!(files(&fixture).len(), 2);
}

#[test]
fn a_missing_folder_of_packs_is_made() {
    let fixture = Fixture::init(&[]);
    std::fs::remove_dir(objects(&fixture).join("pack")).unwrap();
    let written = commit(HashKind::Sha1, b"hello\n").0.write(&objects(&fixture)).unwrap();
    assert_eq!(written.fsyncs, 4);
    verify(&fixture, &written);
}

#[test]
fn offsets_past_two_gigabytes_are_indexed() {
    let id = |n: u8| Batch::id_of(HashKind::Sha1, Kind::Blob, &[n]);
    let offsets = [12, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x12_3456_789a];
    let mut entries: Vec<_> =
        offsets.iter().zip(0..).map(|(offset, n)| Entry { id: id(n), crc32: u32::from(n), offset: *offset }).collect();
    let bytes = index::encode(&mut entries, &id(99), HashKind::Sha1).unwrap();
    let fixture = Fixture::init(&[]);
    let path = fixture.dir().join("pack-x.idx");
    write(&path, &bytes);
    let index = gix::odb::pack::index::File::at(&path, HashKind::Sha1).unwrap();
    for (offset, n) in offsets.iter().zip(0..) {
        let at = index.lookup(id(n)).unwrap();
        assert_eq!((index.pack_offset_at_index(at), index.crc32_at_index(at)), (*offset, Some(u32::from(n))));
    }
    let shown = fixture::command(&fixture.root())
        .arg("show-index")
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for offset in offsets {
        assert!(shown.lines().any(|line| line.starts_with(&format!("{offset} "))), "{offset} in\n{shown}");
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back(kind in 0..3u8, bytes in prop::collection::vec(any::<u8>(), 0..5000), zeros in 0..200_000usize) {
        let kind = [Kind::Commit, Kind::Tree, Kind::Blob][usize::from(kind)];
        let mut bytes = bytes;
        bytes.resize(bytes.len() + zeros, 0);
        let mut batch = Batch::new(HashKind::Sha256);
        let before = batch.add(Kind::Blob, b"before");
        let id = batch.add(kind, &bytes);
        prop_assert_eq!(batch.get(&id), Some((kind, bytes)));
        prop_assert_eq!(batch.get(&before), Some((Kind::Blob, b"before".to_vec())));
    }

    #[test]
    fn no_header_makes_parsing_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
        let _ = entry::parse_header(&bytes);
        let _ = entry::unpack(&bytes);
    }

    #[test]
    fn folding_converges_to_few_packs(sizes in prop::collection::vec(0..1u64 << 40, 0..200), keep in 0..60usize) {
        let mut sizes = sizes;
        let mut rounds = 0;
        loop {
            let plan = plan_fold(&sizes, keep);
            prop_assert_ne!(plan.len(), 1);
            let mut unique = plan.clone();
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), plan.len());
            if plan.is_empty() {
                break;
            }
            let folded = plan.iter().map(|at| sizes[*at]).sum();
            sizes = (0..sizes.len()).filter(|at| !plan.contains(at)).map(|at| sizes[at]).collect();
            sizes.push(folded);
            rounds += 1;
            prop_assert!(rounds < 3, "one round brings all into progression, a second settles it");
        }
        let total: u64 = sizes.iter().map(|s| (*s).max(1)).sum();
        let smallest = sizes.iter().copied().min().unwrap_or(1).max(1);
        let logarithm = (total / smallest).max(1).ilog2() as usize + 1;
        prop_assert!(sizes.len() <= keep.max(logarithm), "{} packs", sizes.len());
    }

    #[test]
    fn a_long_life_keeps_few_packs_and_copies_little(sizes in prop::collection::vec(1_000..100_000u64, 500)) {
        let mut packs = Vec::new();
        let (mut written, mut copied) = (0, 0);
        for size in sizes {
            packs.push(size);
            written += size;
            let plan = plan_fold(&packs, 20);
            if !plan.is_empty() {
                let folded: u64 = plan.iter().map(|at| packs[*at]).sum();
                copied += folded;
                packs = (0..packs.len()).filter(|at| !plan.contains(at)).map(|at| packs[at]).collect();
                packs.push(folded);
            }
            prop_assert!(packs.len() <= 20);
        }
        prop_assert!(copied < 10 * written, "{} times", copied / written);
    }
}

#[test]
fn equal_packs_fold_once_there_are_too_many() {
    assert_eq!(plan_fold(&[5; 10], 10), [0; 0]);
    assert_eq!(plan_fold(&[5; 11], 10).len(), 11);
    assert_eq!(plan_fold(&[1, 100, 1, 10_000], 0), [0, 2]);
    assert_eq!(plan_fold(&[1, 2, 4, 8], 0), [0; 0]);
    assert_eq!(plan_fold(&[u64::MAX, u64::MAX], 0), [0, 1]);
}

/// Three packs with commits on `refs/heads/0` to `2`, which share the object `shared`.
fn three_packs(fixture: &Fixture, hash: HashKind) -> Vec<PathBuf> {
    (0..3)
        .map(|n| {
            let (mut batch, commit) = commit(hash, &noise(n, 3_000_000));
            batch.add(Kind::Blob, b"shared");
            let written = batch.write(&objects(fixture)).unwrap();
            fixture.git(&["update-ref", &format!("refs/heads/{n}"), &commit.to_string()]);
            written.pack.unwrap()
        })
        .collect()
}

#[test]
fn folding_keeps_every_object_and_one_pack() {
    for (args, hash) in [(&[][..], HashKind::Sha1), (&["--object-format=sha256"], HashKind::Sha256)] {
        let fixture = Fixture::init(args);
        let mut packs = three_packs(&fixture, hash);
        // Gone meanwhile, and named twice.
        packs.push(objects(&fixture).join("pack/pack-gone.pack"));
        packs.push(packs[0].clone());
        let written = fold(&objects(&fixture), &packs, hash).unwrap();
        assert_eq!((written.objects, written.fsyncs), (10, 4));
        verify(&fixture, &written);
        assert_eq!(files(&fixture).len(), 2);
        for n in 0..3 {
            let output = fixture.try_git(&["show", &format!("refs/heads/{n}:file")]);
            assert_eq!(output.stdout, noise(n, 3_000_000));
        }
        assert_eq!(fold(&objects(&fixture), &[written.pack.unwrap()], hash).unwrap(), Written::default());
    }
}

#[test]
fn folding_packs_of_which_one_holds_all_keeps_it() {
    let fixture = Fixture::init(&[]);
    let (batch, _) = commit(HashKind::Sha1, b"hello\n");
    let all = batch.write(&objects(&fixture)).unwrap().pack.unwrap();
    let mut part = Batch::new(HashKind::Sha1);
    let blob = part.add(Kind::Blob, b"hello\n");
    let part = part.write(&objects(&fixture)).unwrap().pack.unwrap();
    let written = fold(&objects(&fixture), &[all.clone(), part], HashKind::Sha1).unwrap();
    assert_eq!(written.pack, Some(all));
    assert_eq!(files(&fixture).len(), 2);
    assert_eq!(cat(&fixture, &blob).1, b"hello\n");
}

#[test]
fn packs_that_are_not_ours_to_remove_are_left() {
    let fixture = Fixture::init(&[]);
    let packs = three_packs(&fixture, HashKind::Sha1);
    // One is to be kept, one is damaged: nothing remains to fold.
    write(&packs[0].with_extension("keep"), b"");
    std::fs::set_permissions(&packs[1], std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(&packs[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(&packs[1], &bytes);
    assert_eq!(fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap(), Written::default());
    assert!(packs.iter().all(|pack| pack.exists()));
}

#[test]
fn a_pack_with_deltas_is_left() {
    let fixture = Fixture::init(&[]);
    let text: String = (0..2000).map(|n| format!("line {n}\n")).collect();
    fixture.commit("file", &text);
    fixture.commit("file", &format!("{text}more\n"));
    fixture.git(&["repack", "-adq"]);
    let theirs = objects(&fixture).join("pack").join(files(&fixture).iter().find(|f| f.ends_with(".pack")).unwrap());
    let ours = commit(HashKind::Sha1, b"hello\n").0.write(&objects(&fixture)).unwrap().pack.unwrap();
    assert_eq!(fold(&objects(&fixture), &[theirs.clone(), ours], HashKind::Sha1).unwrap(), Written::default());
    assert!(theirs.exists());
}

#[test]
fn packs_that_a_multi_pack_index_names_are_left() {
    let fixture = Fixture::init(&[]);
    let packs = three_packs(&fixture, HashKind::Sha1);
    fixture.git(&["multi-pack-index", "write"]);
    assert_eq!(fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap(), Written::default());
    fixture.git(&["multi-pack-index", "verify"]);
}

#[test]
fn nothing_is_folded_while_git_collects() {
    let fixture = Fixture::init(&[]);
    let packs = three_packs(&fixture, HashKind::Sha1);
    let pid = fixture.root().join(".git/gc.pid");
    let host = rustix::system::uname();
    write(&pid, format!("{} {}", std::process::id(), host.nodename().to_string_lossy()).as_bytes());
    assert_eq!(fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap(), Written::default());
    // A process that is gone does not count; no system has such a high id.
    write(&pid, format!("{} {}", i32::MAX, host.nodename().to_string_lossy()).as_bytes());
    let lock = objects(&fixture).join("maintenance.lock");
    write(&lock, b"");
    assert_eq!(fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap(), Written::default());
    let old = lock.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(25 * 3600);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    assert!(fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap().pack.is_some());
}

#[test]
fn a_reader_with_the_old_packs_open_goes_on() {
    let fixture = Fixture::init(&[]);
    let packs = three_packs(&fixture, HashKind::Sha1);
    let mut child = fixture::command(&fixture.root())
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, mut answer) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut content = |name: &str| {
        writeln!(ask, "{name}").unwrap();
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        let size: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line}"));
        let mut bytes = vec![0; size + 1];
        answer.read_exact(&mut bytes).unwrap();
        bytes.truncate(size);
        bytes
    };
    assert_eq!(content("refs/heads/0:file"), noise(0, 3_000_000));
    fold(&objects(&fixture), &packs, HashKind::Sha1).unwrap();
    for n in [1, 0, 2] {
        assert_eq!(content(&format!("refs/heads/{n}:file")), noise(n, 3_000_000));
    }
    drop(ask);
    assert!(child.wait().unwrap().success());
}

#[test]
fn folding_beside_a_gc_loses_nothing() {
    let fixture = Fixture::init(&[]);
    for _ in 0..4 {
        let packs = three_packs(&fixture, HashKind::Sha1);
        std::thread::scope(|scope| {
            let gc = scope.spawn(|| fixture.try_git(&["gc", "--quiet"]));
            // A gc may take a pack while it is read. Then nothing was folded; what counts is that nothing is lost.
            let _ = fold(&objects(&fixture), &packs, HashKind::Sha1);
            let _ = gc.join().unwrap();
        });
        fixture.git(&["fsck", "--full", "--strict"]);
        for n in 0..3 {
            assert_eq!(fixture.try_git(&["show", &format!("refs/heads/{n}:file")]).stdout, noise(n, 3_000_000));
        }
    }
}

/// Runs the test `child` in a process that fails as `fault` says.
fn in_child(fixture: &Fixture, what: &str, fault: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pack::tests::child"])
        .env("CARRY_TEST_ROOT", fixture.root())
        .env("CARRY_TEST_DO", what)
        .env("CARRY_FAULT", fault)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success(), "{fault} was not reached");
}

#[test]
fn child() {
    // Nothing to do unless another test runs this as a process of its own.
    if std::env::var_os("CARRY_TEST_ROOT").is_none() {
        return;
    }
    let root = std::env::var_os("CARRY_TEST_ROOT").unwrap();
    let objects = Path::new(&root).join(".git/objects");
    if std::env::var("CARRY_TEST_DO").unwrap() == "write" {
        commit(HashKind::Sha1, b"hello\n").0.write(&objects).unwrap();
    } else {
        let dir = std::fs::read_dir(objects.join("pack")).unwrap().map(|e| e.unwrap().path());
        let packs: Vec<_> = dir.filter(|p| p.extension().is_some_and(|e| e == "pack")).collect();
        fold(&objects, &packs, HashKind::Sha1).unwrap();
    }
}

#[test]
fn a_writer_that_dies_leaves_nothing_half_written_under_gits_names() {
    let (_, id) = commit(HashKind::Sha1, b"hello\n");
    let points = [
        "pack.begin=kill",
        "pack.written=kill",
        "pack.written=torn",
        "pack.synced=kill",
        "pack.idx.synced=kill",
        "pack.renamed=kill",
        "pack.done=kill",
    ];
    for fault in points {
        let fixture = Fixture::init(&[]);
        in_child(&fixture, "write", fault);
        let done = fault.starts_with("pack.done");
        assert_eq!(fixture.try_git(&["cat-file", "-e", &id.to_string()]).status.success(), done, "{fault}");
        fixture.git(&["fsck", "--full", "--strict"]);
        // The next attempt succeeds over what is left, and Git removes that.
        let written = commit(HashKind::Sha1, b"hello\n").0.write(&objects(&fixture)).unwrap();
        verify(&fixture, &written);
        fixture.git(&["prune", "--expire=now"]);
        remove_leftovers(&objects(&fixture));
        assert_eq!(files(&fixture).len(), 2, "{fault}: {:?}", files(&fixture));
    }
}

#[test]
fn git_leaves_a_pack_alone_until_it_is_let_go() {
    let fixture = Fixture::init(&[]);
    fixture.commit("a", "1");
    let (written, keep) = commit(HashKind::Sha1, b"hello\n").0.write_kept(&objects(&fixture)).unwrap();
    let pack = written.pack.unwrap();
    let keep = keep.expect("nobody else keeps it");
    remove_leftovers(&objects(&fixture));
    fixture.git(&["gc", "-q", "--prune=now"]);
    fixture.git(&["repack", "-adq"]);
    assert!(pack.exists());
    // One that somebody else put there stays.
    let theirs = objects(&fixture).join("pack/pack-of-theirs.keep");
    write(&theirs, b"mine\n");
    drop(keep);
    remove_leftovers(&objects(&fixture));
    assert!(theirs.exists());
    fixture.git(&["repack", "-adq"]);
    assert!(!pack.exists());
}

#[test]
fn a_writer_that_fails_leaves_nothing() {
    for fault in ["pack.begin", "pack.written", "pack.synced", "pack.idx.synced", "pack.renamed"] {
        let fixture = Fixture::init(&[]);
        in_child(&fixture, "write", &format!("{fault}=enospc"));
        assert_eq!(files(&fixture), [""; 0], "{fault}");
    }
}

#[test]
fn a_fold_that_dies_loses_nothing() {
    let points = [
        "pack.written=torn",
        "pack.renamed=kill",
        "pack.done=kill",
        "pack.fold.removing=kill",
        "pack.fold.removing#2=kill",
        "pack.fold.idx.removed#2=kill",
    ];
    for fault in points {
        let fixture = Fixture::init(&[]);
        three_packs(&fixture, HashKind::Sha1);
        in_child(&fixture, "fold", fault);
        fixture.git(&["fsck", "--full", "--strict"]);
        for n in 0..3 {
            assert_eq!(
                fixture.try_git(&["show", &format!("refs/heads/{n}:file")]).stdout,
                noise(n, 3_000_000),
                "{fault}"
            );
        }
    }
}

#[test]
fn an_object_folder_that_was_moved_away_does_not_come_to_be_again() {
    let fixture = Fixture::init(&[]);
    std::fs::rename(fixture.root(), fixture.dir().join("moved")).unwrap();
    let failed = commit(HashKind::Sha1, b"hello\n").0.write(&objects(&fixture)).unwrap_err();
    assert_eq!(failed.source.kind(), std::io::ErrorKind::NotFound);
    assert!(!fixture.root().exists());
}
