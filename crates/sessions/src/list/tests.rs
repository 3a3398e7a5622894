use super::*;
use crate::archive::fixture::Fixture;

fn ids(fixture: &Fixture, filter: &Filter) -> Vec<String> {
    fixture.archive.list(filter).unwrap().sessions.iter().map(|session| session.id.to_string()).collect()
}

fn three() -> Fixture {
    let fixture = Fixture::new();
    for (n, id) in [(1, "aa"), (2, "bb"), (3, "cc")] {
        fixture.session(n, id);
    }
    fixture
}

#[test]
fn the_newest_end_comes_first_and_sessions_without_times_last() {
    let fixture = three();
    fixture.set(2, "ended_ms", "NULL");
    fixture.set(1, "ended_ms", "99000");
    assert_eq!(ids(&fixture, &Filter::default()), ["aa", "cc", "bb"]);
    // Times that cannot be meant are as good as none.
    for time in ["9007199254740992", "-9007199254740992", "9000000000001", "-1"] {
        fixture.set(2, "ended_ms", time);
        assert_eq!(ids(&fixture, &Filter::default()), ["aa", "cc", "bb"], "{time}");
    }
}

#[test]
fn the_limit_says_how_many_more_there_are() {
    let listed = three().archive.list(&Filter { limit: Some(2), ..Filter::default() }).unwrap();
    assert_eq!((listed.sessions.len(), listed.more, listed.hidden), (2, 1, 0));
}

#[test]
fn subagents_forks_of_branches_background_and_automated_sessions_are_hidden_and_counted() {
    let fixture = three();
    for (n, id) in [(4, "dd"), (5, "ee"), (6, "ff"), (7, "gg")] {
        fixture.session(n, id);
    }
    fixture.set(1, "unit", "7");
    fixture.set(2, "relation", "'subagent'");
    fixture.set(3, "is_automated", "1");
    // A branch in the parent's own file; a fork with a file of its own; one without messages that count; one of a background job.
    for n in 4..=7 {
        fixture.set(n, "relation", "'fork'");
        fixture.set(n, "parent", "'native-aa'");
    }
    fixture.set(4, "unit", "7");
    fixture.set(5, "unit", "8");
    fixture.set(6, "messages", "0");
    fixture.set(7, "kind", "'bg'");
    let listed = fixture.archive.list(&Filter::default()).unwrap();
    assert_eq!(ids(&fixture, &Filter::default()), ["ee", "aa"]);
    assert_eq!((listed.more, listed.hidden), (0, 5));
    let all = fixture.archive.list(&Filter { all: true, ..Filter::default() }).unwrap();
    assert_eq!((all.sessions.len(), all.hidden), (7, 0));
}

#[test]
fn what_is_in_the_trash_is_shown_only_when_asked_for() {
    let fixture = three();
    fixture.register("bb", "trash", "", Some("1"));
    fixture.register("cc", "trash", "", None);
    assert_eq!(ids(&fixture, &Filter { all: true, ..Filter::default() }), ["cc", "aa"]);
    assert_eq!(ids(&fixture, &Filter { is_trashed: true, ..Filter::default() }), ["bb"]);
}

#[test]
fn curation_shows_in_the_row() {
    let fixture = three();
    fixture.set(1, "name", "'the agent''s'");
    fixture.register("aa", "name", "", Some("mine"));
    fixture.register("aa", "star", "", Some("1"));
    for (label, value) in [("zeta", Some("1")), ("alpha", Some("1")), ("gone", None)] {
        fixture.register("aa", "label", label, value);
    }
    let starred = fixture.archive.list(&Filter { is_starred: true, ..Filter::default() }).unwrap().sessions;
    assert_eq!(starred.len(), 1);
    assert_eq!((starred[0].name.as_deref(), starred[0].is_renamed), (Some("mine"), true));
    assert_eq!(starred[0].labels, ["alpha", "zeta"]);
    assert_eq!(ids(&fixture, &Filter { label: Some("zeta".into()), ..Filter::default() }), ["aa"]);
    assert_eq!(ids(&fixture, &Filter { label: Some("gone".into()), ..Filter::default() }), [""; 0]);
}

#[test]
fn each_filter_narrows_the_list() {
    let fixture = three();
    fixture.set(1, "agent", "'codex'");
    fixture.set(1, "branch", "'topic'");
    fixture.set(1, "cost_micros", "500");
    fixture.set(1, "project", "NULL");
    fixture.answer(1, 0, None, 1, None);
    fixture.call(1, 0, "shell", "Bash", Some("/home/me/src/main.rs"), 2);
    let only = |filter: Filter| assert_eq!(ids(&fixture, &filter), ["aa"], "{filter:?}");
    let none = Filter::default;
    only(Filter { agents: vec![Agent::Codex, Agent::Amp], ..none() });
    only(Filter { branch: Some("topic".into()), ..none() });
    only(Filter { cost_min: Some(500), ..none() });
    only(Filter { model: Some("MODEL-A".into()), ..none() });
    only(Filter { tool: Some("shell".into()), ..none() });
    only(Filter { category: Some(Category::Bash), ..none() });
    only(Filter { file: Some("/home/me/src/main.rs".into()), ..none() });
    only(Filter { file: Some("src/main.rs".into()), ..none() });
    only(Filter { until: Some(Timestamp::from_millis(2000)), ..none() });
    assert_eq!(ids(&fixture, &Filter { file: Some("ain.rs".into()), ..none() }), [""; 0]);
    assert_eq!(ids(&fixture, &Filter { since: Some(Timestamp::from_millis(2500)), ..none() }), ["cc", "bb"]);
    assert_eq!(ids(&fixture, &Filter { project: Some("us/Carry".into()), ..none() }), ["cc", "bb"]);
}

#[test]
fn filters_are_values_not_sql() {
    let hostile = Some("' OR 1=1 -- \0%_".to_owned());
    let filter = Filter { project: hostile.clone(), branch: hostile.clone(), file: hostile, ..Filter::default() };
    assert_eq!(ids(&three(), &filter), [""; 0]);
}

#[test]
fn what_has_no_date_is_in_no_span_of_time() {
    let fixture = three();
    let since = Filter { since: Some(Timestamp::from_millis(2500)), ..Filter::default() };
    let until = Filter { until: Some(Timestamp::from_millis(2000)), ..Filter::default() };
    assert_eq!((ids(&fixture, &since), ids(&fixture, &until)), (vec!["cc".into(), "bb".into()], vec!["aa".into()]));
    // In the year 287396, and before 1970.
    fixture.set(3, "ended_ms", "9007199254740991");
    fixture.set(1, "started_ms", "-1");
    assert_eq!((ids(&fixture, &since), ids(&fixture, &until)), (vec!["bb".to_owned()], vec![]));
    assert_eq!(ids(&fixture, &Filter::default()).len(), 3);
}
