//! The repositories that take part: registered, there, and not switched off.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use carry_exchange::name::LogId;
use carry_kernel::id::TreeId;

use super::identity::{self, Identity, RepositoryId};
use super::payload::LinePayload;
use super::{CodeStrand, StreamError};
use crate::git::ObjectId;
use crate::registry::{KnownRepository, Presence, Tree};
use crate::repo::Repo;

/// A repository with its registered working trees.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) repo: Repo,
    pub(super) trees: Vec<Tree>,
    pub(super) identity: Identity,
    /// What it is called when it is said; `None` until it was.
    pub(super) id: Option<RepositoryId>,
}

/// What records that came say of repositories, by log and what they are called there.
pub(super) type Identities = HashMap<(LogId, RepositoryId), Vec<Identity>>;

impl Place {
    pub(super) fn common_dir(&self) -> PathBuf {
        self.repo.common_dir().to_owned()
    }

    /// Whether a working tree of it is registered under this id.
    pub(super) fn has_tree(&self, tree: &TreeId) -> bool {
        self.trees.iter().any(|known| known.id == *tree)
    }
}

impl CodeStrand {
    /// All that take part. One that cannot be read is left out and logged; it stands in nobody's way.
    pub(super) fn places(&mut self) -> Result<Vec<Place>, StreamError> {
        if let Some(known) = &self.places {
            return Ok(known.clone());
        }
        let mut by_dir: BTreeMap<PathBuf, Vec<Tree>> = BTreeMap::new();
        for tree in self.registry.trees()? {
            let is_there = self.registry.presence(&tree) == Presence::Present;
            if is_there && self.ctx.config(Some(&tree.root)).bool("code.exchange") {
                by_dir.entry(tree.common_dir.clone()).or_default().push(tree);
            }
        }
        let mut places = Vec::new();
        for trees in by_dir.into_values() {
            let root = trees[0].root.clone();
            match self.place(trees) {
                Ok(place) => places.push(place),
                Err(error @ (StreamError::Db(_) | StreamError::Store(_))) => return Err(error),
                Err(error) => {
                    tracing::warn!(root = %root.display(), %error, "a repository takes no part in the exchange")
                }
            }
        }
        self.places = Some(places.clone());
        Ok(places)
    }

    fn place(&mut self, trees: Vec<Tree>) -> Result<Place, StreamError> {
        let repo = Repo::open(&trees[0].root)?;
        let mut heads: Vec<ObjectId> = Vec::new();
        for tree in &trees {
            // One worktree in ruins says nothing about the others.
            let head = Repo::open(&tree.root).and_then(|repo| repo.head());
            heads.extend(head.ok().and_then(|head| head.commit));
        }
        heads.sort();
        heads.dedup();
        let known = self.registry.exchange_repository(repo.common_dir())?;
        let KnownRepository { id, heads: before, roots: known_roots } = known.unwrap_or_default();
        let roots = if before == heads && (!known_roots.is_empty() || heads.is_empty()) {
            known_roots
        } else {
            let roots = identity::roots(&repo, &heads, &before, &known_roots)?;
            self.registry.note_exchange_repository(repo.common_dir(), None, &heads, &roots)?;
            roots
        };
        let urls = identity::urls(&repo);
        let identity = Identity { name: identity::name(&repo, &urls), hash: repo.hash(), urls, roots };
        Ok(Place { repo, trees, identity, id: id.and_then(|id| id.parse().ok()) })
    }

    /// What a repository is called from now on.
    pub(super) fn name_place(&mut self, place: &mut Place) -> Result<RepositoryId, StreamError> {
        if let Some(id) = &place.id {
            return Ok(id.clone());
        }
        let id = place.identity.first_id().unwrap_or_else(|| RepositoryId::of_tree(&place.trees[0].id));
        let dir = place.common_dir();
        let KnownRepository { heads, roots, .. } = self.registry.exchange_repository(&dir)?.unwrap_or_default();
        self.registry.note_exchange_repository(&dir, Some(id.as_str()), &heads, &roots)?;
        place.id = Some(id.clone());
        self.places = None;
        Ok(id)
    }

    /// Where a line belongs that came.
    pub(super) fn places_for(&mut self, log: LogId, line: &LinePayload) -> Result<Vec<Place>, StreamError> {
        let bound = self.registry.bound(log, line.id.as_str())?;
        let mut places = self.places()?;
        places.retain(|place| {
            let is_hash = place.identity.hash == line.identity.hash;
            is_hash && (bound.contains(&place.common_dir()) || place.identity.is(&line.identity))
        });
        Ok(places)
    }

    /// Where a pack belongs of which nothing but its repository's id is known. A record that came says more.
    pub(super) fn places_of_id(
        &mut self,
        log: LogId,
        id: &RepositoryId,
        hash: crate::git::HashKind,
    ) -> Result<Vec<Place>, StreamError> {
        if self.identities.is_none() {
            let mut all = Identities::new();
            for came in self.registry.came()? {
                let Ok(line) = LinePayload::parse(&came.payload) else { continue };
                let known = all.entry((came.log, line.id)).or_default();
                if !known.contains(&line.identity) {
                    known.push(line.identity);
                }
            }
            self.identities = Some(all);
        }
        let all = self.identities.as_ref().and_then(|all| all.get(&(log, id.clone())));
        let identities: Vec<Identity> = all.cloned().unwrap_or_default();
        let bound = self.registry.bound(log, id.as_str())?;
        let mut places = self.places()?;
        places.retain(|place| {
            let is_known = if identities.is_empty() {
                place.identity.ids().contains(id) || place.id.as_ref() == Some(id)
            } else {
                identities.iter().any(|identity| place.identity.is(identity))
            };
            place.identity.hash == hash && (bound.contains(&place.common_dir()) || is_known)
        });
        Ok(places)
    }
}
