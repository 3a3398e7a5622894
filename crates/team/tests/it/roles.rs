//! What the roles of the documentation may do.

use carry_team::postgres::Postgres;
use carry_team::sink::{Class, Sink as _};
use carry_testkit::postgres::{PASSWORD, shared};

use crate::rig::{Content, client, give_roles, held, key, put, settings, writer};

/// A database that was set up as the documentation says, by somebody who is an owner and no more.
fn set_up() -> String {
    let database = shared().database();
    give_roles(shared(), &database);
    let owner = shared().role("IN ROLE carry_owner");
    let made = Postgres::new(&settings(&shared().url(&owner, PASSWORD, &database))).init().unwrap();
    assert_eq!(made.from, None);
    give_roles(shared(), &database);
    give_roles(shared(), &database);
    database
}

fn refused(role: &str, database: &str, sql: &str) {
    let output = shared().psql(role, PASSWORD, database, sql);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{sql}");
    assert!(
        error.contains("permission denied")
            || error.contains("row-level security")
            || error.contains("must be owner")
            || error.contains("foreign key"),
        "{sql}: {error}"
    );
}

fn says(role: &str, database: &str, sql: &str) -> String {
    let output = shared().psql(role, PASSWORD, database, sql);
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_writer_has_its_own_rows_and_no_others() {
    let database = set_up();
    let [ann, bob] = [writer(shared()), writer(shared())];
    let sink = |role: &str| Postgres::new(&settings(&shared().url(role, PASSWORD, &database)));
    let (mut of_ann, mut of_bob) = (sink(&ann), sink(&bob));
    let opened = of_ann.open(&client("device", "home")).unwrap();
    of_bob.open(&client("device", "home")).unwrap();
    let content = Content::session(1, 40);
    assert!(put(&mut of_ann, &key("a"), None, &content).unwrap());
    assert!(put(&mut of_bob, &key("b"), None, &Content::session(2, 2)).unwrap());
    let n = shared().admin(&database, &format!("SELECT n FROM carry.units WHERE owner = {}", opened.owner));
    for table in ["owners", "clients", "units", "sessions", "messages", "results", "words", "links", "pins"] {
        let column = if table == "owners" { "id" } else { "owner" };
        let count = format!("SELECT count(*) FROM carry.{table} WHERE {column} = {}", opened.owner);
        assert_ne!(says(&ann, &database, &count), "0", "{table}");
        assert_eq!(says(&bob, &database, &count), "0", "{table}");
        let before = shared().admin(&database, &count);
        if table != "owners" {
            says(&bob, &database, &format!("DELETE FROM carry.{table} WHERE owner = {}", opened.owner));
            let column = if table == "units" { "mask" } else { "owner" };
            let sql = format!("UPDATE carry.{table} SET {column} = {column} WHERE owner = {}", opened.owner);
            says(&bob, &database, &sql);
        }
        assert_eq!(shared().admin(&database, &count), before, "{table}");
        refused(&bob, &database, &format!("ALTER TABLE carry.{table} DISABLE ROW LEVEL SECURITY"));
        refused(&bob, &database, &format!("TRUNCATE carry.{table} CASCADE"));
        refused(&bob, &database, &format!("DROP POLICY own ON carry.{table}"));
    }
    let owner = &opened.owner;
    let pin = |owner: &str| format!("INSERT INTO carry.pins VALUES ({n}, {owner}, 99, '#1', '', '')");
    refused(&bob, &database, &pin(owner));
    let own = says(&bob, &database, "SELECT id FROM carry.owners");
    refused(&bob, &database, &pin(&own));
    refused(&bob, &database, &format!("UPDATE carry.pins SET unit = {n}, idx = 77"));
    refused(&bob, &database, &format!("UPDATE carry.units SET owner = {owner}"));
    refused(&bob, &database, &format!("INSERT INTO carry.owners (role, person) VALUES ('{ann}', 'Ann')"));
    refused(&bob, &database, "UPDATE carry.owners SET person = 'Ann'");
    refused(&bob, &database, "DELETE FROM carry.owners");
    refused(&bob, &database, "UPDATE carry.meta SET value = '2'");
    refused(&bob, &database, "CREATE TABLE carry.mine ()");
    refused(&bob, &database, &format!("SET SESSION AUTHORIZATION {ann}"));
    assert_eq!(held(&mut of_ann, &key("a")), Some(content.held()));
}

#[test]
fn numbers_are_the_servers_to_give() {
    let database = set_up();
    let [ann, bob] = [writer(shared()), writer(shared())];
    let sink = |role: &str| Postgres::new(&settings(&shared().url(role, PASSWORD, &database)));
    let opened = sink(&bob).open(&client("device", "home")).unwrap();
    let unit = |column: &str, value: &str| {
        format!(
            "INSERT INTO carry.units ({column}, owner, key, kind, origin, mode, mask) OVERRIDING SYSTEM VALUE \
             VALUES ({value}, {}, 'x', 'session', 'device', 'full', '')",
            opened.owner
        )
    };
    refused(&bob, &database, &unit("n", "2"));
    refused(&bob, &database, &unit("pushed_at", "now() + interval '1000 years'"));
    for (column, value) in [("id", "2"), ("made_at", "now()"), ("erased_at", "now()"), ("role", "session_user")] {
        let sql = "OVERRIDING SYSTEM VALUE VALUES";
        refused(&bob, &database, &format!("INSERT INTO carry.owners ({column}, person) {sql} ({value}, 'x')"));
    }
    refused(&bob, &database, "UPDATE carry.units SET n = DEFAULT");
    // Whoever comes next has a number that nobody took.
    let mut of_ann = sink(&ann);
    of_ann.open(&client("device", "home")).unwrap();
    assert!(put(&mut of_ann, &key("a"), None, &Content::session(1, 3)).unwrap());
}

#[test]
fn what_is_granted_stands_at_the_tables_alone() {
    let database = set_up();
    assert_eq!(shared().admin(&database, "SELECT count(*) FROM pg_default_acl"), "0");
}

#[test]
fn a_reader_sees_all_and_changes_nothing() {
    let database = set_up();
    let (ann, reader) = (writer(shared()), shared().role("IN ROLE carry_reader"));
    let mut sink = Postgres::new(&settings(&shared().url(&ann, PASSWORD, &database)));
    sink.open(&client("device", "home")).unwrap();
    assert!(put(&mut sink, &key("a"), None, &Content::session(1, 3)).unwrap());
    assert_eq!(
        says(&reader, &database, "SELECT count(*) FROM carry.messages JOIN carry.owners o ON o.id = owner"),
        "3"
    );
    refused(&reader, &database, "DELETE FROM carry.units");
    refused(&reader, &database, "UPDATE carry.messages SET role = 0");
    refused(&reader, &database, "INSERT INTO carry.owners (person) VALUES ('x')");
    let mut as_reader = Postgres::new(&settings(&shared().url(&reader, PASSWORD, &database)));
    let error = as_reader.open(&client("device", "home")).unwrap_err();
    assert_eq!(error.class, Class::Forbidden);
    assert!(error.message.contains("permission denied for table owners"), "{}", error.message);
    // Who reads and writes sees all and changes the own.
    let both = shared().role("IN ROLE carry_reader, carry_writer");
    assert_eq!(
        says(&both, &database, "WITH gone AS (DELETE FROM carry.units RETURNING 1) SELECT count(*) FROM gone"),
        "0"
    );
    assert_eq!(says(&both, &database, "SELECT count(*) FROM carry.units"), "1");
}

#[test]
fn looking_writes_nothing_at_all() {
    let database = set_up();
    let ann = writer(shared());
    let before = shared().dump(&database);
    let mut sink = Postgres::new(&settings(&shared().url(&ann, PASSWORD, &database)));
    sink.look(&client("device", "home")).unwrap();
    assert_eq!(sink.summary().unwrap().count, 0);
    sink.close().unwrap();
    assert!(before == shared().dump(&database));
}

#[test]
fn who_has_no_role_sees_nothing() {
    let database = set_up();
    let stranger = shared().role("");
    refused(&stranger, &database, "SELECT * FROM carry.meta");
    let mut sink = Postgres::new(&settings(&shared().url(&stranger, PASSWORD, &database)));
    let error = sink.open(&client("device", "home")).unwrap_err();
    assert_eq!(error.class, Class::Forbidden);
    assert!(error.message.contains("permission denied"), "{}", error.message);
    // Its tables are there, so init has nothing to do but cannot say so either.
    assert_eq!(sink.init().unwrap_err().class, Class::Forbidden);
}
