//! Two devices with a clone each.

use carry_code::context::Context;
use carry_code::git::{BString, ObjectId};
use carry_code::handoff::{self, Done, Handoff, HandoffError, Interrupted, Undo};
use carry_code::line::{Branch, LineName};
use carry_code::merge::Choice;
use carry_code::registry::{Registry, Tree};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_code::tips::{Tip, Trust, Writer};
use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::git_tree::git_tree_of;
use carry_testkit::repo::TestRepo;

use crate::rig::{Rig, snapshot_of};

/// The snapshot as a tip of somebody trusted.
pub(super) fn tip_of(snapshot: &Snapshot) -> Tip {
    let meta = &snapshot.meta;
    Tip {
        writer: Writer::Carry {
            line: LineName::new(&meta.device, &meta.tree_id, &meta.branch),
            label: "desk".to_owned(),
            key: None,
        },
        trust: Trust::Approved,
        branch: meta.branch.clone(),
        commit: snapshot.commit,
        tree: snapshot.tree,
        head: meta.head,
        staged: meta.staged,
        time: snapshot.time,
        seen: meta.seen.clone(),
        skipped: meta.skipped.clone(),
        skipped_more: meta.skipped_more,
        finished: false,
    }
}

/// Two clones of one repository.
pub(super) struct Pair {
    pub(super) ours: Rig,
    pub(super) theirs: Rig,
}

impl Pair {
    /// With what `make` commits.
    pub(super) fn new(make: impl FnOnce(&TestRepo)) -> Self {
        Self::with(TestRepo::new(), make)
    }

    /// The same, ours being this empty repository.
    pub(super) fn with(ours: TestRepo, make: impl FnOnce(&TestRepo)) -> Self {
        let theirs = TestRepo::new();
        make(&theirs);
        if theirs.try_git(["rev-parse", "--verify", "HEAD"]).status.success() {
            ours.git(["fetch", "-q", theirs.root().to_str().unwrap(), "main"]);
            ours.git(["reset", "-q", "--hard", "FETCH_HEAD"]);
        }
        Self { ours: Rig::over(ours), theirs: Rig::over(theirs) }
    }

    /// After theirs took over from ours, so that what they do next is newer.
    pub(super) fn seen(make: impl FnOnce(&TestRepo)) -> Self {
        Self::new(make).handed_over()
    }

    /// After theirs took over from ours.
    pub(super) fn handed_over(mut self) -> Self {
        std::mem::swap(&mut self.ours, &mut self.theirs);
        self.take();
        std::mem::swap(&mut self.ours, &mut self.theirs);
        self
    }

    /// Captures theirs and brings it here.
    pub(super) fn fetch(&mut self) -> Tip {
        let tip = tip_of(&capture(&mut self.theirs));
        let root = self.theirs.git.root().to_str().unwrap().to_owned();
        let lines = format!("refs/carry/{}/*", self.theirs.ctx.device.id());
        self.ours.git.git(["fetch", "-q", &root, &format!("+{lines}:{lines}")]);
        tip
    }

    /// Plans to take over what they have.
    #[track_caller]
    pub(super) fn plan(&mut self) -> Handoff {
        self.try_plan(None).unwrap()
    }

    pub(super) fn try_plan(&mut self, switch: Option<&Branch>) -> Result<Handoff, HandoffError> {
        let tip = self.fetch();
        let current = capture(&mut self.ours);
        let Rig { ctx, tree, .. } = &self.ours;
        handoff::plan(ctx, &repo(&self.ours), tree, &current, &tip, switch)
    }

    #[track_caller]
    pub(super) fn take(&mut self) -> Done {
        let handoff = self.plan();
        self.carry_out(handoff, &[])
    }

    #[track_caller]
    pub(super) fn carry_out(&mut self, mut handoff: Handoff, choices: &[(&str, Choice)]) -> Done {
        let choices: Vec<(BString, Choice)> =
            choices.iter().map(|(path, choice)| (BString::from(*path), *choice)).collect();
        let Rig { ctx, tree, .. } = &self.ours;
        let repo = repo(&self.ours);
        let files = handoff::files(&repo, &mut handoff, &choices).unwrap();
        let done = handoff::execute(ctx, &repo, tree, &handoff, &files, "sync desk").unwrap();
        assert!(done.finished, "{done:?}");
        assert_eq!((&done.files.failed, &done.staged), (&vec![], &None));
        assert_eq!(interrupted(&self.ours), None);
        self.ours.fsck();
        done
    }
}

pub(super) fn repo(rig: &Rig) -> Repo {
    Repo::open(rig.git.root()).unwrap()
}

/// A snapshot of what there is.
#[track_caller]
pub(super) fn capture(rig: &mut Rig) -> Snapshot {
    let report = rig.cold();
    snapshot_of(&report)
}

pub(super) fn interrupted(rig: &Rig) -> Option<Interrupted> {
    handoff::interrupted(&rig.ctx, &rig.tree).unwrap()
}

/// Takes back what the journal has last.
#[track_caller]
pub(super) fn undo(rig: &mut Rig) -> Done {
    let (plan, current) = plan_undo(rig);
    assert_eq!(plan.before.meta.tree_id, current.meta.tree_id);
    let done = handoff::undo(&rig.ctx, &repo(rig), &rig.tree, &plan, "undo of sync desk").unwrap();
    assert!(done.finished, "{done:?}");
    assert_eq!(interrupted(rig), None);
    done
}

#[track_caller]
pub(super) fn plan_undo(rig: &mut Rig) -> (Undo, Snapshot) {
    let current = capture(rig);
    let entry = registry(&rig.ctx).last_undo(&rig.tree.id).unwrap().unwrap();
    (handoff::plan_undo(&repo(rig), &entry, &current).unwrap(), current)
}

pub(super) fn registry(ctx: &Context) -> Registry {
    Registry::open(&ctx.home).unwrap()
}

pub(super) fn pending(rig: &Rig, tree: &Tree) -> bool {
    registry(&rig.ctx).pending_seen(&tree.id, &Branch::Named("main".into())).unwrap().is_some()
}

/// Everything of a device's that a handoff may change: files byte for byte, index with flags, HEAD, branches.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    pub(super) files: String,
    pub(super) git: String,
    picture: Option<Fingerprint>,
}

impl State {
    /// As Git sees it: to compare two devices.
    pub(super) fn of(rig: &Rig) -> Self {
        let git = |args: &[&str]| String::from_utf8_lossy(&rig.git.try_git(args).stdout).into_owned();
        let told = [
            git(&["ls-files", "--stage", "-v"]),
            git(&["diff", "--cached", "--name-status"]),
            git(&["status", "--porcelain"]),
            git(&["symbolic-ref", "-q", "HEAD"]),
            git(&["for-each-ref", "refs/heads", "--format=%(refname) %(objectname)"]),
        ];
        let files = git_tree_of(rig.git.root()).id;
        Self { files, git: told.join("--\n"), picture: None }
    }

    /// With all bytes and permissions of the working tree: to compare one device with itself.
    pub(super) fn exactly(rig: &Rig) -> Self {
        let picture = Fingerprint::of_working_tree(rig.git.root()).without_times();
        Self { picture: Some(picture), ..Self::of(rig) }
    }
}

pub(super) fn id(text: &str) -> ObjectId {
    ObjectId::from_hex(text.trim().as_bytes()).unwrap()
}
