//! Lists and their filters.

use carry_kernel::clock::Timestamp;
use carry_sessions::git_links::LinkKind;
use carry_team::reader::{Filter, Reader as _};
use carry_team::share::Mode;

use super::rig::{Put, Rig, any, id};

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccc";

/// Three sessions of two persons, two of them with one id.
fn rig() -> Rig {
    let rig = Rig::new();
    assert_eq!(rig.owner("eli", "Eli", "desk"), 2);
    rig.put(&Put { id: A, ended: "2026-11-18", ..Put::default() });
    rig.put(&Put { id: B, ended: "2026-11-20", project: "cellar", ..Put::default() });
    rig.put(&Put { id: A, owner: 2, ended: "2026-11-19", mode: "metadata", ..Put::default() });
    rig
}

fn day(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = format!("{text}T00:00:00Z").parse().expect("a time");
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[test]
fn sessions_of_everybody_are_listed_newest_first_with_whose_they_are() {
    let rig = rig();
    let listed = rig.reader().list(&any()).expect("an answer");
    let seen: Vec<_> =
        listed.items.iter().map(|shared| (id(shared), shared.person.as_str(), shared.device.as_str())).collect();
    assert_eq!(
        seen,
        [(B.to_owned(), "Dana Ärger", "laptop"), (A.to_owned(), "Eli", "desk"), (A.to_owned(), "Dana Ärger", "laptop"),]
    );
    assert_eq!((listed.more, listed.hidden), (0, 0));
    let first = &listed.items[0];
    assert_eq!(first.head.session.first_prompt.as_deref(), Some("Mend bbbbbbbbbbbbbbbb"));
    assert_eq!(first.head.session.ended, day("2026-11-20").map(|at| at.after(std::time::Duration::from_secs(36_000))));
    assert_eq!((first.head.mode, listed.items[1].head.mode), (Mode::Full, Mode::Metadata));
    assert!(first.pushed > Timestamp::EPOCH);
    // Two sessions of one id are two.
    assert_ne!(listed.items[1].link, listed.items[2].link);
}

#[test]
fn a_list_is_cut_and_says_how_many_more_there_are() {
    let rig = rig();
    let listed = rig.reader().list(&Filter { limit: 2, ..any() }).expect("an answer");
    assert_eq!((listed.items.len(), listed.more), (2, 1));
    assert_eq!(rig.reader().list(&Filter { limit: 0, ..any() }).expect("an answer").more, 3);
    assert_eq!(rig.ids(&Filter { limit: usize::MAX, ..any() }).len(), 3);
}

#[test]
fn filters_choose_by_person_project_agent_and_time() {
    let rig = rig();
    let person = |name: &str| rig.ids(&Filter { person: Some(name.into()), ..any() });
    assert_eq!(person("ärg"), [B, A]);
    assert_eq!(person("eli"), [A]);
    assert_eq!(person("el"), [A]);
    assert_eq!(person("dana"), [B, A]);
    assert_eq!(person("%"), Vec::<String>::new());
    assert_eq!(person("x' OR true --"), Vec::<String>::new());
    assert_eq!(person("nul\0"), Vec::<String>::new());
    let project = |name: &str| rig.ids(&Filter { project: Some(name.into()), ..any() });
    assert_eq!((project("CELL"), project("github.com/acme/").len()), (vec![B.to_owned()], 3));
    let agent = |name: &str| rig.ids(&Filter { agent: Some(name.into()), ..any() });
    assert_eq!((agent("claude").len(), agent("codex").len()), (3, 0));
    assert_eq!(rig.ids(&Filter { since: day("2026-11-19"), ..any() }), [B, A]);
    assert_eq!(rig.ids(&Filter { until: day("2026-11-19"), ..any() }), [A]);
    assert_eq!(rig.ids(&Filter { until: day("2026-11-20"), since: day("2026-11-19"), ..any() }), [A]);
    for at in [i64::MIN, i64::MAX] {
        let at = Some(Timestamp::from_millis(at));
        assert_eq!(rig.ids(&Filter { since: at, until: at, ..any() }).len(), 0);
    }
}

#[test]
fn a_commit_is_found_by_as_much_of_its_id_as_anybody_knows() {
    let rig = rig();
    let units = rig.sql("SELECT n FROM units ORDER BY n");
    let units: Vec<i64> = units.lines().map(|n| n.parse().expect("a number")).collect();
    let whole = "0123456789abcdef0123456789abcdef01234567";
    rig.link(units[0], "commit", "0123456", &[("full_sha", whole), ("superseded_by", "fedcba9876")]);
    rig.link(units[1], "commit", "fedcba9876", &[("supersedes", "99999999")]);
    rig.link(units[2], "commit", "7654321", &[]);
    let commit = |sha: &str| rig.ids(&Filter { commit: Some(sha.into()), ..any() });
    assert_eq!(commit(whole), [A]);
    assert_eq!(commit("0123456789ABCDEF"), [A]);
    assert_eq!(commit("012345678f"), Vec::<String>::new());
    assert_eq!(commit("fedcba9"), [B, A]);
    assert_eq!(commit("9999999"), [B]);
    // Of a commit that the session shows in short, the whole id is as good.
    assert_eq!(commit("7654321000000000000000000000000000000000"), [A]);
    assert_eq!(commit("012345"), Vec::<String>::new());
    assert_eq!(commit("%%%%%%%"), Vec::<String>::new());
    let listed = rig.reader().list(&Filter { commit: Some("0123456".into()), ..any() }).expect("an answer");
    let links = &listed.items[0].head.links;
    assert_eq!((links.len(), links[0].kind, links[0].full_sha.as_deref()), (1, LinkKind::Commit, Some(whole)));
}

#[test]
fn a_pull_request_is_found_by_address_or_number() {
    let rig = rig();
    let units = rig.sql("SELECT n FROM units ORDER BY n");
    let units: Vec<i64> = units.lines().map(|n| n.parse().expect("a number")).collect();
    let of = |repo: &'static str| [("repo", repo), ("number", "12")];
    rig.link(units[0], "pull_request", "https://github.com/acme/orchard/pull/12", &of("github.com/acme/orchard"));
    rig.link(units[1], "pull_request", "https://github.com/acme/cellar/pull/12", &of("github.com/acme/cellar"));
    let request = |said: &str| rig.ids(&Filter { request: Some(said.into()), ..any() });
    assert_eq!(request("https://github.com/acme/orchard/pull/12"), [A]);
    assert_eq!(request("https://github.com/acme/orchard/pull/12/"), [A]);
    assert_eq!(request("#12"), [B, A]);
    assert_eq!(request("12"), [B, A]);
    assert_eq!(request("github.com/acme/cellar#12"), [B]);
    for none in
        ["#13", "github.com/acme/barn#12", "https://github.com/acme/orchard/pull/1", "", "#", "x", "#99999999999"]
    {
        assert_eq!(request(none), Vec::<String>::new(), "{none:?}");
    }
}

#[test]
fn what_is_hidden_is_counted_and_shown_when_all_are_asked_for() {
    let rig = rig();
    for (id, set) in [
        ("1000000000000000", "relation = 'subagent', parent = 'native-aaaaaaaaaaaaaaaa'"),
        ("2000000000000000", "is_automated = true"),
        ("3000000000000000", "is_trashed = true"),
        ("4000000000000000", "relation = 'fork', parent = 'native-aaaaaaaaaaaaaaaa', messages = 7"),
    ] {
        let unit = rig.put(&Put { id, ..Put::default() });
        rig.sql(&format!("UPDATE sessions SET {set} WHERE unit = {unit}"));
    }
    // Its beginning was never shared: nothing else stands for it.
    let unit = rig.put(&Put { id: C, ended: "2026-11-01", ..Put::default() });
    rig.sql(&format!("UPDATE sessions SET relation = 'fork', parent = 'elsewhere', messages = 7 WHERE unit = {unit}"));
    let listed = rig.reader().list(&any()).expect("an answer");
    assert_eq!((listed.items.len(), listed.more, listed.hidden), (4, 0, 4));
    assert_eq!(listed.items.iter().map(id).next_back().as_deref(), Some(C));
    let listed = rig.reader().list(&Filter { all: true, ..any() }).expect("an answer");
    assert_eq!((listed.items.len(), listed.more, listed.hidden), (8, 0, 0));
}

#[test]
fn pins_labels_and_what_was_masked_come_along() {
    let rig = Rig::new();
    let unit = rig.put(&Put { id: A, ..Put::default() });
    rig.sql(&format!(
        "INSERT INTO pins (unit, owner, idx, message, note, stamp) VALUES ({unit}, 1, 0, '#3', 'gut', '1795000000000-000a');
         UPDATE sessions SET labels = ARRAY['review', NULL, 'später'], is_starred = true WHERE unit = {unit};
         UPDATE units SET masked = '{{\"github-pat\": 3, \"odd\": -1}}' WHERE n = {unit}"
    ));
    let listed = rig.reader().list(&any()).expect("an answer");
    let head = &listed.items[0].head;
    assert_eq!((head.pins[0].message.as_str(), head.pins[0].note.as_str(), head.pins[0].at.counter), ("#3", "gut", 10));
    assert_eq!(head.session.labels, ["review", "später"]);
    assert!(head.session.is_starred);
    assert_eq!(head.masked.iter().collect::<Vec<_>>(), [(&"github-pat".to_owned(), &3)]);
}
