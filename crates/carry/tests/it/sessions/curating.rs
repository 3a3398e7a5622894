//! Star, pin, rename, label, trash, delete.

use super::{A, I, archived, id_of, json};

#[test]
fn what_the_user_says_is_kept_and_shown() {
    let world = archived();
    assert!(world.ok(&["sessions", "star", A]).stdout.starts_with("Starred "));
    assert!(world.ok(&["sessions", "star", A]).stdout.starts_with("Starred already: "));
    world.ok(&["sessions", "rename", A, "The gate"]);
    world.ok(&["sessions", "label", "review", A, I]);
    let session = &json(&world, &["sessions", "list", "--starred"])[0];
    assert_eq!((&session["name"], &session["renamed"]), (&"The gate".into(), &true.into()));
    assert_eq!(session["labels"], serde_json::json!(["review"]));
    assert_eq!(json(&world, &["sessions", "list", "--label", "review"]).len(), 2);
    // Reading again takes nothing of it back.
    world.ok(&["sessions", "index"]);
    let changed = json(&world, &["sessions", "star", A, "--remove"]);
    assert_eq!((&changed[0]["starred"], &changed[0]["name"]), (&false.into(), &"The gate".into()));
    let changed = json(&world, &["sessions", "rename", A]);
    assert_eq!(changed[0]["renamed"], false);
    let changed = json(&world, &["sessions", "label", "review", A, "--remove"]);
    assert_eq!(changed[0]["labels"], serde_json::json!([]));
}

#[test]
fn a_message_is_pinned_with_a_note() {
    let world = archived();
    let messages = json(&world, &["sessions", "show", A]);
    let ordinal = messages[2]["ordinal"].to_string();
    world.ok(&["sessions", "pin", A, &ordinal, "--note", "why"]);
    let pins = json(&world, &["sessions", "pin", A]);
    assert_eq!((&pins[0]["type"], &pins[0]["note"]), (&"session-pin".into(), &"why".into()));
    assert_eq!(pins[0]["message"].to_string(), ordinal);
    world.ok(&["sessions", "pin", A, &format!("#{ordinal}"), "--remove"]);
    assert_eq!(world.ok(&["sessions", "pin", A]).stderr, "Nothing is pinned in it.\n");
    let ran = world.carry(&["sessions", "pin", A, "9999"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

#[test]
fn the_trash_hides_and_gives_back() {
    let world = archived();
    world.ok(&["sessions", "trash", A]);
    let listed = |arguments: &[&str]| {
        let all = json(&world, &[&["sessions", "list", "--limit", "0"], arguments].concat());
        all.iter().any(|session| session["native"] == A)
    };
    assert!(!listed(&[]) && !listed(&["--all"]) && listed(&["--trashed"]));
    let ran = world.ok(&["sessions", "restore", A]);
    assert!(ran.stdout.starts_with("Out of the trash: "), "{}", ran.stdout);
    assert!(listed(&[]) && !listed(&["--trashed"]));
}

#[test]
fn what_was_deleted_for_good_never_returns() {
    let world = archived();
    let ran = world.carry(&["sessions", "delete", A]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    let dry = json(&world, &["sessions", "delete", A, "--dry-run"]);
    assert_eq!(dry[0]["outcome"], "would-delete");
    let said = world.ok(&["sessions", "delete", A, "--dry-run"]).stdout;
    assert!(said.contains("its agent still has it") && !said.contains("all devices"), "nothing was exchanged: {said}");
    assert_eq!(json(&world, &["sessions", "show", A])[0]["native"], A);
    world.ok(&["--yes", "sessions", "delete", A]);
    assert_eq!(world.carry(&["sessions", "show", A]).code, 1);
    let file = world.home().join(format!(".claude/projects/-home-dana-code-orchard-api/{A}.jsonl"));
    let text = std::fs::read_to_string(&file).expect("the agent's file stays");
    super::restoring::write(&file, &format!("{text}{}", text.lines().last().expect("a line")));
    world.ok(&["sessions", "index"]);
    assert_eq!(world.carry(&["sessions", "show", A]).code, 1);
}

#[test]
fn an_archive_whose_sessions_all_lie_in_the_trash_says_so() {
    let world = archived();
    let ids = |world: &crate::world::World, arguments: &[&str]| -> Vec<String> {
        let all = json(world, &[&["sessions", "list", "--all", "--limit", "0"], arguments].concat());
        all.iter().map(|session| session["id"].as_str().expect("text").to_owned()).collect()
    };
    let trash = |ids: &[String]| {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.ok(&[&["sessions", "trash"][..], &ids].concat());
    };
    let (star, all) = (id_of(&world, A), ids(&world, &[]));
    world.ok(&["sessions", "star", &star]);
    trash(&[star]);
    let ran = world.ok(&["sessions", "list", "--starred"]);
    ran.is(0, "", "No session is like that but one in the trash; --trashed shows it.\n");
    world.ok(&["sessions", "list", "--model", "no-such-model"]).is(0, "", "No session is like that.\n");
    trash(&all);
    let n = json(&world, &["sessions", "list", "--trashed", "--limit", "0"]).len();
    let ran = world.ok(&["sessions", "list"]);
    ran.is(0, "", &format!("All {n} sessions lie in the trash; `carry sessions list --trashed` shows them.\n"));
    for id in ids(&world, &["--trashed"]) {
        world.ok(&["--yes", "sessions", "delete", &id]);
    }
    let ran = world.ok(&["sessions", "list"]);
    let gone = all.len();
    ran.is(0, "", &format!("No session is left here; `carry sessions deleted` lists the {gone} deleted for good.\n"));
}

#[test]
fn each_word_about_a_session_has_one_that_takes_it_back() {
    let world = archived();
    let now = |arguments: &[&str]| json(&world, &[&["sessions"], arguments].concat()).remove(0);
    now(&["star", A]);
    assert_eq!(now(&["unstar", A])["starred"], false);
    world.ok(&["sessions", "unstar", A]).stdout.starts_with("Not starred: ").then_some(()).expect("it has no star");
    now(&["label", "review", A]);
    assert_eq!(now(&["unlabel", "review", A])["labels"], serde_json::json!([]));
    let ran = world.carry(&["sessions", "unlabel", A, "review"]);
    assert!(ran.code == 2 && ran.stderr.contains("`carry sessions unlabel LABEL ID`"), "{ran:?}");
    let ordinal = json(&world, &["sessions", "show", A])[2]["ordinal"].to_string();
    now(&["pin", A, &ordinal]);
    now(&["unpin", A, &ordinal]);
    assert_eq!(world.ok(&["sessions", "pin", A]).stderr, "Nothing is pinned in it.\n");
    now(&["trash", A]);
    assert_eq!(now(&["untrash", A])["trashed"], false);
    // Where `restore` would write a file, `untrash` writes none.
    let path = now(&["show", A])["path"].as_str().expect("a path").to_owned();
    std::fs::remove_file(&path).expect("it is there");
    let ran = world.ok(&["sessions", "untrash", A]);
    assert!(ran.stdout.starts_with("Not in the trash: ") && !std::path::Path::new(&path).exists(), "{ran:?}");
}
