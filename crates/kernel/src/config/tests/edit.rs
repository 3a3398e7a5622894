use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn after(before: &str, edit: impl FnOnce(&Path)) -> String {
    let place = Place::new().user(before);
    let file = place.dir.path().join("config.toml");
    edit(&file);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(place.load().warnings(), [], "{text}");
    text
}

fn set(before: &str, name: &str, value: &str) -> String {
    after(before, |file| set_user_value(TABLES, file, name, value).unwrap())
}

#[test]
fn a_value_is_replaced_with_all_comments_in_place() {
    assert_eq!(
        set("# top\n[limits]\n# above\nlarge_file = 5 # behind\n\n[code]\nquiet = 1\n", "limits.large_file", "9 MB"),
        "# top\n[limits]\n# above\nlarge_file = \"9 MB\" # behind\n\n[code]\nquiet = 1\n"
    );
    assert_eq!(set("limits = { large_file = 5 }\n", "limits.large_file", "6"), "limits = { large_file = 6 }\n");
    assert_eq!(set("limits.large_file = 5\n", "limits.large_file", "6"), "limits.large_file = 6\n");
}

#[test]
fn a_missing_setting_table_or_file_is_made() {
    assert_eq!(set("", "limits.large_file", "6"), "[limits]\nlarge_file = 6\n");
    assert_eq!(set("[limits]\n# note\n", "limits.large_file", "6"), "[limits]\nlarge_file = 6\n# note\n");
    let place = Place::new();
    let file = place.dir.path().join("deep/config.toml");
    set_user_value(TABLES, &file, "code.mode", "wait").unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[code]\nmode = \"wait\"\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_setting_of_the_template_is_switched_on_in_its_table() {
    let text = set(&template(TABLES), "limits.large_file", "6");
    assert!(text.contains("[limits]\nlarge_file = 6\n"), "{text}");
    for line in template(TABLES).lines() {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn a_setting_under_an_older_name_keeps_it() {
    let before = "[limits]\nlarge_file_threshold = 5\n";
    assert_eq!(set(before, "limits.large_file", "6"), "[limits]\nlarge_file_threshold = 6\n");
    assert_eq!(set("", "limits.big", "6"), "[limits]\nlarge_file = 6\n");
    let gone = after(before, |file| assert!(unset_user_value(TABLES, file, "limits.large_file").unwrap()));
    assert_eq!(gone, "[limits]\n");
    after(before, |file| assert!(!unset_user_value(TABLES, file, "code.quiet").unwrap()));
}

#[test]
fn what_is_typed_becomes_toml_of_its_kind() {
    for (name, typed, written) in [
        ("code.enabled", "0", "false"),
        ("code.quiet", "10 min", "\"10 min\""),
        ("code.quiet", "10", "10"),
        ("core.remote", "origin", "\"origin\""),
        ("core.remote", "1", "\"1\""),
        ("files.ignore", "a, b", "[\"a\", \"b\"]"),
        ("files.ignore", "['a']", "['a']"),
    ] {
        let (table, leaf) = name.split_once('.').unwrap();
        assert_eq!(set("", name, typed), format!("[{table}]\n{leaf} = {written}\n"));
    }
}

#[test]
fn lists_grow_and_shrink_in_the_layout_they_have() {
    let add =
        |before: &str| after(before, |file| assert!(append_user_list(TABLES, file, "files.ignore", "z").unwrap()));
    assert_eq!(add(""), "[files]\nignore = [\"z\"]\n");
    assert_eq!(add("files.ignore = [\"a\"] # why\n"), "files.ignore = [\"a\", \"z\"] # why\n");
    assert_eq!(
        add("[files]\nignore = [\n  # first\n  \"a\", # one\n  \"b\", # two\n]\n"),
        "[files]\nignore = [\n  # first\n  \"a\", # one\n  \"b\", # two\n  \"z\",\n]\n"
    );
    assert_eq!(
        add("[files]\nignore = [\n  \"a\",\n  \"b\" # two\n]\n"),
        "[files]\nignore = [\n  \"a\",\n  \"b\", # two\n  \"z\",\n]\n"
    );
    let take =
        |before: &str| after(before, |file| assert!(remove_user_list(TABLES, file, "files.ignore", "z").unwrap()));
    assert_eq!(take("files.ignore = [\"z\", \"a\", \"z\"] # why\n"), "files.ignore = [\"a\"] # why\n");
    let rest = "[files]\nignore = [\n  \"a\", # one\n]\n";
    assert_eq!(take("[files]\nignore = [\n  \"a\", # one\n  \"z\",\n]\n"), rest);
    assert_eq!(take("[files]\nignore = [\n  \"z\", # last\n  \"a\", # one\n  # above\n  \"z\", # last\n]\n"), rest);
    assert!(take("[files]\nignore = [\n  \"a\", # one\n  \"z\"\n]\n").contains("# one\n]"));
    let change = |before: &str, is_there: bool| {
        after(before, |file| {
            assert_eq!(replace_user_list(TABLES, file, "files.ignore", "z", "y").unwrap(), is_there);
        })
    };
    assert_eq!(
        change("[files]\nignore = [\n  \"a\", # one\n  \"z\", # last\n]\n", true),
        "[files]\nignore = [\n  \"a\", # one\n  \"y\", # last\n]\n"
    );
    assert_eq!(change("files.ignore = ['a'] # kept as it is\n", false), "files.ignore = ['a'] # kept as it is\n");
}

#[test]
fn repeating_a_list_edit_changes_nothing() {
    let before = "files.ignore = ['a'] # kept as it is\n";
    let same = after(before, |file| {
        assert!(!append_user_list(TABLES, file, "files.ignore", "a").unwrap());
        assert!(!remove_user_list(TABLES, file, "files.ignore", "z").unwrap());
    });
    assert_eq!(same, before);
}

#[test]
fn a_refused_edit_leaves_the_file_as_it_was() {
    type Edit = fn(&Path) -> Result<bool, ConfigEditError>;
    let cases: &[(&str, Edit, &str)] = &[
        (
            "",
            |f| set_user_value(TABLES, f, "limits.larg_file", "1").map(|()| true),
            "there is no setting limits.larg_file",
        ),
        (
            "",
            |f| set_user_value(TABLES, f, "daemon.top_load", "0").map(|()| true),
            "daemon.top_load cannot be set so: it must be a whole number from 1 to 1000, not 0",
        ),
        ("", |f| append_user_list(TABLES, f, "code.quiet", "1"), "code.quiet is not a list"),
        (
            "files = 1",
            |f| append_user_list(TABLES, f, "files.ignore", "1"),
            "files.ignore cannot be set so: files is a value in the file, not a table",
        ),
        (
            "files.ignore = 1",
            |f| append_user_list(TABLES, f, "files.ignore", "1"),
            "files.ignore cannot be set so: it must be a list of texts such as [\"a\", \"b\"], not a whole number",
        ),
        ("a = 1\n\nb =", |f| set_user_value(TABLES, f, "code.quiet", "1").map(|()| true), ":3 has to be mended first"),
    ];
    for (before, edit, problem) in cases {
        let place = Place::new().user(before);
        let file = place.dir.path().join("config.toml");
        let error = edit(&file).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), *before);
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let error = set_user_value(TABLES, Path::new("/nonexistent"), "limits.larg_file", "1").unwrap_err();
    assert!(matches!(error, ConfigEditError::Unknown { similar: Some("limits.large_file"), .. }));
}

#[test]
fn a_file_that_is_a_link_stays_one() {
    let place = Place::new();
    let real = place.write("dotfiles/carry.toml", "# mine\n");
    let link = place.dir.path().join("config.toml");
    symlink(&real, &link).unwrap();
    set_user_value(TABLES, &link, "code.quiet", "7").unwrap();
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().contains("quiet = 7"));
}
