//! How a head stands to the one that is known of its log: whether to follow it.

use std::cmp::Ordering;

use super::SignedHead;
use crate::hash::Digest;
use crate::name::StreamName;

/// How a head stands to the one that is followed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is that one.
    Same,
    /// It is later and covers all that that one does: follow it. `unchecked` names the streams whose chains could not be
    /// compared yet; they are compared when their records come.
    Newer {
        /// Streams that go on from a place at which no chain is known here.
        unchecked: Vec<StreamName>,
    },
    /// It is earlier, and its chains lead to those that are known: an old head that was put again, or came late.
    Older,
    /// It covers less, and whether its chains lead to those that are known cannot be told: the records there are not held yet.
    /// It may be an old head, a fork's, or one to refuse.
    Unclear,
    /// It is later and covers less of this stream: never followed.
    Less(StreamName),
    /// It is another of the same number, has a smaller one and yet goes further, or a greater one and goes further in one stream
    /// and less far in another: two copies of a home write this log, though no chain differs where that can be told yet.
    Twin,
    /// Two chains of this stream differ at or before the place where both can be computed: the log was forked.
    Fork {
        /// The stream.
        stream: StreamName,
        /// A place at which the chains differ. The first one may be earlier.
        at: u64,
    },
}

/// Compares a verified head with the one of the same log that is followed so far. `mark` gives the chain after a record as it
/// is known here, of the log that `known` speaks for; `None` where it cannot be told.
///
/// A fork is named before anything else, since a head that was made apart may well cover more.
pub fn standing(known: &SignedHead, other: &SignedHead, mark: &dyn Fn(&StreamName, u64) -> Option<Digest>) -> Standing {
    if known.digest() == other.digest() {
        return Standing::Same;
    }
    let (ours, theirs) = (known.head(), other.head());
    let (mut unchecked, mut less) = (Vec::new(), None);
    let mut is_unclear = false;
    let mut is_more = theirs.streams.keys().any(|stream| !ours.streams.contains_key(stream));
    for (stream, state) in &ours.streams {
        let Some(found) = theirs.streams.get(stream) else {
            less.get_or_insert_with(|| stream.clone());
            continue;
        };
        let chain_here = if found.last == state.last { Some(state.chain) } else { mark(stream, found.last) };
        is_more |= found.last > state.last;
        if found.last < state.last {
            is_unclear |= chain_here.is_none();
            less.get_or_insert_with(|| stream.clone());
        } else if found.last > state.last && chain_here.is_none() {
            // Its own tail may not say what its chain was here, so that is seen when its records come.
            unchecked.push(stream.clone());
        }
        if chain_here.is_some_and(|chain| chain != found.chain) {
            return Standing::Fork { stream: stream.clone(), at: found.last };
        }
    }
    match (theirs.n.cmp(&ours.n), less) {
        (Ordering::Less, _) if !is_more && is_unclear => Standing::Unclear,
        (Ordering::Less, _) if !is_more => Standing::Older,
        (Ordering::Less | Ordering::Equal, _) => Standing::Twin,
        (Ordering::Greater, Some(_)) if is_unclear => Standing::Unclear,
        // It went on apart: who only went back has nothing more.
        (Ordering::Greater, Some(_)) if is_more => Standing::Twin,
        (Ordering::Greater, Some(stream)) => Standing::Less(stream),
        (Ordering::Greater, None) => Standing::Newer { unchecked },
    }
}
