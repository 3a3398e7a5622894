use super::*;
use crate::archive::fixture::Fixture;
use crate::model::{Category, ToolCall};

fn ask(text: &str) -> Query {
    Query { text: text.into(), limit: 10, ..Query::default() }
}

fn look_in(query: &Query, blocks: Vec<Block>) -> Option<Place> {
    let meaning = query::meaning_of(query).unwrap();
    let role = Role::Assistant;
    let candidate = Candidate { n: 1, session: 1, ordinal: 3, call: None, role, with_results: false };
    let parts: Vec<Part<'_>> = blocks.into_iter().filter_map(part).collect();
    look(query, &meaning, &candidate, &parts, 0)
}

fn holds(query: &str, text: &str) -> bool {
    look_in(&ask(query), vec![Block::Text(text.into())]).is_some()
}

#[test]
fn all_words_are_needed_and_none_of_those_without() {
    assert!(holds("fix login", "the login is fixed: fix it"));
    assert!(!holds("fix login", "fix it"));
    assert!(!holds("fix -login", "fix the login"));
    assert!(holds("fix -login", "fix it"));
    assert!(holds("logout OR login fix", "fix the login"));
    assert!(!holds("logout OR login fix", "the login"));
}

#[test]
fn a_star_stands_for_the_rest_of_a_word() {
    assert!(holds("conf*", "the configuration"));
    assert!(!holds("conf", "the configuration"));
}

#[test]
fn words_of_a_phrase_follow_each_other_within_one_block() {
    assert!(holds("\"read the file\"", "now READ the\nfile"));
    assert!(!holds("\"read the file\"", "read a file, the one"));
    assert!(look_in(&ask("\"read this\""), vec![Block::Text("read".into()), Block::Text("this".into())]).is_none());
    assert!(look_in(&ask("read this"), vec![Block::Text("read".into()), Block::Text("this".into())]).is_some());
}

#[test]
fn an_identifier_is_found_however_it_is_written() {
    for text in ["readFile", "read_file", "READ_FILE", "readfile", "read-file", "myReadFileNow"] {
        assert!(holds("readFile", text), "{text}");
    }
    assert!(!holds("readFile", "file read"));
    assert!(holds("file", "myReadFileNow"));
    assert!(holds("naive", "a naïve idea"));
}

#[test]
fn chinese_japanese_and_korean_are_found_inside_of_a_run() {
    assert!(holds("登录", "修复登录问题"));
    assert!(holds("复登录", "修复登录问题"));
    assert!(!holds("修登录", "修复登录修"));
    assert!(holds("题", "修复登录问题"));
    assert!(holds("スト", "テスト"));
}

#[test]
fn a_field_that_was_not_asked_for_does_not_count() {
    let call = ToolCall {
        index: 2,
        id: String::new(),
        name: "Bash".into(),
        category: Category::Bash,
        input: r#"{"command":"echo\nneedle"}"#.into(),
        skill: None,
        subagent: None,
        file: None,
    };
    let blocks = vec![Block::Text("hay".into()), Block::Call(call)];
    let place = look_in(&ask("needle"), blocks.clone()).unwrap();
    assert_eq!((place.field, place.call), (Field::Input, Some(2)));
    assert!(look_in(&Query { fields: vec![Field::Text], ..ask("needle") }, blocks).is_none());
}

#[test]
fn a_substring_minds_case_only_when_it_has_upper_case() {
    let found = |query: &str, text: &str| {
        look_in(&Query { kind: Kind::Substring, ..ask(query) }, vec![Block::Text(text.into())]).is_some()
    };
    assert!(found("eedl", "a NEEDLE"));
    assert!(!found("Eedl", "a NEEDLE"));
    assert!(found("a.b(", "x a.b( y") && !found("a.b(", "x axb( y"));
}

#[test]
fn hostile_queries_are_answered_or_refused_without_harm() {
    let fixture = Fixture::new();
    fixture.session(1, "aa");
    let huge = "a ".repeat(1 << 19);
    let refused = ["", " ", "\"", "*", "-", "-a", "\0", huge.as_str()];
    for text in refused {
        assert!(matches!(fixture.archive.search(&ask(text)), Err(SearchError::Query { .. })), "{text:.20?}");
    }
    let answered = [
        "AND NOT",
        "OR",
        "a\0b",
        "a\" OR \"b",
        "NEAR(a b)",
        "w : a",
        "^a",
        "a OR",
        "(a",
        "'; DROP TABLE words; --",
        "\u{202e}ж*",
    ];
    for text in answered {
        assert_eq!(fixture.archive.search(&ask(text)).unwrap(), Hits::default(), "{text:?}");
    }
    for text in ["(", "a{1000}{1000}{1000}", "[z-a]"] {
        let query = Query { kind: Kind::Regex, ..ask(text) };
        assert!(matches!(fixture.archive.search(&query), Err(SearchError::Query { .. })), "{text}");
    }
    let many: String = (0..33).map(|n| format!("w{n} ")).collect();
    assert!(fixture.archive.search(&ask(&many)).is_err());
}

#[test]
fn the_index_proposes_what_the_filter_chooses_newest_first() {
    let fixture = Fixture::new();
    for (n, id) in [(1, "aa"), (2, "bb"), (3, "cc")] {
        fixture.session(n, id);
        fixture.answer(n, 0, None, 1, None);
        let mut words = words::Words::default();
        words.add("the readFile of 登录");
        let mut row = String::new();
        words.take(&mut row);
        let message = fixture.conn().query_row("SELECT max(n) FROM messages", [], |row| row.get(0)).unwrap();
        let (page, message): (&str, i64) =
            ("INSERT INTO pages (id, session, first, last) VALUES (?1, ?1, ?2, ?2)", message);
        fixture.conn().execute(page, (n, message)).unwrap();
        fixture.conn().execute("INSERT INTO words (rowid, w) VALUES (?, ?)", (n, row)).unwrap();
    }
    fixture.set(3, "relation", "'subagent'");
    let sessions = |query: &Query| -> Vec<i64> {
        let meaning = query::meaning_of(query).unwrap();
        let mut sessions = Vec::new();
        let mut take = |candidate: Candidate| {
            sessions.push(candidate.session);
            Ok(true)
        };
        candidates::propose(&fixture.archive, query, &meaning, &mut take).unwrap();
        sessions
    };
    for text in ["readFile", "read_fi*", "readfile", "\"the read\"", "登录", "录", "nothing OR file"] {
        assert_eq!(sessions(&ask(text)), [2, 1], "{text}");
    }
    assert_eq!(sessions(&ask("writeFile")), [0_i64; 0]);
    let all = Query { filter: Filter { all: true, ..Filter::default() }, ..ask("file") };
    assert_eq!(sessions(&all), [3, 2, 1]);
    assert_eq!(sessions(&Query { role: Some(Role::User), ..ask("file") }), [0_i64; 0]);
    assert_eq!(sessions(&Query { kind: Kind::Substring, ..ask("e readFile o") }), [2, 1]);
    assert_eq!(sessions(&Query { kind: Kind::Substring, ..ask("e readFiles o") }), [0_i64; 0]);
    assert_eq!(sessions(&Query { kind: Kind::Regex, ..ask("x") }), [2, 1]);
}
