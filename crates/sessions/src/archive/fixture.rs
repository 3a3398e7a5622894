//! An archive with rows put in by hand, for tests of what reads it.

use carry_kernel::db::Db;
use carry_kernel::db::rusqlite::{Connection, params};

use super::{Archive, schema};

/// An archive in a folder of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) archive: Archive,
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&dir.path().join("sessions.db"), schema::SCHEMA).unwrap();
        Self { archive: Archive { db, origin: "here".into() }, _dir: dir }
    }

    pub(crate) fn conn(&self) -> &Connection {
        self.archive.db.conn()
    }

    /// A session of Claude Code in project `carry` with this id, from 1,000 × `n` to 1,000 × `n` + 500 milliseconds.
    pub(crate) fn session(&self, n: i64, id: &str) {
        self.conn()
            .execute("INSERT OR IGNORE INTO projects (id, key, name) VALUES (1, 'example.org/us/carry', 'carry')", [])
            .unwrap();
        self.conn()
            .execute(
                "INSERT INTO sessions (n, id, origin, agent, native, project, started_ms, ended_ms, messages, digest, \
                 archived_ms, changed_ms) VALUES (?1, ?2, 'here', 'claude', 'native-' || ?2, 1, ?3, ?3 + 500, 2, zeroblob(32), 0, 0)",
                params![n, id, n * 1000],
            )
            .unwrap();
    }

    pub(crate) fn set(&self, n: i64, column: &str, value: &str) {
        self.conn().execute(&format!("UPDATE sessions SET {column} = {value} WHERE n = {n}"), []).unwrap();
    }

    pub(crate) fn register(&self, id: &str, field: &str, item: &str, value: Option<&str>) {
        self.conn()
            .execute(
                "INSERT INTO registers (target, field, item, value, hlc, device) VALUES (?, ?, ?, ?, '', '')",
                params![id, field, item, value],
            )
            .unwrap();
    }

    /// A message of the assistant with usage.
    pub(crate) fn answer(&self, session: i64, ordinal: i64, usage_key: Option<i64>, output: i64, cost: Option<i64>) {
        self.conn()
            .execute(
                "INSERT INTO messages (session, ordinal, role, flags, at_ms, model, usage_key, output_tokens, cost_micros, \
                 digest, body) VALUES (?, ?, 1, 0, ?, 'model-a', ?, ?, ?, x'', x'')",
                params![session, ordinal, session * 1000 + ordinal, usage_key, output, cost],
            )
            .unwrap();
    }

    pub(crate) fn call(&self, session: i64, ordinal: i64, name: &str, category: &str, file: Option<&str>, status: i64) {
        self.conn()
            .execute(
                "INSERT INTO calls (session, ordinal, idx, name, category, file, status) VALUES (?, ?, 0, ?, ?, ?, ?)",
                params![session, ordinal, name, category, file, status],
            )
            .unwrap();
    }
}
