//! Units of a store as answers for machines name them.

use serde::Serialize;

/// A unit that has something wrong with it.
#[derive(Serialize)]
pub(super) struct WrongJson<'a> {
    unit: &'a str,
    reason: &'a str,
}

/// Units with what is wrong with each.
pub(super) fn wrong(all: &[(String, String)]) -> Vec<WrongJson<'_>> {
    all.iter().map(|(unit, reason)| WrongJson { unit, reason }).collect()
}

/// A unit of another device.
#[derive(Serialize)]
pub(super) struct ElsewhereJson<'a> {
    unit: &'a str,
    origin: &'a str,
}

/// Units with the origin that has each.
pub(super) fn elsewhere(all: &[(String, String)]) -> Vec<ElsewhereJson<'_>> {
    all.iter().map(|(unit, origin)| ElsewhereJson { unit, origin }).collect()
}
