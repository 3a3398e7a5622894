//! Heads of shared sessions: what lists show.

use std::collections::BTreeMap;
use std::collections::HashMap;

use carry_kernel::hlc::Hlc;
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{Agent, NativeId, RelationKind, SessionId, Termination};
use tokio_postgres::Row;

use super::cells::Cells;
use crate::postgres::Names as _;
use crate::reader::{Permalink, Shared, is_name};
use crate::share::Mode;
use crate::unit::SessionHead;

/// Characters of a text in a head that are read: nobody shares longer ones, and a list of hostile rows must fit into memory.
macro_rules! cut {
    ($($text:literal),*) => { concat!("", $("left(", $text, ", 2000), "),*) };
}

/// What [`shared`] reads, in order.
pub(in crate::postgres) const COLUMNS: &str = concat!(
    "u.n, ",
    cut!("u.key", "u.mode", "s.origin"),
    "u.pushed_at, o.id::text, ",
    cut!("o.person", "o.role::text", "c.label"),
    cut!("s.agent", "s.native", "s.parent", "s.relation", "s.project", "s.project_key", "s.cwd", "s.branch", "s.name"),
    "s.is_renamed, ",
    cut!("s.first_prompt", "s.entrypoint", "s.kind", "s.version", "s.termination"),
    "s.is_automated, \
     s.started, \
     s.ended, \
     s.messages, s.user_messages, s.abandoned, s.calls, s.failures, ",
    cut!("s.model"),
    "s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.peak_context, s.cost_micros, \
     s.malformed, s.is_starred, s.is_trashed, \
     ARRAY(SELECT left(label, 2000) FROM unnest(s.labels) WITH ORDINALITY AS labels(label, at) \
           WHERE label IS NOT NULL ORDER BY at LIMIT 200), \
     CASE WHEN octet_length(u.masked::text) < 65536 THEN u.masked::text END"
);

/// Where [`COLUMNS`] come from.
pub(in crate::postgres) const TABLES: &str = "sessions s JOIN units u ON u.n = s.unit JOIN owners o ON o.id = u.owner \
    LEFT JOIN clients c ON c.owner = u.owner AND c.origin = u.origin";

/// Links of the units `$1`, at most a thousand of each.
pub(in crate::postgres) const LINKS: &str = concat!(
    "SELECT l.unit, ",
    cut!("l.kind", "l.target", "l.evidence", "l.repo"),
    "l.number, ",
    cut!("l.branch", "l.subject", "l.full_sha", "l.supersedes", "l.superseded_by"),
    "l.ordinal, l.call \
     FROM unnest($1::bigint[]) AS wanted(unit), LATERAL (\
        SELECT * FROM links WHERE links.unit = wanted.unit ORDER BY links.idx LIMIT 1000) AS l"
);

/// Pins of the units `$1`, at most a thousand of each.
pub(in crate::postgres) const PINS: &str = concat!(
    "SELECT p.unit, ",
    cut!("p.message", "p.note", "p.stamp"),
    "p.idx FROM unnest($1::bigint[]) AS wanted(unit), LATERAL (\
        SELECT * FROM pins WHERE pins.unit = wanted.unit ORDER BY pins.idx LIMIT 1000) AS p"
);

/// A session and its unit.
pub(in crate::postgres) struct Found {
    pub(in crate::postgres) unit: i64,
    pub(in crate::postgres) shared: Shared,
}

/// Reads [`COLUMNS`]. An error says what is wrong with the row, and whose it is.
pub(in crate::postgres) fn shared(store: &str, row: &Row) -> Result<Found, String> {
    let mut cells = Cells::new(row);
    let unit = cells.number()?.ok_or("it has no number")?;
    let key = cells.must()?;
    let mode = cells.must()?;
    let origin = cells.must()?;
    let pushed = cells.time()?.unwrap_or_default();
    let owner = cells.must()?;
    let (person, role, label) = (cells.must()?, cells.must()?, cells.text()?);
    let mut session = || -> Result<Shared, String> {
        let id = SessionId::parse(&key).ok_or("its id cannot be one")?;
        let mode = Mode::named(&mode).ok_or("its mode cannot be one")?;
        if !is_name(&owner) {
            return Err("its owner cannot be one".to_owned());
        }
        let link = Permalink { store: store.to_owned(), owner: owner.clone(), session: key.clone(), ordinal: None };
        let session = session(&mut cells, id, origin.clone())?;
        let masked = masked(cells.text()?.as_deref())?;
        let person = if person.is_empty() { role.clone() } else { person.clone() };
        let head = SessionHead { mode, session, pins: Vec::new(), links: Vec::new(), masked };
        Ok(Shared { link, person, device: label.clone().unwrap_or_default(), head, pushed })
    };
    match session() {
        Ok(shared) => Ok(Found { unit, shared }),
        Err(why) => Err(format!("Session {key:?} of {role:?} is damaged in the store and left out: {why}.")),
    }
}

