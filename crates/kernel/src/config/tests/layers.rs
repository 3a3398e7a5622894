use super::*;

#[test]
fn without_sources_the_defaults_hold() {
    let config = Config::load(TABLES, &Sources::default());
    assert_eq!(config.warnings(), []);
    assert!(config.bool("code.enabled"));
    assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(2)));
    assert_eq!(config.duration("code.interval"), None);
    assert_eq!(config.text("code.mode"), Some("capture"));
    assert_eq!(config.text("core.remote"), None);
    assert_eq!(config.integer("daemon.top_load"), Some(4));
    assert_eq!(config.list("files.ignore"), [""; 0]);
    assert_eq!(config.size("limits.large_file"), Some(100 << 20));
    assert_eq!((config.layer("code.quiet"), config.layer("code.interval"), config.layer("files.ignore")), (0, 0, 0));
    assert_eq!(config.iter().count(), TEST_KEYS.len());
    assert!(config.get("code.unheard").is_none());
}

#[test]
fn each_layer_replaces_the_weaker_one_and_history_is_kept() {
    let mut place = Place::new();
    let mut seen = vec![place.load().size("limits.large_file").unwrap() >> 20];
    place = place.user("[limits]\n\nlarge_file = \"50 MiB\"\n");
    seen.push(place.load().size("limits.large_file").unwrap() >> 20);
    place = place.repository("limits.large_file = \"40 MiB\"\n");
    seen.push(place.load().size("limits.large_file").unwrap() >> 20);
    place = place.env("CARRY_LIMITS_LARGE_FILE", "300m");
    seen.push(place.load().size("limits.large_file").unwrap() >> 20);
    place = place.flag("limits.large_file", "\"1 MiB\"").flag("limits.large_file", "2mb");
    seen.push(place.load().size("limits.large_file").unwrap() >> 20);
    assert_eq!(seen, [100, 50, 40, 300, 2]);
    let config = place.load();
    assert_eq!(config.layer("limits.large_file"), 4);
    assert_eq!(
        config.get("limits.large_file").unwrap().origins,
        [
            Origin::Default,
            Origin::User { file: place.dir.path().join("config.toml"), line: 3 },
            Origin::Repository { file: place.dir.path().join("repository/carry.toml"), line: 1 },
            Origin::Environment("CARRY_LIMITS_LARGE_FILE".to_owned()),
            Origin::Flag,
        ]
    );
    assert_eq!(config.warnings(), []);
}

#[test]
fn lists_append_and_name_the_line_of_each_item() {
    let place = Place::new()
        .user("[files]\nignore = [\n  \"a\", \"b\",\n  # why\n  \"a\",\n  \"c\",\n]\n")
        .repository("[files]\nignore = [\"b\", \"d\"]\n")
        .env("CARRY_FILES_IGNORE", " e , ,a")
        .flag("files.ignore", "[\"f,g\"]")
        .flag("files.ignore", "h,b");
    let config = place.load();
    assert_eq!(config.list("files.ignore"), ["a", "b", "c", "d", "e", "f,g", "h"]);
    let origins = &config.get("files.ignore").unwrap().origins;
    let text: Vec<String> =
        origins.iter().map(|o| o.to_string().replace(&format!("{}/", place.dir.path().display()), "")).collect();
    assert_eq!(
        text,
        [
            "config.toml:3",
            "config.toml:3",
            "config.toml:6",
            "repository/carry.toml:2",
            "CARRY_FILES_IGNORE",
            "--config",
            "--config"
        ]
    );
    assert_eq!(config.layer("files.ignore"), 4);
}

#[test]
fn an_older_name_means_the_same_and_the_newest_wins_inside_one_layer() {
    let place = Place::new().user("limits.large_file_threshold = \"1 MiB\"");
    assert_eq!(place.load().size("limits.large_file"), Some(1 << 20));
    let place =
        Place::new().user("[limits]\nlarge_file = \"3 MiB\"\nlarge_file_threshold = \"2 MiB\"\nbig = \"1 MiB\"\n");
    let config = place.load();
    assert_eq!(config.size("limits.large_file"), Some(3 << 20));
    assert_eq!(
        warnings(&place, &config),
        [
            "config.toml:3: limits.large_file_threshold has no effect: limits.large_file is set as well.",
            "config.toml:4: limits.big has no effect: limits.large_file is set as well.",
        ]
    );
    let place = place.env("CARRY_LIMITS_BIG", "7 MiB");
    assert_eq!(place.load().size("limits.large_file"), Some(7 << 20));
}

