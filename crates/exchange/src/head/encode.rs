//! Writes heads.

use serde_json::{Map, Value, json};

use super::{Head, HeadError, Relay, SignedHead, StreamState};
use crate::hash::{self, Digest};
use crate::holds;
use crate::name::ObjectName;
use crate::segment::SegmentRef;

/// What is signed, before the first line.
pub(super) const CONTEXT: &[u8] = b"carry head 1\n";
/// The version that is written, and the one that a reader must know.
pub(super) const VERSION: u64 = 1;

impl Head {
    /// Writes and signs it. `sign` signs with the key whose public half is `self.key`. What was written is read again, so
    /// that nothing is published that readers would refuse.
    ///
    /// # Errors
    /// [`HeadError`] that a reader would report.
    pub fn sign(&self, sign: &dyn Fn(&[u8]) -> [u8; 64]) -> Result<SignedHead, HeadError> {
        let line = self.to_line();
        let signature = hash::encode64(&sign(&[CONTEXT, line.as_bytes()].concat()));
        let bytes = format!("{line}\n{signature}\n").into_bytes();
        let name = ObjectName::head(self.log(), self.n, Digest::of(&[&bytes]));
        SignedHead::read(&name, &bytes)
    }

    /// The first line. The order of members is part of the format for writers, so that equal heads have equal bytes.
    fn to_line(&self) -> String {
        let streams = self.streams.iter().map(|(stream, state)| (stream.to_string(), state.to_json()));
        let served = self.serves.iter().map(|served| {
            let SegmentRef { first, last, bytes, digest } = served.reference;
            json!([served.log.to_string(), served.stream.as_str(), first, last, bytes, digest.to_text()])
        });
        let mut value = json!({
            "v": VERSION,
            "min": VERSION,
            "log": self.log().to_string(),
            "key": hash::encode64(&self.key),
            "n": self.n,
            "prev": self.prev.map(Digest::to_text),
            "at": [self.at.wall_ms, self.at.counter],
            "device": self.device.as_str(),
            "from": self.from.as_ref().map(super::Vouch::to_json),
            "epoch": self.epoch,
            "roster": self.roster.map(Digest::to_text),
            "grace_s": self.grace_s,
            "list": self.list.map(|list| json!([list.digest.to_text(), list.bytes])),
            "streams": streams.collect::<Map<_, _>>(),
            "holds": holds::to_json(&self.holds),
            "wants": self.wants.iter().map(|want| Value::from(want.to_string())).collect::<Vec<_>>(),
            "serves": served.collect::<Vec<_>>(),
        });
        if let (Some(author), Some(members)) = (&self.author, value.as_object_mut()) {
            members.insert("author".to_owned(), author.to_json());
        }
        value.to_string()
    }
}

impl StreamState {
    fn to_json(&self) -> Value {
        let tail: Vec<_> = self.tail.iter().map(|segment| segment.to_json()).collect();
        json!({ "last": self.last, "chain": self.chain.to_text(), "relay": self.relay.as_str(), "tail": tail })
    }
}

impl Relay {
    /// How it stands in a head.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Sealed => "sealed",
            Self::Own => "own",
        }
    }
}
