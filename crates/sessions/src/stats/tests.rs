use carry_kernel::clock::Timestamp;

use super::*;
use crate::archive::fixture::Fixture;

fn day(at: Timestamp) -> String {
    format!("day {}", at.as_secs())
}

#[test]
fn an_answer_that_two_sessions_hold_counts_once_in_the_first_by_id() {
    let fixture = Fixture::new();
    // The row that was written first has the greater id.
    fixture.session(1, "bb");
    fixture.session(2, "aa");
    fixture.set(2, "agent", "'codex'");
    for session in [1, 2] {
        fixture.answer(session, 0, Some(77), 10, Some(5));
        fixture.answer(session, 1, None, 1, Some(1));
    }
    let stats = fixture.archive.stats(&Filter::default(), &day).unwrap();
    assert_eq!(
        (stats.total.sessions, stats.total.messages, stats.total.output, stats.total.cost_micros),
        (2, 4, 12, 7)
    );
    let agents: Vec<_> = stats.agents.iter().map(|sum| (sum.name.as_str(), sum.output, sum.messages)).collect();
    assert_eq!(agents, [("codex", 11, 2), ("claude", 1, 2)]);
    let days: Vec<_> = stats.days.iter().map(|sum| (sum.name.as_str(), sum.output)).collect();
    assert_eq!(days, [("day 1", 1), ("day 2", 11)]);
    assert_eq!(stats.projects.len(), 1);
    assert_eq!(stats.models[0].name, "model-a");
}

#[test]
fn usage_without_a_message_counts_and_answers_without_a_price_are_named() {
    let fixture = Fixture::new();
    fixture.session(1, "aa");
    fixture.answer(1, 0, None, 10, None);
    fixture
        .conn()
        .execute(
            "INSERT INTO usage_events (session, source, dedup, model, input_tokens, cost_micros) \
             VALUES (1, 'shutdown', '', 'model-b', 100, 9)",
            [],
        )
        .unwrap();
    let stats = fixture.archive.stats(&Filter::default(), &day).unwrap();
    assert_eq!((stats.total.input, stats.total.output, stats.total.cost_micros, stats.total.unpriced), (100, 10, 9, 1));
    assert_eq!(stats.models.iter().map(|sum| sum.name.as_str()).collect::<Vec<_>>(), ["model-b", "model-a"]);
}

#[test]
fn abandoned_messages_are_not_counted_but_what_they_cost_is() {
    let fixture = Fixture::new();
    fixture.session(1, "aa");
    fixture.answer(1, 0, None, 10, Some(3));
    fixture.conn().execute("UPDATE messages SET flags = 2", []).unwrap();
    let total = fixture.archive.stats(&Filter::default(), &day).unwrap().total;
    assert_eq!((total.messages, total.cost_micros), (0, 3));
}

#[test]
fn tools_are_counted_with_their_failures_most_used_first() {
    let fixture = Fixture::new();
    fixture.session(1, "aa");
    for (ordinal, name, status) in [(0, "Read", 2), (1, "Bash", 3), (2, "Bash", 2)] {
        fixture.call(1, ordinal, name, "Tool", None, status);
    }
    let tools = fixture.archive.stats(&Filter::default(), &day).unwrap().tools;
    let tools: Vec<_> = tools.iter().map(|tool| (tool.name.as_str(), tool.calls, tool.failures)).collect();
    assert_eq!(tools, [("Bash", 2, 1), ("Read", 1, 0)]);
}

#[test]
fn the_filter_holds_for_every_sum() {
    let fixture = Fixture::new();
    fixture.session(1, "aa");
    fixture.answer(1, 0, None, 10, Some(3));
    fixture.call(1, 0, "Bash", "Bash", None, 2);
    let filter = Filter { branch: Some("other".into()), ..Filter::default() };
    assert_eq!(fixture.archive.stats(&filter, &day).unwrap(), Stats::default());
}
