use proptest::prelude::*;

use super::shell::commands;
use super::{Evidence, GitLink, LinkKind, directory_of, evidence_of, fold, is_of_interest, mentions};
use crate::model::{CallRef, Category, ResultEvent, ResultStatus, ToolCall};

fn call(name: &str, input: &str) -> ToolCall {
    ToolCall {
        index: 0,
        id: "c".to_owned(),
        name: name.to_owned(),
        category: Category::of(name),
        input: input.to_owned(),
        skill: None,
        subagent: None,
        file: None,
    }
}

fn result(content: &str) -> ResultEvent {
    ResultEvent {
        call: CallRef::Id("c".to_owned()),
        source: "tool_result".to_owned(),
        status: ResultStatus::Completed,
        at: None,
        content: content.to_owned(),
        images: Vec::new(),
        content_bytes: content.len() as u64,
        subagent: None,
    }
}

/// The links of a session whose shell ran these commands with these outputs.
fn session(steps: &[(&str, &str)]) -> Vec<GitLink> {
    let mut links = Vec::new();
    for round in 0..2 {
        for (ordinal, (command, output)) in steps.iter().enumerate() {
            let call = call("Bash", &serde_json::json!({ "command": command }).to_string());
            assert!(is_of_interest(call.category, &call.name, &call.input), "{command}");
            let before = links.clone();
            fold(&mut links, evidence_of(&call, &result(output), ordinal as u32, Some("/code/barn")));
            if round == 1 {
                assert_eq!(links, before, "the same evidence again changes nothing");
            }
        }
    }
    links
}

fn created(links: &[GitLink]) -> Vec<&str> {
    links
        .iter()
        .filter(|link| link.evidence == Evidence::Created && link.kind != LinkKind::Push)
        .map(|link| link.target.as_str())
        .collect()
}

fn words(script: &str) -> Vec<String> {
    commands(script, Some("/a")).into_iter().map(|command| command.words.join(" ")).collect()
}

#[test]
fn scripts_come_apart_at_every_operator() {
    assert_eq!(words("a 1&&b;c|d||e&\nf"), ["a 1", "b", "c", "d", "e", "f"]);
    assert_eq!(words("(a; b) && { c; }"), ["a", "b", "c"]);
    assert_eq!(words("if a; then b; else c; fi"), ["a", "b", "c", "fi"]);
    assert_eq!(words("a 'x;y' \"z && w\" q\\ r"), ["a x;y z && w q r"]);
    assert_eq!(words("a # b; c\nd"), ["a", "d"]);
    assert_eq!(words("a 2>&1 >/dev/null <in b"), ["a b"]);
}

#[test]
fn here_documents_are_not_commands() {
    assert_eq!(words("cat <<EOF > x\ngit commit\nEOF\nb"), ["cat", "b"]);
    assert_eq!(words("cat <<-'END'\n\tit's\n\tEND\nb"), ["cat", "b"]);
    let script = "git commit -m \"$(cat <<'EOF'\nfeat: don't stop (yet\n\nBody\nEOF\n)\" && git push";
    let words = words(script);
    assert_eq!(words[0], "cat");
    assert!(words[1].starts_with("git commit -m "), "{words:?}");
    assert_eq!(words[2], "git push");
}

#[test]
fn wrappers_and_shells_are_looked_through() {
    assert_eq!(words("A=1 B='x y' git commit"), ["git commit"]);
    assert_eq!(words("sudo -u dana env -u X A=1 command git push"), ["git push"]);
    assert_eq!(words("time nohup /usr/bin/git log"), ["git log"]);
    assert_eq!(words("timeout -k 5 30 git fetch; xargs -n 1 git add"), ["git fetch", "git add"]);
    assert_eq!(words("bash -lc 'cd x && git commit -m \"y\"'"), ["git commit -m y"]);
    assert_eq!(words("sh -c \"sh -c 'git log'\""), ["git log"]);
    assert_eq!(
        words("X=$(git rev-parse HEAD) && echo `git log -1`"),
        ["git rev-parse HEAD", "git log -1", "echo git log -1"]
    );
}

