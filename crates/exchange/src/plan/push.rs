//! What to put to a remote.

use std::collections::{BTreeMap, BTreeSet};

use crate::head::{Head, Relay, Segments, SignedHead};
use crate::limits::LARGE_OBJECT_BYTES;
use crate::name::{Form, ObjectName};
use crate::streams::Streams;

/// Who puts, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The author puts its own log.
    Author,
    /// Another device passes it on to a sealed remote, or to a device of the same owner.
    RelaySealed,
    /// Another device passes it on in the clear.
    RelayPlain,
}

impl Whose {
    /// Whether a stream may be put.
    fn may_put(self, relay: Relay) -> bool {
        match self {
            Self::Author => true,
            Self::RelaySealed => relay != Relay::Own,
            Self::RelayPlain => relay == Relay::Any,
        }
    }
}

/// An object that a head rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its name.
    pub name: ObjectName,
    /// Its bytes.
    pub bytes: u64,
}

/// All that a head names and that may be put, with the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The list, then segments in the order in which they are put.
    pub objects: Vec<Object>,
    /// The head.
    pub head: Object,
}

impl Closure {
    /// What `signed` names, of the streams that may be put. `segments` is what [`segments`](crate::head::segments) gives.
    pub fn of(signed: &SignedHead, segments: &Segments, whose: Whose, streams: &Streams) -> Self {
        let head: &Head = signed.head();
        let log = head.log();
        let list = head.list.map(|list| Object { name: ObjectName::list(log, list.digest), bytes: list.bytes });
        let mut parts = Vec::new();
        for (stream, segments) in segments {
            // A stream that the head does not name cannot be there; were it, nobody may put it.
            let relay = head.streams.get(stream).map_or(Relay::Own, |state| state.relay);
            if !whose.may_put(relay) {
                continue;
            }
            for (age, segment) in segments.iter().rev().enumerate() {
                let object = Object { name: segment.name(log, stream), bytes: segment.bytes };
                parts.push(((streams.rank(stream), age), object));
            }
        }
        // How far another log may be passed on, this head does not say.
        for served in head.serves.iter().filter(|_| whose != Whose::RelayPlain) {
            let object = Object { name: served.reference.name(log, &served.stream), bytes: served.reference.bytes };
            parts.push(((streams.rank(&served.stream), usize::MAX), object));
        }
        parts.sort();
        let objects = list.into_iter().chain(parts.into_iter().map(|(_, object)| object)).collect();
        Self { objects, head: Object { name: signed.name(), bytes: signed.bytes().len() as u64 } }
    }
}

/// One file that a remote shows for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Under what kind of name.
    pub form: Form,
    /// Its bytes, as listed.
    pub bytes: u64,
    /// Whether it was read and found damaged.
    pub is_damaged: bool,
}

/// What a remote shows. Absence means that it is not there yet, or not shown yet; never that it was removed.
pub type Shown = BTreeMap<ObjectName, Vec<Copy>>;

/// One file to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The object.
    pub object: Object,
    /// The number of the replica to put it as, because a damaged file has taken its name; `None` for its own name.
    pub replica: Option<u8>,
}

/// An object for which there is no free name: its own and those of all nine replicas are taken by damaged files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The object.
    pub name: ObjectName,
    /// Whether it is a large one, which would have followed the head.
    pub is_large: bool,
}

/// What to put, in this order: `before`, the head, `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushPlan {
    /// What must be there before the head.
    pub before: Vec<Put>,
    /// The head, if it is not there.
    pub head: Option<Put>,
    /// Large objects that follow the head, so that they hold nothing up.
    pub after: Vec<Put>,
    /// What cannot be put.
    pub blocked: Vec<Blocked>,
}

/// Compares a closure with what a remote shows. `newest_there` is the number of the newest head of this log that was read
/// and verified at the remote, 0 for none; names alone prove nothing. Where that is newer than this head, a relay puts
/// nothing: what it holds may be superseded. Where it is the same, only what is missing or damaged is put.
pub fn plan_push(closure: &Closure, shown: &Shown, newest_there: u64, whose: Whose) -> PushPlan {
    let mut plan = PushPlan::default();
    let n = match &closure.head.name {
        ObjectName::Head { n, .. } => *n,
        ObjectName::List { .. } | ObjectName::Segment { .. } => 0,
    };
    if whose != Whose::Author && newest_there > n {
        return plan;
    }
    for object in &closure.objects {
        match place(object, shown) {
            Place::There => {}
            Place::Full => {
                plan.blocked.push(Blocked { name: object.name.clone(), is_large: object.bytes > LARGE_OBJECT_BYTES })
            }
            Place::Free(replica) => {
                let put = Put { object: object.clone(), replica };
                let is_large = object.bytes > LARGE_OBJECT_BYTES;
                if is_large { plan.after.push(put) } else { plan.before.push(put) }
            }
        }
    }
    match place(&closure.head, shown) {
        Place::There => {}
        Place::Full => plan.blocked.push(Blocked { name: closure.head.name.clone(), is_large: false }),
        Place::Free(replica) => plan.head = Some(Put { object: closure.head.clone(), replica }),
    }
    plan
}

/// Where an object can be put.
enum Place {
    There,
    Free(Option<u8>),
    Full,
}

fn place(object: &Object, shown: &Shown) -> Place {
    let copies = shown.get(&object.name).map(Vec::as_slice).unwrap_or_default();
    if copies.iter().any(|copy| !copy.is_damaged && copy.bytes == object.bytes) {
        return Place::There;
    }
    let taken: BTreeSet<Form> = copies.iter().map(|copy| copy.form).collect();
    if !taken.contains(&Form::Itself) {
        return Place::Free(None);
    }
    let free = (1..=9).find(|n| !taken.contains(&Form::Replica(*n)));
    free.map_or(Place::Full, |n| Place::Free(Some(n)))
}
