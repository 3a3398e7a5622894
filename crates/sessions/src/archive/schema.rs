//! The archive's format.

use carry_kernel::db::Schema;

/// Format 4: 2 came with the stream `sessions`, 3 with `curation`, and 4 has the tables of registers as any strand has them.
pub(crate) const SCHEMA: Schema = Schema {
    application_id: 0x4361_7353,
    migrations: &[
        include_str!("schema.sql"),
        include_str!("exchange.sql"),
        include_str!("curation.sql"),
        include_str!("registers.sql"),
    ],
};

#[cfg(test)]
mod tests {
    use carry_exchange::strand::registers;
    use carry_kernel::db::Db;
    use carry_kernel::db::rusqlite::Connection;

    use super::*;

    /// What tables of registers are made of, as far as statements can tell.
    fn shape(conn: &Connection) -> Vec<String> {
        let sql = "
            SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
            FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c
            WHERE t.type = 'table' AND t.name LIKE 'register%'
            UNION ALL
            SELECT i.name || ' ' || i.partial || ' ' || (SELECT group_concat(c.name) FROM pragma_index_info(i.name) c)
            FROM pragma_table_list t JOIN pragma_index_list(t.name) i
            WHERE t.name LIKE 'register%'
            ORDER BY 1";
        conn.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn the_tables_of_registers_are_those_of_any_strand() {
        let dir = tempfile::tempdir().unwrap();
        let fresh = Schema { application_id: 1, migrations: &[registers::SQL] };
        let fresh = Db::open(&dir.path().join("fresh.db"), fresh).unwrap();
        let archive = Db::open(&dir.path().join("sessions.db"), SCHEMA).unwrap();
        assert_eq!(shape(archive.conn()), shape(fresh.conn()));
    }

    #[test]
    fn what_an_archive_of_format_3_said_and_heard_is_there_in_format_4() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sessions.db");
        let before = Schema { migrations: &SCHEMA.migrations[..3], ..SCHEMA };
        let log = "61bf55cbb3a0d522efeb4b3984ec7fc0";
        {
            let old = Db::open(&path, before).unwrap();
            let sql = format!(
                "INSERT INTO curation VALUES ('s1', 'name', '', 'Mine', '1790000000000-0000', 'a');
                 INSERT INTO curation_pending VALUES ('s1', 'star', '', '1', '1790000000001-0000', 'a', '[]', NULL, NULL);
                 INSERT INTO curation_edits VALUES ('s1', 'name', '', '{log}', 0, 1, x'00', NULL, NULL,
                     '1790000000000-0000', '\"Mine\"', '[]');
                 INSERT INTO curation_masked VALUES ('s1', 'name', '', '', '\"*\"', 'Mine');
                 INSERT INTO curation_conflicts VALUES ('s1', 'name', '');
                 INSERT INTO curation_logs VALUES ('{log}', 'a', 1);
                 INSERT INTO deletions (op, id, session, at, is_own, device, waits) VALUES (2, 'd', 's2', '', 1, 'a', 0);
                 INSERT INTO meta VALUES ('curation.exchanged', 1), ('curation.log', '{log}');"
            );
            old.conn().execute_batch(&sql).unwrap();
        }
        let new = Db::open(&path, SCHEMA).unwrap();
        let text = |sql: &str| new.conn().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert!(registers::is_in_use(new.conn()).unwrap());
        assert_eq!(text("SELECT log FROM register_self WHERE is_caught_up"), log);
        assert_eq!(text("SELECT session || field || value FROM curation"), "s1nameMine");
        assert_eq!(text("SELECT target || field || value FROM register_pending"), "s1star1");
        assert_eq!(text("SELECT target || field || value FROM register_edits"), "s1name\"Mine\"");
        assert_eq!(text("SELECT target || local_value FROM register_masked"), "s1Mine");
        assert_eq!(text("SELECT target || field FROM register_conflicts"), "s1name");
        assert_eq!(text("SELECT log FROM register_logs WHERE is_own"), log);
        assert_eq!(text("SELECT target || id FROM register_deletions"), "s2d");
        assert_eq!(text("SELECT count(*) || '' FROM meta WHERE key LIKE 'curation.%'"), "0");
    }
}
