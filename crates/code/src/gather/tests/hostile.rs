//! What somebody who can write to the remote puts there.

use super::*;
use crate::git::fixture::write;
use crate::keeper::keeper_bytes;

/// A device of nobody's, and a tree of it.
struct Stranger {
    device: Device,
    tree: TreeId,
    _home: tempfile::TempDir,
}

impl Stranger {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let device = Device::load_or_create(&Home::at(dir.path().join("carry")), "stranger").unwrap();
        Self { device, tree: "0123456789ab".parse().unwrap(), _home: dir }
    }

    fn line(&self) -> LineName {
        LineName::new(self.device.id(), &self.tree, &Branch::Named("main".into()))
    }

    /// A seal that says what its caller wants, signed by this device.
    fn seal(&self, machine: &Machine, keeper: ObjectId, change: impl FnOnce(&mut Seal)) -> Vec<u8> {
        let mut seal = Seal {
            line: self.line(),
            branch: Branch::Named("main".into()),
            keeper,
            label: "stranger".to_owned(),
            key: self.device.public_key(),
            count: 1,
            finished: false,
        };
        change(&mut seal);
        let (tip, _) = history::keeper(&machine.repo().gix(), keeper).unwrap();
        seal.to_commit(tip.tree, tip.time, &|message| self.device.sign(message))
    }
}

/// Pushes a raw commit from `machine` to the ref `name`.
fn put(machine: &Machine, raw: &[u8], name: &str) {
    let repo = machine.repo();
    let mut batch = Batch::new(repo.hash());
    let id = batch.add(Kind::Commit, raw);
    batch.write(&repo.objects_dir()).unwrap();
    machine.git(&["push", "--quiet", "--force", "origin", &format!("{id}:{name}")]);
}

#[test]
fn bad_lines_do_not_stop_good_ones() {
    let fleet = Fleet::new();
    let (a, b, m) = (fleet.machine("a"), fleet.machine("b"), fleet.machine("m"));
    a.work("good");
    a.push();
    m.work("of m");
    let keeper = m.value(&m.line()).unwrap();
    let stranger = Stranger::new();
    let other = |n: u32| format!("refs/carry/{}/{n:012x}/main", stranger.device.id());

    // Over a keeper that is another line's.
    put(&m, &stranger.seal(&m, keeper, |_| {}), &stranger.line().ref_name());
    // At another name than it says.
    put(&m, &stranger.seal(&m, keeper, |_| {}), &other(1));
    // Of somebody else's device, under a key that is not its.
    let victim = a.line();
    put(
        &m,
        &stranger.seal(&m, keeper, |seal| seal.line.device = victim.device.clone()),
        &format!("refs/carry/{}/{:012x}/main", victim.device, 2),
    );
    // With a word changed after signing.
    let torn = stranger.seal(&m, keeper, |_| {});
    let torn = String::from_utf8(torn).unwrap().replace("stranger\n", "neighbour\n").into_bytes();
    put(&m, &torn, &other(3));
    // No seal at all: a keeper, a commit, and names that are none.
    m.git(&["push", "--quiet", "origin", &format!("{keeper}:{}", other(4)), &format!("HEAD:{}", other(5))]);
    m.git(&["push", "--quiet", "origin", "HEAD:refs/carry/x", "HEAD:refs/carry/a/b/c/d"]);
    let blob = m.git(&["hash-object", "-w", "file"]);
    fleet.git(&["update-ref", &other(6), &fleet.git(&["rev-parse", "main^{tree}"])]);
    assert!(!blob.is_empty());

    let report = b.fetch();
    assert_eq!(report.moved, [a.line().ref_name()], "{:?}", report.refused);
    assert_eq!(report.refused.len(), 7, "{:?}", report.refused);
    assert_eq!(report.new_devices, [a.ctx.device.id().as_str()]);
    let lines = refs::list(&b.repo(), "refs/carry/").unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    b.check();
}

/// Pushes a line of the stranger's whose only snapshot has a message that was changed before it was signed for.
fn put_changed(m: &Machine, stranger: &Stranger, change: impl FnOnce(&str) -> String) {
    let (repo, tip) = (m.repo(), m.work(&format!("of m at {:?}", m.clock.now())));
    let raw = m.git(&["cat-file", "commit", &tip.commit.to_string()]);
    let raw = raw.replace(m.ctx.device.id().as_str(), stranger.device.id().as_str());
    let raw = change(&raw.replace(m.tree.id.as_str(), stranger.tree.as_str())) + "\n";
    let mut batch = Batch::new(repo.hash());
    let snapshot = batch.add(Kind::Commit, raw.as_bytes());
    let keeper = batch.add(Kind::Commit, &keeper_bytes(snapshot, tip.tree, None, tip.time));
    batch.write(&repo.objects_dir()).unwrap();
    put(m, &stranger.seal(m, keeper, |_| {}), &stranger.line().ref_name());
}