fn session(cells: &mut Cells<'_>, id: SessionId, origin: String) -> Result<SessionRow, String> {
    let agent = Agent::named(&cells.must()?);
    let native = NativeId(cells.must()?);
    let parent = cells.text()?.map(NativeId);
    let relation = cells.text()?.as_deref().and_then(RelationKind::named);
    Ok(SessionRow {
        n: 0,
        id,
        origin,
        agent,
        native,
        parent: parent.zip(relation),
        project: cells.text()?.unwrap_or_default(),
        project_key: cells.text()?.unwrap_or_default(),
        cwd: cells.text()?,
        branch: cells.text()?,
        name: cells.text()?,
        is_renamed: cells.flag()?,
        first_prompt: cells.text()?,
        entrypoint: cells.text()?,
        kind: cells.text()?,
        version: cells.text()?,
        // Never sent.
        resume: None,
        termination: cells.text()?.as_deref().and_then(Termination::named),
        is_automated: cells.flag()?,
        started: cells.time()?,
        ended: cells.time()?,
        messages: cells.small()?,
        user_messages: cells.small()?,
        abandoned: cells.small()?,
        calls: cells.small()?,
        failures: cells.small()?,
        model: cells.text()?,
        input_tokens: cells.count()?,
        output_tokens: cells.count()?,
        cache_read_tokens: cells.count()?,
        cache_write_tokens: cells.count()?,
        peak_context: cells.count()?,
        cost_micros: cells.count()?,
        malformed: cells.small()?,
        digest: [0; 32],
        revision: 0,
        path: None,
        missing: None,
        is_starred: cells.flag()?,
        is_trashed: cells.flag()?,
        labels: cells.texts()?,
    })
}

/// Places that were masked, by rule. What is not a count says nothing.
fn masked(json: Option<&str>) -> Result<BTreeMap<String, u64>, String> {
    let Some(json) = json else { return Ok(BTreeMap::new()) };
    let value: serde_json::Value = serde_json::from_str(json).map_err(|_| "what was masked is not JSON".to_owned())?;
    let counts = value.as_object().into_iter().flatten();
    Ok(counts.filter_map(|(rule, places)| Some((rule.clone(), places.as_u64()?))).collect())
}

/// Where each unit's session is.
pub(in crate::postgres) fn places(found: &[Found]) -> HashMap<i64, usize> {
    found.iter().enumerate().map(|(at, found)| (found.unit, at)).collect()
}

/// Gives a session a link, from a row of the answer to [`LINKS`]. One that cannot be one is left out.
pub(in crate::postgres) fn add_link(found: &mut [Found], places: &HashMap<i64, usize>, row: &Row) {
    let mut cells = Cells::new(row);
    if let (Some(found), Ok(Some(link))) = (of_row(found, places, &mut cells), link(&mut cells)) {
        found.shared.head.links.push(link);
    }
}

/// Gives a session a pin, from a row of the answer to [`PINS`]. One that cannot be one is left out.
pub(in crate::postgres) fn add_pin(found: &mut [Found], places: &HashMap<i64, usize>, row: &Row) {
    let mut cells = Cells::new(row);
    if let (Some(found), Ok(pin)) = (of_row(found, places, &mut cells), pin(&mut cells)) {
        found.shared.head.pins.push(pin);
    }
}

/// The session whose unit the first cell names.
fn of_row<'f>(found: &'f mut [Found], places: &HashMap<i64, usize>, cells: &mut Cells<'_>) -> Option<&'f mut Found> {
    let unit = cells.number().ok().flatten()?;
    found.get_mut(*places.get(&unit)?)
}

fn link(cells: &mut Cells<'_>) -> Result<Option<GitLink>, String> {
    let (kind, target, evidence) = (cells.must()?, cells.must()?, cells.must()?);
    let Some(kind) = LinkKind::named(&kind) else { return Ok(None) };
    let evidence = Evidence::named(&evidence).unwrap_or(Evidence::Mentioned);
    Ok(Some(GitLink {
        kind,
        target,
        evidence,
        repo: cells.text()?,
        number: cells.count()?,
        branch: cells.text()?,
        subject: cells.text()?,
        full_sha: cells.text()?,
        supersedes: cells.text()?,
        superseded_by: cells.text()?,
        ordinal: cells.small()?,
        index: cells.number()?.and_then(|index| u32::try_from(index).ok()),
    }))
}

fn pin(cells: &mut Cells<'_>) -> Result<Pin, String> {
    let (message, note, at) = (cells.must()?, cells.text()?, cells.text()?);
    let at = at.and_then(|at| at.parse::<Hlc>().ok()).unwrap_or_default();
    Ok(Pin { message, note: note.unwrap_or_default(), at })
}
