//! A few dozen seeds, twice: nothing is wrong, and the same seed gives the same run.

use std::time::Duration;

use carry_kernel::db::{self, Db, Schema};
use carry_sim::run;

/// Seeds that are run here; `cargo xtask sim` runs thousands.
const SEEDS: u64 = 50;

#[test]
fn nothing_goes_wrong_and_a_seed_gives_the_same_run_twice() {
    for seed in 1..=SEEDS {
        let first = run::seed(seed, None).unwrap();
        assert_eq!(first.wrong, None, "seed {seed}: cargo xtask sim --seed {seed} --trace");
        let second = run::seed(seed, None).unwrap();
        assert_eq!(first, second, "seed {seed} does not give the same run twice");
    }
}

#[test]
fn kept_seeds_are_read_with_their_remarks() {
    assert_eq!(run::kept("# why\n12 a fork\n\n7\n"), [12, 7]);
}

#[test]
fn databases_are_locked_in_memory_and_still_are() {
    let schema = Schema { application_id: 7, migrations: &["CREATE TABLE t (a INTEGER) STRICT;"] };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.db");
    db::alone();
    let (one, other) = (Db::open(&path, schema).unwrap(), Db::open(&path, schema).unwrap());
    assert!(dir.path().join("one.db-wal").exists());
    assert!(!dir.path().join("one.db-shm").exists(), "the locks are where another process would see them");
    let write = "BEGIN IMMEDIATE; INSERT INTO t VALUES (1);";
    one.conn().execute_batch(write).unwrap();
    other.conn().busy_timeout(Duration::ZERO).unwrap();
    let refused = other.conn().execute_batch(write).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(db::rusqlite::ErrorCode::DatabaseBusy));
    one.conn().execute_batch("COMMIT").unwrap();
    other.conn().execute_batch(write).unwrap();
}
