//! Servers as they are: with ports, tokens, passwords, bad days.

use carry_testkit::fleet::{Fleet, Transport};
use carry_testkit::http_git::{HttpGit, PASSWORD, Refusal};

use super::{CARRY, drift, fetch, friends, push, remote, strangers, sync};

#[test]
fn a_token_in_the_url_is_used_and_never_shown() {
    let fleet = strangers(Transport::Http, 2);
    let url = fleet.http.as_ref().expect("over HTTP").url_with_password("shared.git");
    let [one, two] = [fleet.at(0), fleet.at(1)];
    for device in [one, two] {
        device.git(["remote", "set-url", "origin", &url]);
        device.git(["config", "credential.helper", ""]);
    }
    one.write("a.txt", "with a token\n");
    let mut said = one.carry(["now", "--push", "--yes"]);
    for args in [&["status"][..], &["status", "--json"], &["devices", "--json"], &["now", "--push", "--yes", "--json"]]
    {
        let ran = one.run(args);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        said.push_str(&(ran.stdout + &ran.stderr));
    }
    two.carry(["sync", "--yes"]);
    assert_eq!(two.read("a.txt").as_deref(), Some("with a token\n"));
    // Nor in what fails.
    fleet.http.as_ref().expect("over HTTP").refuse(Some(Refusal::Forbidden));
    one.write("a.txt", "more\n");
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    said.push_str(&(ran.stdout + &ran.stderr));
    let ran = two.run(["sync"]);
    said.push_str(&(ran.stdout + &ran.stderr));
    assert!(!said.contains(PASSWORD), "{said}");
}

#[test]
fn an_ipv6_host_is_reached() {
    let fleet = strangers(Transport::Path, 2);
    let served = fleet.bare().parent().expect("it lies in a folder").to_owned();
    // A machine without IPv6 has nothing to be tested here.
    let Some(server) = HttpGit::start_v6(&served) else { return };
    for device in fleet.devices() {
        device.git(["remote", "set-url", "origin", &server.url_with_password("shared.git")]);
    }
    fleet.at(0).write("a.txt", "by six\n");
    push(fleet.at(0));
    sync(fleet.at(1));
    assert_eq!(fleet.at(1).read("a.txt").as_deref(), Some("by six\n"));
}

#[test]
fn an_url_that_another_stands_for_is_followed() {
    let fleet = strangers(Transport::Path, 2);
    let served = fleet.bare().parent().expect("it lies in a folder").display().to_string();
    for device in fleet.devices() {
        device.git(["config", &format!("url.{served}/.insteadOf"), "work:"]);
        device.git(["remote", "set-url", "origin", "work:shared.git"]);
    }
    fleet.at(0).write("a.txt", "by another name\n");
    push(fleet.at(0));
    sync(fleet.at(1));
    assert_eq!(fleet.at(1).read("a.txt").as_deref(), Some("by another name\n"));
}

#[test]
fn without_the_key_of_core_ssh_command_nothing_goes_and_it_is_said() {
    let fleet = strangers(Transport::Ssh, 1);
    let one = fleet.at(0);
    push(one);
    one.git(["config", "core.sshCommand", "ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile=/dev/null"]);
    one.write("a.txt", "no way out\n");
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("origin"), "{ran:?}");
}

#[test]
fn the_users_own_ssh_command_counts_before_the_configured_one() {
    let fleet = strangers(Transport::Ssh, 1);
    let one = fleet.at(0);
    let works = one.git(["config", "core.sshCommand"]);
    one.git(["config", "core.sshCommand", "false"]);
    one.write("a.txt", "by the variable\n");
    let ran = one.run_with(("GIT_SSH_COMMAND", &works), ["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(fleet.remote_refs().iter().any(|(name, _)| name.starts_with("refs/carry/")));
}

#[test]
fn a_first_push_that_takes_longer_than_seconds_gets_there() {
    let fleet = strangers(Transport::Path, 2);
    // A remote that takes its time to accept.
    let hook = fleet.bare().join("hooks/pre-receive");
    carry_testkit::repo::write_file(&hook, b"#!/bin/sh\nsleep 7\n");
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().expect("chmod runs");
    fleet.at(0).write("a.txt", "slowly\n");
    push(fleet.at(0));
    std::fs::remove_file(&hook).expect("it is there");
    sync(fleet.at(1));
    assert_eq!(fleet.at(1).read("a.txt").as_deref(), Some("slowly\n"));
}

#[test]
fn what_a_server_refuses_is_said_and_goes_out_later() {
    let fleet = friends(Transport::Http, 2);
    let server = fleet.http.as_ref().expect("over HTTP");
    let (one, two) = (fleet.at(0), fleet.at(1));
    one.write("a.txt", "later\n");
    for refusal in [Refusal::Unauthorized, Refusal::Forbidden, Refusal::Unavailable] {
        server.refuse(Some(refusal));
        let ran = one.run(["now", "--push", "--yes"]);
        assert_eq!(ran.code, Some(1), "{refusal:?}: {ran:?}");
        assert!(ran.stderr.contains("origin"), "{refusal:?}: {ran:?}");
        assert_ne!(remote(one)["state"], "published", "{refusal:?}");
        // Asking fails too, and what is known stays known.
        let ran = two.run(["sync"]);
        assert!(ran.stderr.contains("could not be asked"), "{refusal:?}: {ran:?}");
    }
    server.heal();
    push(one);
    assert_eq!(remote(one)["state"], "published");
    fetch(two);
    assert_eq!(drift(two), ["one"]);
}

#[test]
fn a_remote_that_refuses_our_refs_is_named_and_stops_nothing_else() {
    let fleet = strangers(Transport::Path, 1);
    let one = fleet.at(0);
    carry_testkit::repo::write_file(&fleet.bare().join("hooks/update"), b"#!/bin/sh\necho not here >&2\nexit 1\n");
    std::process::Command::new("chmod").arg("+x").arg(fleet.bare().join("hooks/update")).status().expect("chmod runs");
    one.write("a.txt", "refused\n");
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("refused"), "{ran:?}");
    assert_eq!(remote(one)["state"], "refused");
    one.write("a.txt", "captured all the same\n");
    one.carry(["now"]);
    let newest = super::objects(&one.carry(["log", "--json", "--limit", "1"])).remove(0);
    let commit = newest["commit"].as_str().expect("an id");
    assert_eq!(one.carry(["show", commit, "a.txt"]), "captured all the same\n");
}

#[test]
fn a_remote_with_nothing_new_is_asked_once() {
    let fleet = friends(Transport::Http, 2);
    let server = fleet.http.as_ref().expect("over HTTP");
    let two = fleet.at(1);
    fetch(two);
    let before = server.log().len();
    fetch(two);
    let asked: Vec<String> = server.log().split_off(before);
    assert!(asked.iter().all(|line| !line.contains("git-receive-pack")), "{asked:?}");
    // The list of refs, perhaps after a first try without a password; no pack.
    assert!(asked.len() <= 3, "{asked:?}");
}

#[test]
fn a_repository_without_a_remote_works_as_before() {
    let fleet = Fleet::new(CARRY, Transport::Path, 1);
    let one = fleet.at(0);
    one.git(["remote", "remove", "origin"]);
    one.write("a.txt", "alone\n");
    one.carry(["now"]);
    let ran = one.run(["now", "--push", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    one.carry(["sync"]);
    assert_eq!(drift(one), [""; 0]);
}
