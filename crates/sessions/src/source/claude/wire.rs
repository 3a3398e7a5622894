//! Lines as they stand in the file. What is not needed is skipped, not built; a field of an unexpected type is absent.

use serde_json::value::RawValue;

mod lenient;

pub(super) use lenient::{Content, Count, Flag, Object, Text};

/// A line, of whatever type.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) subtype: Text<'a>,
    #[serde(borrow)]
    pub(super) uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) parent_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) logical_parent_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) session_id: Text<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow)]
    pub(super) cwd: Text<'a>,
    #[serde(borrow)]
    pub(super) git_branch: Text<'a>,
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    #[serde(borrow)]
    pub(super) entrypoint: Text<'a>,
    #[serde(borrow)]
    pub(super) agent_setting: Text<'a>,
    #[serde(borrow)]
    pub(super) session_kind: Text<'a>,
    pub(super) is_sidechain: Flag,
    pub(super) is_meta: Flag,
    pub(super) is_compact_summary: Flag,
    #[serde(borrow)]
    pub(super) request_id: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Object<Entry<'a>>,
    #[serde(borrow)]
    pub(super) tool_use_result: Object<Outcome<'a>>,
    #[serde(borrow)]
    pub(super) content: Text<'a>,
    #[serde(borrow)]
    pub(super) custom_title: Text<'a>,
    #[serde(borrow)]
    pub(super) ai_title: Text<'a>,
    #[serde(borrow)]
    pub(super) agent_name: Text<'a>,
    #[serde(borrow)]
    pub(super) summary: Text<'a>,
    #[serde(borrow)]
    pub(super) leaf_uuid: Text<'a>,
    #[serde(borrow)]
    pub(super) pr_url: Text<'a>,
    #[serde(borrow)]
    pub(super) attachment: Object<Attachment<'a>>,
    #[serde(borrow)]
    pub(super) data: Object<Progress<'a>>,
    #[serde(borrow, rename = "parentToolUseID")]
    pub(super) parent_tool_use_id: Text<'a>,
    #[serde(borrow)]
    pub(super) snapshot: Object<Snapshot<'a>>,
}

/// `message`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Text<'a>,
    pub(super) usage: Object<Tokens>,
    #[serde(borrow)]
    pub(super) content: Content<'a>,
}

/// `message.usage`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    pub(super) input_tokens: Count,
    pub(super) output_tokens: Count,
    pub(super) cache_creation_input_tokens: Count,
    pub(super) cache_read_input_tokens: Count,
    pub(super) cache_creation: Object<Written>,
}

/// `message.usage.cache_creation`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Written {
    pub(super) ephemeral_5m_input_tokens: Count,
    pub(super) ephemeral_1h_input_tokens: Count,
}

/// A block of a message or of a result.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use_id: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Content<'a>,
    pub(super) is_error: Option<Flag>,
    #[serde(borrow)]
    pub(super) source: Object<Source<'a>>,
}

/// Where a picture comes from.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Source<'a> {
    #[serde(borrow)]
    pub(super) media_type: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
}

/// `toolUseResult`, when it is an object.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Outcome<'a> {
    #[serde(borrow)]
    pub(super) agent_id: Text<'a>,
    #[serde(borrow)]
    pub(super) persisted_output_path: Text<'a>,
}

/// `attachment`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Attachment<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) prompt: Content<'a>,
    #[serde(borrow)]
    pub(super) command_mode: Text<'a>,
}

/// `data` of a progress line.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Progress<'a> {
    #[serde(borrow)]
    pub(super) agent_id: Text<'a>,
}

/// `snapshot` of a file history line.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Snapshot<'a> {
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
}

/// What a queued background task says of itself.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Task<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Text<'a>,
    #[serde(borrow)]
    pub(super) task_id: Text<'a>,
}

/// The places in a tool's input that name a file or a skill.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Input<'a> {
    #[serde(borrow)]
    pub(super) file_path: Text<'a>,
    #[serde(borrow)]
    pub(super) notebook_path: Text<'a>,
    #[serde(borrow)]
    pub(super) path: Text<'a>,
    #[serde(borrow)]
    pub(super) skill: Text<'a>,
    #[serde(borrow)]
    pub(super) command: Text<'a>,
}

/// The raw blocks of a line's `message.content`, for those that are kept as JSON.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct RawLine<'a> {
    #[serde(borrow)]
    pub(super) message: Option<RawEntry<'a>>,
}

/// `message`, its blocks unread.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct RawEntry<'a> {
    #[serde(borrow)]
    pub(super) content: Vec<&'a RawValue>,
}

/// Milliseconds since the epoch of a time as text: RFC 3339, the same without a zone (then UTC), or with a blank for the `T`.
pub(super) fn timestamp(text: &str) -> Option<carry_kernel::clock::Timestamp> {
    let quick = plain(text.as_bytes());
    let millis = quick.or_else(|| {
        let zoned = text.parse::<jiff::Timestamp>().ok();
        let civil = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        zoned.or_else(|| civil().map(|zoned| zoned.timestamp())).map(jiff::Timestamp::as_millisecond)
    })?;
    Some(carry_kernel::clock::Timestamp::from_millis(millis))
}

/// The form that nearly every line has: `2026-03-14T09:00:01.000Z`.
fn plain(text: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1, f2, f3, b'Z'] =
        text
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?);
    let fraction = number(&[f1, f2, f3])?;
    if year < 1 || !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the epoch of a date, counted from March so that the leap day comes last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction)
}

/// A uuid as a number; anything else as a hash of it. Zero for none.
pub(super) fn uuid(text: &str) -> u128 {
    if text.is_empty() {
        return 0;
    }
    let parsed = (text.len() == 36).then(|| {
        text.bytes().try_fold((0u128, 0u32), |(sum, digits), byte| match (byte as char).to_digit(16) {
            Some(digit) => Some((sum << 4 | u128::from(digit), digits + 1)),
            None => (byte == b'-').then_some((sum, digits)),
        })
    });
    match parsed.flatten() {
        Some((sum, 32)) if sum != 0 => sum,
        _ => {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
            u128::from_le_bytes(bytes)
        }
    }
}
