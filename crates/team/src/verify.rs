//! Comparing what is in a store with what should be, both ways. Nothing is changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use carry_redact::Redactor;
use carry_sessions::archive::Archive;

use crate::plan::{Known, Wanted};
use crate::push::candidates::Candidates;
use crate::push::shaping::Workshop;
use crate::push::{Progress, PushError, UnitError};
use crate::readback::read_back;
use crate::settings::StoreSettings;
use crate::sink::{Buckets, Class, Client, Held, Sink, Stored};
use crate::state::State;
use crate::unit::{Bucket, Digest, Place, Root, UnitKey, bucket_hash, root};

/// What a comparison needs.
pub struct Verify<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What is known of the store, if anything is.
    pub state: Option<&'a State>,
    /// The store.
    pub sink: &'a mut dyn Sink,
    /// Its settings.
    pub store: &'a StoreSettings,
    /// The redactor (see [`crate::push::redactor`]).
    pub redactor: &'a Redactor,
    /// Who compares. `holder` plays no part: nothing is claimed.
    pub client: Client,
    /// Set to end after the unit at hand.
    pub cancel: &'a AtomicBool,
    /// Told of progress.
    pub progress: &'a dyn Fn(Progress),
}

/// How thoroughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Roots and digests. What this device remembers having made is believed.
    Digests,
    /// Every unit is made anew, and its head and every row read back and their digests computed from what is in them.
    Contents,
}

/// What the comparison found. All lists are of keys, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Units that are as they should be.
    pub same: u64,
    /// Those that should be in the store and are not.
    pub missing: Vec<String>,
    /// Those that are there, but not as they are here now.
    pub different: Vec<String>,
    /// Those that should not be there.
    pub only_there: Vec<String>,
    /// Those that are there, and neither this home remembers having made them nor its archive knows them: another copy of this
    /// home may. Nothing is wrong with these; a full push takes them out.
    pub unknown: Vec<String>,
    /// Those that are there, but not what their digests say; with what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Those that cannot be made here; with the reason.
    pub failed: Vec<(String, String)>,
    /// Those that another device of this owner put; with its origin.
    pub elsewhere: Vec<(String, String)>,
    /// Whether contents were to be read back and the store cannot do so.
    pub is_shallow: bool,
    /// Whether it was cancelled.
    pub was_stopped: bool,
}

impl Verified {
    /// Whether everything that this archive knows of is as it should be.
    pub fn is_good(&self) -> bool {
        let lists = [&self.missing, &self.different, &self.only_there];
        lists.into_iter().all(Vec::is_empty) && self.damaged.is_empty() && self.failed.is_empty()
    }
}

