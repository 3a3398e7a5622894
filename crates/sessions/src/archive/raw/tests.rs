use carry_kernel::db::rusqlite::Connection;
use proptest::prelude::*;

use super::*;

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(include_str!("../schema.sql")).unwrap();
    conn
}

/// Reads `bytes` as a whole, in pieces of `step`; returns the generation.
fn anew(conn: &Connection, generation: i64, bytes: &[u8], step: usize) -> i64 {
    let mut writer = RawWriter::anew(conn, 1, generation).unwrap();
    for piece in bytes.chunks(step.max(1)) {
        writer.take(conn, piece).unwrap();
    }
    writer.end(conn).unwrap()
}

fn append(conn: &Connection, generation: i64, at: usize, bytes: &[u8]) {
    let mut writer = RawWriter::at(conn, 1, generation, at as u64).unwrap();
    writer.take(conn, bytes).unwrap();
    assert_eq!(writer.end(conn).unwrap(), generation);
}

fn restored(conn: &Connection, generation: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let bytes = copy(conn, 1, generation, &mut out).unwrap().unwrap();
    assert_eq!(bytes, out.len() as u64);
    out
}

fn number(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Bytes that do not compress well, so that chunks are what they are.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) | 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn a_file_that_grows_line_by_line_stays_one_chunk() {
    let conn = database();
    let mut all = Vec::new();
    for n in 0..100 {
        let line = format!("line {n}\n");
        append(&conn, 0, all.len(), line.as_bytes());
        all.extend_from_slice(line.as_bytes());
    }
    assert_eq!(number(&conn, "SELECT count(*) FROM raw"), 1);
    assert_eq!(restored(&conn, 0), all);
}

#[test]
fn large_files_lie_in_full_chunks() {
    let conn = database();
    let all = noise(CHUNK * 2 + 300 * 1024, 7);
    anew(&conn, 0, &all, 100_000);
    append(&conn, 0, all.len(), b"more");
    let lengths: Vec<i64> = conn
        .prepare("SELECT length FROM raw ORDER BY start")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    // A last chunk that is not small is left alone.
    assert_eq!(lengths, [CHUNK as i64, CHUNK as i64, 300 * 1024, 4]);
    assert_eq!(restored(&conn, 0), [all.as_slice(), b"more"].concat());
}

#[test]
fn reading_the_same_bytes_writes_nothing() {
    let conn = database();
    let all = noise(CHUNK + 1000, 3);
    anew(&conn, 0, &all, 5000);
    let before = number(&conn, "SELECT total_changes()");
    assert_eq!(anew(&conn, 0, &all, 777), 0);
    assert_eq!(number(&conn, "SELECT total_changes()"), before);
}

