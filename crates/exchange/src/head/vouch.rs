//! How a log goes on under a new key: the earlier key signs the new one.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Map, Value, json};

use crate::hash::{self, Digest};
use crate::json::{self, ShapeError};
use crate::limits::{NUMBER_MAX, STREAMS_MAX};
use crate::name::{LogId, StreamName};

/// What an earlier key signs, before the new key.
const CONTEXT: &[u8] = b"carry from 1\n";

/// The earlier log that a log goes on from, and its word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// The earlier public key. With it, whoever never saw the earlier log can verify the word too.
    pub key: [u8; 32],
    /// How far the earlier log went when this one began: the last record and the chain after it.
    pub at: BTreeMap<StreamName, (u64, Digest)>,
    /// The earlier key's signature over the new key.
    pub signature: [u8; 64],
}

impl Vouch {
    /// Vouches for `new_key`. `sign` signs with the earlier key, whose public half is `key`.
    pub fn new(
        key: [u8; 32],
        at: BTreeMap<StreamName, (u64, Digest)>,
        new_key: &[u8; 32],
        sign: &dyn Fn(&[u8]) -> [u8; 64],
    ) -> Self {
        Self { key, at, signature: sign(&[CONTEXT, new_key].concat()) }
    }

    /// The earlier log.
    pub fn log(&self) -> LogId {
        LogId::of_key(&self.key)
    }

    /// Whether the earlier key did sign `new_key`.
    pub fn holds_for(&self, new_key: &[u8; 32]) -> bool {
        is_signed(&self.key, &[CONTEXT, new_key].concat(), &self.signature) && self.key != *new_key
    }

    pub(super) fn to_json(&self) -> Value {
        let at = self.at.iter().map(|(stream, (last, chain))| (stream.to_string(), json!([last, chain.to_text()])));
        json!({
            "log": self.log().to_string(),
            "key": hash::encode64(&self.key),
            "at": at.collect::<Map<_, _>>(),
            "sig": hash::encode64(&self.signature),
        })
    }

    /// `None` when the log is not that of the key.
    pub(super) fn from_json(value: &Value) -> Result<Option<Self>, ShapeError> {
        let members = json::object(value, "from", usize::MAX)?;
        let at = json::object(json::member(members, "at")?, "at", STREAMS_MAX)?.iter().map(|(stream, state)| {
            let [last, chain] = json::row(state, "at")?;
            let stream = json::parsed(&Value::from(stream.as_str()), "at")?;
            Ok((stream, (json::number(last, "at", 1, NUMBER_MAX)?, json::digest(chain, "at")?)))
        });
        let vouch = Self {
            key: json::bytes(json::member(members, "key")?, "key")?,
            at: at.collect::<Result<_, ShapeError>>()?,
            signature: json::bytes(json::member(members, "sig")?, "sig")?,
        };
        let log: LogId = json::parsed(json::member(members, "log")?, "log")?;
        Ok((log == vouch.log()).then_some(vouch))
    }
}

/// Whether `signature` over `message` is by `key`, strictly: no weak keys, one encoding only.
pub(super) fn is_signed(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}