#[test]
fn a_snapshot_that_does_not_count_itself_is_refused() {
    let fleet = Fleet::new();
    let (b, m, stranger) = (fleet.machine("b"), fleet.machine("m"), Stranger::new());
    let own = format!("{}/{}=", stranger.device.id(), stranger.tree);
    for change in ["Carry-Seen: ", "Carry-Unseen: "] {
        put_changed(&m, &stranger, |raw| raw.replace("Carry-Seen: ", change));
        let report = b.fetch();
        match change {
            "Carry-Seen: " => assert_eq!(report.moved, [stranger.line().ref_name()], "{:?}", report.refused),
            _ => assert!(report.refused[0].1.contains("does not count itself"), "{report:?}"),
        }
    }
    put_changed(&m, &stranger, |raw| raw.replace(&own, &own.replace(stranger.tree.as_str(), "0000000000ff")));
    assert!(b.fetch().refused[0].1.contains("does not count itself"));
    b.check();
}

#[test]
fn a_known_id_under_another_key_is_an_impostor() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.registry().note_device(a.ctx.device.id().as_str(), Some([7; 32]), "a", Timestamp::from_secs(1)).unwrap();
    let report = b.fetch();
    assert!(report.refused[0].1.contains("impostor"), "{:?}", report.refused);
    assert_eq!(b.value(&a.line()), None);
}

#[test]
fn a_count_without_end_is_taken_once_and_never_passed() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    let keeper = a.value(&a.line()).unwrap();
    let (tip, _) = history::keeper(&a.repo().gix(), keeper).unwrap();
    let device = a.ctx.device.get();
    let seal = Seal {
        line: a.line(),
        branch: Branch::Named("main".into()),
        keeper,
        label: "a".to_owned(),
        key: device.public_key(),
        count: u64::MAX,
        finished: false,
    };
    put(&a, &seal.to_commit(tip.tree, tip.time, &|message| device.sign(message)), &a.line().ref_name());
    assert_eq!(b.fetch().moved.len(), 1);
    a.work("two");
    assert!(a.push().refused.is_empty());
    let report = b.fetch();
    assert!(report.moved.is_empty() && report.refused.len() == 1, "{report:?}");
}

#[test]
fn a_line_that_two_machines_write_is_refused_and_named() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    let copy = fleet.copy(&a, "copy");
    a.work("of a");
    a.push();
    b.fetch();
    let held = b.value(&a.line());
    copy.work("of the copy");
    copy.work("and more");
    let stale = fleet.lines()[0].1;
    // One that does not look first, as another program might.
    let keeper = copy.value(&a.line()).unwrap();
    let (tip, _) = history::keeper(&copy.repo().gix(), keeper).unwrap();
    let device = copy.ctx.device.get();
    let seal = Seal {
        line: a.line(),
        branch: Branch::Named("main".into()),
        keeper,
        label: "a".to_owned(),
        key: device.public_key(),
        count: 9,
        finished: false,
    };
    put(&copy, &seal.to_commit(tip.tree, tip.time, &|message| device.sign(message)), &a.line().ref_name());
    assert_ne!(fleet.lines()[0].1, stale);
    let report = b.fetch();
    assert!(report.refused[0].1.contains("forked"), "{:?}", report.refused);
    assert_eq!(b.value(&a.line()), held);
}

#[test]
fn an_object_that_the_remote_lacks_stops_only_the_line_that_needs_it() {
    let fleet = Fleet::new();
    let (a, b, c) = (fleet.machine("a"), fleet.machine("b"), fleet.machine("c"));
    a.work("of a");
    a.push();
    let torn = c.work("of c, which will be lost");
    c.push();
    // All of it loose, so that one object can be taken away.
    let objects = fleet.remote().join("objects");
    for entry in std::fs::read_dir(objects.join("pack")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "pack") {
            let aside = fleet.path().join("aside.pack");
            std::fs::rename(&path, &aside).unwrap();
            let _ = std::fs::remove_file(path.with_extension("idx"));
            let mut unpack = command(&fleet.remote());
            unpack.args(["unpack-objects", "-q"]).stdin(std::fs::File::open(&aside).unwrap());
            assert!(unpack.status().unwrap().success());
        }
    }
    let hex = torn.tree.to_string();
    std::fs::remove_file(objects.join(&hex[..2]).join(&hex[2..])).unwrap();
    let report = b.fetch();
    assert_eq!(report.moved, [a.line().ref_name()], "{:?}", report.refused);
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].0, c.line().ref_name());
    b.check();
}

