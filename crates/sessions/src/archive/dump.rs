//! The whole archive as text, so that two can be compared.

use std::io::Write;

use carry_kernel::db::rusqlite::types::ValueRef;
use serde_json::{Map, Value};

use super::raw::{self, CopyError};
use super::{Archive, ArchiveError, body};

/// A table: its name, how its rows are found and ordered, and the columns that say nothing about what was archived: numbers of
/// rows, times of archiving, what tells one file system from another.
struct Table {
    name: &'static str,
    sql: &'static str,
    left_out: &'static [&'static str],
}

const TABLES: &[Table] = &[
    Table { name: "meta", sql: "SELECT * FROM meta ORDER BY key", left_out: &[] },
    Table {
        name: "projects",
        sql: "SELECT * FROM projects WHERE id IN (SELECT project FROM sessions) ORDER BY key",
        left_out: &["id"],
    },
    Table {
        name: "sessions",
        sql:
            "SELECT t.*, u.path AS of_unit, p.key AS of_project, t.missing_ms IS NOT NULL AS is_missing FROM sessions t
              LEFT JOIN units u ON u.id = t.unit LEFT JOIN projects p ON p.id = t.project ORDER BY t.id",
        left_out: &["n", "unit", "project", "revision", "archived_ms", "changed_ms", "missing_ms", "said"],
    },
    Table {
        name: "messages",
        sql: "SELECT s.id AS of_session, t.* FROM messages t LEFT JOIN sessions s ON s.n = t.session ORDER BY 1, t.ordinal",
        left_out: &["n", "session"],
    },
    Table {
        name: "calls",
        sql: "SELECT s.id AS of_session, t.* FROM calls t LEFT JOIN sessions s ON s.n = t.session
              ORDER BY 1, t.ordinal, t.idx",
        left_out: &["session"],
    },
    Table {
        name: "results",
        sql: "SELECT s.id AS of_session, t.* FROM results t LEFT JOIN sessions s ON s.n = t.session
              ORDER BY 1, t.ordinal, t.idx, t.event",
        left_out: &["n", "session"],
    },
    Table {
        name: "usage_events",
        sql: "SELECT s.id AS of_session, t.* FROM usage_events t LEFT JOIN sessions s ON s.n = t.session
              ORDER BY 1, t.source, t.dedup",
        left_out: &["session"],
    },
    Table {
        name: "links",
        sql: "SELECT s.id AS of_session, t.* FROM links t LEFT JOIN sessions s ON s.n = t.session ORDER BY 1, t.place",
        left_out: &["session", "place"],
    },
    Table { name: "curation", sql: "SELECT * FROM curation ORDER BY session, field, item", left_out: &[] },
    Table { name: "blobs", sql: "SELECT * FROM blobs ORDER BY hash", left_out: &[] },
    Table {
        name: "units",
        sql: "SELECT *, missing_ms IS NOT NULL AS is_missing FROM units ORDER BY path",
        left_out: &["id", "generation", "mtime_ns", "ctime_ns", "inode", "device", "beside", "missing_ms"],
    },
];

impl Archive {
    /// Writes all that is archived to `out`, one JSON object a line, in an order that does not depend on when and in which
    /// steps it was archived. Rows' numbers, revisions, times of archiving and of files, and the index of words are left out;
    /// of bodies, pictures and raw bytes there are hashes. Two archives that were told the same write the same.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn dump(&self, out: &mut dyn Write) -> Result<(), ArchiveError> {
        for table in TABLES {
            self.dump_table(table, out)?;
        }
        self.dump_raw(out)
    }

    fn dump_table(&self, table: &Table, out: &mut dyn Write) -> Result<(), ArchiveError> {
        let failed = self.db.failed();
        let mut query = self.db.conn().prepare(table.sql).map_err(&failed)?;
        let names: Vec<String> = query.column_names().map(str::to_owned).collect();
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let mut line = Map::new();
            line.insert("table".to_owned(), table.name.into());
            for (at, name) in names.iter().enumerate().filter(|(_, name)| !table.left_out.contains(&name.as_str())) {
                line.insert(name.clone(), shown(name, row.get_ref(at).map_err(&failed)?));
            }
            write(out, line)?;
        }
        Ok(())
    }

    fn dump_raw(&self, out: &mut dyn Write) -> Result<(), ArchiveError> {
        let failed = self.db.failed();
        let mut query =
            self.db.conn().prepare("SELECT path, id, generation FROM units ORDER BY path").map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let path = shown("path", row.get_ref(0).map_err(&failed)?);
            let (unit, generation) = (row.get(1).map_err(&failed)?, row.get(2).map_err(&failed)?);
            let mut hash = blake3::Hasher::new();
            let copied = raw::copy(self.db.conn(), unit, generation, &mut hash).map_err(&failed)?;
            let (bytes, is_damaged) = match copied {
                Ok(bytes) => (bytes, false),
                Err(CopyError::Damaged(at)) => (at, true),
                Err(CopyError::Out(source)) => return Err(ArchiveError::Out { source }),
            };
            let line: [(&str, Value); 5] = [
                ("table", "raw".into()),
                ("of_unit", path),
                ("bytes", bytes.into()),
                ("hash", hash.finalize().to_hex().as_str().into()),
                ("is_damaged", is_damaged.into()),
            ];
            write(out, line.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())?;
        }
        Ok(())
    }
}

fn write(out: &mut dyn Write, line: Map<String, Value>) -> Result<(), ArchiveError> {
    writeln!(out, "{}", Value::Object(line)).map_err(|source| ArchiveError::Out { source })
}

/// A value: text and numbers as they are, long bytes by hash, bodies by the hash of what they hold however it is packed.
fn shown(name: &str, value: ValueRef<'_>) -> Value {
    match (name, value) {
        (_, ValueRef::Null) => Value::Null,
        (_, ValueRef::Integer(number)) => number.into(),
        (_, ValueRef::Real(number)) => number.into(),
        ("path" | "of_unit", ValueRef::Blob(bytes)) | (_, ValueRef::Text(bytes)) => {
            String::from_utf8_lossy(bytes).into_owned().into()
        }
        ("body", ValueRef::Blob(bytes)) => match body::unpack(bytes) {
            Some(plain) => blake3::hash(&plain).to_hex().as_str().into(),
            None => "damaged".into(),
        },
        (_, ValueRef::Blob(bytes)) if bytes.len() > 64 => blake3::hash(bytes).to_hex().as_str().into(),
        (_, ValueRef::Blob(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
    }
}
