//! What must not be in a store, whatever little of a session is shared.

use carry_kernel::db::rusqlite::Connection;
use carry_sessions::model::{Facts, NativeId, Relation, RelationKind};

use super::rig::Rig;
use super::*;
use crate::fixture::value;

fn facts(cwd: &str, branch: Option<&str>) -> Facts {
    Facts { cwd: Some(cwd.to_owned()), branch: branch.map(str::to_owned), ..Facts::default() }
}

fn there(rig: &Rig) -> String {
    format!("{:?}", rig.store.units())
}

#[test]
fn a_secret_that_only_a_message_tells_is_masked_in_a_head_without_messages() {
    for mode in [Mode::Metadata, Mode::Prompts, Mode::Full] {
        let mut rig = Rig::new();
        rig.share(&format!("*={mode}"));
        let branch = format!("try-{}", value(1));
        rig.fixture.put_with("one", facts("/nowhere/orchard", Some(&branch)), &[prompt(0, "a"), answer(1, &named(1))]);
        rig.push().unwrap();
        assert!(there(&rig).contains("try-[REDACTED:"), "{mode}: {}", there(&rig));
        assert!(!there(&rig).contains(&value(1)), "{mode}");
        rig.assert_settled();
    }
}

#[test]
fn a_secret_that_only_a_message_tells_is_masked_in_sums_until_nobody_tells_it() {
    let mut rig = Rig::new();
    rig.share("*=aggregates");
    let cwd = format!("/nowhere/{}", value(2));
    for name in ["a", "b", "c"] {
        rig.fixture.put_with(name, facts(&cwd, None), &[prompt(0, name)]);
    }
    rig.push().unwrap();
    assert!(there(&rig).contains(&value(2)), "it is a name like any other");
    for name in ["a", "b"] {
        rig.fixture.put_with(name, facts(&cwd, None), &[prompt(0, name), answer(1, &named(2))]);
        rig.push().unwrap();
        assert!(!there(&rig).contains(&value(2)), "{}", there(&rig));
        rig.assert_settled();
    }
    // Each of them is enough.
    for (name, is_there) in [("a", false), ("b", true)] {
        rig.fixture.put_with(name, facts(&cwd, None), &[prompt(0, name)]);
        rig.push().unwrap();
        assert_eq!(there(&rig).contains(&value(2)), is_there, "{name}");
        rig.assert_settled();
    }
}

#[test]
fn for_sums_what_has_not_changed_is_not_read_again() {
    let mut rig = Rig::new();
    rig.share("*=aggregates");
    for name in ["a", "b"] {
        rig.fixture.put(name, &[prompt(0, name), answer(1, "what models there are is shown, too")]);
    }
    rig.push().unwrap();
    let (archive, n) = (Connection::open(rig.fixture.home.database("sessions")).unwrap(), rig.fixture.session("a").n);
    archive.execute("UPDATE messages SET body = x'ff00' WHERE session = ?1", [n]).unwrap();
    rig.fixture.put("b", &[prompt(0, "b"), answer(1, "more"), answer(2, "and more")]);
    let report = rig.push().unwrap();
    assert_eq!((report.done.len(), report.failed.len()), (1, 0), "it could not be read");
}

#[test]
fn what_cannot_be_looked_through_does_not_leave_in_any_mode() {
    for mode in [Mode::Aggregates, Mode::Metadata, Mode::Prompts] {
        let mut rig = Rig::new();
        rig.share(&format!("*={mode}"));
        rig.fixture.put("one", &[prompt(0, "a"), answer(1, &"a ".repeat(carry_redact::FIELD_BYTES_MAX / 2 + 1))]);
        assert_eq!(rig.push().unwrap().failed.len(), 1, "{mode}");
        assert!(rig.store.units().is_empty());
    }
}

#[test]
fn the_working_directory_leaves_with_prompts_and_not_with_less() {
    for mode in [Mode::Aggregates, Mode::Metadata, Mode::Prompts, Mode::Full] {
        let mut rig = Rig::new();
        rig.share(&format!("*={mode}"));
        rig.fixture.put_with("one", facts("/nowhere/canary/orchard", None), &[prompt(0, "a")]);
        rig.fixture.put_with("two", facts("/nowhere/another/orchard", None), &[prompt(0, "a")]);
        rig.push().unwrap();
        let is_shared = mode >= Mode::Prompts;
        assert_eq!(there(&rig).contains("canary"), is_shared, "{mode}: {}", there(&rig));
        assert_eq!(there(&rig).matches("orchard~").count() > 1, !is_shared, "{mode}: {}", there(&rig));
        assert_eq!(rig.store.units().len(), 2, "two projects of one name are two, as {mode}");
        rig.assert_settled();
    }
}

#[test]
fn what_an_agent_wrote_to_its_subagent_is_no_prompt() {
    let mut rig = Rig::new();
    rig.share("*=prompts");
    rig.fixture.put("parent", &[prompt(0, "from the user"), answer(1, "x")]);
    let relation = |kind| Some(Relation { parent: NativeId("parent".to_owned()), kind, call: None });
    let said = [prompt(0, "from the agent"), answer(1, "y")];
    rig.fixture.put_as("child", relation(RelationKind::Subagent), &said);
    rig.fixture.put_as("fork", relation(RelationKind::Fork), &[prompt(0, "from the user again")]);
    rig.push().unwrap();
    assert!(!there(&rig).contains("from the agent"), "{}", there(&rig));
    assert!(there(&rig).contains("from the user again"));
    assert!(rig.rows("child").is_empty() && !rig.rows("parent").is_empty());
    rig.assert_settled();
    rig.share("*=full");
    rig.push().unwrap();
    assert!(there(&rig).contains("from the agent"));
}

#[test]
fn a_folder_that_is_kept_out_is_kept_out_whichever_clone_was_seen_last() {
    let mut rig = Rig::new();
    let remote = Some("https://github.com/acme/orchard".to_owned());
    let of = |cwd: &str| Facts { remote: remote.clone(), ..facts(cwd, None) };
    let (odd, list) = (Vec::<String>::new(), ["*=full", "/nowhere/private=off"].map(str::to_owned));
    for order in [["private", "work"], ["work", "private"]] {
        for name in order {
            let text = format!("canary of {name}");
            rig.fixture.put_with(name, of(&format!("/nowhere/{name}/orchard")), &[prompt(0, &text)]);
        }
        let (shares, warnings) = crate::share::Shares::parse(&list, "default", None);
        assert_eq!(warnings, odd);
        rig.settings.shares = shares;
        rig.push().unwrap();
        assert!(!there(&rig).contains("canary of private"));
    }
}
