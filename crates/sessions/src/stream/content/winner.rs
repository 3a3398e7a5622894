//! Of several lineages' words on one thing: which counts.

use carry_kernel::db::rusqlite::{self, Connection, Row};
use carry_kernel::hlc::Hlc;

use super::said::Word;

/// A lineage's newest word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) word: Word,
    pub(super) log: String,
    pub(super) branch: String,
    pub(super) is_own: bool,
    pub(super) hash: i64,
    /// What it says, where the archive's rows do not hold it.
    pub(super) parked: Option<Vec<u8>>,
}

/// The word that counts. Within a log the later record counts, whatever its stamp says: a branch that goes on after a fork knows
/// the trunk before it. Among logs, and branches of one, the greatest stamp does; ties are broken so that every device breaks
/// them alike.
pub(super) fn winner(candidates: &[Candidate]) -> Option<&Candidate> {
    let is_passed = |of: &&Candidate| {
        of.branch.is_empty()
            && candidates
                .iter()
                .any(|other| !other.branch.is_empty() && other.log == of.log && other.word.seq > of.word.seq)
    };
    let left = candidates.iter().filter(|candidate| !is_passed(candidate));
    left.max_by(|a, b| {
        let key = |of: &Candidate| (of.word.at.wall_ms, of.word.at.counter);
        key(a).cmp(&key(b)).then_with(|| (&a.log, &a.branch, a.hash).cmp(&(&b.log, &b.branch, b.hash)))
    })
}

const COLUMNS: &str = "t.lineage, t.seq, t.wall_ms, t.counter, t.hash, l.log, l.branch, l.is_own";

/// All words on a message.
pub(super) fn on_message(conn: &Connection, generation: i64, ordinal: u32) -> rusqlite::Result<Vec<Candidate>> {
    let sql = format!(
        "SELECT {COLUMNS}, t.parked FROM said_messages t JOIN said_lineages l ON l.n = t.lineage
         WHERE t.generation = ?1 AND t.ordinal = ?2 ORDER BY t.lineage"
    );
    conn.prepare_cached(&sql)?.query_map((generation, ordinal), candidate)?.collect()
}

/// All words on the facts.
pub(super) fn on_facts(conn: &Connection, generation: i64) -> rusqlite::Result<Vec<Candidate>> {
    let sql = format!(
        "SELECT {COLUMNS}, t.facts FROM said_facts t JOIN said_lineages l ON l.n = t.lineage
         WHERE t.generation = ?1 ORDER BY t.lineage"
    );
    conn.prepare_cached(&sql)?.query_map([generation], candidate)?.collect()
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
    let at = Hlc { wall_ms: number(2)?, counter: row.get(3)? };
    Ok(Candidate {
        word: Word { lineage: row.get(0)?, seq: row.get(1)?, at },
        hash: row.get(4)?,
        log: row.get(5)?,
        branch: row.get(6)?,
        is_own: row.get(7)?,
        parked: row.get(8)?,
    })
}

#[cfg(test)]
mod tests;
