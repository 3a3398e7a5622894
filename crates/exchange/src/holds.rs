//! What a device says it holds of others' logs: verified, durable and folded, without a gap from the first record on.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json::{self, ShapeError};
use crate::limits::{LOGS_MAX, NUMBER_MAX, STREAMS_MAX};
use crate::name::{LogId, StreamName};

/// The last record of the run that begins at 1, by log and stream. With gaps, the end of the first run.
pub type Holds = BTreeMap<LogId, BTreeMap<StreamName, u64>>;

pub(crate) fn to_json(holds: &Holds) -> Value {
    let logs = holds.iter().map(|(log, streams)| {
        let streams = streams.iter().map(|(stream, last)| (stream.to_string(), Value::from(*last)));
        (log.to_string(), Value::Object(streams.collect()))
    });
    Value::Object(logs.collect::<Map<_, _>>())
}

pub(crate) fn from_json(value: &Value) -> Result<Holds, ShapeError> {
    let logs = json::object(value, "holds", LOGS_MAX)?.iter().map(|(log, streams)| {
        let log = json::parsed(&Value::from(log.as_str()), "holds")?;
        let streams = json::object(streams, "holds", STREAMS_MAX)?.iter().map(|(stream, last)| {
            let stream = json::parsed(&Value::from(stream.as_str()), "holds")?;
            Ok((stream, json::number(last, "holds", 1, NUMBER_MAX)?))
        });
        Ok((log, streams.collect::<Result<_, ShapeError>>()?))
    });
    logs.collect()
}
