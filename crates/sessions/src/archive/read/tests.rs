use super::*;
use crate::archive::write::tests::rig::{Rig, answer, open, prompt, result};
use crate::source::Op;

fn rig() -> Rig {
    let mut rig = Rig::new();
    let of =
        |agent, native: &str| Op::Session { agent: Some(agent), native: NativeId(native.to_owned()), relation: None };
    let ops = [
        open("aaaa-1111"),
        prompt(0, "one"),
        open("aaaa-2222"),
        open("bbbb"),
        open("bbbb-more"),
        of(Agent::Codex, "bbbb"),
        of(Agent::Codex, "cccc-3333"),
        open("ses:with:colons"),
        open("%%%%%"),
    ];
    rig.whole("a", &ops);
    rig
}

fn found(rig: &Rig, spec: &str) -> String {
    match rig.archive.find(spec) {
        Ok(row) => row.agent.qualified(&row.native),
        Err(FindError::None { .. }) => "none".to_owned(),
        Err(FindError::Ambiguous { ids, .. }) => format!("{} of them", ids.len()),
        Err(FindError::Archive(error)) => panic!("{error}"),
    }
}

#[test]
fn sessions_are_found_by_what_names_them() {
    let rig = rig();
    let wanted = rig.session("aaaa-1111");
    for spec in
        [wanted.id.as_str(), &wanted.id.as_str()[..12], "aaaa-1111", "aaaa-1", " aaaa-1111\n", "claude:aaaa-1111"]
    {
        assert_eq!(rig.archive.find(spec).unwrap().id, wanted.id, "{spec}");
    }
    let codex = Agent::Codex.qualified(&NativeId("cccc-3333".to_owned()));
    for spec in ["codex:cccc-3333", "codex:cccc", "cccc"] {
        assert_eq!(found(&rig, spec), codex, "{spec}");
    }
    assert_eq!(found(&rig, "claude:cccc"), "none");
    for spec in ["ses:with:colons", "ses:with", "claude:ses:with:colons"] {
        assert!(found(&rig, spec).ends_with("ses:with:colons"), "{spec}");
    }
}

#[test]
fn an_id_that_is_whole_is_no_prefix_and_an_agent_decides() {
    let rig = rig();
    assert_eq!(found(&rig, "aaaa"), "2 of them");
    assert_eq!(found(&rig, "bbbb"), "2 of them");
    let codex = Agent::Codex.qualified(&NativeId("bbbb".to_owned()));
    assert_eq!(found(&rig, "codex:bbbb"), codex);
    assert_eq!(rig.archive.find("claude:bbbb").unwrap().native.0, "bbbb");
}

#[test]
fn hostile_names_find_nothing() {
    let rig = rig();
    let long = "x".repeat(1 << 20);
    for spec in ["", ":", "codex:", "aaa", "%", "____", "aaa_", "aaaa%", "aaaa\0", "\0\0\0\0", "' OR 1=1 --", &long] {
        assert_eq!(found(&rig, spec), "none", "{spec:.20?}");
    }
    assert!(found(&rig, "%%%%").ends_with("%%%%%"));
    assert!(rig.archive.find(&long).unwrap_err().to_string().len() < 200);
}

#[test]
fn messages_are_read_from_where_one_wants() {
    let mut rig = rig();
    rig.whole("b", &[open("long"), prompt(0, "a"), answer(5, "b", 0), prompt(9, "c")]);
    let n = rig.session("long").n;
    let ordinals = |from, limit| -> Vec<u32> {
        rig.archive.messages(n, from, limit).unwrap().iter().map(|stored| stored.message.ordinal).collect()
    };
    assert_eq!(ordinals(0, 10), [0, 5, 9]);
    assert_eq!(ordinals(1, 1), [5]);
    assert_eq!(ordinals(10, 10), [0; 0]);
    assert_eq!(ordinals(0, 0), [0; 0]);
    assert_eq!(ordinals(0, usize::MAX).len(), 3);
}

#[test]
fn messages_of_a_stretch_of_ordinals_are_read_with_its_ends() {
    let mut rig = Rig::new();
    let mut ops = vec![open("one")];
    ops.extend([0, 3, 4, 9].map(|ordinal| answer(ordinal, "so", 1)));
    ops.push(result("call-4-0", "done", ResultStatus::Completed));
    rig.whole("a", &ops);
    let n = rig.session("one").n;
    let read = |ordinals| -> Vec<(u32, usize)> {
        let messages = rig.archive.messages_in(n, ordinals).unwrap();
        messages.iter().map(|stored| (stored.message.ordinal, stored.results.len())).collect()
    };
    assert_eq!(read(3..=4), [(3, 0), (4, 1)]);
    assert_eq!(read(5..=8), []);
    assert_eq!(read(9..=u32::MAX), [(9, 0)]);
}