#[test]
fn refs_at_huge_objects_are_refused_by_their_headers_and_good_lines_arrive() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("good");
    a.push();
    let stranger = Stranger::new();
    let stream = |slug: &str| format!("refs/heads/wip/pulsar/{slug}--01234567/main");
    let large = fleet.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    let blob = fleet.git(&["hash-object", "-w", large.to_str().unwrap()]);
    // Git keeps other objects from branches; whoever writes there need not ask it.
    let at_blob = fleet.remote().join(stream("blob"));
    std::fs::create_dir_all(at_blob.parent().unwrap()).unwrap();
    write(&at_blob, format!("{blob}\n").as_bytes());
    fleet.git(&["update-ref", &stranger.line().ref_name(), &blob]);
    let message = fleet.path().join("message");
    write(&message, "Shadow backup\n".repeat(100_000).as_bytes());
    let said = fleet.git(&["commit-tree", "-F", message.to_str().unwrap(), "main^{tree}"]);
    let other = format!("refs/carry/{}/{:012x}/main", stranger.device.id(), 1);
    fleet.git(&["update-ref", &other, &said]);
    fleet.git(&["update-ref", &stream("said"), &said]);

    let report = b.fetch();
    assert_eq!(report.moved, [a.line().ref_name()], "{:?}", report.refused);
    let mut refused: Vec<&str> = report.refused.iter().map(|(name, _)| name.as_str()).collect();
    refused.sort_unstable();
    let mut wanted = [stranger.line().ref_name(), other, stream("blob"), stream("said")];
    wanted.sort_unstable();
    assert_eq!(refused, wanted, "{:?}", report.refused);
    assert!(report.refused.iter().all(|(_, why)| why.contains("it is a ")), "{:?}", report.refused);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
    b.check();
}

#[test]
fn loose_objects_that_cannot_be_copied_are_an_error() {
    let fleet = Fleet::new();
    let b = fleet.machine("b");
    let repo = b.repo();
    let large = fleet.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    let quarantine = crate::remote::Quarantine::new(&repo).unwrap();
    let mut git = command(&b.root);
    quarantine.redirect(&mut git);
    // One that is streamed into a pack would be no loose one.
    git.args(["-c", "core.bigFileThreshold=1g", "hash-object", "-w"]).arg(&large);
    assert!(git.output().unwrap().status.success());
    assert_eq!(quarantine.loose().unwrap().len(), 1);
    let gix = quarantine.open(&repo).unwrap();
    assert!(crate::gather::admit::objects(&repo, &quarantine, &gix, &mut b.registry()).is_err());
}

#[test]
fn own_and_approved_lines_come_before_any_number_of_others() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("z"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    b.registry().approve_device(a.ctx.device.id().as_str(), Timestamp::from_secs(1)).unwrap();
    b.work("of b");
    b.push();
    a.work("two");
    a.push();
    let main = fleet.git(&["rev-parse", "main"]);
    let mut refs = String::new();
    let nobody = carry_kernel::id::DeviceId::new("a", &[1; 32]);
    for device in [&nobody, &a.ctx.device.id(), &b.ctx.device.id()] {
        for n in 0..300 {
            refs += &format!("create refs/carry/{device}/{n:012x}/main {main}\n");
        }
    }
    let updates = fleet.path().join("updates");
    write(&updates, refs.as_bytes());
    let mut update = command(&fleet.remote());
    update.args(["update-ref", "--stdin"]).stdin(std::fs::File::open(&updates).unwrap());
    assert!(update.status().unwrap().success());
    fleet.git(&["update-ref", &b.line().ref_name(), &main]);

    let cancel = std::sync::atomic::AtomicBool::new(false);
    let listing = crate::remote::ls_remote(&b.repo(), &b.remote(), &io(&cancel)).unwrap();
    let trees = std::slice::from_ref(&b.tree);
    let known = crate::gather::known::Known::read(&b.ctx, &b.repo(), trees, &b.remote(), &b.registry()).unwrap();
    let wants: Vec<String> = known.wants(&listing).iter().map(|want| want.ref_name()).collect();
    assert_eq!(wants.len(), 902);
    assert_eq!(wants[..2], [b.line().ref_name(), a.line().ref_name()]);
    let of_a = format!("refs/carry/{}/", a.ctx.device.id());
    assert!(wants[2..302].iter().all(|name| name.starts_with(&of_a)));
}
