//! Commits and pull requests: what the fixtures say, and what is planted in generated sessions.

use std::collections::BTreeSet;

use carry_sessions::behind::What;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::Agent;
use serde_json::Value;

use crate::rig::{Rig, fixtures, generate, json};

/// The whole id of a commit where it is known.
fn sha(link: &GitLink) -> String {
    link.full_sha.clone().unwrap_or_else(|| link.target.clone())
}

/// Session, kind, target and what it superseded, of links with this evidence. What the agent itself recorded was made, too.
fn of_archive(rig: &Rig, evidence: &[Evidence]) -> BTreeSet<(String, &'static str, String, Option<String>)> {
    let mut found = BTreeSet::new();
    for (id, seen) in rig.everything() {
        for link in seen.links.iter().filter(|link| evidence.contains(&link.evidence)) {
            let target = match link.kind {
                LinkKind::Commit => sha(link),
                LinkKind::PullRequest => link.target.clone(),
                LinkKind::Push => continue,
            };
            found.insert((id.clone(), link.kind.as_str(), target, link.supersedes.clone()));
        }
    }
    found
}

fn expected(evidence: &str) -> BTreeSet<(String, &'static str, String, Option<String>)> {
    let all = json("expected-git-links.json");
    let of_kind = all["links"].as_array().unwrap().iter().filter(|link| link["evidence"] == evidence);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let link = |link: &Value| match text(&link["sha"]) {
        Some(sha) => (text(&link["session"]).unwrap(), "commit", sha, text(&link["supersedes"])),
        None => (text(&link["session"]).unwrap(), "pr", text(&link["url"]).unwrap(), None),
    };
    of_kind.map(link).collect()
}

#[test]
fn what_the_fixtures_made_is_found_and_nothing_else() {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    let made = of_archive(&rig, &[Evidence::Created, Evidence::Recorded]);
    assert_eq!(made, expected("created"));
    let mentioned = of_archive(&rig, &[Evidence::Mentioned]);
    for link in expected("mentioned") {
        assert!(mentioned.contains(&link), "{link:?} is not among {mentioned:?}");
    }
    assert!(mentioned.is_disjoint(&made), "what was made is not said to be mentioned, too");
    let start = of_archive(&rig, &[Evidence::Start]);
    for link in expected("start") {
        assert!(start.contains(&link), "{link:?} is not among {start:?}");
    }
}

#[test]
fn the_conversation_behind_each_is_found_first() {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    for (session, kind, target, _) in expected("created") {
        let ways = match kind {
            "commit" => vec![What::Commit(target.clone()), What::Commit(target[..7].to_owned())],
            _ => {
                let number = target.rsplit('/').next().unwrap().parse().unwrap();
                let repo = "github.com/orchard-labs/orchard-api".to_owned();
                vec![What::PullRequest(target.clone()), What::Number(number, Some(repo)), What::Number(number, None)]
            }
        };
        for what in ways {
            let found = rig.archive.behind(&what).unwrap();
            let first = found.first().unwrap_or_else(|| panic!("nobody is behind {what:?}"));
            assert_eq!(first.session.agent.qualified(&first.session.native), session, "{what:?}");
            let evidence = first.link.as_ref().unwrap().evidence;
            assert!(matches!(evidence, Evidence::Created | Evidence::Recorded), "{what:?}: {evidence:?}");
        }
    }
    let full = "4c90c17a8fcdb18a89b1e427f0f3926d4d6471ab";
    let longer = rig.archive.behind(&What::Commit(full.to_owned())).unwrap();
    assert_eq!(longer[0].session.native.0, rig.id("A"), "by the whole id");
    let replaced = rig.archive.behind(&What::Commit("aa9b7ab".to_owned())).unwrap();
    assert_eq!(
        replaced[0].link.as_ref().unwrap().superseded_by.as_deref().map(|sha| &full[..sha.len()] == sha),
        Some(true)
    );
}

#[test]
fn all_that_is_planted_is_found_and_nothing_more() {
    let out = tempfile::tempdir().unwrap();
    let set = ["--sessions", "20", "--messages", "60", "--formats", "claude,codex,gemini", "--seed", "7"];
    generate(out.path(), &set);
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.path().join("manifest.json")).unwrap()).unwrap();
    let mut rig = Rig::over(out.path());
    rig.good_pass();
    rig.verify();
    let mut planted = 0;
    for file in manifest["files"].as_array().unwrap() {
        let (format, id) = (file["format"].as_str().unwrap(), file["id"].as_str().unwrap());
        let row = rig.by_native(Agent::named(format), id).unwrap_or_else(|| panic!("no session {id}"));
        let mut links = rig.archive.links_of(row.n).unwrap();
        for child in rig.archive.children(&row).unwrap() {
            links.extend(rig.archive.links_of(child.n).unwrap());
        }
        let made = links.iter().filter(|link| matches!(link.evidence, Evidence::Created | Evidence::Recorded));
        let made: BTreeSet<String> =
            made.filter(|link| link.kind != LinkKind::Push).map(|link| link.target.clone()).collect();
        let truth = ["commits", "prs"].iter().flat_map(|kind| file["truth"][kind].as_array().unwrap());
        let truth: BTreeSet<String> = truth.map(|target| target.as_str().unwrap().to_owned()).collect();
        planted += truth.len();
        assert_eq!(made, truth, "{format} {id}");
    }
    assert!(planted > 20, "only {planted} were planted");
    assert!(fixtures().is_dir());
}
