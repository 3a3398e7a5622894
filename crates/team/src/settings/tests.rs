use carry_kernel::config::Sources;

use super::*;
use crate::share::{Mode, ProjectRef};

fn read(flags: &[(&str, &str)], environment: &[(&str, &str)], variables: &[(&str, &str)]) -> Settings {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let sources = Sources { flags: owned(flags), environment: owned(environment), ..Sources::default() };
    settings(&sources, variables)
}

fn settings(sources: &Sources, variables: &[(&str, &str)]) -> Settings {
    let config = Config::load(&[KEYS, carry_sessions::settings::KEYS], sources);
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Settings::new(&config, Some(Path::new("/home/me")), &variable)
}

#[test]
fn without_settings_there_is_no_store_and_nothing_to_say() {
    let settings = read(&[], &[], &[("PGPASSWORD", "x")]);
    assert_eq!((settings.stores.len(), &settings.warnings), (0, &Vec::new()));
    assert_eq!((settings.quiet, settings.reconcile), (QUIET, RECONCILE));
    // A rule may be there before its store.
    assert!(read(&[("team.share", r#"["*=full", "*=off@eu"]"#)], &[], &[]).warnings.is_empty());
}

#[test]
fn the_default_store_comes_from_the_environment_too() {
    let settings = read(&[], &[("CARRY_TEAM_URL", "postgres://me:secret@host/db")], &[]);
    assert_eq!(settings.stores[0].name, DEFAULT_STORE);
    assert_eq!(settings.stores[0].address, Address::Url("postgres://me:secret@host/db".to_owned()));
    assert_eq!(settings.stores[0].schema, "carry");
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn of_address_and_file_the_nearer_counts() {
    let file = ("team.url_file", "~/url");
    let settings = read(&[file], &[("CARRY_TEAM_URL", "postgres://host/db")], &[]);
    assert_eq!(settings.stores[0].address, Address::File("/home/me/url".into()));
    assert!(settings.warnings.is_empty());
    let settings = read(&[("team.url", "postgres://host/db")], &[("CARRY_TEAM_URL_FILE", "/url")], &[]);
    assert!(matches!(settings.stores[0].address, Address::Url(_)));
    let settings = read(&[("team.url", "postgres://host/db"), file], &[], &[]);
    assert!(matches!(settings.stores[0].address, Address::File(_)));
    assert_eq!(settings.warnings.len(), 1);
}

#[test]
fn further_stores_have_names_of_their_own() {
    let stores = r#"["eu=postgres://eu.example/db", "us=file:~/us", "eu=postgres://two/db", "default=postgres://x/db",
        "No=postgres://x/db", "postgres://u:pass-word@x/db?sslmode=require", "plain", "rel=file:us", "other=mysql://x"]"#;
    let settings = read(&[("team.stores", stores), ("team.url", "postgres://host/db")], &[], &[]);
    let names: Vec<&str> = settings.stores.iter().map(|store| store.name.as_str()).collect();
    assert_eq!(names, ["default", "eu", "us"]);
    assert_eq!(settings.store("us").map(|store| &store.address), Some(&Address::File("/home/me/us".into())));
    assert_eq!(settings.warnings.len(), 7, "{:#?}", settings.warnings);
    assert!(settings.warnings[0].contains("entry 3"), "{:?}", settings.warnings);
    assert!(settings.warnings.iter().all(|warning| !warning.contains("pass-word")), "{:?}", settings.warnings);
}

#[test]
fn passwords_go_to_the_store_they_belong_to_and_are_never_shown() {
    let settings = read(
        &[
            ("team.stores", r#"["eu=postgres://eu.example/db"]"#),
            ("team.password_file", "~/pw"),
            ("team.password_command", "pass x"),
        ],
        &[("CARRY_TEAM_URL", "postgres://me:in-the-url@host/db")],
        &[("PGPASSWORD", "in-the-environment"), ("PGPASSFILE", "/etc/pgpass")],
    );
    let password = &settings.stores[0].password;
    assert_eq!(password.file, Some("/home/me/pw".into()));
    assert_eq!(password.command.as_deref(), Some("pass x"));
    assert_eq!(password.environment, Some(Secret("in-the-environment".to_owned())));
    let by_host = Some(PathBuf::from("/etc/pgpass"));
    assert_eq!(settings.stores[1].password, Password { by_host, ..Password::default() });
    let shown = format!("{settings:?}");
    assert!(!shown.contains("in-the-url") && !shown.contains("in-the-environment"), "{shown}");
    let settings = read(&[("team.url", "postgres://host/db")], &[], &[]);
    assert_eq!(settings.stores[0].password.by_host, Some("/home/me/.pgpass".into()));
}

#[test]
fn a_password_has_no_place_in_the_configuration_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    let text =
        "[team]\nurl = \"postgres://me:hunter2@host/db\"\nstores = [\"eu=postgres://host/db?password=hunter2\"]\n";
    carry_kernel::disk::write_atomic(&file, text.as_bytes()).expect("a file");
    let settings = settings(&Sources { user: Some(file), ..Sources::default() }, &[]);
    assert_eq!(settings.stores, Vec::new());
    assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
    assert!(settings.warnings.iter().all(|warning| warning.contains("0600") && !warning.contains("hunter2")));
}

#[test]
fn a_schema_that_needs_quotes_or_belongs_to_the_database_is_refused() {
    for name in ["carry", "_", "team_2", &"x".repeat(63)] {
        assert!(is_schema_name(name), "{name}");
    }
    for name in [
        "",
        "Carry",
        "2x",
        "a-b",
        "a b",
        "a\"b",
        "é",
        "public",
        "pg_catalog",
        "pg_",
        "information_schema",
        &"x".repeat(64),
    ] {
        assert!(!is_schema_name(name), "{name}");
    }
    let settings = read(&[("team.url", "postgres://host/db"), ("team.schema", "public")], &[], &[]);
    assert!(settings.stores.is_empty() && settings.warnings.len() == 1);
}

#[test]
fn each_store_has_its_rules_and_rules_without_store_are_said() {
    let flags = [
        ("team.url", "postgres://host/db"),
        ("team.stores", r#"["eu=postgres://eu.example/db"]"#),
        ("team.share", r#"["*=metadata", "~/work/*=full@eu", "x=full@nowhere", "y=all"]"#),
    ];
    let settings = read(&flags, &[], &[]);
    let project = ProjectRef { key: "/home/me/work/a", remote: None, root: Some("/home/me/work/a"), cwd: None };
    assert_eq!(settings.stores[0].shares.mode_of(project), Mode::Metadata);
    assert_eq!(settings.stores[1].shares.mode_of(project), Mode::Full);
    assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
    assert!(settings.warnings[1].contains("nowhere"));
}

#[test]
fn nonsense_is_said() {
    let settings = read(&[("team.person", "\"a\\tb\""), ("team.mask_key_file", "key")], &[], &[]);
    assert_eq!((settings.person.as_str(), &settings.mask_key_file), ("", &None));
    assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
    assert_eq!(read(&[("team.person", " Ada L. ")], &[], &[]).person, "Ada L.");
}
