//! What is thought to be in a store when a push begins: what is remembered, or what the store itself says where that is not so.

use std::collections::{BTreeMap, HashSet};

use super::unit::Base;
use super::{Depth, PushError};
use crate::plan::Known;
use crate::sink::{Sink, Stored, summary_of};
use crate::state::State;
use crate::unit::Root;

/// It.
pub(super) struct Standing {
    /// For planning.
    pub known: BTreeMap<String, Known>,
    /// Whether the store was not as remembered.
    pub was_repaired: bool,
    /// Keys of units that this home remembers having pushed.
    made: HashSet<String>,
    /// What the store says, when it was asked: whether it is not believed to be what is remembered, and the mask's stamp there.
    asked: Option<BTreeMap<String, (bool, String)>>,
}

impl Standing {
    /// Compares what is remembered with the store. `is_another`: nothing that is remembered is of this store.
    pub(super) fn of(
        store: &str,
        state: &mut State,
        sink: &mut dyn Sink,
        depth: Depth,
        is_another: bool,
        is_dry: bool,
    ) -> Result<Self, PushError> {
        let theirs = sink.summary()?;
        let (known, ours) =
            if is_another { (BTreeMap::new(), Vec::new()) } else { (state.known(store)?, state.roots(store)?) };
        let is_alike = theirs == summary_of(ours.iter().map(|(key, root)| (key.as_str(), *root)));
        let made = known.iter().filter(|(_, known)| known.is_made()).map(|(key, _)| key.clone()).collect();
        let mut standing = Self { known, was_repaired: is_another || !is_alike, made, asked: None };
        if is_another {
            standing.asked = Some(BTreeMap::new());
        }
        if depth == Depth::Full || !is_alike {
            let roots = sink.roots()?;
            standing.take_word(&roots, &ours.into_iter().collect(), depth);
            if !is_dry {
                state.believe(store, &roots)?;
            }
        }
        Ok(standing)
    }

    fn take_word(&mut self, roots: &BTreeMap<String, Stored>, ours: &BTreeMap<String, Option<Root>>, depth: Depth) {
        // What is not there is new, but what failed still waits.
        self.known.retain(|key, known| {
            if !roots.contains_key(key) {
                known.input = None;
            }
            known.input.is_some() || known.failed_input.is_some() || roots.contains_key(key)
        });
        let mut asked = BTreeMap::new();
        for (key, stored) in roots {
            let is_doubted = depth == Depth::Full || ours.get(key) != Some(&stored.root);
            asked.insert(key.clone(), (is_doubted, stored.mask.clone()));
            let none = || Known { input: None, mask: stored.mask.clone(), retry_at: None, failed_input: None };
            let known = self.known.entry(key.clone()).or_insert_with(none);
            if is_doubted {
                known.input = None;
            }
        }
        if depth == Depth::Full {
            for known in self.known.values_mut() {
                (known.retry_at, known.failed_input) = (None, None);
            }
        }
        self.asked = Some(asked);
    }

    /// Whether this home remembers having pushed a unit.
    pub(super) fn made(&self, key: &str) -> bool {
        self.made.contains(key)
    }

    /// Whether the store has a unit.
    pub(super) fn has(&self, store: &str, state: &State, key: &str) -> Result<bool, PushError> {
        Ok(match &self.asked {
            Some(asked) => asked.contains_key(key),
            None => state.shared(store, key)?.is_some(),
        })
    }

    /// What is thought to be there of a unit, and the mask's stamp that the store has of it.
    pub(super) fn base(&self, store: &str, state: &State, key: &str) -> Result<(Base, Option<String>), PushError> {
        let mask = match &self.asked {
            Some(asked) => match asked.get(key) {
                None => return Ok((Base::New, None)),
                Some((true, mask)) => return Ok((Base::Doubted, Some(mask.clone()))),
                Some((false, mask)) => Some(mask.clone()),
            },
            None => state.shared(store, key)?.map(|(_, mask)| mask),
        };
        let base = match (state.pushed(store, key)?, &mask) {
            (Some(pushed), _) => Base::Known(Box::new(pushed)),
            (None, Some(_)) => Base::Doubted,
            (None, None) => Base::New,
        };
        Ok((base, mask))
    }
}
