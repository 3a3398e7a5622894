use std::os::unix::fs::PermissionsExt as _;
use std::sync::Barrier;

use super::*;

const SCHEMA: Schema = Schema {
    application_id: 0x6361_7279,
    migrations: &[
        "CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;",
        "CREATE TABLE b (a INTEGER NOT NULL REFERENCES a (id)) STRICT; INSERT INTO a VALUES (1, 'first');",
    ],
};
const OLD: Schema = Schema { migrations: SCHEMA.migrations.split_at(1).0, ..SCHEMA };

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/test.db");
    (dir, path)
}

fn count(db: &Db, table: &str) -> i64 {
    db.conn().query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
}

fn insert(db: &mut Db, text: &str) -> Result<(), DbError> {
    let failed = db.failed();
    db.write(|tx| tx.execute("INSERT INTO a (text) VALUES (?1)", [text]).map(drop).map_err(failed))
}

#[test]
fn a_new_database_is_private_logged_and_migrated() {
    let (_dir, path) = place();
    let mut db = Db::open(&path, SCHEMA).unwrap();
    insert(&mut db, "x").unwrap();
    assert_eq!(count(&db, "a"), 2);
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", path.display());
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mode: String = db.conn().query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn the_permissions_of_an_existing_file_are_left_alone() {
    let (_dir, path) = place();
    drop(Db::open(&path, SCHEMA).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Db::open(&path, SCHEMA).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn an_older_file_is_migrated_once_and_a_newer_one_refused() {
    let (_dir, path) = place();
    let mut db = Db::open(&path, OLD).unwrap();
    insert(&mut db, "x").unwrap();
    drop(db);
    let older = Db::open_read_only(&path, SCHEMA);
    assert!(matches!(older, Err(DbError::Older { found: 1, known: 2, .. })));
    let db = Db::open(&path, OLD).unwrap();
    db.conn().execute("DELETE FROM a", []).unwrap();
    drop(db);
    for _ in 0..2 {
        assert_eq!(count(&Db::open(&path, SCHEMA).unwrap(), "a"), 1);
    }
    assert!(matches!(Db::open(&path, OLD), Err(DbError::Newer { found: 2, known: 1, .. })));
    assert!(matches!(Db::open_read_only(&path, OLD), Err(DbError::Newer { .. })));
}

#[test]
fn a_failing_migration_changes_nothing() {
    let (_dir, path) = place();
    drop(Db::open(&path, OLD).unwrap());
    for bad in ["CREATE TABLE c (x); SYNTAX ERROR;", "CREATE TABLE c (a REFERENCES a (id)); INSERT INTO c VALUES (99);"]
    {
        let migrations: &'static [&'static str] = vec![OLD.migrations[0], bad].leak();
        assert!(matches!(Db::open(&path, Schema { migrations, ..SCHEMA }), Err(DbError::Sqlite { .. })));
        let db = Db::open(&path, OLD).unwrap();
        let tables: i64 = db.conn().query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!(tables, 1);
    }
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let (_dir, path) = place();
    disk::create_dir(path.parent().unwrap()).unwrap();
    let other = || {
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(conn);
        fs::read(&path).unwrap()
    };
    for content in [b"garbage".to_vec(), b"x".repeat(100_000), b"SQLite format 3\0".to_vec(), other()] {
        disk::write_cache(&path, &content).unwrap();
        let refused = Db::open(&path, SCHEMA);
        assert!(matches!(refused, Err(DbError::Foreign { .. } | DbError::Sqlite { .. })), "{refused:?}");
        assert!(Db::open_read_only(&path, SCHEMA).is_err());
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let foreign = Schema { application_id: 1, ..SCHEMA };
    fs::remove_file(&path).unwrap();
    drop(Db::open(&path, foreign).unwrap());
    assert!(matches!(Db::open(&path, SCHEMA), Err(DbError::Foreign { .. })));
}

#[test]
fn a_database_that_lost_a_page_is_an_error_and_left_as_it_is() {
    let (_dir, path) = place();
    let db = Db::open(&path, SCHEMA).unwrap();
    let _: i64 = db.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0)).unwrap();
    drop(db);
    let whole = fs::read(&path).unwrap();
    for len in (1..=whole.len() - 4096).step_by(97) {
        disk::write_cache(&path, &whole[..len]).unwrap();
        let opened = Db::open(&path, SCHEMA);
        assert!(matches!(opened, Err(DbError::Foreign { .. } | DbError::Sqlite { .. })), "{len}");
        assert_eq!(fs::read(&path).unwrap().len(), len);
    }
}

#[test]
fn many_may_open_a_new_file_at_the_same_time() {
    for _ in 0..10 {
        let (_dir, path) = place();
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for i in 0..8 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let mut db = Db::open(path, SCHEMA).unwrap();
                    for j in 0..5 {
                        insert(&mut db, &format!("{i} {j}")).unwrap();
                    }
                });
            }
        });
        assert_eq!(count(&Db::open(&path, SCHEMA).unwrap(), "a"), 41);
    }
}