#[test]
fn the_folder_is_followed() {
    let dirs: Vec<Option<String>> = commands("cd b && x; (cd /c; y); z; cd $Q; w; cd /d; v", Some("/a"))
        .into_iter()
        .map(|command| command.dir)
        .collect();
    assert_eq!(dirs, [Some("/a/b"), Some("/c"), Some("/a/b"), None, Some("/d")].map(|dir| dir.map(str::to_owned)));
    let of = |input: &str| directory_of(&call("Bash", input), Some("/a"));
    assert_eq!(of(r#"{"command":"git -C ../x -c a=b commit -m y"}"#).as_deref(), Some("/x"));
    assert_eq!(of(r#"{"cmd":"git commit","workdir":"/w"}"#).as_deref(), Some("/w"));
    assert_eq!(of(r#"{"command":["bash","-lc","cd q; git commit"],"workdir":"/w"}"#).as_deref(), Some("/w/q"));
    assert_eq!(
        of(r#"{"action":{"type":"exec","command":["git","commit"],"working_directory":"/v"}}"#).as_deref(),
        Some("/v")
    );
    assert_eq!(of(r#"{"command":"ls"}"#), None);
}

#[test]
fn a_commit_an_amend_and_its_whole_id() {
    let full = "4c90c17a8fcdb18a89b1e427f0f3926d4d6471ab";
    let links = session(&[
        ("git add -A && git commit -m \"feat: x\"", "[feat/rate-limit aa9b7ab] feat: x\n 3 files changed"),
        (
            "cd /code/barn\ngit -c user.name='Dana' commit --amend --no-edit",
            "[feat/rate-limit 4c90c17] feat: x\n Date: Sat",
        ),
        ("git rev-parse HEAD", full),
    ]);
    assert_eq!(created(&links), ["aa9b7ab", "4c90c17"]);
    assert_eq!(links[0].superseded_by.as_deref(), Some("4c90c17"));
    assert_eq!(links[1].supersedes.as_deref(), Some("aa9b7ab"));
    assert_eq!(links[1].full_sha.as_deref(), Some(full));
    assert_eq!(links[1].branch.as_deref(), Some("feat/rate-limit"));
    assert_eq!(links.len(), 2);
}

#[test]
fn several_commits_of_one_call_on_a_branch_of_any_name() {
    let output = "[feat/titles#7 37dce41] one\n 1 file changed\n[feat/titles#7 b669c78] two\n";
    assert_eq!(
        created(&session(&[("git commit -m one -- a && git commit -m two -- b", output)])),
        ["37dce41", "b669c78"]
    );
    for (branch, expected) in [("main", Some("main")), ("日本@+x]y", Some("日本@+x]y")), ("detached HEAD", None)] {
        let links = session(&[("git commit -m x", &format!("[{branch} (root-commit) 1a2b3c4] x"))]);
        assert_eq!(links[0].branch.as_deref(), if branch == "detached HEAD" { None } else { expected }, "{branch}");
        assert_eq!(created(&links), ["1a2b3c4"]);
    }
}

#[test]
fn a_soft_reset_and_a_commit_replace_what_was_there() {
    let links = session(&[
        (
            "git commit -qam 'feat: y' && git commit --allow-empty -m 'chore: ci'",
            "Chunk ID: dc26d4\nProcess exited with code 0\nOutput:\n[f 68ae47e] chore: ci\n",
        ),
        ("git reset --soft HEAD~2 && git commit -m squash", "[f 9cbb322] squash\n 2 files changed"),
    ]);
    assert_eq!(created(&links), ["68ae47e", "9cbb322"]);
    assert_eq!(links[1].supersedes.as_deref(), Some("68ae47e"));
    assert_eq!(links[0].superseded_by.as_deref(), Some("9cbb322"));
}

#[test]
fn a_quiet_commit_is_found_in_what_is_shown_afterwards() {
    assert_eq!(
        created(&session(&[("git commit -qm x && git log -1 --oneline", "1a2b3c4 (HEAD -> main) x")])),
        ["1a2b3c4"]
    );
    assert_eq!(
        created(&session(&[("git commit -q -m x; git rev-parse HEAD", "4c90c17a8fcdb18a89b1e427f0f3926d4d6471ab")]))
            .len(),
        1
    );
    assert_eq!(
        created(&session(&[(
            "git commit -qm x; git push",
            "To git.internal:t/barn.git\n   1a2b3c4..5d6e7f8  main -> main"
        )])),
        ["5d6e7f8"]
    );
    let merged = "Merge made by the 'ort' strategy.\n a | 2 +-\n5d6e7f8 Merge branch 'x'\n1a2b3c4 before";
    assert_eq!(created(&session(&[("git merge x && git log --oneline -2", merged)])), ["5d6e7f8"]);
}

#[test]
fn what_is_only_shown_is_not_created() {
    assert!(created(&session(&[("git log -1 --oneline", "1a2b3c4 x")])).is_empty());
    assert!(created(&session(&[("git log --oneline", "1a2b3c4 x\n5d6e7f8 y")])).is_empty());
    assert!(session(&[("git log --oneline", "1a2b3c4 x\n5d6e7f8 y")]).is_empty());
    assert!(created(&session(&[("git log; cat notes", "[main 1a2b3c4] an old line")])).is_empty());
    assert!(created(&session(&[("git pull", "Updating 1a2b3c4..5d6e7f8\nFast-forward\n")])).is_empty());
    assert!(created(&session(&[("git pull -q && git log -1 --oneline", "1a2b3c4 x")])).is_empty());
    let failed = "nothing to commit, working tree clean\n1a2b3c4 x";
    assert!(created(&session(&[("git commit -qm x; git log -1 --oneline", failed)])).is_empty());
    assert!(created(&session(&[("gh pr list", "https://github.com/o/r/pull/7")])).is_empty());
}

#[test]
fn a_push_is_a_range_with_the_repository_it_went_to() {
    let output = "remote:      https://github.com/orchard-labs/orchard-api/pull/new/feat/rate-limit\nTo github.com:orchard-labs/orchard-api.git\n   1a2b3c4..4c90c17  feat/rate-limit -> feat/rate-limit\n + aaaaaa1...bbbbbb2 x -> x (forced update)";
    let links = session(&[("git push -u origin feat/rate-limit 2>&1", output)]);
    let pushes: Vec<_> = links
        .iter()
        .map(|link| (link.kind, link.target.as_str(), link.branch.as_deref(), link.repo.as_deref()))
        .collect();
    let repo = Some("github.com/orchard-labs/orchard-api");
    assert_eq!(
        pushes,
        [
            (LinkKind::Push, "1a2b3c4..4c90c17", Some("feat/rate-limit"), repo),
            (LinkKind::Push, "aaaaaa1...bbbbbb2", Some("x"), repo),
        ]
    );
}

#[test]
fn only_the_request_that_was_opened_is_created() {
    let output = serde_json::json!({
        "output": "https://github.com/orchard-labs/orchard-api/pull/322\nhttps://gitlab.example.com/orchard/api/-/merge_requests/17\n",
        "metadata": { "exit_code": 0 }
    });
    let input = r#"{"command":["bash","-lc","gh pr create --fill && glab mr list"],"workdir":"/code/barn"}"#;
    let mut links = Vec::new();
    fold(&mut links, evidence_of(&call("shell", input), &result(&output.to_string()), 3, None));
    let found: Vec<_> =
        links.iter().map(|link| (link.target.as_str(), link.evidence, link.number, link.repo.as_deref())).collect();
    assert_eq!(
        found,
        [
            (
                "https://github.com/orchard-labs/orchard-api/pull/322",
                Evidence::Created,
                Some(322),
                Some("github.com/orchard-labs/orchard-api")
            ),
            (
                "https://gitlab.example.com/orchard/api/-/merge_requests/17",
                Evidence::Mentioned,
                Some(17),
                Some("gitlab.example.com/orchard/api")
            ),
        ]
    );
}

#[test]
fn tools_and_interfaces_open_requests_too() {
    let tool = call("mcp__github__create_pull_request", r#"{"owner":"o","repo":"r"}"#);
    assert!(is_of_interest(tool.category, &tool.name, &tool.input));
    let links =
        evidence_of(&tool, &result(r#"{"number": 330, "html_url": "https://github.com/o/r/pull/330"}"#), 1, None);
    assert_eq!((links[0].number, links[0].evidence), (Some(330), Evidence::Created));
    for (command, output, count) in [
        (
            "gh api repos/o/r/pulls -f title=x -f head=y",
            r#"{"url":"https://api.github.com/repos/o/r/pulls/9","html_url":"https://github.com/o/r/pull/9"}"#,
            1,
        ),
        ("gh api repos/o/r/pulls", r#"[{"html_url":"https://github.com/o/r/pull/9"}]"#, 0),
        ("glab mr create --fill", "!17\nhttps://gitlab.example.com/a/b/c/-/merge_requests/17", 1),
        ("hub pull-request -m x", "https://github.com/o/r/pull/9", 1),
        ("gt submit", "main: https://github.com/o/r/pull/8 (updated)\nx: https://github.com/o/r/pull/9 (created)", 1),
        (
            "git push -o merge_request.create",
            "remote: View merge request for x:\nremote:   https://gitlab.example.com/a/b/-/merge_requests/5",
            1,
        ),
        ("gh pr create", "a pull request for branch \"x\" already exists:\nhttps://github.com/o/r/pull/9", 0),
    ] {
        assert_eq!(created(&session(&[(command, output)])).len(), count, "{command}");
    }
}

#[test]
fn requests_of_every_forge_are_mentioned() {
    let text = "See https://github.com/o/r/pull/1#discussion, https://ghe.corp.example/o/r/pull/2/files, https://gitlab.com/g/s/p/-/merge_requests/3, \
        https://bitbucket.org/o/r/pull-requests/4, https://codeberg.org/o/r/pulls/5, https://dev.azure.com/o/p/_git/r/pullrequest/6. \
        Not https://github.com/o/r/pull/new/x, https://github.com/o/r/pulls, https://api.github.com/repos/o/r/pulls/7, https://github.com/o/r/issues/8. \
        Again https://github.com/o/r/pull/1.";
    let links = mentions(text, 4);
    assert_eq!(links.iter().filter_map(|link| link.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(links[2].repo.as_deref(), Some("gitlab.com/g/s/p"));
    assert_eq!(links[5].repo.as_deref(), Some("dev.azure.com/o/p/_git/r"));
    assert!(links.iter().all(|link| link.evidence == Evidence::Mentioned && link.index.is_none()));
}

#[test]
fn a_mention_becomes_created_when_the_session_made_it() {
    let mut links = mentions("https://github.com/o/r/pull/9", 1);
    let call = call("Bash", r#"{"command":"gh pr create"}"#);
    fold(&mut links, evidence_of(&call, &result("https://github.com/o/r/pull/9"), 5, None));
    assert_eq!((links.len(), links[0].evidence, links[0].ordinal), (1, Evidence::Created, 5));
    let again = mentions("https://github.com/o/r/pull/9", 9);
    fold(&mut links, again);
    assert_eq!((links.len(), links[0].evidence, links[0].ordinal), (1, Evidence::Created, 5));
}

#[test]
fn a_rebase_replaces_commits_of_the_same_subject() {
    let links = session(&[
        ("git commit -m one", "[x 1111111] one"),
        ("git commit -m two", "[x 2222222] two"),
        ("git rebase -i main", "[detached HEAD 3333333] one\nSuccessfully rebased and updated refs/heads/x."),
    ]);
    assert_eq!(links[0].superseded_by.as_deref(), Some("3333333"));
    assert_eq!(links[1].superseded_by, None);
}

#[test]
fn most_calls_are_of_no_interest() {
    for (name, input) in [("Bash", r#"{"command":"cargo test"}"#), ("Read", r#"{"file":"git commit"}"#), ("Bash", "")] {
        assert!(!is_of_interest(Category::of(name), name, input), "{name} {input}");
    }
}

proptest! {
    #[test]
    fn no_script_and_no_output_breaks_anything(script in "[a-z$(){}'\"`\\\\;&|<>#\n -]{0,200}|\\PC{0,100}", output in "\\PC{0,200}|[\\[\\] a-f0-9.\n>-]{0,200}") {
        let call = call("Bash", &serde_json::json!({ "command": script }).to_string());
        let mut links = Vec::new();
        let evidence = evidence_of(&call, &result(&output), 0, Some("/a"));
        fold(&mut links, evidence.clone());
        let once = links.clone();
        fold(&mut links, evidence);
        prop_assert_eq!(links, once);
        let _ = commands(&script, None);
        let _ = mentions(&output, 0);
    }
}

#[test]
fn deep_and_long_scripts_end() {
    for script in [
        "$(".repeat(100_000),
        "(".repeat(100_000),
        "\"$(".repeat(50_000),
        "`".repeat(100_001),
        "a;".repeat(200_000),
        "<<x ".repeat(60_000),
        "bash -c ".repeat(30_000),
    ] {
        let _ = commands(&script, Some("/a"));
    }
    let _ = super::output::traces(&"[".repeat(200_000));
    let _ = super::output::traces(&"[a ]\n".repeat(100_000));
    let _ = mentions(&"https://h/a/b/pull/".repeat(20_000), 0);
}
