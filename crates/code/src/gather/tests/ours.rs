//! Our own lines on a remote: lost, rolled back, ahead, forked.

use super::*;

#[test]
fn a_line_that_vanished_there_is_published_again() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    let before = fleet.lines();
    fleet.git(&["update-ref", "-d", &a.line().ref_name()]);
    assert_eq!(a.push().unchanged, 1, "nobody knows yet");
    assert_eq!(a.fetch().lost, [a.line()]);
    assert_eq!(a.push().pushed.len(), 1);
    assert_eq!(fleet.lines().len(), before.len());
    assert!(b.fetch().refused.is_empty());
    assert!(a.fetch().lost.is_empty());
}

#[test]
fn a_line_that_was_rolled_back_there_stays_here_and_is_published_again() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    let old = fleet.lines();
    a.work("two");
    a.push();
    b.fetch();
    let held = b.value(&a.line());
    fleet.git(&["update-ref", &old[0].0, &old[0].1.to_string()]);
    let report = b.fetch();
    assert!(report.moved.is_empty());
    assert!(report.refused[0].1.contains("rolled back"), "{:?}", report.refused);
    assert_eq!(b.value(&a.line()), held);
    assert_eq!(a.fetch().lost, [a.line()]);
    a.work("three");
    assert_eq!(a.push().pushed.len(), 1);
    assert_eq!(b.fetch().moved, [a.line().ref_name()], "its count is greater than any before");
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
}

#[test]
fn a_line_of_a_restored_home_moves_forward_to_what_it_published() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let restored = fleet.copy(&a, "restored");
    a.work("two");
    a.push();
    let report = restored.fetch();
    assert!(!report.renewed && report.lost.is_empty() && report.refused.is_empty());
    assert_eq!(restored.snapshots(&a.line()), a.snapshots(&a.line()));
    assert_eq!(restored.value(&a.line()), a.value(&a.line()), "it stands on the keeper");
    restored.work("three");
    assert_eq!(restored.push().pushed.len(), 1);
}

#[test]
fn a_repository_made_anew_has_its_lines_again() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let keeper = a.value(&a.line());
    std::fs::remove_dir_all(&a.root).unwrap();
    git(a.root.parent().unwrap(), &["clone", "--quiet", &a.url, "repo"]);
    assert_eq!(a.value(&a.line()), None);
    a.fetch();
    assert_eq!(a.value(&a.line()), keeper);
    a.work("two");
    assert_eq!(a.push().pushed.len(), 1);
}

#[test]
fn a_line_that_cannot_be_read_here_is_not_replaced() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let blob = a.git(&["hash-object", "-w", "file"]);
    // As damage would leave it: it points at what is no keeper.
    crate::git::fixture::write(&a.root.join(".git").join(a.line().ref_name()), format!("{blob}\n").as_bytes());
    let report = a.fetch();
    assert!(report.refused[0].1.contains("cannot be read here"), "{:?}", report.refused);
    assert_eq!(a.value(&a.line()).unwrap().to_string(), blob);
}

#[test]
fn a_line_that_cannot_be_read_here_in_full_does_not_stop_the_others() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    let first = a.work("one");
    a.work("two");
    a.push();
    let restored = fleet.copy(&a, "restored");
    a.work("three");
    a.push();
    b.work("of b");
    b.push();
    // As damage would leave it: what is newest can be read, what is older cannot.
    let repo = restored.repo();
    let (_, before) = history::keeper(&repo.gix(), restored.value(&a.line()).unwrap()).unwrap();
    restored.git(&["repack", "-adq"]);
    for path in std::fs::read_dir(repo.objects_dir().join("pack")).unwrap().flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|kind| kind == "pack") {
            let away = restored.root.join("away");
            std::fs::rename(&path, &away).unwrap();
            std::fs::remove_file(path.with_extension("idx")).unwrap();
            let unpack =
                command(&restored.root).arg("unpack-objects").stdin(std::fs::File::open(&away).unwrap()).output();
            assert!(unpack.unwrap().status.success());
        }
    }
    for gone in [before.unwrap(), first.commit] {
        let hex = gone.to_string();
        std::fs::remove_file(repo.objects_dir().join(&hex[..2]).join(&hex[2..])).unwrap();
    }
    let value = restored.value(&a.line());
    let report = restored.fetch();
    assert_eq!(report.moved, [b.line().ref_name()], "{report:?}");
    assert_eq!(report.refused.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [a.line().ref_name()]);
    assert_eq!(restored.value(&a.line()), value);
}

