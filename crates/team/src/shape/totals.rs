//! What a project's sessions come to.

use std::collections::BTreeMap;

use carry_sessions::archive::SessionRow;

use super::{clean, storable, whole};
use crate::unit::{Total, TotalsHead};

/// The totals of sessions of one project, in order of day, agent and model. All texts must have been masked.
pub fn totals<'s>(project_key: &str, project: &str, sessions: impl IntoIterator<Item = &'s SessionRow>) -> TotalsHead {
    let mut days: BTreeMap<(String, &'static str, String), Total> = BTreeMap::new();
    for session in sessions {
        let day = storable(session.started).map(|started| started.to_rfc3339());
        // `2026-11-29T…`
        let day = day.as_deref().and_then(|day| day.get(..10)).unwrap_or_default().to_owned();
        let model = cleaned(session.model.as_deref().unwrap_or_default());
        let total = days.entry((day, session.agent.as_str(), model)).or_default();
        let Total {
            day: _,
            agent: _,
            model: _,
            sessions,
            messages,
            user_messages,
            calls,
            failures,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cost_micros,
        } = total;
        for (sum, number) in [
            (sessions, Some(1)),
            (messages, Some(session.messages.into())),
            (user_messages, Some(session.user_messages.into())),
            (calls, Some(session.calls.into())),
            (failures, Some(session.failures.into())),
            (input_tokens, session.input_tokens),
            (output_tokens, session.output_tokens),
            (cache_read_tokens, session.cache_read_tokens),
            (cache_write_tokens, session.cache_write_tokens),
            (cost_micros, session.cost_micros),
        ] {
            *sum = whole(sum.saturating_add(number.unwrap_or(0)));
        }
    }
    let named = |((day, agent, model), total): (_, Total)| {
        let agent: &str = agent;
        Total { day, agent: cleaned(agent), model, ..total }
    };
    TotalsHead {
        project_key: cleaned(project_key),
        project: cleaned(project),
        days: days.into_iter().map(named).collect(),
    }
}

fn cleaned(text: &str) -> String {
    let mut text = text.to_owned();
    clean::text(&mut text);
    text
}