impl Verify<'_> {
    /// Compares.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn run(mut self, how: Thoroughness) -> Result<Verified, PushError> {
        let known = self.state.map(|state| state.store(&self.store.name)).transpose()?.unwrap_or_default();
        let opened = self.sink.look(&self.client)?;
        let is_another = known.store_id.is_some_and(|id| id != opened.store_id)
            || known.owner.is_some_and(|owner| owner != opened.owner);
        if is_another {
            self.state = None;
        }
        let done = self.compare(how, known.elsewhere.into_iter().collect());
        let is_gone = matches!(&done, Err(PushError::Sink(error)) if error.class == Class::Unreachable);
        if !is_gone && let Err(error) = self.sink.close() {
            tracing::debug!(store = self.store.name, %error, "the connection did not end well");
        }
        done
    }

    fn compare(&mut self, how: Thoroughness, elsewhere: BTreeMap<String, String>) -> Result<Verified, PushError> {
        let roots = self.sink.roots()?;
        let candidates = Candidates::of(self.archive, &self.store.shares, self.redactor)?;
        let known = self.state.map(|state| state.known(&self.store.name)).transpose()?.unwrap_or_default();
        let is_known = |key: &&String| candidates.withdraws(key, known.get(*key).is_some_and(Known::is_made));
        let mut found = Verified::default();
        let others = roots.keys().filter(|key| candidates.get(key).is_none());
        (found.only_there, found.unknown) = others.cloned().partition(|key| is_known(&key));
        let of = candidates.wanted.len() as u64;
        for (done, wanted) in (0..).zip(&candidates.wanted) {
            (self.progress)(Progress { done, of });
            if self.cancel.load(Ordering::Relaxed) {
                found.was_stopped = true;
                break;
            }
            let key = wanted.key.to_text();
            let Some((_, sessions)) = candidates.get(&key) else { continue };
            match (roots.get(&key), elsewhere.get(&key)) {
                (Some(stored), _) => self.unit(how, wanted, sessions, stored, &mut found)?,
                (None, Some(origin)) => found.elsewhere.push((key, origin.clone())),
                (None, None) => found.missing.push(key),
            }
        }
        for list in [&mut found.missing, &mut found.different] {
            list.sort_unstable();
        }
        for list in [&mut found.damaged, &mut found.failed, &mut found.elsewhere] {
            list.sort_unstable();
        }
        Ok(found)
    }

    fn unit(
        &mut self,
        how: Thoroughness,
        wanted: &Wanted,
        sessions: &[i64],
        stored: &Stored,
        found: &mut Verified,
    ) -> Result<(), PushError> {
        let key = wanted.key.to_text();
        let ours = match self.should_be(how, &key, wanted, sessions) {
            Ok(Some(root)) => root,
            // It went, or changed its mode, while we looked.
            Ok(None) => return Ok(()),
            Err(UnitError::Fatal(error)) => return Err(error),
            Err(UnitError::Aside { why, .. }) => {
                found.failed.push((key, why));
                return Ok(());
            }
            Err(UnitError::Moved | UnitError::Elsewhere(_) | UnitError::Stopped) => return Ok(()),
        };
        let held = self.sink.held(&wanted.key, &Buckets::All)?.unwrap_or_default();
        let damage = match (damage(&held), how) {
            (Some(what), _) => Some(what),
            (None, Thoroughness::Digests) => None,
            (None, Thoroughness::Contents) => self.contents(&wanted.key, &held, &mut found.is_shallow)?,
        };
        match damage {
            Some(what) => found.damaged.push((key, what)),
            None if held.root == Some(ours) && stored.root == Some(ours) => found.same += 1,
            None => found.different.push(key),
        }
        Ok(())
    }

    /// The root that a unit should have.
    fn should_be(
        &self,
        how: Thoroughness,
        key: &str,
        wanted: &Wanted,
        sessions: &[i64],
    ) -> Result<Option<Root>, UnitError> {
        if how == Thoroughness::Digests
            && let Some(state) = self.state
            && let Some(pushed) = state.pushed(&self.store.name, key)?
            && pushed.input == wanted.input
            && pushed.mask == self.redactor.stamp()
        {
            return Ok(Some(pushed.root));
        }
        let (shares, redactor) = (&self.store.shares, self.redactor);
        let workshop = Workshop { archive: self.archive, shares, redactor, key: &[0; 32] };
        let _snapshot = self.archive.snapshot()?;
        let Some(material) = workshop.material(wanted, sessions)? else { return Ok(None) };
        let mut shaping = workshop.begin(&material, None)?;
        while shaping.next()?.is_some() {}
        Ok(Some(shaping.finish().root))
    }

    /// What is wrong with a unit, when it is read back.
    fn contents(&mut self, key: &UnitKey, held: &Held, is_shallow: &mut bool) -> Result<Option<String>, PushError> {
        let Some(wrong) = read_back(self.sink, key, held)? else {
            *is_shallow = true;
            return Ok(None);
        };
        let what =
            if wrong.is_head { Some("its head".to_owned()) } else { wrong.rows.first().map(|place| name(*place)) };
        Ok(what.map(|what| format!("{what} is not what was put there")))
    }
}

/// What is wrong with a unit by its digests alone.
fn damage(held: &Held) -> Option<String> {
    let Some(said) = held.root else { return Some("it has no root".to_owned()) };
    let Some(head) = held.head else { return Some("it has no head".to_owned()) };
    if let Some((place, _)) = held.rows.iter().find(|(_, digest)| **digest == [0; 32]) {
        return Some(format!("{} cannot be right", name(*place)));
    }
    let mut buckets: BTreeMap<Bucket, BTreeMap<Place, &Digest>> = BTreeMap::new();
    for (place, digest) in &held.rows {
        buckets.entry(place.bucket()).or_default().insert(*place, digest);
    }
    let hashes: BTreeMap<Bucket, Digest> =
        buckets.into_iter().map(|(bucket, rows)| (bucket, bucket_hash(rows))).collect();
    let made = root(&head, hashes.iter().map(|(bucket, hash)| (*bucket, hash)));
    (made != said).then(|| "rows are missing, or not those that were put there".to_owned())
}

/// What a place is called.
fn name(place: Place) -> String {
    match place {
        Place::Message(ordinal) => format!("message {ordinal}"),
        Place::Result { ordinal, index, event } => format!("output {event} of call {index} of message {ordinal}"),
        Place::Words(bucket) => format!("the words of messages from {} on", bucket.ordinals().start()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
