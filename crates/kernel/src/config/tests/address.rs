//! What is shown of an address.

use super::*;

const KEYS: &[Key] = &[
    Key { is_address: true, ..key("store.url", Kind::Text, "", RepoRule::Ignored) },
    Key { is_address: true, ..key("store.more", Kind::List, "[]", RepoRule::Ignored) },
    key("store.command", Kind::Text, "", RepoRule::Ignored),
];

#[track_caller]
fn check(said: &str, shown: &str) {
    let config = Place::new().env("CARRY_STORE_URL", said).load_of(&[KEYS]);
    let resolved = config.get("store.url").unwrap();
    assert_eq!(resolved.value, Some(Value::Text(said.to_owned())));
    assert_eq!(resolved.shown(), Some(Value::Text(shown.to_owned())));
}

#[test]
fn an_address_is_shown_without_its_password() {
    check("postgres://ada@db.example.org/team", "postgres://ada@db.example.org/team");
    check("postgres://ada:hunter22@db:5433/team", "postgres://ada:…@db:5433/team");
    check("postgres://ada:h@unter22@db/team?sslmode=require", "postgres://ada:…@db/team?sslmode=require");
    check("postgres:///team?host=/run/pg&password=hunter22", "postgres:///team?host=/run/pg&password=…");
    check("postgres://db/team?p%61ssword=hunter22", "postgres://db/team?p%61ssword=…");
    check("postgres://db:5432/team?user=a@b", "postgres://db:5432/team?user=a@b");
    check("not an address", "not an address");
}

#[test]
fn where_it_is_not_certain_where_a_password_ends_nothing_is_shown() {
    check("postgres://ada:hun/ter22@db/team", "postgres://…");
    check("postgres://ada:hun@ter/22@db/team", "postgres://…");
    check("postgres://ada:hun?ter22@db/team", "postgres://…");
    check("postgres://ada:12/34@db/team", "postgres://…");
}

#[test]
fn items_of_a_list_are_shown_so_too_and_other_settings_as_they_are() {
    let config = Place::new()
        .env("CARRY_STORE_MORE", "a=postgres://ada:hunter22@db/x,b=file:/srv/url")
        .env("CARRY_STORE_COMMAND", "get postgres://ada:hunter22@db/x")
        .load_of(&[KEYS]);
    let shown = config.get("store.more").unwrap().shown();
    assert_eq!(shown, Some(Value::List(vec!["a=postgres://ada:…@db/x".to_owned(), "b=file:/srv/url".to_owned()])));
    assert_eq!(config.get("store.command").unwrap().shown(), config.get("store.command").unwrap().value);
}
