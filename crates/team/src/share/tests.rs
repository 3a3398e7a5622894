use std::path::Path;

use super::*;

const API: ProjectRef<'_> = ProjectRef {
    key: "github.com/acme/api",
    remote: Some("github.com/acme/api"),
    root: Some("/home/me/work/api"),
    cwd: Some("/home/me/work/api"),
};
const LOCAL: ProjectRef<'_> =
    ProjectRef { key: "/home/me/work/notes", remote: None, root: Some("/home/me/work/notes"), cwd: None };
const NAMED: ProjectRef<'_> = ProjectRef { key: "my_app", remote: None, root: None, cwd: None };

/// A session of a clone of [`API`] that ran there, where the clone on record may be another one.
fn ran_in(cwd: &str) -> ProjectRef<'_> {
    ProjectRef { cwd: Some(cwd), ..API }
}

fn home() -> Option<&'static Path> {
    Some(Path::new("/home/me"))
}

fn list(said: &[&str]) -> Vec<String> {
    said.iter().map(|said| (*said).to_owned()).collect()
}

fn shares(said: &[&str]) -> Shares {
    let (shares, warnings) = Shares::parse(&list(said), "default", home());
    assert_eq!(warnings, Vec::<String>::new());
    shares
}

fn mode(said: &[&str], project: ProjectRef<'_>) -> Mode {
    shares(said).mode_of(project)
}

fn remote(key: &str) -> ProjectRef<'_> {
    ProjectRef { key, remote: Some(key), root: None, cwd: None }
}

#[test]
fn nothing_is_shared_until_somebody_says_so() {
    assert_eq!(mode(&[], API), Mode::Off);
    assert_eq!(mode(&["github.com/acme/other=full"], API), Mode::Off);
    assert_eq!(mode(&["github.com/acme/api=full@other"], API), Mode::Off);
}

#[test]
fn a_project_is_named_by_remote_folder_or_name() {
    for pattern in [
        "github.com/acme/api",
        "https://github.com/acme/api.git",
        "https://me:pass@github.com/acme/api",
        "git@github.com:acme/api.git",
        "github.com/Acme/API",
        "/home/me/work/api",
        "/home/me//work/./api/",
        "~/work/api",
        "*",
        "github.com/*",
        "github.com/acme/*",
        "github.com/acme/a*",
        "https://github.com/acme/*",
        "git@github.com:acme/*",
        "/home/me/work/*",
        "~/work/*",
        "~/*",
        "~/wor*",
        "/*",
    ] {
        assert_eq!(mode(&[&format!("{pattern}=full")], API), Mode::Full, "{pattern}");
    }
    for (pattern, project) in
        [("~/work/notes", LOCAL), ("my_app", NAMED), ("my-app", NAMED), ("my*", NAMED), ("*", NAMED)]
    {
        assert_eq!(mode(&[&format!("{pattern}=full")], project), Mode::Full, "{pattern}");
    }
}

#[test]
fn what_only_looks_alike_is_not_shared() {
    for pattern in [
        "github.com/acme/ap",
        "github.com/acme",
        "github.com/acm/*",
        "github.com/acme/api/*",
        "github.com/acme/api.git*",
        "/home/me/wor",
        "/home/me/wor/*",
        "/home/me/work/api/below",
        "/home/me/work/api/*",
        "api",
        "notes",
    ] {
        assert_eq!(mode(&[&format!("{pattern}=full")], API), Mode::Off, "{pattern}");
    }
    // A project with a folder is not known by a name, and `~/work/*` is not `~/work`.
    assert_eq!(mode(&["notes=full"], LOCAL), Mode::Off);
    let work = ProjectRef { key: "/home/me/work", remote: None, root: Some("/home/me/work"), cwd: None };
    assert_eq!(mode(&["~/work/*=full"], work), Mode::Off);
    // Folders are told apart by case, and text is not cut inside a character.
    assert_eq!(mode(&["/home/ME/work/api=full"], API), Mode::Off);
    let wide = ProjectRef { key: "é", ..NAMED };
    assert_eq!(mode(&["x*=full", "/*=full"], wide), Mode::Off);
}

#[test]
fn the_most_particular_rule_counts_in_any_order() {
    let rules =
        ["*=full", "github.com/acme/*=metadata", "github.com/acme/a*=prompts", "github.com/acme/api=aggregates"];
    for turn in 0..rules.len() {
        let mut rules = rules;
        rules.rotate_left(turn);
        assert_eq!(mode(&rules, API), Mode::Aggregates);
        assert_eq!(mode(&rules, LOCAL), Mode::Full);
        let sibling = remote("github.com/acme/abc");
        assert_eq!(mode(&rules, sibling), Mode::Prompts);
        let cousin = remote("github.com/acme/web");
        assert_eq!(mode(&rules, cousin), Mode::Metadata);
    }
    assert_eq!(shares(&rules).rule_of(API).map(|rule| rule.pattern.as_str()), Some("github.com/acme/api"));
}

