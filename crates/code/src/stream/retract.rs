//! Taking back what a log brought that does not count any more.

use carry_exchange::store::StoreError;
use carry_exchange::strand::{Origin, outbox};

use super::fold::is_ours;
use super::places::Place;
use super::{CodeStrand, StreamError, intake};
use crate::line::LineName;
use crate::refs::{self, RefError};
use crate::registry::{self, CamePlace, Left};

/// See [`carry_exchange::strand::Strand::retract`]. Of each line only its newest record is kept, so that everything of the
/// origin is taken back; what still counts is handed over again.
///
/// A ref that is where the exchange moved it goes. What a Git remote has of it as well comes again with the next fetch. One
/// that was moved on since stays and is named.
pub(super) fn retract(strand: &mut CodeStrand, origin: &Origin, after: u64) -> Result<(), StreamError> {
    let came: Vec<_> = strand
        .registry
        .came()?
        .into_iter()
        .filter(|came| came.log == origin.log && came.track == origin.track)
        .collect();
    let is_touched = came.iter().any(|came| came.seq > after);
    let mut left = Vec::new();
    if is_touched {
        let places = strand.places()?;
        for came in &came {
            for place in strand.registry.places_of(came)? {
                match places.iter().find(|known| known.common_dir() == place.common_dir) {
                    Some(known) => left.extend(take_back(known, &place)?),
                    None if place.value.is_some() => left.push(of(&place, "its repository is not there")),
                    None => {}
                }
            }
        }
        for place in &places {
            intake::let_go(&place.repo, origin.log)?;
        }
    }
    strand.registry.db().write(|tx| {
        if is_touched {
            registry::drop_came(tx, origin.log, origin.track)?;
            for one in &left {
                registry::put_left(tx, origin.log, one)?;
            }
        }
        outbox::uncover(tx, origin, if is_touched { 0 } else { after })?;
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

/// Removes a ref; or says why it stays.
fn take_back(known: &Place, place: &CamePlace) -> Result<Option<Left>, StreamError> {
    let (Some(value), Some(name)) = (place.value, LineName::from_ref(&place.ref_name)) else { return Ok(None) };
    if refs::read(&known.repo, &place.ref_name)?.is_none() {
        return Ok(None);
    }
    if known.has_tree(&name.tree) {
        return Ok(Some(of(place, "it is a line of a working tree here")));
    }
    if !is_ours(&known.repo, &name, value)? {
        return Ok(Some(of(place, "it was moved on since, by a Git remote or another log")));
    }
    match refs::delete(&known.repo, &place.ref_name, value) {
        Ok(()) => Ok(None),
        Err(RefError::Moved { .. }) => Ok(Some(of(place, "it was moved on since"))),
        Err(error) => Err(error.into()),
    }
}

fn of(place: &CamePlace, why: &str) -> Left {
    Left { common_dir: place.common_dir.clone(), ref_name: place.ref_name.clone(), why: why.to_owned() }
}
