//! Who writes a log: the device's own key says so, and what people call the device comes along.

use serde_json::{Map, Value, json};

use super::vouch::is_signed;
use crate::hash;
use crate::json::{self, ShapeError};

/// What a device's key signs, before the key of the log.
const CONTEXT: &[u8] = b"carry author 1\n";
/// Longest label, in characters.
pub const LABEL_CHARS_MAX: usize = 100;

/// The device that writes a log, by the key that it has for good, and its word for it. A log may go on under another key; the
/// device's stays, so that its fingerprint is what people compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The device's public key.
    pub key: [u8; 32],
    /// What people call the device: a label that proves nothing. `None` where it says none that can be shown.
    pub label: Option<String>,
    /// The device key's signature over the log's public key.
    pub signature: [u8; 64],
}

impl Author {
    /// Says that the device with this public key writes the log of `log_key`. `sign` signs with the device's key. Of `label`
    /// that is taken which can be shown.
    pub fn new(key: [u8; 32], label: &str, log_key: &[u8; 32], sign: &dyn Fn(&[u8]) -> [u8; 64]) -> Self {
        Self { key, label: showable(label), signature: sign(&[CONTEXT, log_key].concat()) }
    }

    /// Whether the device's key did sign `log_key`.
    pub fn holds_for(&self, log_key: &[u8; 32]) -> bool {
        is_signed(&self.key, &[CONTEXT, log_key].concat(), &self.signature)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "key": hash::encode64(&self.key),
            "label": self.label,
            "sig": hash::encode64(&self.signature),
        })
    }

    /// A label that is not as it should be is taken for none.
    pub(super) fn from_json(value: &Value) -> Result<Self, ShapeError> {
        let members: &Map<String, Value> = json::object(value, "author", usize::MAX)?;
        let label = members.get("label").and_then(Value::as_str);
        Ok(Self {
            key: json::bytes(json::member(members, "key")?, "author")?,
            label: label.filter(|label| showable(label).as_deref() == Some(*label)).map(ToOwned::to_owned),
            signature: json::bytes(json::member(members, "sig")?, "author")?,
        })
    }
}

/// What of a label can be shown: no more than [`LABEL_CHARS_MAX`], and nothing that moves a cursor, turns text around or is not
/// seen.
fn showable(label: &str) -> Option<String> {
    let seen: String = label.chars().filter(|c| !is_hidden(*c)).collect();
    let cut: String = seen.trim().chars().take(LABEL_CHARS_MAX).collect();
    let label = cut.trim_end();
    (!label.is_empty()).then(|| label.to_owned())
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_label_that_is_taken_which_can_be_shown() {
        assert_eq!(showable("  desk top "), Some("desk top".to_owned()));
        assert_eq!(showable("Küche 電腦"), Some("Küche 電腦".to_owned()));
        assert_eq!(showable("a\u{202e}b\u{1b}[2Jc\u{200b}"), Some("ab[2Jc".to_owned()));
        assert_eq!(showable("\u{200f} \n\u{feff}"), None);
        assert_eq!(showable(&"é".repeat(1000)), Some("é".repeat(LABEL_CHARS_MAX)));
        let spaces = format!("{} b", "a".repeat(LABEL_CHARS_MAX - 1));
        let cut = showable(&spaces).unwrap();
        assert_eq!(showable(&cut), Some(cut), "what was cut is cut no more");
    }
}