#[test]
fn variables_that_name_no_key_are_not_ours() {
    let place = Place::new()
        .env("CARRY_HOME", "/x")
        .env("CARRY_LOG", "debug")
        .env("CARRY_FAULT_TRACE", "x")
        .env("CARRY_CONFIG", "x")
        .env("CARRY_UNHEARD_OF", "x")
        .env("LIMITS_LARGE_FILE", "1k")
        .env("CARRY_DAEMON_TOP_LOAD", "")
        .env("CARRY_CODE_ENABLED", "0");
    let config = place.load();
    assert_eq!(config.warnings(), []);
    assert!(!config.bool("code.enabled"));
    assert_eq!(config.integer("daemon.top_load"), Some(4));
    let log = [key("log", Kind::Text, "", RepoRule::Ignored)];
    assert_eq!(Config::load(&[Vec::from(log).leak()], &place.sources).text("log"), None);
}

#[test]
fn bad_values_keep_the_weaker_one_and_say_where_they_stand() {
    let place = Place::new()
        .user("[daemon]\ntop_load = \"4\"\n[code]\nmode = \"later\"\nquiet = 1.5\nenabled = { a = 1 }\n[files]\nignore = [1]")
        .env("CARRY_CODE_QUIET", "soon")
        .env("CARRY_DAEMON_TOP_LOAD", "0")
        .flag("limits.large_file", "-1")
        .flag("limits.larg_file", "1");
    let config = place.load();
    assert_eq!(
        warnings(&place, &config),
        [
            "config.toml:2: daemon.top_load has no effect: it must be a whole number from 1 to 1000, not text.",
            "config.toml:4: code.mode has no effect: it must be one of capture, wait, not later.",
            "config.toml:5: code.quiet has no effect: it must be a duration such as \"10 min\", or whole seconds, not a decimal number.",
            "config.toml:6: code.enabled has no effect: it must be true or false, not a table.",
            "config.toml:8: files.ignore has no effect: all items of the list must be texts in quotes.",
            "CARRY_CODE_QUIET: code.quiet has no effect: soon does not begin with a number.",
            "CARRY_DAEMON_TOP_LOAD: daemon.top_load has no effect: it must be a whole number from 1 to 1000, not 0.",
            "--config: limits.large_file has no effect: -1 is negative.",
            "--config: There is no setting limits.larg_file; did you mean limits.large_file?",
        ]
    );
    for resolved in config.iter() {
        assert!(resolved.origins.iter().all(|o| *o == Origin::Default), "{}", resolved.key.name);
    }
}

#[test]
fn flags_take_toml_or_bare_text() {
    let config = Place::new()
        .flag("code.quiet", "5m")
        .flag("code.mode", "wait")
        .flag("core.remote", "1")
        .flag("code.enabled", "false")
        .flag("daemon.top_load", " 7 ")
        .load();
    assert_eq!(config.warnings(), []);
    assert_eq!(config.duration("code.quiet"), Some(Duration::from_secs(300)));
    assert_eq!((config.text("code.mode"), config.text("core.remote")), (Some("wait"), Some("1")));
    assert_eq!((config.bool("code.enabled"), config.integer("daemon.top_load")), (false, Some(7)));
}

#[test]
#[should_panic(expected = "no table declares the setting limits.unheard")]
fn asking_for_an_undeclared_setting_is_our_mistake() {
    Config::load(TABLES, &Sources::default()).size("limits.unheard");
}

#[test]
#[should_panic(expected = "asked for as a duration")]
fn asking_for_another_kind_is_our_mistake() {
    Config::load(TABLES, &Sources::default()).duration("limits.large_file");
}

#[test]
fn the_kernels_own_defaults_are_valid() {
    let config = Config::load(&[KEYS], &Sources::default());
    assert_eq!(config.integer("daemon.min_battery_percent"), Some(10));
    assert_eq!(config.size("limits.max_log_size"), Some(5 << 20));
}

#[test]
fn the_template_lists_every_key_and_is_valid_asleep_and_awake() {
    let tables: &[&[Key]] = &[TEST_KEYS, KEYS];
    let text = template(tables);
    let place = Place::new().user(&text);
    let asleep = Config::load(tables, &place.sources);
    assert_eq!(asleep.warnings(), []);
    assert!(asleep.iter().all(|r| r.origins.iter().all(|o| *o == Origin::Default)));
    assert!(text.lines().all(|line| line.chars().count() <= 120));

    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    assert_eq!(text.lines().filter(|line| is_setting(line)).count(), TEST_KEYS.len() + KEYS.len());
    let awake: String = text.lines().map(|l| format!("{}\n", if is_setting(l) { &l[1..] } else { l })).collect();
    let place = Place::new().user(&awake);
    let awake = Config::load(tables, &place.sources);
    assert_eq!(awake.warnings(), []);
    for resolved in awake.iter().filter(|r| r.key.kind != Kind::List) {
        assert_eq!(awake.layer(resolved.key.name), 1, "{}", resolved.key.name);
        if !resolved.key.default.is_empty() {
            assert_eq!(resolved.value, asleep.get(resolved.key.name).unwrap().value);
        }
    }
}
