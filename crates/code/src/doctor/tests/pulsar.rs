//! git-pulsar in the same clone.

use super::*;
use crate::registry::Presence;

const TIMER: &str = ".config/systemd/user/com.jacksonferguson.gitpulsar.timer";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is said of a user's home in which these files are.
fn said(world: &World, files: &[(&str, String)]) -> Vec<Finding> {
    let home = tempfile::tempdir().unwrap();
    for (path, content) in files {
        write(&home.path().join(path), content.as_bytes());
    }
    git_pulsar(&world.ctx, home.path())
}

fn listed(world: &World) -> (&'static str, String) {
    let root = world.git.root().display().to_string();
    (".local/state/git-pulsar/registry", format!("/somewhere/else\n\n  {root}  \n"))
}

#[test]
fn a_git_pulsar_that_captures_the_same_tree_is_told_and_can_be_stopped() {
    let world = healthy();
    let found = said(&world, &[(TIMER, String::new()), listed(&world)]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].severity), ("git-pulsar-active", Severity::Warning));
    let Some(Fix::Run(command)) = &found[0].fix else { panic!("there is a command") };
    assert_eq!(command.join(" "), "systemctl --user disable --now com.jacksonferguson.gitpulsar.timer");

    write(&world.path(".git/pulsar_paused"), b"");
    let found = said(&world, &[(TIMER, String::new()), listed(&world)]);
    assert_eq!(
        found.iter().map(|found| (found.code, found.severity)).collect::<Vec<_>>(),
        [("git-pulsar-paused", Severity::Note)]
    );
}

#[test]
fn on_a_mac_it_is_found_by_its_agents() {
    let world = healthy();
    let fix = |agent: &str| {
        let found = said(&world, &[(agent, String::new()), listed(&world)]);
        let [Finding { fix: Some(Fix::Run(command)), .. }] = &found[..] else { panic!("{found:?}") };
        command.join(" ")
    };
    assert_eq!(fix("Library/LaunchAgents/homebrew.mxcl.git-pulsar.plist"), "brew services stop git-pulsar");
    let own = fix("Library/LaunchAgents/com.jacksonferguson.gitpulsar.plist");
    assert!(own.starts_with("launchctl unload -w /") && own.ends_with("gitpulsar.plist"), "{own}");
}

#[test]
fn one_that_is_not_started_or_works_elsewhere_is_nothing_to_speak_of() {
    let world = healthy();
    assert_eq!(said(&world, &[]), []);
    assert_eq!(said(&world, &[listed(&world)]), []);
    assert_eq!(said(&world, &[(TIMER, String::new())]), []);
    let other = (".local/state/git-pulsar/registry", "/somewhere/else\n".to_owned());
    assert_eq!(said(&world, &[(TIMER, String::new()), other]), []);
}

#[test]
fn what_a_killed_git_pulsar_left_is_removed_after_a_day() {
    let world = healthy();
    let paths = ["pulsar_index", "pulsar_index.lock"].map(|name| world.path(".git").join(name));
    for path in &paths {
        aged(path.clone(), HOUR * 3);
    }
    assert_eq!(codes(&world), Vec::<&str>::new(), "it may still be at work");
    for path in &paths {
        aged(path.clone(), DAY + HOUR);
    }
    assert_eq!(codes(&world), ["git-pulsar-leftover"; 2]);
    for finding in examine(&world.ctx) {
        if let Some(fix @ Fix::RemoveStaleLock(_)) = &finding.fix {
            apply(&world.ctx, fix).unwrap();
        }
    }
    assert_eq!(codes(&world), Vec::<&str>::new());
    assert!(paths.iter().all(|path| !path.exists()));
}

#[test]
fn only_such_leftovers_are_removed() {
    let world = healthy();
    for name in ["index", "pulsar_index2", "config"] {
        let path = aged(world.path(".git").join(name), DAY * 2);
        assert!(apply(&world.ctx, &Fix::RemoveStaleLock(path.clone())).is_err());
        assert!(path.exists());
    }
    let elsewhere = aged(world.git.dir().join("pulsar_index"), DAY * 2);
    assert!(apply(&world.ctx, &Fix::RemoveStaleLock(elsewhere.clone())).is_err());
    assert!(elsewhere.exists());
}

#[test]
fn without_a_registry_nothing_is_said() {
    let world = healthy();
    let mut registry = Registry::open(&world.ctx.home).unwrap();
    let tree = registry.trees().unwrap().remove(0);
    assert_eq!(registry.presence(&tree), Presence::Present);
    registry.remove(&world.tree).unwrap();
    assert_eq!(said(&world, &[(TIMER, String::new()), listed(&world)]), []);
}