#[test]
fn of_two_processes_that_find_the_same_machine_one_renews() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    a.work("of a");
    a.push();
    let ours = b.work("of b");
    // The other process renews while this one asks.
    let home = b.ctx.home.clone();
    let renew = move |step: &str, _, _| {
        if step == "fetching" && Device::load(&home).unwrap().unwrap().former().is_empty() {
            Device::renew(&home, "b").unwrap();
        }
    };
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let io = crate::remote::Io { progress: &renew, ..io(&cancel) };
    let report = super::super::fetch(&b.ctx, &b.repo(), std::slice::from_ref(&b.tree), &b.remote(), &io).unwrap();
    assert!(report.renewed, "{report:?}");
    let device = Device::load(&b.ctx.home).unwrap().unwrap();
    assert_eq!((device.id(), device.former().len()), (&b.ctx.device.id(), 1));
    assert_eq!(b.snapshots(&b.line())[0], ours.commit);
}

#[test]
fn of_two_machines_with_one_identity_the_later_goes_on_under_a_new_one() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    let (old, old_line) = (a.ctx.device.id(), a.line());
    let theirs = a.work("of a");
    a.push();
    let ours = b.work("of b");
    assert!(b.push().renewed);
    assert_ne!(b.ctx.device.id(), old);
    assert_eq!(Device::load(&b.ctx.home).unwrap().unwrap().id(), &b.ctx.device.id());
    assert_eq!(b.snapshots(&b.line())[0], ours.commit, "its line goes on");
    assert_eq!(b.snapshots(&old_line)[0], theirs.commit, "the old name is the other's");
    b.write("work", "more of b");
    let next = b.capture();
    assert_eq!(b.push().pushed.len(), 1);
    assert_eq!(next.meta.seen.get(&Source::line(&old, &b.tree.id)), 1, "what a did after the fork was not seen");
    assert_eq!(next.meta.seen.get(&Source::line(&b.ctx.device.id(), &b.tree.id)), 1);
    assert_eq!(next.meta.seen.compare(&theirs.meta.seen), Relation::Diverged);
    assert_eq!(a.fetch().moved, [b.line().ref_name()]);
    assert_eq!(a.ctx.device.id(), old);
    assert!(b.registry().device(old.as_str()).unwrap().is_some(), "the other machine is a device like others");
    for machine in [&a, &b] {
        machine.check();
        assert!(!machine.fetch().renewed);
    }
}

#[test]
fn a_renewal_that_was_interrupted_is_finished_by_the_next_fetch() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let tip = a.work("one");
    a.push();
    let old_line = a.line();
    a.ctx.device.replace(Device::renew(&a.ctx.home, "a").unwrap());
    a.fetch();
    assert_eq!(a.snapshots(&a.line()), [tip.commit]);
    assert!(
        history::seal(&a.repo().gix(), a.value(&old_line).unwrap()).unwrap().is_some(),
        "the old name is as published"
    );
    let next = a.work("two");
    assert_eq!(next.meta.seen.get(&Source::line(&old_line.device, &a.tree.id)), 0);
    assert_eq!(a.push().pushed.len(), 1);
}

#[test]
fn what_somebody_else_put_where_our_line_is_is_named_and_written_over() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let main = fleet.git(&["rev-parse", "main"]);
    fleet.git(&["update-ref", &a.line().ref_name(), &main]);
    let report = a.fetch();
    assert!(report.refused[0].1.contains("written over"), "{:?}", report.refused);
    assert_eq!(a.push().pushed.len(), 1);
    assert!(a.fetch().refused.is_empty());
}
