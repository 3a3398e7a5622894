//! Lines with vectors, and other devices that seal theirs, for tests.

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;
use carry_kernel::id::{DeviceId, TreeId};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use crate::git::ObjectId;
use crate::keeper::keeper_bytes;
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::prune::fixture::{NOW, World};
use crate::seal::Seal;
use crate::seen::{Seen, Source};
use crate::snapshot::{Meta, Snapshot};
use crate::{history, refs};

/// Another device with one working tree.
pub(crate) struct Other {
    pub(crate) signer: SigningKey,
    pub(crate) id: DeviceId,
    pub(crate) tree: TreeId,
    pub(crate) label: String,
}

/// What a snapshot says.
#[derive(Clone)]
pub(crate) struct Wrote {
    pub(crate) branch: Branch,
    pub(crate) content: ObjectId,
    pub(crate) head: Option<ObjectId>,
    pub(crate) seen: Seen,
    pub(crate) time: Timestamp,
    pub(crate) finished: bool,
}

impl Wrote {
    /// On `main`, of the tree `content`.
    pub(crate) fn new(content: ObjectId, seen: &[(Source, u64)]) -> Self {
        Self {
            branch: Branch::Named("main".into()),
            content,
            head: None,
            seen: seen.iter().cloned().collect(),
            time: NOW,
            finished: false,
        }
    }
}

impl Other {
    /// The same `host` gives the same device.
    pub(crate) fn new(host: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(host).into();
        let signer = SigningKey::from_bytes(&hash);
        let id = DeviceId::new(host, signer.verifying_key().as_bytes());
        let tree: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { signer, id, tree: tree.parse().unwrap(), label: host.to_uppercase() }
    }

    pub(crate) fn key(&self) -> [u8; 32] {
        self.signer.verifying_key().to_bytes()
    }

    pub(crate) fn source(&self) -> Source {
        Source::line(&self.id, &self.tree)
    }

    pub(crate) fn line(&self, branch: &Branch) -> LineName {
        LineName::new(&self.id, &self.tree, branch)
    }

    /// Writes a snapshot on top of its line as it is here, seals it, and puts the line there, as a fetch would.
    pub(crate) fn publishes(&self, world: &World, wrote: &Wrote) -> Snapshot {
        let name = self.line(&wrote.branch);
        let before = history::line(&world.repo(), &name).unwrap();
        let (snapshot, keeper) = write(world, &self.id, &self.tree, wrote, before.as_ref().map(|line| line.keeper));
        let count = before.as_ref().and_then(|line| line.seal.as_ref()).map_or(1, |seal| seal.count + 1);
        let seal = self.seal(world, &snapshot, keeper, count, wrote.finished);
        refs::update(&world.repo(), &name.ref_name(), before.map(|line| line.tip), seal).unwrap();
        snapshot
    }

    /// A seal of its on `keeper`, which keeps `snapshot`, of the line that this is of.
    pub(crate) fn seal(
        &self,
        world: &World,
        snapshot: &Snapshot,
        keeper: ObjectId,
        count: u64,
        finished: bool,
    ) -> ObjectId {
        let seal = Seal {
            line: self.line(&snapshot.meta.branch),
            branch: snapshot.meta.branch.clone(),
            keeper,
            label: self.label.clone(),
            key: self.key(),
            count,
            finished,
        };
        let sign = |bytes: &[u8]| self.signer.sign(bytes).to_bytes();
        world.object(Kind::Commit, &seal.to_commit(snapshot.tree, snapshot.time, &sign))
    }
}

/// Writes a snapshot and the keeper that holds it on top of `previous`. No ref is moved.
pub(crate) fn write(
    world: &World,
    device: &DeviceId,
    tree: &TreeId,
    wrote: &Wrote,
    previous: Option<ObjectId>,
) -> (Snapshot, ObjectId) {
    let repo = world.repo();
    let meta = Meta {
        subject: "by hand".to_owned(),
        device: device.clone(),
        tree_id: tree.clone(),
        branch: wrote.branch.clone(),
        head: wrote.head,
        staged: None,
        hlc: Hlc { wall_ms: u64::try_from(wrote.time.as_millis()).unwrap(), counter: 0 },
        seen: wrote.seen.clone(),
        state: None,
        skipped: vec![],
        skipped_more: 0,
        nested: vec![],
        bytes: 100,
    };
    let parents: String = wrote.head.iter().map(|id| format!("parent {id}\n")).collect();
    let who = format!("Carry <carry@localhost> {} +0000", wrote.time.as_secs());
    let header = format!("tree {}\n{parents}author {who}\ncommitter {who}\n\n", wrote.content);
    let mut batch = Batch::new(repo.hash());
    let commit = batch.add(Kind::Commit, &[header.as_bytes(), &meta.to_message()].concat());
    let keeper = batch.add(Kind::Commit, &keeper_bytes(commit, wrote.content, previous, wrote.time));
    batch.write(&repo.objects_dir()).unwrap();
    (history::snapshot(&world.repo().gix(), commit).unwrap(), keeper)
}

/// The source of the world's own working tree.
pub(crate) fn own_source(world: &World) -> Source {
    Source::line(&world.ctx.device.id(), &world.tree)
}

/// Puts a snapshot on the world's own line.
pub(crate) fn own(world: &World, wrote: &Wrote) -> Snapshot {
    let device = world.ctx.device.id();
    let name = LineName::new(&device, &world.tree, &wrote.branch);
    let before = history::line(&world.repo(), &name).unwrap().map(|line| line.tip);
    let (snapshot, keeper) = write(world, &device, &world.tree, wrote, before);
    refs::update(&world.repo(), &name.ref_name(), before, keeper).unwrap();
    snapshot
}
