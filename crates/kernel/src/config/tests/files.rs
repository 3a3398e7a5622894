use std::os::unix::fs::symlink;

use super::*;

#[test]
fn unknown_keys_name_the_line_and_what_was_probably_meant() {
    let place = Place::new().user(
        "large_file = 1\nfoo = 2\n[limit]\nlarge_file = 3\n[daemon]\ntop_laod = 4\n\"bad\\u001b[31m\" = 5\n[empty]\n[[code]]\n",
    );
    let config = place.load();
    assert_eq!(
        warnings(&place, &config),
        [
            "config.toml:1: There is no setting large_file; did you mean limits.large_file?",
            "config.toml:2: There is no setting foo.",
            "config.toml:4: There is no setting limit.large_file; did you mean limits.large_file?",
            "config.toml:6: There is no setting daemon.top_laod; did you mean daemon.top_load?",
            "config.toml:7: There is no setting daemon.bad\\u{1b}[31m.",
            "config.toml:8: There is no setting empty.",
            "config.toml:9: code has no effect: it is a table of settings, not a value.",
        ]
    );
}

#[test]
fn a_syntax_error_voids_the_whole_file_and_names_its_line() {
    for text in ["[limits]\nlarge_file = 1\nlarge_file = 2\n", "[limits]\nlarge_file = 1\n= 5\n"] {
        let place = Place::new().user(text);
        let config = place.load();
        assert_eq!(config.size("limits.large_file"), Some(100 << 20));
        let warnings = warnings(&place, &config);
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("config.toml:3: The file has no effect: it is not valid TOML ("),
            "{warnings:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_text_or_too_large_or_no_file_has_no_effect() {
    let place = Place::new();
    place.write("config.toml", b"[limits]\nlarge_file = 1\n# \xff\n");
    assert_eq!(warnings(&place, &place.load()), ["config.toml:3: The file has no effect: it is not UTF-8 text."]);
    place.write("config.toml", "#".repeat(1024 * 1024 + 1));
    let config = place.load();
    assert!(config.warnings()[0].message.contains("larger than 1048576 bytes"), "{:?}", config.warnings());
    std::fs::remove_file(place.dir.path().join("config.toml")).unwrap();
    std::fs::create_dir(place.dir.path().join("config.toml")).unwrap();
    assert!(place.load().warnings()[0].message.contains("not a regular file"));
}

#[test]
fn every_way_to_write_a_key_is_understood_with_its_line() {
    for (text, line) in [
        ("[limits]\nlarge_file = 5\n", 2),
        ("\nlimits.large_file = 5\n", 2),
        ("limits = { large_file = 5 }\n", 1),
        ("\n\n[ 'limits' ]\n\"large_file\" = 5\n", 4),
        ("\u{feff}limits.large_file = 5\r\n", 1),
        ("x = '''\n\n'''\nlimits.large_file = 5", 4),
    ] {
        let place = Place::new().user(text);
        let config = place.load();
        assert_eq!(config.size("limits.large_file"), Some(5), "{text}");
        let last = config.get("limits.large_file").unwrap().origins.last().cloned();
        assert_eq!(last, Some(Origin::User { file: place.dir.path().join("config.toml"), line }), "{text}");
    }
}

#[test]
fn a_user_may_keep_the_file_elsewhere_and_link_to_it() {
    let place = Place::new();
    let real = place.write("dotfiles/carry.toml", "code.quiet = 9");
    symlink(real, place.dir.path().join("config.toml")).unwrap();
    assert_eq!(place.load().duration("code.quiet"), Some(Duration::from_secs(9)));
}

#[test]
fn a_repository_may_only_narrow() {
    let place = Place::new().user("[limits]\nlarge_file = \"10 MiB\"\n[code]\nquiet = 5\n").repository(concat!(
        "[code]\nenabled = false\nquiet = 6\ninterval = 60\nmode = \"wait\"\n",
        "[limits]\nlarge_file = \"9 MiB\"\nbudget = 5\n[daemon]\ntop_load = 4\n",
        "[core]\nremote = \"theirs\"\n",
    ));
    let config = place.load();
    assert!(!config.bool("code.enabled"));
    assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(6)));
    assert_eq!(config.duration("code.interval"), Some(Duration::from_secs(60)));
    assert_eq!(config.size("limits.large_file"), Some(9 << 20));
    assert_eq!((config.text("code.mode"), config.text("core.remote")), (Some("capture"), None));
    assert_eq!(config.size("limits.budget"), None);
    assert_eq!(
        warnings(&place, &config),
        [
            "repository/carry.toml:5: code.mode has no effect: a repository may not set it.",
            "repository/carry.toml:8: limits.budget has no effect: a repository may only lower it, and you have not set it.",
            "repository/carry.toml:12: core.remote has no effect: a repository may not set it.",
        ]
    );
}

