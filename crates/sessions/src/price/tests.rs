use super::*;

fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Some(input), output: Some(output), ..Usage::default() }
}

#[test]
fn the_longest_entry_that_the_name_holds_counts() {
    let million = usage(0, 1_000_000);
    assert_eq!(cost_micros("us.anthropic.claude-opus-4-5-20251101-v1:0", &million), Some(25_000_000));
    assert_eq!(cost_micros("claude-opus-4-1-20250805", &million), Some(75_000_000));
    assert_eq!(cost_micros("GPT-5-mini", &million), Some(2_000_000));
    assert_eq!(cost_micros("openai/gpt-5", &million), Some(10_000_000));
}

#[test]
fn each_kind_of_token_has_its_price() {
    let all = Usage {
        input: Some(1_000),
        output: Some(100),
        reasoning: Some(50),
        cache_read: Some(10_000),
        cache_write: Some(2_000),
        cache_write_1h: Some(3_000),
        cost_micros: None,
    };
    assert_eq!(cost_micros("claude-sonnet-4-5", &all), Some(3_000 + 1_500 + 3_000 + 7_500 + 18_000));
}

#[test]
fn longer_requests_cost_more_and_the_cache_counts_as_input() {
    let mut long = usage(1_000, 0);
    long.cache_read = Some(199_000);
    assert_eq!(cost_micros("claude-sonnet-4", &long), Some(3_000 + 59_700));
    long.cache_read = Some(200_000);
    assert_eq!(cost_micros("claude-sonnet-4", &long), Some(6_000 + 120_000));
}

#[test]
fn halves_are_rounded_up() {
    // 0.5 and 0.25 micro-dollars.
    assert_eq!(cost_micros("gpt-5-nano", &usage(10, 0)), Some(1));
    assert_eq!(cost_micros("gpt-5-nano", &usage(5, 0)), Some(0));
}

#[test]
fn what_the_agent_reports_beats_the_table() {
    let reported = Usage { cost_micros: Some(7), ..usage(1_000_000, 0) };
    assert_eq!(cost_micros("claude-opus-4", &reported), Some(7));
    assert_eq!(cost_micros("nobody knows", &reported), Some(7));
}

#[test]
fn what_is_not_known_or_not_counted_has_no_cost() {
    assert_eq!(cost_micros("<synthetic>", &usage(1, 1)), None);
    assert_eq!(cost_micros("gpt-5", &Usage::default()), None);
    assert_eq!(cost_micros("gpt-5", &usage(0, 0)), Some(0));
}

#[test]
fn absurd_counts_do_not_overflow() {
    let absurd = Usage { cache_read: Some(u64::MAX), cache_write: Some(u64::MAX), ..usage(u64::MAX, u64::MAX) };
    assert_eq!(cost_micros("claude-opus-4", &absurd), Some(u64::MAX));
}
