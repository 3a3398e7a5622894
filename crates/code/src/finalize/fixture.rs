//! Lines of several devices in one repository, made by hand.

use carry_kernel::device::Device;
use carry_kernel::hlc::Hlc;
use carry_kernel::home::Home;
use carry_kernel::id::TreeId;

use crate::git::{BStr, ObjectId};
use crate::keeper::keeper_bytes;
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::prune::fixture::{NOW, World};
use crate::registry::{Registry, Tree};
use crate::seal::Seal;
use crate::seen::{Seen, Source};
use crate::snapshot::{Meta, SkipReason, Skipped, Snapshot, State};
use crate::{diff, history, refs, tree};

/// Somebody who writes a line.
pub(super) struct Who {
    device: Device,
    tree: TreeId,
    is_ours: bool,
}

/// What a snapshot says beside what it holds.
#[derive(Clone, Default)]
pub(super) struct Says {
    pub(super) seen: Vec<(Source, u64)>,
    pub(super) head: Option<ObjectId>,
    pub(super) state: Option<State>,
    pub(super) skipped: Vec<(&'static str, SkipReason)>,
    pub(super) finished: bool,
}

impl Who {
    pub(super) fn source(&self) -> Source {
        Source::line(self.device.id(), &self.tree)
    }
}

impl World {
    /// The working tree that tests work in.
    pub(super) fn us(&self) -> Who {
        Who { device: (*self.ctx.device.get()).clone(), tree: self.tree.clone(), is_ours: true }
    }

    /// Another device, known here, and approved or not.
    pub(super) fn device(&self, name: &str, approved: bool) -> Who {
        let device = Device::load_or_create(&Home::at(self.home.path().join(name)), name).unwrap();
        let mut registry = Registry::open(&self.ctx.home).unwrap();
        registry.note_device(device.id().as_str(), Some(device.public_key()), name, NOW).unwrap();
        if approved {
            assert!(registry.approve_device(device.id().as_str(), NOW).unwrap());
        }
        Who { device, tree: "0123456789ab".parse().unwrap(), is_ours: false }
    }

    pub(super) fn registered(&self) -> Tree {
        Registry::open(&self.ctx.home).unwrap().trees().unwrap().remove(0)
    }

    /// A tree of these files, which must come in order.
    pub(super) fn files(&self, files: &[(&str, &str)]) -> ObjectId {
        let mut batch = Batch::new(self.repo().hash());
        let blobs: Vec<ObjectId> = files.iter().map(|(_, content)| batch.add(Kind::Blob, content.as_bytes())).collect();
        let entries = files.iter().zip(&blobs).map(|((path, _), id)| (diff::mode::FILE, *id, BStr::new(*path)));
        let tree = tree::build(entries, &mut |bytes| batch.add(Kind::Tree, bytes));
        batch.write(&self.repo().objects_dir()).unwrap();
        tree
    }

    /// A snapshot of `tree` on the line of `who` on `main`, with HEAD where it is here unless said otherwise.
    pub(super) fn writes(&self, who: &Who, tree: ObjectId, says: Says) -> Snapshot {
        self.writes_on("main", who, tree, says)
    }

    pub(super) fn writes_on(&self, branch: &str, who: &Who, tree: ObjectId, says: Says) -> Snapshot {
        let repo = self.repo();
        let branch = Branch::Named(branch.into());
        let line = LineName::new(who.device.id(), &who.tree, &branch);
        let at = refs::read(&repo, &line.ref_name()).unwrap();
        let keeper_before = at.map(|at| if who.is_ours { at } else { self.parent(at) });
        let before = keeper_before.map(|keeper| history::keeper(&repo.gix(), keeper).unwrap().0);
        let count = before.as_ref().map_or(0, |before| before.meta.seen.get(&who.source())) + 1;
        let mut seen: Seen = before.map(|before| before.meta.seen).unwrap_or_default();
        seen = seen.union(&says.seen.into_iter().collect());
        seen.set(who.source(), count);
        let head = says.head.or(repo.head().unwrap().commit);
        let skipped = says.skipped.into_iter().map(|(path, reason)| Skipped { path: path.into(), reason });
        let meta = Meta {
            subject: format!("snapshot {count}"),
            device: who.device.id().clone(),
            tree_id: who.tree.clone(),
            branch: branch.clone(),
            head,
            staged: None,
            hlc: Hlc { wall_ms: u64::try_from(NOW.as_millis()).unwrap(), counter: u16::try_from(count).unwrap() },
            seen,
            state: says.state,
            skipped: skipped.collect(),
            skipped_more: 0,
            nested: vec![],
            bytes: 100,
        };
        let parents: String = head.iter().map(|id| format!("parent {id}\n")).collect();
        let by = format!("Carry <carry@localhost> {} +0000", NOW.as_secs());
        let raw = [format!("tree {tree}\n{parents}author {by}\ncommitter {by}\n\n").into_bytes(), meta.to_message()];
        let mut batch = Batch::new(repo.hash());
        let commit = batch.add(Kind::Commit, &raw.concat());
        let keeper = batch.add(Kind::Commit, &keeper_bytes(commit, tree, keeper_before, NOW));
        let seal = Seal {
            line: line.clone(),
            branch,
            keeper,
            label: who.device.label().to_owned(),
            key: who.device.public_key(),
            count,
            finished: says.finished,
        };
        let seal = seal.to_commit(tree, NOW, &|bytes| who.device.sign(bytes));
        let end = if who.is_ours { keeper } else { batch.add(Kind::Commit, &seal) };
        batch.write(&repo.objects_dir()).unwrap();
        refs::update(&repo, &line.ref_name(), at, end).unwrap();
        history::snapshot(&self.repo().gix(), commit).unwrap()
    }

    fn parent(&self, commit: ObjectId) -> ObjectId {
        self.git.id(&format!("{commit}^"))
    }

    /// What a file of a tree holds; `None` when it has none.
    pub(super) fn show(&self, tree: ObjectId, path: &str) -> Option<String> {
        let output = self.git.try_git(&["cat-file", "blob", &format!("{tree}:{path}")]);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}
