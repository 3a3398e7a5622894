//! Rows in the tables that we never wrote.

use carry_team::postgres::Postgres;
use carry_team::sink::{Buckets, Class, Sink as _, summary_of};
use carry_team::unit::{Bucket, Place, Root};
use carry_testkit::postgres::shared;

use crate::rig::{Content, client, held, key, put, store_at};

/// Takes the checks of the tables away, as whoever owns them can.
pub(crate) const UNCHECKED: &str = "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint \
    WHERE contype = 'c' AND connamespace = 'carry'::regnamespace LOOP \
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$;";

#[test]
fn rows_that_cannot_be_are_shown_as_wrong_and_go_with_the_next_change() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let content = Content::session(1, 40);
    assert!(put(&mut sink, &key("a"), None, &content).unwrap());
    shared().admin(&database, UNCHECKED);
    shared().admin(
        &database,
        "UPDATE carry.messages SET digest = '\\x00' WHERE ordinal = 3; UPDATE carry.results SET digest = '' WHERE ordinal = 4; \
         INSERT INTO carry.messages SELECT unit, owner, -1, role, subtype, is_system, is_abandoned, at, model, json, digest \
             FROM carry.messages WHERE ordinal = 0; \
         INSERT INTO carry.messages SELECT unit, owner, 99999999999, role, subtype, is_system, is_abandoned, at, model, json, \
             digest FROM carry.messages WHERE ordinal = 0; \
         INSERT INTO carry.results SELECT unit, owner, 5, -7, event, status, at, json, digest FROM carry.results \
             WHERE ordinal = 0; \
         INSERT INTO carry.words SELECT unit, owner, -5, part, parts, words, digest FROM carry.words WHERE bucket = 0; \
         INSERT INTO carry.words SELECT unit, owner, bucket, 1, parts, words, digest FROM carry.words WHERE bucket = 1",
    );
    let shown = held(&mut sink, &key("a")).unwrap();
    for place in [
        Place::Message(3),
        Place::Result { ordinal: 4, index: 0, event: 1 },
        Place::Words(Bucket(1)),
        // In the place of those that can stand nowhere.
        Place::Message(u32::MAX),
    ] {
        assert_eq!(shown.rows.get(&place), Some(&[0; 32]), "{place:?}");
    }
    assert_eq!(shown.rows.len(), content.rows.len() + 1);
    assert_eq!(shown.rows[&Place::Message(2)], content.rows[&Place::Message(2)].digest);
    assert!(put(&mut sink, &key("a"), Some(content.root()), &content).unwrap());
    assert_eq!(held(&mut sink, &key("a")), Some(content.held()));
    let counts = "SELECT (SELECT count(*) FROM carry.messages), (SELECT count(*) FROM carry.results), (SELECT count(*) FROM carry.words)";
    assert_eq!(shared().admin(&database, counts), "40|40|2");
}

#[test]
fn a_root_that_cannot_be_one_is_none_and_counts_as_zeros() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let contents = [Content::session(1, 2), Content::session(2, 2), Content::session(3, 2)];
    for (native, content) in ["a", "b", "c"].iter().zip(&contents) {
        assert!(put(&mut sink, &key(native), None, content).unwrap());
    }
    shared().admin(&database, UNCHECKED);
    let set = |native: &str, what: &str| {
        shared().admin(&database, &format!("UPDATE carry.units SET {what} WHERE key = '{}'", key(native).to_text()));
    };
    set("a", "root = '\\x0102'");
    set("b", "root = NULL, head_digest = 'x'");
    set("c", "mode = 'everything'");
    let roots = sink.roots().unwrap();
    assert!(roots.values().all(|stored| stored.root.is_none()), "{roots:?}");
    // The mode is not in the summary, so that what it says is of roots alone.
    let real = |text: &str| (text == key("c").to_text()).then(|| contents[2].root());
    assert_eq!(sink.summary().unwrap(), summary_of(roots.keys().map(|text| (text, real(text)))));
    for (native, content) in ["a", "b"].iter().zip(&contents) {
        assert_eq!(sink.held(&key(native), &Buckets::All).unwrap().unwrap().root, None);
        assert!(!put(&mut sink, &key(native), Some(Root([0; 32])), content).unwrap());
        assert!(put(&mut sink, &key(native), None, content).unwrap());
        assert_eq!(held(&mut sink, &key(native)), Some(content.held()));
    }
}

#[test]
fn columns_of_another_type_are_said_and_nothing_ends_by_that() {
    let (database, store) = store_at(shared());
    let mut sink = Postgres::new(&store);
    sink.open(&client("device", "home")).unwrap();
    let content = Content::session(1, 3);
    assert!(put(&mut sink, &key("a"), None, &content).unwrap());
    shared().admin(&database, UNCHECKED);
    shared().admin(
        &database,
        "ALTER TABLE carry.messages ALTER ordinal TYPE text; ALTER TABLE carry.units ALTER mask TYPE json USING '{}'; \
         ALTER TABLE carry.words ALTER part TYPE bigint; ALTER TABLE carry.units ALTER n TYPE integer",
    );
    let errors = [
        sink.held(&key("a"), &Buckets::All).unwrap_err(),
        sink.roots().unwrap_err(),
        sink.change(&key("a"), Some(content.root())).err().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.class, Class::Unsupported, "{error}");
        assert!(error.hint.unwrap().contains("not as Carry made them"));
    }
    assert_eq!(sink.summary().unwrap().count, 1, "the connection is as good as before");
}
