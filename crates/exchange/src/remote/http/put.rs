//! What puts over HTTP have in common.

use std::sync::atomic::{AtomicU8, Ordering};

pub(in crate::remote) const OF_BYTES: (&str, &str) = ("content-type", "application/octet-stream");
/// The condition that nothing has the name yet.
pub(in crate::remote) const UNLESS_THERE: (&str, &str) = ("if-none-match", "*");

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// Whether a server heeds [`UNLESS_THERE`], as far as it was found out.
#[derive(Debug)]
pub(in crate::remote) struct Conditions(AtomicU8);

impl Conditions {
    pub(in crate::remote) const fn new(known: Option<bool>) -> Self {
        Self(AtomicU8::new(match known {
            None => UNKNOWN,
            Some(true) => YES,
            Some(false) => NO,
        }))
    }

    /// `None` as long as nobody knows.
    pub(in crate::remote) fn known(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            known => Some(known == YES),
        }
    }

    pub(in crate::remote) fn learn(&self, place: &str, has_conditions: bool) {
        tracing::debug!(place, has_conditions, "looked whether puts can be conditional");
        self.0.store(if has_conditions { YES } else { NO }, Ordering::Relaxed);
    }
}