fn kept(conn: &Connection) -> Vec<i64> {
    let mut query = conn.prepare("SELECT DISTINCT generation FROM raw ORDER BY generation").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn rewrites_keep_every_generation_that_differs() {
    let conn = database();
    let generations: Vec<Vec<u8>> = (1..=4).map(|seed| noise(3000, seed)).collect();
    let mut generation = 0;
    for bytes in &generations {
        generation = anew(&conn, generation, bytes, 1000);
    }
    assert_eq!(generation, 3);
    for (generation, bytes) in (0..).zip(&generations) {
        assert_eq!(&restored(&conn, generation), bytes);
    }
}

#[test]
fn a_truncation_is_a_rewrite() {
    let conn = database();
    let all = noise(5000, 9);
    anew(&conn, 0, &all, 5000);
    assert_eq!(anew(&conn, 0, &all[..1234], 5000), 1);
    assert_eq!((restored(&conn, 1), restored(&conn, 0)), (all[..1234].to_vec(), all.clone()));
    assert_eq!(anew(&conn, 1, &[], 1), 2);
    // The second is what the first begins with, but is newer: it says how the unit was cut.
    assert_eq!((restored(&conn, 2), restored(&conn, 1)), (Vec::new(), all[..1234].to_vec()));
    assert_eq!(anew(&conn, 2, b"other", 1), 2);
    assert_eq!(anew(&conn, 2, b"another", 1), 3);
    assert_eq!(restored(&conn, 0), all);
}

#[test]
fn a_generation_that_a_newer_one_begins_with_goes() {
    let conn = database();
    let all = noise(CHUNK * 2 + 5000, 9);
    anew(&conn, 0, &all, 1 << 20);
    anew(&conn, 0, &all[..CHUNK + 7], 1 << 20);
    append(&conn, 1, CHUNK + 7, &all[CHUNK + 7..]);
    append(&conn, 1, all.len(), b"more");
    assert!(is_held(&conn, 1, 0, 1).unwrap());
    assert!(!is_held(&conn, 1, 1, 0).unwrap());
    assert_eq!(anew(&conn, 1, b"new", 1), 2);
    assert_eq!(kept(&conn), [1, 2]);
    assert_eq!(restored(&conn, 1), [all.as_slice(), b"more"].concat());
}

#[test]
fn what_was_cut_is_told_with_its_length() {
    let conn = database();
    let all = noise(5000, 9);
    let read = |generation, bytes: &[u8]| {
        let mut writer = RawWriter::anew(&conn, 1, generation).unwrap();
        writer.take(&conn, bytes).unwrap();
        writer.end(&conn).unwrap();
        writer.cut()
    };
    assert_eq!(read(0, &all[..4000]), None);
    assert_eq!(read(0, &all), None);
    assert_eq!(read(0, &all[..10]), Some((5000, 10)));
    assert_eq!(read(1, &[]), Some((10, 0)));
    conn.execute("UPDATE raw SET bytes = x'00'", []).unwrap();
    assert_eq!(read(0, &all), None, "damage is not the agent's doing");
}

#[test]
fn of_too_many_generations_the_shortest_go() {
    let conn = database();
    let mut generation = 0;
    for n in 0..40u32 {
        generation = anew(&conn, generation, &noise(if n == 0 { 9000 } else { 1000 + n as usize }, n + 1), 4000);
    }
    assert_eq!(kept(&conn), [vec![0], (25..40).collect()].concat());
    generation = anew(&conn, generation, b"short", 5);
    assert_eq!(restored(&conn, generation), b"short");
    assert_eq!(kept(&conn).len(), GENERATIONS_MAX);
}

#[test]
fn damaged_and_missing_chunks_are_replaced() {
    for sql in [
        "UPDATE raw SET bytes = x'00' WHERE start > 0",
        "UPDATE raw SET length = length - 1 WHERE start = 0",
        "DELETE FROM raw WHERE start = 0",
        "UPDATE raw SET bytes = x'28b52ffd00' WHERE start = 0",
        "UPDATE raw SET length = -1",
    ] {
        let conn = database();
        let all = noise(CHUNK * 2 + 5000, 5);
        anew(&conn, 0, &all, 1 << 20);
        conn.execute(sql, []).unwrap();
        let mut out = Vec::new();
        assert!(matches!(copy(&conn, 1, 0, &mut out).unwrap(), Err(CopyError::Damaged(_))), "{sql}");
        let generation = anew(&conn, 0, &all, 1 << 20);
        assert_eq!(restored(&conn, generation), all, "{sql}");
    }
}

#[test]
fn what_a_reading_that_was_cut_off_left_is_not_mixed_in() {
    let conn = database();
    let (first, second) = (noise(3000, 1), noise(CHUNK * 2, 2));
    anew(&conn, 0, &first, 1000);
    let mut cut = RawWriter::anew(&conn, 1, 0).unwrap();
    cut.take(&conn, &second).unwrap();
    drop(cut);
    assert_eq!(anew(&conn, 0, &first, 1000), 0);
    assert_eq!(restored(&conn, 0), first);
    assert_eq!(number(&conn, "SELECT count(*) FROM raw"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn restored_bytes_are_those_of_the_file(
        edits in prop::collection::vec((0u8..5, any::<u32>(), 0usize..400_000), 1..10),
        step in 1usize..300_000,
    ) {
        let conn = database();
        let (mut file, mut generation, mut before) = (Vec::new(), 0, None);
        for (kind, at, length) in edits {
            let place = if file.is_empty() { 0 } else { at as usize % file.len() };
            let old = file.clone();
            match kind {
                0 | 1 => {
                    let more = noise(length, at);
                    append(&conn, generation, file.len(), &more);
                    file.extend_from_slice(&more);
                    prop_assert_eq!(&restored(&conn, generation), &file);
                    continue;
                }
                2 => file.truncate(place),
                3 => file = noise(length, at),
                _ if file.is_empty() => {}
                _ => file[place] ^= 1,
            }
            let now = anew(&conn, generation, &file, step.max(10_000));
            prop_assert_eq!(now != generation, !file.starts_with(&old));
            if now != generation {
                before = Some(old);
            }
            generation = now;
            prop_assert_eq!(&restored(&conn, generation), &file);
            if let (Some(before), true) = (&before, now != 0) {
                prop_assert_eq!(&restored(&conn, generation - 1), before);
            }
        }
    }
}
