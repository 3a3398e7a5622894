//! Looking at what others say, without folding it.

use carry_kernel::db::rusqlite;

use super::rows::{self, Lane, parsed};
use super::{LogState, Store, StoreError};
use crate::frame::Frame;
use crate::name::{LogId, StreamName};
use crate::record::Record;

impl Store {
    /// Calls `each` with every record of a stream that is held of approved logs. What is damaged is passed over: see
    /// [`Store::verify`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn each_record(&self, stream: &StreamName, each: &mut dyn FnMut(LogId, &Record)) -> Result<(), StoreError> {
        let lanes = {
            let sql = "SELECT DISTINCT log, track FROM ranges WHERE stream = ?1 ORDER BY log, track";
            let mut lanes = self.db.conn().prepare_cached(sql)?;
            let lanes = lanes.query_map([stream.as_str()], |row| {
                Ok(Lane { log: parsed(row, 0)?, track: rows::track(row, 1)?, stream: stream.clone() })
            })?;
            lanes.collect::<rusqlite::Result<Vec<Lane>>>()?
        };
        for lane in lanes {
            if self.state(lane.log)? != Some(LogState::Approved) {
                continue;
            }
            for range in rows::held(self.db.conn(), &lane)?.iter() {
                let read = self.each_link(&lane, *range.start(), *range.end(), &mut |link| {
                    if let Frame::Record(record) = &link.frame {
                        each(lane.log, record);
                    }
                    Ok(true)
                });
                match read {
                    Ok(()) | Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
