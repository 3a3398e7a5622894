//! What a device asks others for: objects that came damaged or not at all, and attachments that nothing it holds provides.

use std::fmt;
use std::str::FromStr;

use crate::name::{LogId, NameError, ObjectName};
use crate::record::AttachmentId;

/// One thing asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Want {
    /// An object, wherever a good copy is. Text: its path without `carry/`.
    Object(ObjectName),
    /// An attachment of a log, in a form that needs no other. Text: `a/<log>/<id>`.
    Attachment(LogId, AttachmentId),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name) => f.write_str(name.path().trim_start_matches("carry/")),
            Self::Attachment(log, id) => write!(f, "a/{log}/{id}"),
        }
    }
}

impl FromStr for Want {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::new("something to ask for", text);
        match text.strip_prefix("a/").and_then(|rest| rest.split_once('/')) {
            Some((log, id)) => Ok(Self::Attachment(log.parse()?, id.parse()?)),
            None => format!("carry/{text}").parse().map(Self::Object).map_err(|_| wrong()),
        }
    }
}