#[test]
fn a_failed_write_rolls_back_and_the_next_one_works() {
    let (_dir, path) = place();
    let mut db = Db::open(&path, SCHEMA).unwrap();
    let failed = db.failed();
    let refused: Result<(), DbError> = db.write(|tx| {
        tx.execute("INSERT INTO a (text) VALUES ('lost')", []).map_err(&failed)?;
        tx.execute("INSERT INTO b VALUES (99)", []).map(drop).map_err(&failed)
    });
    assert!(matches!(refused, Err(DbError::Sqlite { .. })), "foreign keys are checked");
    assert_eq!(count(&db, "a"), 1);
    insert(&mut db, "kept").unwrap();
    db.sync().unwrap();
    assert_eq!(count(&db, "a"), 2);
}

#[test]
fn reading_needs_a_file_sees_live_writes_and_cannot_write() {
    let (_dir, path) = place();
    assert!(Db::open_read_only(&path, SCHEMA).unwrap().is_none());
    assert!(!path.parent().unwrap().exists());
    disk::write_cache(&path, b"").unwrap();
    assert!(Db::open_read_only(&path, SCHEMA).unwrap().is_none());
    let mut writer = Db::open(&path, SCHEMA).unwrap();
    let reader = Db::open_read_only(&path, SCHEMA).unwrap().unwrap();
    insert(&mut writer, "x").unwrap();
    assert_eq!(count(&reader, "a"), 2);
    assert!(reader.conn().execute("DELETE FROM a", []).is_err());
    drop((writer, reader));
    // With no writer left and the log gone, too.
    assert_eq!(count(&Db::open_read_only(&path, SCHEMA).unwrap().unwrap(), "a"), 2);
}

#[test]
fn syncing_works_before_the_first_write_and_through_a_link() {
    let (dir, path) = place();
    Db::open(&path, SCHEMA).unwrap().sync().unwrap();
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut db = Db::open(&link, SCHEMA).unwrap();
    insert(&mut db, "x").unwrap();
    db.sync().unwrap();
}

#[test]
fn whoever_asks_for_a_turn_writes_between_two_long_transactions() {
    let (_dir, path) = place();
    let long = Db::open(&path, SCHEMA).unwrap();
    let mut short = Db::open(&path, SCHEMA).unwrap();
    short.take_turns();
    let failed = short.failed();
    long.conn().execute_batch("BEGIN IMMEDIATE").unwrap();
    let (asked, waits) = (Barrier::new(2), std::sync::atomic::AtomicBool::new(true));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Holds the turn from before it waits for SQLite until it has written.
            let turn = turn::ask(&path);
            asked.wait();
            short
                .write(|tx| tx.execute("INSERT INTO a (text) VALUES ('short')", []).map(drop).map_err(failed))
                .unwrap();
            waits.store(false, std::sync::atomic::Ordering::SeqCst);
            drop(turn);
        });
        asked.wait();
        long.conn().execute_batch("COMMIT").unwrap();
        long.let_others_write();
        assert!(!waits.load(std::sync::atomic::Ordering::SeqCst));
    });
    assert_eq!(count(&long, "a"), 2);
    // Nobody asks any more: it waits for nobody.
    assert!(turn::ask(&path).is_some());
    long.let_others_write();
}

#[test]
fn a_snapshot_sees_one_state_until_it_ends() {
    let (_dir, path) = place();
    let mut writer = Db::open(&path, SCHEMA).unwrap();
    let mut reader = Db::open(&path, SCHEMA).unwrap();
    let outer = reader.snapshot().unwrap();
    assert_eq!(count(&reader, "a"), 1);
    insert(&mut writer, "x").unwrap();
    let inner = reader.snapshot().unwrap();
    assert_eq!(count(&reader, "a"), 1, "what is committed meanwhile is not seen");
    drop(inner);
    assert_eq!(count(&reader, "a"), 1, "the outer one goes on");
    drop(outer);
    assert_eq!(count(&reader, "a"), 2);
    insert(&mut reader, "y").unwrap();
    assert_eq!(count(&writer, "a"), 3, "who read may write afterwards");
    let seen: Result<_, DbError> = reader.write(|tx| {
        tx.execute("INSERT INTO a (text) VALUES ('z')", []).unwrap();
        Ok(tx.is_autocommit())
    });
    assert!(!seen.unwrap());
    assert!(reader.conn().is_autocommit());
}

#[test]
fn a_statement_is_planned_once_whatever_is_bound() {
    let (_dir, path) = place();
    let db = Db::open(&path, SCHEMA).unwrap();
    let sql = "SELECT text FROM a WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";
    for (first, last, most) in [(1, 9, 1), (2, 8, 100), (0, i64::MAX, 7)] {
        let mut statement = db.conn().prepare_cached(sql).unwrap();
        let _: Vec<String> =
            statement.query_map([first, last, most], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }
}