#[test]
fn of_equals_the_one_that_shares_less_counts() {
    assert_eq!(mode(&["github.com/acme/api=full", "github.com/acme/api=off"], API), Mode::Off);
    assert_eq!(mode(&["github.com/acme/api=metadata", "https://github.com/acme/api=full"], API), Mode::Metadata);
    // Remote and folder are equally particular.
    assert_eq!(mode(&["github.com/acme/api=full", "~/work/api=off"], API), Mode::Off);
    assert_eq!(mode(&["*=full", "github.com/ACME/api=off"], API), Mode::Off);
}

#[test]
fn what_means_nothing_is_said_without_its_password() {
    let said = list(&[
        "github.com/acme/api",
        "github.com/acme/api=everything",
        "github.com/acme/api=full@No Store",
        "=full",
        "a*b=full",
        "./here=full",
        "~other/x=full",
        "/a/../b=full",
        "https://me:hunter2@host/acme/api=everything",
        "https://me:hunter2@host",
        "ftp://me:hunter2@host/x=full",
        "ftp://me:hunter2@host/*=full",
        "ok=full",
    ]);
    let (shares, warnings) = Shares::parse(&said, "default", home());
    assert_eq!(shares.rules().len(), 1);
    assert_eq!(warnings.len(), said.len() - 1, "{warnings:#?}");
    for warning in &warnings {
        assert!(warning.starts_with("`team.share`: ") && warning.ends_with('.'), "{warning}");
        assert!(!warning.contains("hunter2"), "{warning}");
    }
    let (shares, warnings) = Shares::parse(&list(&["~/x=full"]), "default", None);
    assert!(shares.rules().is_empty() && warnings.len() == 1);
}

#[test]
fn a_rule_in_its_normal_form_is_the_same_rule() {
    for said in [
        "https://u:p@github.com/acme/api.git=full",
        "git@h.example:8443/a/*=off@eu",
        "~/a/=prompts",
        "*=full",
        "my-app=off",
        "x.y*=off",
    ] {
        let rule = Rule::parse(said, home()).expect("a rule");
        assert_eq!(Rule::parse(&rule.to_string(), None), Ok(rule.clone()), "{said}");
        assert!(!rule.to_string().contains("u:p"));
    }
}

#[test]
fn a_rule_replaces_the_one_of_its_pattern_and_store_in_its_place() {
    let said = list(&["nonsense", "github.com/acme/api=full@eu", "https://github.com/acme/api.git=off", "*=off"]);
    let new = with_rule(&said, "git@github.com:acme/api", Mode::Prompts, "default", home()).expect("a list");
    assert_eq!(new, list(&["nonsense", "github.com/acme/api=full@eu", "github.com/acme/api=prompts", "*=off"]));
    let new = with_rule(&new, "~/work/*", Mode::Full, "eu", home()).expect("a list");
    assert_eq!(new.last().map(String::as_str), Some("/home/me/work/*=full@eu"));
    let new = without_rule(&new, "github.com/acme/api", "eu", home()).expect("a list");
    assert_eq!(new, list(&["nonsense", "github.com/acme/api=prompts", "*=off", "/home/me/work/*=full@eu"]));
    assert_eq!(without_rule(&new, "github.com/acme/web", "eu", home()).as_ref(), Ok(&new));
    assert!(with_rule(&new, "a*b", Mode::Full, "eu", home()).is_err());
    assert!(with_rule(&new, "*", Mode::Full, "No Store", home()).is_err());
    // Said twice, it is there once.
    let twice = list(&["x=full", "*=off", "x=metadata"]);
    assert_eq!(with_rule(&twice, "x", Mode::Off, "default", None), Ok(list(&["x=off", "*=off"])));
}

#[test]
fn a_folder_takes_what_lies_below_it() {
    let below = ProjectRef { key: "/home/me/private/x", root: Some("/home/me/private/x"), ..LOCAL };
    assert_eq!(mode(&["*=prompts", "~/private=off"], below), Mode::Off);
    assert_eq!(mode(&["*=off", "/=full"], below), Mode::Full);
    let beside = ProjectRef { key: "/home/me/privateer", root: Some("/home/me/privateer"), ..LOCAL };
    assert_eq!(mode(&["*=prompts", "~/private=off"], beside), Mode::Prompts);
    // Of two folders around it the nearer one counts.
    for rules in [["~/private=off", "~/private/x=full"], ["~/private/x=full", "~/private=off"]] {
        assert_eq!(mode(&rules, below), Mode::Full);
    }
    // What is in the way of comparing texts is not in the way of the rule.
    for cwd in ["/home/me/work/../private/x", "/home/me//private/./x/", "/home/me/private/"] {
        let of = ProjectRef { key: "x", remote: None, root: None, cwd: Some(cwd) };
        assert_eq!(mode(&["*=prompts", "~/private=off"], of), Mode::Off, "{cwd}");
    }
}

