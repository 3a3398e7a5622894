//! Reading needs the right to read, and changes nothing.

use carry_team::postgres::PostgresReader;
use carry_team::reader::{Query, Reader as _};
use carry_team::sink::Class;
use carry_testkit::postgres::PASSWORD;

use super::rig::{Put, Rig, any, settings};
use crate::rig::writer;

const A: &str = "aaaaaaaaaaaaaaaa";

#[test]
fn everything_is_answered_to_a_role_that_may_only_read() {
    let rig = Rig::new();
    rig.put(&Put { id: A, messages: &[("user", "the gate", None)], ..Put::default() });
    let mut reader = rig.reader();
    let link = reader.list(&any()).expect("an answer").items[0].link.clone();
    assert_eq!(
        reader.search(&Query { text: "gate".into(), filter: any(), offset: 0 }).expect("an answer").items.len(),
        1
    );
    assert_eq!(reader.find(A).expect("an answer").len(), 1);
    assert_eq!(reader.messages(&link, 0, 1).expect("an answer").len(), 1);
    assert_eq!(reader.totals(&any()).expect("an answer").items.len(), 0);
    let written = rig.server.psql(&rig.role, PASSWORD, &rig.database, "DELETE FROM carry.units");
    assert!(!written.status.success());
}

#[test]
fn a_writer_reads_its_own_and_nothing_else() {
    let rig = Rig::new();
    let role = writer(rig.server);
    rig.put(&Put { id: A, messages: &[("user", "the gate", None)], ..Put::default() });
    let own = rig.owner(&role, "Eli", "desk");
    rig.put(&Put { id: "bbbbbbbbbbbbbbbb", owner: own, messages: &[("user", "my gate", None)], ..Put::default() });
    let mut reader = PostgresReader::new(&settings(rig.server.url(&role, PASSWORD, &rig.database)));
    let listed = reader.list(&any()).expect("an answer");
    assert_eq!((listed.items.len(), listed.items[0].person.as_str()), (1, "Eli"));
    let found = reader.search(&Query { text: "gate".into(), filter: any(), offset: 0 }).expect("an answer");
    assert_eq!(found.items.len(), 1);
    let hers = rig.reader().find(A).expect("an answer")[0].link.clone();
    assert_eq!(reader.messages(&hers, 0, 1).expect_err("it is not for them").class, Class::Refused);
}

#[test]
fn without_the_right_the_failure_says_so() {
    let rig = Rig::new();
    let role = rig.server.role("");
    let mut reader = PostgresReader::new(&settings(rig.server.url(&role, PASSWORD, &rig.database)));
    let error = reader.list(&any()).expect_err("nothing was granted");
    assert!(matches!(error.class, Class::Forbidden | Class::Unsupported), "{error:?}");
}

#[test]
fn a_database_without_a_store_is_told_from_one_that_is_not_there() {
    let rig = Rig::new();
    let empty = rig.server.database();
    let mut reader = PostgresReader::new(&settings(rig.server.admin_url(&empty)));
    assert_eq!(reader.list(&any()).expect_err("there is no schema").class, Class::Unsupported);
    let mut reader = PostgresReader::new(&settings(rig.server.url(&rig.role, "wrong", &rig.database)));
    assert_eq!(reader.list(&any()).expect_err("the password is wrong").class, Class::AuthRequired);
    let mut reader = PostgresReader::new(&settings("postgres://u:p@127.0.0.1:1/d".to_owned()));
    assert_eq!(reader.list(&any()).expect_err("nobody listens").class, Class::Unreachable);
}

#[test]
fn a_store_of_a_later_format_is_not_read() {
    let rig = Rig::new();
    rig.sql("UPDATE meta SET value = '9999' WHERE key = 'format'");
    assert_eq!(rig.reader().list(&any()).expect_err("it is too new").class, Class::Unsupported);
}

#[test]
fn a_connection_that_was_lost_is_made_again() {
    let rig = Rig::new();
    rig.put(&Put { id: A, ..Put::default() });
    let mut reader = rig.reader();
    assert_eq!(reader.list(&any()).expect("an answer").items.len(), 1);
    rig.sql(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", rig.role));
    let error = reader.list(&any()).expect_err("the connection is gone");
    assert!(matches!(error.class, Class::Unreachable | Class::Full), "{error:?}");
    assert_eq!(reader.list(&any()).expect("an answer").items.len(), 1);
}
