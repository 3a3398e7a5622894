use carry_kernel::config::Sources;

use super::*;

fn read(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Settings {
    let flags = flags.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let config = Config::load(&[KEYS, carry_sessions::settings::KEYS], &Sources { flags, ..Sources::default() });
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Settings::new(&config, Some(Path::new("/home/me")), &variable)
}

#[test]
fn without_settings_there_is_no_remote_and_nothing_to_say() {
    let settings = read(&[], &[("CARRY_REMOTE_TOKEN_HUB", "x")]);
    assert!(settings.remotes.is_empty() && settings.warnings.is_empty());
    assert_eq!((settings.quiet, settings.quiet_max()), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!((settings.relay, settings.poll), (Relay::Any, None));
    assert_eq!((settings.free, settings.quota), (Free::Usual, 50 << 30));
}

#[test]
fn what_is_kept_of_a_device_may_be_any_size_but_nothing() {
    for (said, bytes, n_warnings) in [("500 MiB", 500 << 20, 0), ("4096", 4096, 0), ("0", 50 << 30, 1)] {
        let settings = read(&[("exchange.quota_per_device", said)], &[]);
        assert_eq!((settings.quota, settings.warnings.len()), (bytes, n_warnings), "{said}");
        assert!(settings.warnings.iter().all(|warning| warning.contains("`exchange.quota_per_device` is 0")));
    }
}

#[test]
fn what_must_be_free_is_said_in_bytes_of_any_size() {
    for (said, bytes) in [("0", 0), ("500 MiB", 500 << 20), ("2 GiB", 2 << 30), ("4096", 4096)] {
        assert_eq!(read(&[("exchange.free_min", said)], &[]).free, Free::Bytes(bytes), "{said}");
    }
}

#[test]
fn whatever_exchanges_with_a_remote_go_by_makes_a_difference_and_nothing_else_does() {
    let said = |more: &[(&str, &str)]| {
        let remotes = [("exchange.remotes", r#"["a=/a", "b=/b"]"#)];
        read(&[&remotes, more].concat(), &[])
    };
    let before = said(&[]);
    for key in [
        ("exchange.code", r#"["a"]"#),
        ("exchange.private", r#"["a"]"#),
        ("exchange.relay", "own"),
        ("exchange.grace", "30d"),
        ("exchange.free_min", "0"),
        ("exchange.quota_per_device", "1 GiB"),
        ("sessions.allow", r#"["example"]"#),
    ] {
        assert!(before.differ_for("a", &said(&[key])), "{key:?}");
    }
    assert!(before.differ_for("a", &read(&[("exchange.remotes", r#"["b=/b"]"#)], &[])));
    for key in [("exchange.code", r#"["b"]"#), ("exchange.quiet", "9s")] {
        assert!(!before.differ_for("a", &said(&[key])), "{key:?}");
    }
}

#[test]
fn code_is_taken_in_only_where_some_remote_has_it() {
    let remotes = ("exchange.remotes", r#"["a=/a", "b=/b"]"#);
    let takes = |flags: &[(&str, &str)], name: &str| {
        read(flags, &[]).takes(&name.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
    };
    for name in PLAIN {
        assert!(takes(&[], name) && takes(&[remotes], name), "{name}");
    }
    assert!(!takes(&[], CODE) && !takes(&[remotes], CODE) && takes(&[remotes], "a-later-one"));
    let with_code = [remotes, ("exchange.code", r#"["b"]"#)];
    assert!(takes(&with_code, CODE) && takes(&with_code, "a-later-one"));
}

#[test]
fn remotes_are_read_and_what_is_none_is_said_without_secrets() {
    let remotes = r#"["nas=/mnt/nas/carry", "b=s3://bucket/prefix?endpoint=https://s3.example.org", "hub=https://hub.example.org/me",
        "stick=~/stick", "nas=/other", "same=/mnt/nas/./carry", "Bad=/x", "rel=here", "plain", "p=https://me:hunter2@host/",
        "-x=/y"]"#;
    let settings = read(&[("exchange.remotes", remotes)], &[("CARRY_REMOTE_TOKEN_HUB", " secret\n")]);
    let names: Vec<&str> = settings.remotes.iter().map(|remote| remote.name.as_str()).collect();
    assert_eq!(names, ["nas", "b", "hub", "stick"]);
    assert_eq!(settings.remotes[3].location, Location::Folder("/home/me/stick".into()));
    assert_eq!(settings.remotes[2].token, Some(Token::Said("secret".to_owned())));
    assert!(settings.remotes[2].is_private && !settings.remotes[0].is_private);
    assert_eq!(settings.warnings.len(), 7, "{:#?}", settings.warnings);
    assert!(settings.warnings[1].contains("the same place as nas"), "{:?}", settings.warnings);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("secret"), "{shown}");
}

#[test]
fn code_goes_only_where_it_is_said_to() {
    let flags =
        [("exchange.remotes", r#"["a=/a", "b=/b"]"#), ("exchange.code", r#"["b", "c"]"#), ("exchange.private", "a")];
    let settings = read(&flags, &[]);
    let code: Vec<bool> = settings.remotes.iter().map(|remote| remote.has_code).collect();
    assert_eq!(code, [false, true]);
    assert!(settings.remotes[0].is_private);
    assert_eq!(settings.warnings, ["`exchange.code` names \"c\", which is no remote; `carry remote list` lists them."]);
}

#[test]
fn tokens_come_from_a_variable_or_a_file_and_belong_to_peers() {
    let flags = [
        ("exchange.remotes", r#"["my-hub=https://hub.example.org", "two=https://two.example.org", "nas=/nas"]"#),
        ("exchange.token_files", r#"["my-hub=~/token", "two=/run/token", "nas=/x", "three=/x", "two=rel", "z"]"#),
    ];
    let settings = read(&flags, &[("CARRY_REMOTE_TOKEN_MY_HUB", "said")]);
    let tokens: Vec<_> = settings.remotes.iter().map(|remote| remote.token.clone()).collect();
    assert_eq!(tokens, [Some(Token::Said("said".to_owned())), Some(Token::File("/run/token".into())), None]);
    assert_eq!(settings.warnings.len(), 4, "{:#?}", settings.warnings);
}

#[test]
fn a_grace_period_that_takes_from_readers_is_not_taken() {
    let settings = read(&[("exchange.grace", "1s"), ("exchange.poll", "0s")], &[]);
    assert_eq!((settings.grace, settings.poll), (Duration::from_secs(3600), Some(Duration::from_secs(2))));
    assert_eq!(settings.warnings.len(), 1);
}

#[test]
fn each_remote_is_as_fast_as_it_is_said_to_be() {
    let remotes = r#"["nas=/mnt/nas", "b=s3://bucket", "c=/mnt/c"]"#;
    let rates = r#"["b=1.5 MiB", "nas = 500k", "c=1k", "gone=1m", "fast", "c=fast"]"#;
    let settings = read(&[("exchange.remotes", remotes), ("exchange.rates", rates)], &[]);
    let found: Vec<_> = settings.remotes.iter().map(|remote| remote.rate.map(std::num::NonZeroU64::get)).collect();
    assert_eq!(found, [Some(500 * 1024), Some(1536 * 1024), None]);
    let entries =
        |n: usize| settings.warnings.iter().filter(|warning| warning.contains(&format!("entry {n}: "))).count();
    assert_eq!([1, 2, 3, 4, 5, 6].map(entries), [0, 0, 1, 1, 1, 1], "{:#?}", settings.warnings);
    let slower = read(&[("exchange.remotes", remotes), ("exchange.rates", r#"["nas=100k", "b=1.5m"]"#)], &[]);
    assert!(
        settings.differ_for("nas", &slower) && !settings.differ_for("b", &slower),
        "a round goes by what holds now"
    );
}
