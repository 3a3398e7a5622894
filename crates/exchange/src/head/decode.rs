//! Reads heads, and believes nothing before the signature is verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use carry_kernel::hlc::Hlc;
use carry_kernel::id::DeviceId;
use serde_json::{Map, Value};

use super::encode::{CONTEXT, VERSION};
use super::vouch::is_signed;
use super::{Author, Head, HeadError, ListRef, Relay, Served, Signed, SignedHead, StreamState, Vouch, Want, tiling};
use crate::hash::{self, Digest};
use crate::holds;
use crate::json::{self, ShapeError};
use crate::limits::{
    HEAD_BYTES_MAX, HEAD_WANTS_MAX, JSON_NUMBER_MAX, LIST_BYTES_MAX, NUMBER_MAX, SERVES_MAX, STREAMS_MAX, TAIL_MAX,
    WALL_MS_MAX, WANT_BYTES_MAX,
};
use crate::name::{LogId, ObjectName, StreamName};
use crate::segment::SegmentRef;

impl SignedHead {
    /// Reads the head that lies under `name`. In this order: size, digest, two lines, JSON, log and key, signature,
    /// version, that log and number are those of the name, members.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn read(name: &ObjectName, bytes: &[u8]) -> Result<Self, HeadError> {
        let Authentic { digest, members, key } = authentic(name, bytes)?;
        let member = |name| json::member(&members, name);
        json::number(member("v")?, "v", 1, JSON_NUMBER_MAX)?;
        let min = json::number(member("min")?, "min", 1, JSON_NUMBER_MAX)?;
        let &ObjectName::Head { log, n, .. } = name else { return Err(HeadError::Id(name.clone())) };
        if min > VERSION {
            return Err(HeadError::Newer { log, n, min });
        }
        let head = parse(&members, key, n)?;
        tiling::check_tails(&head)?;
        Ok(Self(Arc::new(Signed { head, bytes: bytes.to_vec(), digest })))
    }

    /// Whether these bytes are a head that the key of the log that `name` names did sign, whatever else is wrong with it.
    pub fn is_signed(name: &ObjectName, bytes: &[u8]) -> bool {
        authentic(name, bytes).is_ok()
    }
}

/// A head of which only the signature was checked, and what comes before it.
struct Authentic {
    digest: Digest,
    members: Map<String, Value>,
    key: [u8; 32],
}

/// Checks all up to the signature, and that log and number are those of the name.
fn authentic(name: &ObjectName, bytes: &[u8]) -> Result<Authentic, HeadError> {
    if bytes.len() as u64 > HEAD_BYTES_MAX {
        return Err(HeadError::TooLarge(bytes.len()));
    }
    let digest = Digest::of(&[bytes]);
    let &ObjectName::Head { log: named_log, n: named_n, id } = name else {
        return Err(HeadError::Id(name.clone()));
    };
    if crate::name::ObjectId::of(digest) != id {
        return Err(HeadError::Id(name.clone()));
    }
    let (line, signature) = two_lines(bytes).ok_or(HeadError::Form)?;
    let value = json::parse(line)?;
    let members = json::object(&value, "head", usize::MAX)?;
    let member = |name| json::member(members, name);
    let key: [u8; 32] = json::bytes(member("key")?, "key")?;
    let log: LogId = json::parsed(member("log")?, "log")?;
    if log != LogId::of_key(&key) {
        return Err(HeadError::Identity);
    }
    if !is_signed(&key, &[CONTEXT, line].concat(), &signature) {
        return Err(HeadError::Signature);
    }
    let n = json::number(member("n")?, "n", 1, NUMBER_MAX)?;
    if (log, n) != (named_log, named_n) {
        return Err(HeadError::Identity);
    }
    Ok(Authentic { digest, members: members.clone(), key })
}

/// The first line without its end, and the signature. Nothing else may be there.
fn two_lines(bytes: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let bytes = bytes.strip_suffix(b"\n")?;
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let signature = std::str::from_utf8(&bytes[end + 1..]).ok()?;
    Some((&bytes[..end], hash::decode64(signature)?))
}

