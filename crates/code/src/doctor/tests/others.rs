//! Remotes and other devices.

use carry_kernel::device::Device;

use super::*;
use crate::line::{Branch, LineName};
use crate::publish::{LineState, Published};
use crate::registry::{Consent, LinkState};
use crate::tips::fixture::{Other, Wrote};

const URL: &str = "https://me:secret@host.example/repo.git";

fn link(world: &World, change: impl FnOnce(&mut LinkState)) {
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    registry.update_link(world.repo().common_dir(), "origin", URL, change).unwrap();
}

fn line(world: &World, state: LineState) {
    let branch = Branch::Named("main".into());
    let published = Published {
        line: LineName::new(&world.ctx.device.id(), &world.tree, &branch),
        branch,
        seal: None,
        snapshot: None,
        pushed: None,
        state,
    };
    Registry::open(&world.ctx.home).unwrap().note_published(world.repo().common_dir(), URL, &published).unwrap();
}

#[test]
fn exchanges_that_failed_are_told_with_what_to_do() {
    let world = healthy();
    link(&world, |link| {
        link.consent = Some(Consent::Agreed);
        link.fetch_error = Some("Authentication failed for 'https://me:secret@host.example/repo.git'.".to_owned());
        link.push_error = Some("the disk is full".to_owned());
    });
    assert_eq!(codes(&world), ["fetch-failed", "push-failed"]);
    let finding = find(&world, "fetch-failed");
    assert!(finding.problem.contains("Authentication failed") && !finding.problem.contains("secret"), "{finding:?}");
    assert!(finding.advice.contains("git fetch origin"));

    link(&world, |link| (link.fetch_error, link.push_error) = (None, None));
    assert_eq!(codes(&world), Vec::<&str>::new());
}

#[test]
fn what_went_wrong_at_an_address_that_was_replaced_is_over() {
    let world = healthy();
    world.git.git(&["remote", "add", "origin", URL]);
    let key = crate::remote::key_of(&world.repo(), "origin").unwrap();
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    let fails = |link: &mut LinkState| {
        link.consent = Some(Consent::Agreed);
        link.fetch_error = Some("no such host".to_owned());
        link.push_error = Some("the disk is full".to_owned());
    };
    registry.update_link(world.repo().common_dir(), "origin", &key, fails).unwrap();
    let failing = ["fetch-failed", "push-failed"];
    assert_eq!(codes(&world), failing);
    world.git.git(&["remote", "set-url", "origin", "https://host.example/elsewhere.git"]);
    assert_eq!(codes(&world), Vec::<&str>::new());
    world.git.git(&["remote", "set-url", "origin", "https://me:other@host.example/repo.git"]);
    assert_eq!(codes(&world), failing, "another password is the same place");
}

#[test]
fn what_is_not_published_any_more_is_no_failed_push() {
    let world = healthy();
    link(&world, |link| {
        link.consent = Some(Consent::Declined);
        link.push_error = Some("the disk is full".to_owned());
    });
    line(&world, LineState::Refused { message: "no".to_owned() });
    assert_eq!(codes(&world), Vec::<&str>::new());
}

#[test]
fn lines_that_are_not_published_by_themselves_are_told() {
    let world = healthy();
    link(&world, |link| link.consent = Some(Consent::Agreed));
    for state in [LineState::Published, LineState::Pending] {
        line(&world, state);
        assert_eq!(codes(&world), Vec::<&str>::new());
    }
    line(&world, LineState::Held { findings: ["a: key", "b: key", "c: key", "d: key"].map(str::to_owned).to_vec() });
    assert_eq!(codes(&world), ["push-held"]);
    assert!(find(&world, "push-held").problem.ends_with("a: key, b: key, c: key and 1 more."));
    line(&world, LineState::Refused { message: "hook declined\u{1b}[2J!".to_owned() });
    let finding = find(&world, "push-refused");
    assert!(finding.problem.contains("hook declined") && !finding.problem.contains('\u{1b}'), "{finding:?}");
    line(&world, LineState::Diverged);
    assert_eq!(codes(&world), ["push-diverged"]);
    assert!(find(&world, "push-diverged").advice.contains("`carry now --push`"));
}

