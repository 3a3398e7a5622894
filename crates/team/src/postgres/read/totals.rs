//! Totals of projects that share no more than these.

use std::collections::HashMap;

use carry_kernel::clock::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::cells::Cells;
use super::conditions::without_nul;
use super::{LIST_MAX, NOTES_MAX, Trouble};
use crate::reader::{Filter, Page, SharedTotals};
use crate::unit::{Total, TotalsHead};

/// Days of a project that are read at most.
const DAYS_MAX: usize = 50_000;

/// Days that are read at most, of all projects together.
const ALL_DAYS_MAX: usize = 500_000;

/// Totals of projects, by person and project.
pub(super) async fn totals(client: &Client, filter: &Filter) -> Result<Page<SharedTotals>, Trouble> {
    let text = |text: &Option<String>| text.as_deref().map(without_nul);
    let lower = |said: &Option<String>| text(said).map(|text| text.to_lowercase());
    let (person, part) = (text(&filter.person), lower(&filter.person));
    let (project, agent) = (lower(&filter.project), text(&filter.agent));
    let (since, until) = (filter.since.map(day), filter.until.map(|until| day(last_before(until))));
    // No commit or request can be seen in sums.
    let is_possible = filter.commit.is_none() && filter.request.is_none();
    let condition = format!(
        "$7::bool AND ($1::text IS NULL OR o.role::text = $1 OR strpos(lower(o.person), $2::text) > 0) \
         AND ($3::text IS NULL OR strpos(lower(p.project), $3) > 0 OR strpos(lower(p.project_key), $3) > 0) \
         AND EXISTS (SELECT 1 FROM totals t WHERE {})",
        days(4),
    );
    let tables = "projects p JOIN units u ON u.n = p.unit JOIN owners o ON o.id = u.owner \
                  LEFT JOIN clients c ON c.owner = u.owner AND c.origin = u.origin";
    let limit = filter.limit.min(LIST_MAX);
    let values: [(&(dyn ToSql + Sync), Type); 7] = [
        (&person, Type::TEXT),
        (&part, Type::TEXT),
        (&project, Type::TEXT),
        (&agent, Type::TEXT),
        (&since, Type::TEXT),
        (&until, Type::TEXT),
        (&is_possible, Type::BOOL),
    ];
    let heads = format!(
        "SELECT u.n, left(o.person, 2000), left(o.role::text, 2000), left(c.label, 2000), left(p.project_key, 2000), \
             left(p.project, 2000), count(*) OVER () \
         FROM {tables} WHERE {condition} ORDER BY lower(o.person), o.id, lower(p.project), u.n LIMIT {limit}"
    );
    let rows = client.query_typed(&heads, &values).await?;
    let shown = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let (mut found, mut places, mut notes) = (Vec::new(), HashMap::new(), Vec::new());
    let mut all = 0;
    for row in &rows {
        match head(row) {
            Ok((unit, count, totals)) => {
                all = count;
                places.insert(unit, found.len());
                found.push(totals);
            }
            Err(why) if notes.len() < NOTES_MAX => {
                notes.push(format!("Totals in the store are damaged and left out: {why}."));
            }
            Err(_) => {}
        }
    }
    let units: Vec<i64> = places.keys().copied().collect();
    let sql = format!(
        "SELECT u.n, left(t.day, 100), left(t.agent, 100), left(t.model, 200), t.sessions, t.messages, t.user_messages, \
             t.calls, t.failures, t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens, t.cost_micros \
         FROM units u, LATERAL (SELECT * FROM totals t WHERE {} ORDER BY t.day, t.idx LIMIT {DAYS_MAX}) AS t \
         WHERE u.n = ANY($1::bigint[]) ORDER BY u.n, t.day, t.idx LIMIT {ALL_DAYS_MAX}",
        days(2),
    );
    let values: [(&(dyn ToSql + Sync), Type); 4] =
        [(&units, Type::INT8_ARRAY), (&agent, Type::TEXT), (&since, Type::TEXT), (&until, Type::TEXT)];
    let rows = client.query_typed(&sql, &values).await?;
    for row in &rows {
        if let Ok((unit, total)) = total(row)
            && let Some(at) = places.get(&unit)
        {
            let shared: &mut SharedTotals = &mut found[*at];
            shared.totals.days.push(total);
        }
    }
    if rows.len() == ALL_DAYS_MAX {
        notes.push("There are too many days: not all of them are shown. A filter narrows them down.".to_owned());
    }
    let more = u64::try_from(all.saturating_sub(shown)).unwrap_or(0);
    Ok(Page { items: found, more, hidden: 0, notes })
}

/// The condition on the days of a unit; agent, first and last day are three values from this one on.
fn days(first: usize) -> String {
    let (agent, since, until) = (first, first + 1, first + 2);
    format!(
        "t.unit = u.n AND (${agent}::text IS NULL OR t.agent = ${agent}) AND (${since}::text IS NULL OR t.day >= ${since}) \
         AND (${until}::text IS NULL OR t.day <> '' AND t.day <= ${until})"
    )
}

/// The day of a time, in UTC.
fn day(at: Timestamp) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

/// The last moment before a time.
fn last_before(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_sub(1))
}

fn head(row: &Row) -> Result<(i64, i64, SharedTotals), String> {
    let mut cells = Cells::new(row);
    let unit = cells.number()?.ok_or("they have no number")?;
    let (person, role, label) = (cells.must()?, cells.must()?, cells.text()?);
    let (project_key, project) = (cells.must()?, cells.must()?);
    let count = cells.number()?.unwrap_or(0);
    let totals = TotalsHead { project_key, project, days: Vec::new() };
    let person = if person.is_empty() { role } else { person };
    Ok((unit, count, SharedTotals { person, device: label.unwrap_or_default(), totals }))
}

fn total(row: &Row) -> Result<(i64, Total), String> {
    let mut cells = Cells::new(row);
    let unit = cells.number()?.ok_or("it has no number")?;
    let (day, agent, model) = (cells.must()?, cells.must()?, cells.must()?);
    let mut count = || cells.count().map(Option::unwrap_or_default);
    let total = Total {
        day,
        agent,
        model,
        sessions: count()?,
        messages: count()?,
        user_messages: count()?,
        calls: count()?,
        failures: count()?,
        input_tokens: count()?,
        output_tokens: count()?,
        cache_read_tokens: count()?,
        cache_write_tokens: count()?,
        cost_micros: count()?,
    };
    Ok((unit, total))
}
