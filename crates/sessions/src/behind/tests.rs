use carry_kernel::home::Home;

use super::*;

/// An archive with sessions `a` (parent), `b` (its subagent) and `c`, which are filled by SQL.
fn archive(dir: &tempfile::TempDir, sql: &str) -> Archive {
    let archive = Archive::open(&Home::at(dir.path()), "here").unwrap();
    let session = |n: i64, native: &str, parent: &str, ended: i64| {
        format!(
            "INSERT INTO sessions (n, id, origin, agent, native, parent, relation, ended_ms, digest, archived_ms, changed_ms)
             VALUES ({n}, '{native:0>16}', 'here', 'claude', '{native}', {parent}, 'subagent', {ended}, x'{zeros}', 0, 0);",
            zeros = "00".repeat(32)
        )
    };
    let sessions = session(1, "a", "NULL", 10) + &session(2, "b", "'a'", 20) + &session(3, "c", "NULL", 30);
    archive.db.conn().execute_batch(&(sessions + sql)).unwrap();
    archive
}

fn link(session: i64, kind: &str, target: &str, evidence: &str, more: &str) -> String {
    format!(
        "INSERT INTO links (session, place, kind, target, evidence, ordinal, repo, number, full_sha)
         VALUES ({session}, 0, '{kind}', '{target}', '{evidence}', 5, {more});"
    )
}

fn natives(found: &[Behind]) -> Vec<&str> {
    found.iter().map(|behind| behind.session.native.0.as_str()).collect()
}

#[test]
fn a_commit_is_found_by_more_and_by_less_of_its_id_than_the_session_showed() {
    let dir = tempfile::tempdir().unwrap();
    let full = "1f3a09be00112233445566778899aabbccddeeff";
    let sql = link(3, "commit", "1f3a09b", "created", "'', NULL, NULL")
        + &link(1, "commit", "deadbee", "created", &format!("'', NULL, '{full}'"));
    let archive = archive(&dir, &sql);
    let find = |sha: &str| natives(&archive.behind(&What::Commit(sha.to_owned())).unwrap()).join(" ");
    assert_eq!(find(full), "c a");
    assert_eq!(find("1f3a09"), "c a");
    assert_eq!(find("1f3a"), "c a");
    assert_eq!(find("deadbee"), "a");
    assert_eq!(find("1f3a1"), "");
    assert_eq!(find("1f3"), "");
}

#[test]
fn what_a_subagent_did_is_found_with_the_session_that_started_it() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(&dir, &link(2, "commit", "1f3a09b", "created", "'', NULL, NULL"));
    let found = archive.behind(&What::Commit("1f3a09b".to_owned())).unwrap();
    assert_eq!(natives(&found), ["a"]);
    assert_eq!(found[0].subagent.as_ref().unwrap().native.0, "b");
    assert_eq!(found[0].ordinal, 5);
}

#[test]
fn who_made_a_pull_request_comes_before_who_mentions_it() {
    let dir = tempfile::tempdir().unwrap();
    let url = "https://example.org/o/r/pull/7";
    let sql = link(3, "pr", url, "mentioned", "'example.org/o/r', 7, NULL")
        + &link(1, "pr", url, "created", "'example.org/o/r', 7, NULL");
    let archive = archive(&dir, &sql);
    assert_eq!(natives(&archive.behind(&What::PullRequest(format!("{url}/"))).unwrap()), ["a", "c"]);
    assert_eq!(natives(&archive.behind(&What::Number(7, None)).unwrap()), ["a", "c"]);
    let other = What::Number(7, Some("example.org/o/other".to_owned()));
    assert_eq!(archive.behind(&other).unwrap(), []);
    assert_eq!(archive.links_of(3).unwrap()[0].number, Some(7));
}

#[test]
fn a_session_of_a_broken_clock_is_not_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let sql = link(1, "commit", "1f3a09b", "created", "'', NULL, NULL")
        + &link(3, "commit", "1f3a09b", "created", "'', NULL, NULL")
        + "UPDATE sessions SET ended_ms = 9007199254740991 WHERE n = 1;";
    let archive = archive(&dir, &sql);
    assert_eq!(natives(&archive.behind(&What::Commit("1f3a09b".to_owned())).unwrap()), ["c", "a"]);
}

#[test]
fn a_file_is_found_by_its_path_or_the_end_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let sql = "INSERT INTO calls (session, ordinal, idx, name, category, file) VALUES
        (1, 3, 0, 'Read', 'Read', '/src/a_b.rs'), (1, 2, 0, 'Edit', 'Edit', '/src/a_b.rs'), (3, 1, 0, 'Read', 'Read', '/src/aXb.rs');";
    let archive = archive(&dir, sql);
    let find = |path: &str| archive.behind(&What::File(path.to_owned())).unwrap();
    let found = find("/src/a_b.rs");
    assert_eq!((natives(&found), found[0].ordinal, found[0].calls), (vec!["a"], 2, 2));
    assert_eq!(natives(&find("a_b.rs")), ["a"]);
    assert_eq!(natives(&find("b.rs")), Vec::<&str>::new());
}
