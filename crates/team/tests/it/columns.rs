//! What stands in the tables, as somebody sees it who asks them with a query of their own.

use carry_team::postgres::Postgres;
use carry_team::shape::head_digest;
use carry_team::sink::{Back, Sink as _};
use carry_team::unit::{Body, Bucket, Place, UnitKey};
use carry_testkit::postgres::shared;

use crate::rig::{Content, client, key, message, put, store_at};

#[test]
fn the_tables_say_what_was_pushed() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let hostile = "'); DROP \\ \"x\" \u{1b} 漢 \u{10ffff}";
    let many = (0..150_000).map(|at| format!("word{at}")).collect();
    let content = Content::session(7, 40)
        .with_pair(message(Place::Message(3), hostile))
        .with(Place::Words(Bucket(1)), Body::Words(many));
    assert!(put(&mut sink, &key("a"), None, &content).unwrap());
    let says = |sql: &str| shared().admin(&database, &format!("SET search_path = carry; {sql}"));
    // As hex: a terminal's program may leave out what it cannot show.
    let hex: String = hostile.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(says("SELECT encode(convert_to(json->>'text', 'UTF8'), 'hex') FROM messages WHERE ordinal = 3"), hex);
    assert_eq!(
        says("SELECT json->>'text', role, subtype, is_abandoned, at FROM messages WHERE ordinal = 4"),
        "message 4|1|note|t|2025-11-24 16:00:00.123+00"
    );
    assert_eq!(says("SELECT status, at IS NULL, event FROM results WHERE ordinal = 39"), "2|t|1");
    // However many words there are, each is found, in whatever part it stands.
    assert_eq!(says("SELECT count(*) > 1 FROM words WHERE bucket = 1"), "t");
    for word in ["word0", "word77777", "word149999"] {
        assert_eq!(says(&format!("SELECT bucket FROM words WHERE words @@ '{word}'")), "1", "{word}");
    }
    assert_eq!(
        says("SELECT branch, parent, relation, termination, labels[1], started, messages, input_tokens FROM sessions"),
        "branch 7|parent|fork|tool_call_pending|a,b|-infinity|4294967295|9223372036854775807"
    );
    assert_eq!(
        says("SELECT kind, evidence, length(target), number, ordinal FROM links ORDER BY idx"),
        "commit|created|7|9223372036854775807|4294967295\npull_request|created|5000|9223372036854775807|4294967295"
    );
    assert_eq!(says("SELECT message, stamp FROM pins"), "#1|0000000000001-0002");
    assert_eq!(says("SELECT mode, mask, masked->>'token', kind FROM units"), "full|mask 1|7|session");
    // All of it goes with the unit.
    sink.remove(&[key("a").to_text()]).unwrap();
    for table in ["units", "sessions", "messages", "results", "words", "links", "pins"] {
        assert_eq!(says(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
}

#[test]
fn no_column_of_a_head_can_be_altered_unseen() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let session = Content::session(7, 3).tidied();
    let totals = Content::totals(7).tidied();
    let totals_key = UnitKey::Totals { origin: "device".to_owned(), project: "github.com/acme/api".to_owned() };
    for (key, content) in [(&key("native"), &session), (&totals_key, &totals)] {
        assert!(put(&mut sink, key, None, content).unwrap());
        assert!(is_whole(&mut sink, key, content));
    }
    assert_eq!(sink.head(&key("none")).unwrap(), Back::Wrong);
    let says = |sql: &str| shared().admin(&database, &format!("SET search_path = carry; {sql}"));
    says("ALTER TABLE units DROP CONSTRAINT units_mode_check; ALTER TABLE units DROP CONSTRAINT units_kind_check");
    let mut altered = 0;
    for table in ["sessions", "links", "pins", "projects", "totals", "units"] {
        let columns = says(&format!(
            "SELECT column_name || ' ' || udt_name FROM information_schema.columns WHERE table_schema = 'carry' \
             AND table_name = '{table}' ORDER BY ordinal_position"
        ));
        for (column, kind) in columns.lines().filter_map(|line| line.split_once(' ')) {
            // How rows are numbered and what holds them together; and of units what is not of the head.
            let is_ours = matches!(column, "unit" | "owner" | "idx")
                || (table == "units" && !matches!(column, "mode" | "kind" | "masked"));
            if is_ours {
                continue;
            }
            let other = match kind {
                "text" => format!("coalesce({column}, '') || 'x'"),
                "bool" => format!("NOT {column}"),
                "int8" => format!("CASE WHEN {column} = 4 THEN 5 ELSE 4 END"),
                "timestamptz" => "now()".to_owned(),
                "_text" => format!("{column} || 'x'::text"),
                "json" => "'{\"other\": 1}'".to_owned(),
                kind => panic!("{table}.{column} is of type {kind}"),
            };
            says(&format!("CREATE TABLE kept AS TABLE {table}; UPDATE {table} SET {column} = {other}"));
            let are_whole = [(&key("native"), &session), (&totals_key, &totals)]
                .map(|(key, content)| is_whole(&mut sink, key, content));
            assert!(are_whole != [true, true], "{table}.{column}");
            let on = match table {
                "units" => "t.n = kept.n",
                "links" | "pins" | "totals" => "t.unit = kept.unit AND t.idx = kept.idx",
                _ => "t.unit = kept.unit",
            };
            says(&format!("UPDATE {table} t SET {column} = kept.{column} FROM kept WHERE {on}"));
            says("DROP TABLE kept");
            altered += 1;
        }
    }
    assert!(altered > 60, "{altered}");
    for (key, content) in [(&key("native"), &session), (&totals_key, &totals)] {
        assert!(is_whole(&mut sink, key, content), "all is as it was");
    }
}

/// Whether a head that is read back has the digest of the one that was put there.
fn is_whole(sink: &mut Postgres, key: &UnitKey, content: &Content) -> bool {
    match sink.head(key).unwrap() {
        Back::Head(head) => head_digest(&head) == head_digest(&content.head),
        Back::Wrong | Back::Unable => false,
    }
}
