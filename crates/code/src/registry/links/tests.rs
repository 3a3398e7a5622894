use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);
const URL: &str = "ssh://host/repo.git";

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(&Home::at(dir.path())).unwrap();
    (dir, registry)
}

fn id(digit: char) -> ObjectId {
    ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
}

fn store() -> &'static Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff/.git"))
}

#[test]
fn nothing_is_known_of_a_link_before_it_is_noted() {
    let (_dir, registry) = registry();
    assert_eq!(registry.links(store()).unwrap(), []);
    assert_eq!(registry.link(store(), "origin", URL).unwrap(), LinkState::fresh("origin", URL));
}

#[test]
fn consent_is_for_one_url_of_one_repository() {
    let (_dir, mut registry) = registry();
    registry.update_link(store(), "origin", URL, |link| link.consent = Some(Consent::Agreed)).unwrap();
    assert_eq!(registry.link(store(), "other", URL).unwrap().consent, Some(Consent::Agreed));
    assert_eq!(registry.link(store(), "origin", "ssh://host/other.git").unwrap().consent, None);
    assert_eq!(registry.link(Path::new("/tmp/b/.git"), "origin", URL).unwrap().consent, None);
    registry.update_link(store(), "origin", URL, |link| link.consent = Some(Consent::Declined)).unwrap();
    assert_eq!(registry.link(store(), "origin", URL).unwrap().consent, Some(Consent::Declined));
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let (_dir, mut registry) = registry();
    registry
        .update_link(store(), "origin", URL, |link| {
            (link.consent, link.fetched) = (Some(Consent::Agreed), Some(NOW));
            link.fetch_error = Some("unreachable".to_owned());
        })
        .unwrap();
    registry.update_link(store(), "renamed", URL, |link| link.pushed = Some(NOW)).unwrap();
    let expected = LinkState {
        consent: Some(Consent::Agreed),
        fetched: Some(NOW),
        pushed: Some(NOW),
        fetch_error: Some("unreachable".to_owned()),
        ..LinkState::fresh("renamed", URL)
    };
    assert_eq!(registry.links(store()).unwrap(), std::slice::from_ref(&expected));
    assert_eq!(registry.link(store(), "origin", URL).unwrap(), expected);
}

fn published_as(branch: &str, state: LineState) -> Published {
    let branch = Branch::Named(branch.into());
    let device: DeviceId = "laptop-0123abcd".parse().unwrap();
    Published {
        line: LineName::new(&device, &"0123456789ab".parse().unwrap(), &branch),
        branch,
        seal: Some(id('a')),
        snapshot: Some(id('b')),
        pushed: Some(NOW),
        state,
    }
}

#[test]
fn how_a_line_stands_is_kept_for_each_remote() {
    let (_dir, mut registry) = registry();
    let held = published_as("Ärger%", LineState::Held { findings: vec!["a: key".to_owned()] });
    let mut main = published_as("main", LineState::Published);
    registry.note_published(store(), URL, &main).unwrap();
    registry.note_published(store(), URL, &held).unwrap();
    (main.state, main.seal, main.pushed) = (LineState::Refused { message: "no".to_owned() }, None, None);
    registry.note_published(store(), URL, &main).unwrap();
    assert_eq!(registry.published(store(), URL).unwrap(), [held, main]);
    assert_eq!(registry.published(store(), "ssh://host/other.git").unwrap(), []);
}

#[test]
fn a_state_of_a_newer_carry_is_looked_at_again() {
    let (_dir, mut registry) = registry();
    registry.note_published(store(), URL, &published_as("main", LineState::Published)).unwrap();
    let failed = registry.db.failed();
    let run = |tx: &carry_kernel::db::rusqlite::Transaction<'_>, sql: &str| tx.execute(sql, []).map_err(&failed);
    registry.db.write(|tx| run(tx, "UPDATE published SET state = '{\"state\":\"shiny\"}', seal = 'x'")).unwrap();
    let found = registry.published(store(), URL).unwrap();
    assert_eq!((&found[0].state, found[0].seal), (&LineState::Pending, None));
    registry.db.write(|tx| run(tx, "UPDATE published SET ref = 'refs/heads/x'")).unwrap();
    assert_eq!(registry.published(store(), URL).unwrap(), []);
}

#[test]
fn a_tip_is_told_once_in_each_tree() {
    let (_dir, mut registry) = registry();
    let (a, b): (TreeId, TreeId) = ("0123456789ab".parse().unwrap(), "ba9876543210".parse().unwrap());
    let mut tell = |tree, writer, tip| registry.tell_once(tree, writer, tip).unwrap();
    assert!(tell(&a, "desk", id('a')));
    assert!(!tell(&a, "desk", id('a')));
    assert!(tell(&b, "desk", id('a')));
    assert!(tell(&a, "pulsar/x", id('a')));
    assert!(tell(&a, "desk", id('b')));
    assert!(!tell(&a, "desk", id('b')));
}