#[test]
fn a_refspec_that_moves_our_refs_is_told_however_it_is_written() {
    let world = healthy();
    world.git.git(&["remote", "add", "origin", "/nowhere"]);
    for (spec, is_told) in [
        ("+refs/*:refs/*", true),
        ("refs/carry/*:refs/carry/*", true),
        ("+refs/c*:refs/c*", true),
        ("refs/carry-keep/*:refs/carry-keep/*", true),
        ("+refs/heads/*:refs/remotes/origin/*", false),
        ("refs/carry/*:refs/remotes/origin/carry/*", false),
        ("refs/heads/main", false),
    ] {
        world.git.git(&["config", "--replace-all", "remote.origin.fetch", spec]);
        assert_eq!(codes(&world).contains(&"mirror-fetch"), is_told, "{spec}");
    }
    world.git.git(&["config", "--replace-all", "remote.origin.fetch", "+refs/*:refs/*"]);
    world.git.git(&["config", "--add", "remote.origin.fetch", "^refs/carry*"]);
    assert_eq!(codes(&world), Vec::<&str>::new());
}

#[test]
fn devices_that_nobody_approved_are_noted() {
    let world = healthy();
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    registry.note_device("desk-0123abcd", Some([1; 32]), "desk\u{202e}", NOW).unwrap();
    registry.note_device("pulsar/lab--01234567", None, "lab", NOW).unwrap();
    let finding = find(&world, "devices-unapproved");
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.problem.contains("desk\u{fffd} (desk-0123abcd), lab (pulsar/lab--01234567)"), "{finding:?}");
    for id in ["desk-0123abcd", "pulsar/lab--01234567"] {
        registry.approve_device(id, NOW).unwrap();
    }
    assert_eq!(codes(&world), Vec::<&str>::new());
}

#[test]
fn a_device_that_had_to_become_another_says_so() {
    let world = healthy();
    let before = world.ctx.device.id();
    world.ctx.device.replace(Device::renew(&world.ctx.home, "laptop").unwrap());
    assert!(find(&world, "identity-forked").problem.contains(before.as_str()));
}

#[test]
fn two_devices_of_one_name_are_noted_and_so_is_this_one_among_them() {
    let world = healthy();
    let approve = |other: &Other| {
        let mut registry = Registry::open(&world.ctx.home).unwrap();
        registry.note_device(other.id.as_str(), Some(other.key()), &other.label, NOW).unwrap();
        registry.approve_device(other.id.as_str(), NOW).unwrap();
    };
    let publishes = |host: &str, label: &str| {
        let other = Other { label: label.to_owned(), ..Other::new(host) };
        approve(&other);
        other.publishes(&world, &Wrote::new(world.write_tree(), &[(other.source(), 1)]));
        other.id
    };
    publishes("desk", "Desk");
    assert_eq!(codes(&world), Vec::<&str>::new());
    let id = publishes("other", world.ctx.device.get().label());
    assert!(find(&world, "label-shared").problem.contains(id.as_str()));
    publishes("third", "Desk");
    assert_eq!(codes(&world), ["label-shared"; 2]);
}

#[test]
fn who_writes_under_anothers_id_is_named() {
    let world = healthy();
    let other = Other::new("desk");
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    registry.note_device(other.id.as_str(), Some([7; 32]), "desk", NOW).unwrap();
    registry.approve_device(other.id.as_str(), NOW).unwrap();
    other.publishes(&world, &Wrote::new(world.write_tree(), &[(other.source(), 1)]));
    let finding = find(&world, "device-impostor");
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.problem.contains(other.id.as_str()));
}
