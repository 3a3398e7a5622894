//! Rows of messages and results: JSON that somebody else wrote.

use carry_sessions::archive::{StoredMessage, StoredResult};
use carry_sessions::export::{message_of_json, result_of_json};
use serde_json::Value;

/// The message of a row, without results. What it says must be of the message that the row is for.
pub(in crate::postgres) fn message(json: &str, ordinal: i64) -> Result<StoredMessage, String> {
    let stored = message_of_json(&value(json)?).map_err(|error| error.to_string())?;
    if i64::from(stored.message.ordinal) != ordinal {
        return Err("it says that it is another".to_owned());
    }
    Ok(StoredMessage { results: Vec::new(), ..stored })
}

/// The result of a row.
pub(in crate::postgres) fn result(json: &str) -> Result<StoredResult, String> {
    result_of_json(&value(json)?).map_err(|error| error.to_string())
}

fn value(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("its JSON cannot be read ({error})"))
}