fn parse(members: &Map<String, Value>, key: [u8; 32], n: u64) -> Result<Head, HeadError> {
    let member = |name| json::member(members, name);
    let digest_or_none = |name| match member(name)? {
        Value::Null => Ok(None),
        value => json::digest(value, name).map(Some),
    };
    let prev = digest_or_none("prev")?;
    if prev.is_none() != (n == 1) {
        return Err(
            ShapeError { member: "prev".to_owned(), expected: "the head before, or null in the first".into() }.into()
        );
    }
    let from = match member("from")? {
        Value::Null => None,
        value => Some(Vouch::from_json(value)?.filter(|vouch| vouch.holds_for(&key)).ok_or(HeadError::Vouch)?),
    };
    let list = match member("list")? {
        Value::Null => None,
        value => {
            let [digest, bytes] = json::row(value, "list")?;
            let bytes = json::number(bytes, "list", 1, LIST_BYTES_MAX)?;
            Some(ListRef { digest: json::digest(digest, "list")?, bytes })
        }
    };
    let streams = json::object(member("streams")?, "streams", STREAMS_MAX)?.iter();
    let streams = streams.map(|(stream, state)| Ok((stream_name(stream)?, parse_state(state)?)));
    let serves = json::array(member("serves")?, "serves", SERVES_MAX)?.iter().map(parse_served);
    let device: DeviceId = json::parsed(member("device")?, "device")?;
    let author = match members.get("author") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let author = Author::from_json(value)?;
            if !author.holds_for(&key) || !device.belongs_to(&author.key) {
                return Err(HeadError::Author);
            }
            Some(author)
        }
    };
    Ok(Head {
        key,
        n,
        prev,
        at: parse_stamp(member("at")?)?,
        device,
        from,
        epoch: json::number(member("epoch")?, "epoch", 0, JSON_NUMBER_MAX)?,
        roster: digest_or_none("roster")?,
        grace_s: json::number(member("grace_s")?, "grace_s", 0, JSON_NUMBER_MAX)?,
        list,
        streams: streams.collect::<Result<BTreeMap<_, _>, HeadError>>()?,
        holds: holds::from_json(member("holds")?)?,
        wants: parse_wants(member("wants")?)?,
        serves: serves.collect::<Result<_, _>>()?,
        author,
    })
}

fn stream_name(text: &str) -> Result<StreamName, ShapeError> {
    json::parsed(&Value::from(text), "streams")
}

fn parse_stamp(value: &Value) -> Result<Hlc, ShapeError> {
    let [wall_ms, counter] = json::row(value, "at")?;
    let counter = json::number(counter, "at", 0, u16::MAX.into())?;
    let counter = u16::try_from(counter).expect("bounded by sixteen bits");
    Ok(Hlc { wall_ms: json::number(wall_ms, "at", 0, WALL_MS_MAX)?, counter })
}

fn parse_state(value: &Value) -> Result<StreamState, HeadError> {
    let members = json::object(value, "streams", usize::MAX)?;
    let member = |name| json::member(members, name);
    let tail = json::array(member("tail")?, "tail", TAIL_MAX)?.iter();
    Ok(StreamState {
        last: json::number(member("last")?, "last", 1, NUMBER_MAX)?,
        chain: json::digest(member("chain")?, "chain")?,
        relay: match json::text(member("relay")?, "relay")? {
            "any" => Relay::Any,
            "sealed" => Relay::Sealed,
            // Also whatever comes later: keeping too much to oneself does no harm.
            _ => Relay::Own,
        },
        tail: tail.map(|segment| SegmentRef::from_json(segment, "tail")).collect::<Result<_, _>>()?,
    })
}

/// What a later version asks for cannot be given; it is passed over.
fn parse_wants(value: &Value) -> Result<Vec<Want>, ShapeError> {
    let texts = json::array(value, "wants", HEAD_WANTS_MAX)?.iter().map(|want| match json::text(want, "wants")? {
        long if long.len() > WANT_BYTES_MAX => {
            let expected = format!("a text of at most {WANT_BYTES_MAX} bytes").into();
            Err(ShapeError { member: "wants".to_owned(), expected })
        }
        text => Ok(text.parse().ok()),
    });
    texts.filter_map(Result::transpose).collect()
}

fn parse_served(value: &Value) -> Result<Served, ShapeError> {
    let [log, stream, ..] = json::row::<6>(value, "serves")?;
    let reference = value.as_array().map(|values| Value::Array(values[2..].to_vec()));
    Ok(Served {
        log: json::parsed(log, "serves")?,
        stream: json::parsed(stream, "serves")?,
        reference: SegmentRef::from_json(&reference.unwrap_or_default(), "serves")?,
    })
}
