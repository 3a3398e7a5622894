//! What was used, by no message in particular, and what it costs.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection};

use super::super::Tools;
use super::super::rows;
use super::OpenSession;
use crate::model::{Usage, UsageEvent};
use crate::price;

impl OpenSession {
    pub(super) fn usage(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        event: &UsageEvent,
    ) -> rusqlite::Result<usize> {
        let cost = cost_of(event.model.as_deref(), &event.usage);
        let key = (event.source.clone(), event.dedup.clone());
        let is_known = rows::has_usage(conn, self.state.n, event)?;
        if self.usage.contains(&key) || (is_known && !self.is_whole) {
            self.recount = true;
        } else {
            self.state.use_up(Some(event.usage), cost);
            self.state.time(event.at.map(Timestamp::as_millis));
        }
        self.usage.insert(key);
        if rows::put_usage(conn, self.state.n, event, cost)? {
            let count = if is_known { &mut tools.written.updated } else { &mut tools.written.inserted };
            *count += 1;
        }
        Ok(0)
    }
}

/// Counts as rows can hold them.
pub(super) fn countable(mut usage: Usage) -> Usage {
    let counts = [
        &mut usage.input,
        &mut usage.output,
        &mut usage.reasoning,
        &mut usage.cache_read,
        &mut usage.cache_write,
        &mut usage.cache_write_1h,
        &mut usage.cost_micros,
    ];
    for count in counts {
        *count = count.map(|count| count.min(i64::MAX as u64));
    }
    usage
}

/// What it costs in millionths of a dollar: as the agent says, else by the price of the model.
pub(super) fn cost_of(model: Option<&str>, usage: &Usage) -> Option<u64> {
    usage.cost_micros.or_else(|| price::cost_micros(model?, usage))
}
