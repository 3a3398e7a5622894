//! Which devices have been silent for long.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;

use super::{LogStatus, Status};
use crate::store::LogState;

impl Status {
    /// The approved devices of which nothing came at or after `since`: of each the log that was heard of last, and when that was, by
    /// this device's clock; the longest silent first. One of which nothing ever came counts from when it was met. Logs that this home
    /// or another went on from are not waited for.
    pub fn unheard(&self, since: Timestamp) -> Vec<(&LogStatus, Timestamp)> {
        let own = self.own();
        let mut devices: BTreeMap<Vec<u8>, (&LogStatus, Timestamp)> = BTreeMap::new();
        for log in self.logs.iter().filter(|log| log.row.state == LogState::Approved) {
            let is_ours = own.is_some_and(|own| self.is_of_one_home(own, log));
            let goes_on_in =
                |next: &LogStatus| next.row.vouched_by == Some(log.row.log) && self.is_of_one_home(log, next);
            if is_ours || self.logs.iter().any(goes_on_in) {
                continue;
            }
            let heard = log.head.and_then(|head| head.came).unwrap_or(log.row.since);
            let device = log.device_key().map_or_else(|| log.row.log.to_string().into_bytes(), |key| key.to_vec());
            let newest = devices.entry(device).or_insert((log, heard));
            if newest.1 < heard {
                *newest = (log, heard);
            }
        }
        let mut silent: Vec<_> = devices.into_values().filter(|(_, heard)| *heard < since).collect();
        silent.sort_by(|a, b| (a.1, &a.0.row.alias).cmp(&(b.1, &b.0.row.alias)));
        silent
    }
}
