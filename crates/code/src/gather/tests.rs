use carry_kernel::clock::{Clock as _, Timestamp};
use carry_kernel::device::Device;
use carry_kernel::home::Home;
use carry_kernel::id::TreeId;

use super::fixture::{Fleet, Machine, io};
use crate::git::ObjectId;
use crate::git::fixture::{command, git};
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::seal::Seal;
use crate::seen::{Relation, Source};
use crate::{history, prune, refs};

mod hostile;
mod killed;
mod ours;
mod shapes;

/// Refs and files that are the user's and that a fetch could touch.
fn of_the_user(machine: &Machine) -> String {
    let refs = machine.git(&["for-each-ref", "--exclude=refs/carry/", "--exclude=refs/carry-keep/"]);
    let config = std::fs::read_to_string(machine.root.join(".git/config")).unwrap();
    let fetch_head = machine.root.join(".git/FETCH_HEAD").exists();
    format!("{refs}\n{config}\n{fetch_head}\n{}", machine.git(&["status", "--porcelain=v2", "--branch"]))
}

#[test]
fn a_line_that_was_published_arrives_whole_and_nothing_else_changes() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    let tip = a.work("two");
    a.push();
    let before = of_the_user(&b);
    let report = b.fetch();
    assert_eq!(report.moved, [a.line().ref_name()]);
    assert_eq!(report.new_devices, [a.ctx.device.id().as_str()]);
    assert!(report.changed && report.refused.is_empty() && !report.renewed);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
    assert_eq!(b.snapshots(&a.line())[0], tip.commit);
    assert_eq!(of_the_user(&b), before);
    b.check();
    let left = std::fs::read_dir(b.repo().objects_dir()).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("tmp_")));
    let link = b.registry().link(b.repo().common_dir(), "origin", &b.url).unwrap();
    assert!(link.fetched.is_some() && link.fetch_error.is_none());
}

#[test]
fn where_nothing_changed_the_remote_is_only_asked() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    for machine in [&a, &b] {
        let steps = std::cell::RefCell::new(Vec::new());
        let progress = |name: &str, _, _| steps.borrow_mut().push(name.to_owned());
        let cancel = std::sync::atomic::AtomicBool::new(false);
        let io = crate::remote::Io { progress: &progress, ..io(&cancel) };
        let trees = std::slice::from_ref(&machine.tree);
        let report = super::fetch(&machine.ctx, &machine.repo(), trees, &machine.remote(), &io).unwrap();
        assert_eq!(report, super::Report::default());
        assert_eq!(steps.into_inner(), ["asking"]);
    }
}

#[test]
fn a_thinned_line_is_followed() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    let all: Vec<ObjectId> = ["1", "2", "3", "4"].iter().map(|text| a.work(text).commit).collect();
    a.push();
    b.fetch();
    let repo = a.repo();
    let keeper = a.value(&a.line()).unwrap();
    let mut batch = Batch::new(repo.hash());
    let dropped = [all[1], all[2]].into();
    let rebuilt = prune::rebuild(&repo.gix(), keeper, &dropped, &mut batch).unwrap().unwrap();
    batch.write(&repo.objects_dir()).unwrap();
    refs::update(&repo, &a.line().ref_name(), Some(keeper), rebuilt.keeper).unwrap();
    assert_eq!(a.push().unchanged, 1, "the remote has its newest snapshot");
    let tip = a.work("5");
    assert_eq!(a.push().pushed.len(), 1);
    assert_eq!(b.fetch().moved.len(), 1);
    assert_eq!(b.snapshots(&a.line()), [tip.commit, all[3], all[0]]);
    b.check();
}

#[test]
fn what_git_prunes_are_never_lines() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    b.fetch();
    let value = b.value(&a.line());
    fleet.git(&["update-ref", "-d", &a.line().ref_name()]);
    b.git(&["config", "fetch.prune", "true"]);
    b.git(&["fetch", "--quiet"]);
    b.git(&["remote", "prune", "origin"]);
    assert_eq!(b.fetch().moved, Vec::<String>::new());
    assert_eq!(b.value(&a.line()), value);
}

#[test]
fn another_clone_on_this_device_is_met_without_being_a_new_device() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let base = fleet.path().join("a2");
    git(&fleet.path(), &["clone", "--quiet", &a.url, "a2"]);
    let repo = crate::repo::Repo::open(&base).unwrap();
    let crate::registry::Added::New(tree) =
        a.registry().add(&repo, &a.ctx.device.id(), Timestamp::from_secs(1), false, None).unwrap()
    else {
        panic!("it is new")
    };
    let report =
        super::fetch(&a.ctx, &repo, &[tree], &a.remote(), &io(&std::sync::atomic::AtomicBool::new(false))).unwrap();
    assert_eq!(report.moved, [a.line().ref_name()]);
    assert!(report.new_devices.is_empty() && report.lost.is_empty());
}