#[test]
fn a_repository_that_tries_to_widen_is_named_and_ignored() {
    let place = Place::new()
        .user(
            "[limits]\nlarge_file = \"10 MiB\"\n[code]\nquiet = 5\nenabled = false\n[files]\nignore = [\"secrets/\"]\n",
        )
        .repository(concat!(
            "[code]\nenabled = true\nquiet = 4\n[limits]\nlarge_file = \"11 MiB\"\n",
            "[files]\nignore = [\n  \"ok\",\n  \"!secrets/\",\n  \"x\\n!secrets/\",\n]\n",
        ));
    let config = place.load();
    assert!(!config.bool("code.enabled"));
    assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(5)));
    assert_eq!(config.size("limits.large_file"), Some(10 << 20));
    assert_eq!(config.list("files.ignore"), ["secrets/", "ok"]);
    assert_eq!(
        warnings(&place, &config),
        [
            "repository/carry.toml:2: code.enabled has no effect: a repository may only switch it off.",
            "repository/carry.toml:3: code.quiet has no effect: a repository may only raise it, and it is \"5s\" already.",
            "repository/carry.toml:5: limits.large_file has no effect: a repository may only lower it, and it is \"10 MiB\" already.",
            "repository/carry.toml:9: The item !secrets/ of files.ignore has no effect: a repository may only add to the list.",
            "repository/carry.toml:10: The item x\\n!secrets/ of files.ignore has no effect: a repository may only add to the list.",
        ]
    );
}

#[test]
fn carry_toml_counts_before_pyproject() {
    let place = Place::new();
    place.write(
        "repository/pyproject.toml",
        "[project]\nname = \"x\"\n[tool.carry.code]\nquiet = 8\n[tool.ruff]\nx = 1",
    );
    let config = place.load();
    assert_eq!(config.warnings(), []);
    assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(8)));
    assert_eq!(config.get("code.quiet").unwrap().origins[1].to_string().rsplit(':').next(), Some("4"));
    assert_eq!(place.repository("code.quiet = 9").load().duration("code.quiet"), Some(Duration::from_secs(9)));
}

#[test]
fn somebody_elses_pyproject_is_passed_over() {
    for text in ["[project]\nname = \"x\"\n", "[tool]\nx = 1", "tool = 1", "broken ="] {
        let place = Place::new();
        place.write("repository/pyproject.toml", text);
        assert_eq!(place.load().warnings(), [], "{text}");
    }
    let place = Place::new();
    place.write("repository/pyproject.toml", "[tool.carry]\nbroken =");
    assert_eq!(place.load().warnings().len(), 1);
}

#[test]
fn a_repositorys_file_can_neither_escape_nor_hang_the_reader() {
    let place = Place::new();
    let outside = place.write("outside.toml", "code.quiet = 9");
    let file = place.write("repository/carry.toml", "");
    std::fs::remove_file(&file).unwrap();
    for target in [outside, place.dir.path().join("missing")] {
        symlink(target, &file).unwrap();
        let config = place.load();
        assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(2)));
        assert_eq!(
            warnings(&place, &config),
            ["repository/carry.toml:1: The file has no effect: a repository's file may not be a symbolic link."]
        );
        std::fs::remove_file(&file).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(
        warnings(&place, &place.load()),
        ["repository/carry.toml:1: The file has no effect: it cannot be read (not a regular file)."]
    );
}

#[test]
fn a_hostile_file_costs_little_and_says_little() {
    let long = "k".repeat(300_000);
    let many: String = (0..60_000).map(|i| format!("k{i}=1\n")).collect();
    let nested = format!("[{long}]\n{}", many);
    let deep = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let items: String = (0..80_000).map(|i| format!("'!{i}','{i}',")).collect();
    let items = format!("files.ignore = [{}]", items[..1_000_000].rsplit_once(',').unwrap().0);
    for text in [many.as_str(), &nested, &deep, &items] {
        let place = Place::new().repository(text);
        let config = place.load();
        assert!((1..=51).contains(&config.warnings().len()), "{}", config.warnings().len());
        assert!(config.warnings().iter().all(|w| w.message.len() < 1000));
    }
}
