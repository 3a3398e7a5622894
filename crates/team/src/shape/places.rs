//! How many places were masked in what is shared.

use std::collections::{BTreeMap, HashMap};

use carry_redact::{Finding, placeholder};

use crate::unit::{Place, Row};

/// How every placeholder begins, and a length that none exceeds.
const START: &str = "[REDACTED:";
const PLACEHOLDER_BYTES_MAX: usize = 128;

/// How many places were masked in these rows, by rule. `findings` are those of the rows' messages. A placeholder that was there
/// before is not counted, and neither is what was found in what is not shared.
pub fn masked_in(rows: &[Row], findings: &[(u32, Finding)]) -> BTreeMap<String, u64> {
    let mut by_message: BTreeMap<u32, Vec<&Finding>> = BTreeMap::new();
    for (ordinal, finding) in findings {
        by_message.entry(*ordinal).or_default().push(finding);
    }
    let mut places: BTreeMap<u32, Places> =
        by_message.iter().map(|(ordinal, findings)| (*ordinal, Places::of(findings))).collect();
    let mut counts = BTreeMap::new();
    for row in rows {
        let (Place::Message(ordinal) | Place::Result { ordinal, .. }) = row.place else { continue };
        if let (Some(places), Some(json)) = (places.get_mut(&ordinal), row.body.json()) {
            places.count(json, &mut counts);
        }
    }
    counts
}

/// Places that were masked and have not been met yet.
pub(super) struct Places {
    /// Rule and count, by placeholder.
    left: HashMap<String, (&'static str, u64)>,
}

impl Places {
    pub(super) fn of(findings: &[&Finding]) -> Self {
        let mut left: HashMap<String, (&'static str, u64)> = HashMap::new();
        for finding in findings {
            left.entry(placeholder(finding.rule, finding.fingerprint)).or_insert((finding.rule, 0)).1 += 1;
        }
        Self { left }
    }

    /// Adds those in `text` to `counts`.
    pub(super) fn count(&mut self, text: &str, counts: &mut BTreeMap<String, u64>) {
        if self.left.is_empty() {
            return;
        }
        for (at, _) in text.match_indices(START) {
            let window = &text.as_bytes()[at..text.len().min(at + PLACEHOLDER_BYTES_MAX)];
            let end = window.iter().position(|byte| *byte == b']').and_then(|end| text.get(at..=at + end));
            if let Some((rule, left)) = end.and_then(|found| self.left.get_mut(found))
                && *left > 0
            {
                *left -= 1;
                *counts.entry((*rule).to_owned()).or_default() += 1;
            }
        }
    }
}
