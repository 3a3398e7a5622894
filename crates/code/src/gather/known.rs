//! What is known of a remote's refs before it is asked, so that only what differs is fetched.

use std::collections::{BTreeMap, HashSet};

use carry_kernel::id::{DeviceId, TreeId};

use crate::context::Context;
use crate::git::ObjectId;
use crate::line::{LINES, LineName};
use crate::publish::Published;
use crate::pulsar::{FETCHED, Stream};
use crate::registry::{Registry, Tree};
use crate::remote::{Listing, Remote, RemoteError};
use crate::repo::Repo;
use crate::seal::Seal;
use crate::{history, refs};

/// A ref to fetch, and its value there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// One of our own lines, that says something else than what we know of.
    Own {
        /// The line.
        name: LineName,
        /// Its value there.
        value: ObjectId,
    },
    /// A line of another device, or of another clone on this one.
    Line {
        /// The line.
        name: LineName,
        /// Its value there.
        value: ObjectId,
    },
    /// A stream of git-pulsar.
    Stream {
        /// The stream.
        stream: Stream,
        /// Its value there.
        value: ObjectId,
    },
}

impl Want {
    /// The ref there.
    pub(super) fn ref_name(&self) -> String {
        match self {
            Self::Own { name, .. } | Self::Line { name, .. } => name.ref_name(),
            Self::Stream { stream, .. } => stream.remote_ref(),
        }
    }

    /// The id under which its writer is approved.
    fn writer(&self) -> String {
        match self {
            Self::Own { name, .. } | Self::Line { name, .. } => name.device.as_str().to_owned(),
            Self::Stream { stream, .. } => stream.writer().id(),
        }
    }
}

/// What is known.
#[derive(Debug)]
pub(super) struct Known {
    /// This device, as it is when this is read.
    pub(super) device: DeviceId,
    /// Our lines as they lie on the remote, as last known, by ref.
    pub(super) published: BTreeMap<String, Published>,
    /// Lines as they are here.
    local: BTreeMap<String, ObjectId>,
    /// Streams as they were fetched.
    streams: BTreeMap<String, ObjectId>,
    /// Trees that are registered here.
    trees: HashSet<TreeId>,
    /// Lines of this device that stand on a keeper, and so were made here.
    kept: HashSet<LineName>,
    /// Devices and streams that are approved, by id.
    approved: HashSet<String>,
}

impl Known {
    pub(super) fn read(
        ctx: &Context,
        repo: &Repo,
        trees: &[Tree],
        remote: &Remote,
        registry: &Registry,
    ) -> Result<Self, RemoteError> {
        let device = ctx.device.id();
        let local: BTreeMap<String, ObjectId> = refs::list(repo, LINES)?.into_iter().collect();
        let gix = repo.gix();
        let own = local.iter().filter_map(|(name, value)| Some((LineName::from_ref(name)?, *value)));
        let own = own.filter(|(name, _)| name.device == device);
        let kept = own.filter(|(_, value)| history::keeper(&gix, *value).is_ok() && !is_seal(&gix, *value));
        let published = registry.published(repo.common_dir(), &remote.key())?;
        let approved = registry.devices()?.into_iter().filter(|device| device.approved.is_some());
        Ok(Self {
            approved: approved.map(|device| device.id).collect(),
            kept: kept.map(|(name, _)| name).collect(),
            published: published.into_iter().map(|row| (row.line.ref_name(), row)).collect(),
            streams: refs::list(repo, FETCHED)?.into_iter().collect(),
            trees: trees.iter().map(|tree| tree.id.clone()).collect(),
            device,
            local,
        })
    }

    /// Whether the line is one that this device writes in this repository. One of another clone on this device is not.
    pub(super) fn is_own(&self, name: &LineName) -> bool {
        name.device == self.device && (self.trees.contains(&name.tree) || self.kept.contains(name))
    }

    /// The value of a line here.
    pub(super) fn local(&self, name: &LineName) -> Option<ObjectId> {
        self.local.get(&name.ref_name()).copied()
    }

    /// The keeper of an own line here; `None` when there is none.
    pub(super) fn keeper(&self, name: &LineName) -> Option<ObjectId> {
        self.local(name).filter(|_| self.kept.contains(name))
    }

    /// The value of a stream as it was fetched last.
    pub(super) fn stream(&self, stream: &Stream) -> Option<ObjectId> {
        self.streams.get(&stream.fetched_ref()).copied()
    }

    /// What of `listing` is to be fetched. Our own lines and those of approved devices come first, and of each those that
    /// are here already: where only so many can be fetched, no number of others hides them.
    pub(super) fn wants(&self, listing: &Listing) -> Vec<Want> {
        let want = |(name, value): &(String, ObjectId)| {
            let value = *value;
            match LineName::from_ref(name) {
                Some(line) if self.is_own(&line) => {
                    let known = self.published.get(name).and_then(|row| row.seal);
                    // Here it may be gone, where the repository was made anew.
                    let is_known = known == Some(value) && self.keeper(&line).is_some();
                    (!is_known).then_some(Want::Own { name: line, value })
                }
                Some(line) => (self.local(&line) != Some(value)).then_some(Want::Line { name: line, value }),
                None => {
                    let stream = Stream::from_remote(name)?;
                    (self.stream(&stream) != Some(value)).then_some(Want::Stream { stream, value })
                }
            }
        };
        let mut wants: Vec<Want> = listing.refs.iter().filter_map(want).collect();
        wants.sort_by_cached_key(|want| {
            let is_own = matches!(want, Want::Own { .. });
            // Anybody can make a ref that bears somebody's id; what is here was verified.
            (!(is_own || self.approved.contains(&want.writer())), !self.is_here(want), !is_own)
        });
        wants
    }

    fn is_here(&self, want: &Want) -> bool {
        match want {
            Want::Own { name, .. } | Want::Line { name, .. } => self.local(name).is_some(),
            Want::Stream { stream, .. } => self.stream(stream).is_some(),
        }
    }
}

/// Whether `commit` is a seal, whoever's.
pub(super) fn is_seal(gix: &gix::Repository, commit: ObjectId) -> bool {
    read_seal(gix, commit).is_ok()
}

/// A seal and its bytes, its signature checked; or what is wrong.
pub(super) fn read_seal(gix: &gix::Repository, commit: ObjectId) -> Result<(Seal, Vec<u8>), String> {
    let raw = history::find_commit(gix, commit).map_err(|e| e.to_string())?.detach().data;
    let seal = Seal::from_commit(commit, &raw).map_err(|e| e.problem)?;
    Ok((seal, raw))
}