#[test]
fn a_session_goes_by_the_folder_it_ran_in_not_by_the_clone_that_was_seen_last() {
    let private = ran_in("/home/me/private/api/deep");
    assert_eq!(mode(&["github.com/acme/api=full", "~/private=off"], private), Mode::Off);
    assert_eq!(mode(&["*=full", "~/private=off"], private), Mode::Off);
    // What is said of the other clone shares nothing of this one.
    assert_eq!(mode(&["~/work=full"], private), Mode::Off);
    assert_eq!(mode(&["~/work=full"], ProjectRef { cwd: None, ..API }), Mode::Off);
    assert_eq!(mode(&["~/work=full"], ran_in("/home/me/work/api/deep")), Mode::Full);
    // It can make it less.
    assert_eq!(mode(&["*=full", "~/work=metadata"], private), Mode::Metadata);
    // A worktree beside a repository without a remote is of the repository.
    let beside = ProjectRef { cwd: Some("/tmp/tree"), ..LOCAL };
    assert_eq!(mode(&["~/work=full"], beside), Mode::Full);
    assert_eq!(mode(&["~/work=full", "/tmp=off"], beside), Mode::Off);
}

#[test]
fn of_remote_and_folder_the_one_that_shares_less_counts() {
    assert_eq!(mode(&["github.com/acme/api=full", "~/work=metadata"], API), Mode::Metadata);
    assert_eq!(mode(&["github.com/*=metadata", "~/work/api=full"], API), Mode::Metadata);
    // Among rules of one kind the most particular one does, and `*` is of no kind.
    assert_eq!(mode(&["github.com/*=off", "github.com/acme/api=full", "*=off"], API), Mode::Full);
    assert_eq!(shares(&["*=off", "~/work=full"]).rule_of(API).map(|rule| rule.pattern.as_str()), Some("/home/me/work"));
}

#[test]
fn a_token_in_a_rule_is_shown_to_nobody() {
    let token = "hunter2";
    for said in [
        "ada:hunter2@github.com/acme/api",
        "ada:hunter2@github.com/acme/api=full",
        "hunter2@github.com/acme/api/../x=full",
        "ada:hunter2@github.com/acme/api=everything",
        "https://ada:hunter2=x@github.com/acme/api",
        "https://ada:a@hunter2@github.com",
        "https://ada:hunter2=full",
        "https://ada:x=hunter2@github.com/acme/api",
        "https://github.com/../x?token=hunter2",
        "ftp://github.com/x?token=hunter2=full",
        "github.com/acme/api#hunter2=everything",
        "token=Hunter2hunter2",
        "x=full@ada:hunter2@host",
    ] {
        let warnings = Shares::parse(&list(&[said]), "default", home()).1;
        let shown = format!("{warnings:?}");
        assert!(!shown.contains(token), "{said}: {shown}");
        let failed = with_rule(&[], said, Mode::Full, "default", home());
        let shown = format!("{failed:?} {}", failed.as_ref().err().map(ToString::to_string).unwrap_or_default());
        assert!(!shown.contains(token) || said.starts_with("token="), "{said}: {shown}");
    }
    let warnings = Shares::parse(&list(&["github.com/acme/api=everything"]), "default", home()).1;
    assert!(warnings[0].contains("\"github.com/acme/api=everything\""), "{warnings:?}");
}

#[test]
fn a_rule_is_found_in_any_spelling() {
    let said = list(&["github.com/Acme/API=full", "/home/me/Work=full"]);
    for pattern in ["https://u:p@GitHub.com/acme/api.git", "git@github.com:ACME/api"] {
        assert_eq!(without_rule(&said, pattern, "default", home()), Ok(list(&["/home/me/Work=full"])), "{pattern}");
    }
    assert_eq!(without_rule(&said, "/home/me/work", "default", home()).as_ref(), Ok(&said), "folders have case");
    assert_eq!(normal_pattern("git@github.com:acme/api.git", home()), Ok("github.com/acme/api".to_owned()));
    assert!(normal_pattern("a*b", home()).is_err());
}
