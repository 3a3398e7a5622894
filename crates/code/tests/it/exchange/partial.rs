//! Partial clones: what they lack is never fetched, but asked for, and what nobody may send is not made again and again.

use carry_code::git;
use carry_code::secrets::Place;
use carry_code::snapshot::Snapshot;
use carry_code::stream::LineStanding;
use carry_exchange::head::Want;
use carry_exchange::store::{Delivered, Statement};
use carry_exchange::strand::Strand as _;
use carry_kernel::clock::Timestamp;
use carry_testkit::repo::TestRepo;

use super::shapes::seeded;
use super::side::{NOW, Side, statement};
use super::trust::token;

/// How many objects of its branches it lacks.
fn missing(repo: &TestRepo) -> usize {
    repo.git(["rev-list", "--objects", "--missing=print", "HEAD", "--remotes"]).matches('?').count()
}

#[test]
fn a_partial_clone_says_and_takes_without_fetching_anything() {
    let git = seeded(&[]);
    for n in 0..3 {
        git.write("file", format!("{n}\n")).commit_all("more");
    }
    git.git(["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", git.root().display());
    git.git(["clone", "-q", "--filter=blob:none", &url, "../partial"]);
    let partial = git.at("../partial");
    for repo in [&git, &partial] {
        // Nobody could fetch from there.
        let how = if repo.try_git(["remote", "get-url", "origin"]).status.success() { "set-url" } else { "add" };
        repo.git(["remote", how, "origin", "https://example.invalid/team/tool"]);
        repo.git(["update-ref", "refs/remotes/origin/main", "HEAD"]);
    }
    let n = missing(&partial);
    assert!(n > 0);
    let (mut a, mut b) = (Side::over(partial), Side::over(git));
    b.trust(&a);
    a.trust(&b);
    let said = a.work("one");
    assert_eq!(a.say().n_records, 1);
    assert_eq!(b.pull(&a).n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()), [said.commit]);
    let back = b.says("back");
    assert_eq!(a.pull(&b).n_waiting, 0);
    assert_eq!(a.snapshots(&b.line()), [back.commit]);
    assert_eq!(missing(&a.rig.git), n);
    b.rig.fsck();
}

/// A device whose work stands on files that the partial clone of another lacks. What is lacking could be had from where that was
/// cloned at any time.
struct Pair {
    author: Side,
    partial: Side,
    /// What the author captured and said.
    said: Snapshot,
    /// What the partial clone lacks.
    n_missing: usize,
}

impl Pair {
    /// With this in the history that both have from elsewhere.
    fn with(history: impl FnOnce(&TestRepo)) -> Self {
        let text: String = (0..2000).map(|n| format!("line {n} of many\n")).collect();
        let second = |git: &TestRepo| {
            git.write("text", &text).write("other", "never seen there\n").commit_all("second");
            history(git);
        };
        Self::of("blob:none", second, |git| {
            git.write("text", format!("{text}and one more\n"));
        })
    }

    /// With a clone of this kind, and this work.
    fn of(filter: &str, history: impl FnOnce(&TestRepo), work: impl FnOnce(&TestRepo)) -> Self {
        let git = seeded(&[]);
        git.git(["branch", "old"]);
        history(&git);
        git.git(["config", "uploadpack.allowFilter", "true"]);
        git.git(["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let (url, place) = (format!("file://{}", git.root().display()), "https://example.org/team/tool");
        git.git(["clone", "-q", &format!("--filter={filter}"), "--branch=old", &url, "../partial"]);
        let partial = git.at("../partial");
        partial.git(["remote", "rename", "origin", "near"]);
        partial.git(["remote", "add", "origin", place]);
        git.git(["remote", "add", "origin", place]);
        git.git(["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let n_missing = missing(&partial);
        let (mut author, mut partial) = (Side::over(git), Side::over(partial));
        partial.trust(&author);
        author.trust(&partial);
        work(&author.rig.git);
        let said = author.capture();
        author.say();
        partial.fetch_some(&author.store, &|_| true);
        Self { author, partial, said, n_missing }
    }

    /// Has the partial clone take what it holds, as an exchange at this time does.
    fn deliver_at(&mut self, now: Timestamp) -> Delivered {
        self.partial.store.deliver_at(&mut self.partial.strand, now).unwrap()
    }

    /// The partial clone asks for all that it wants, and the author hears of it.
    fn ask(&mut self) {
        let log = self.author.store.log();
        let wants = self.partial.store.wanted().unwrap().remove(&log).unwrap_or_default();
        let wants = wants.into_iter().map(|id| Want::Attachment(log, id)).collect();
        self.partial.work("of its own");
        self.partial.offer();
        self.partial.seal_with(Statement { wants, ..statement() });
        self.author.pull(&self.partial);
    }

    /// An offer of the author's at this time: how many records it gave, and how many objects it looked at.
    fn offer_at(&mut self, now: Timestamp) -> (usize, u64) {
        let offered = self.author.strand.offer(&mut self.author.store, u64::MAX, now).unwrap();
        (offered.n_records, self.author.strand.n_looked_at())
    }

    /// What the author does not answer, of which there must be one.
    #[track_caller]
    fn unanswered(&self) -> LineStanding {
        let mut all = self.author.standing().unanswered;
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].asked_by, [self.partial.store.log()]);
        assert_eq!(all[0].common_dir, self.author.repo().common_dir());
        assert_eq!(all[0].branch.as_ref().map(|branch| branch.display()).as_deref(), Some("main"));
        all.remove(0).standing
    }

    /// The partial clone has what was said.
    #[track_caller]
    fn arrives(&mut self) {
        self.author.seal();
        assert_eq!(self.partial.pull(&self.author).n_waiting, 0, "{:?}", self.partial.strand.not_taken());
        assert_eq!(self.partial.store.wanted().unwrap(), std::collections::BTreeMap::new());
        assert_eq!(self.partial.snapshots(&self.author.line()), [self.said.commit]);
    }
}

#[test]
fn what_stands_on_files_that_a_partial_clone_lacks_is_asked_for_whole_and_nothing_is_fetched() {
    let mut pair = Pair::with(|_| {});
    assert_eq!(pair.n_missing, 2);
    let log = pair.author.store.log();
    for now in [None, Some(NOW)] {
        let done = match now {
            None => pair.partial.store.deliver(&mut pair.partial.strand).unwrap(),
            Some(now) => pair.deliver_at(now),
        };
        assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (1, 1, 1));
        let why = &pair.partial.strand.not_taken()[0].why;
        assert!(why.contains("partial clone"), "{why}");
        assert_eq!(pair.partial.store.wanted().unwrap()[&log].len(), 1);
        assert_eq!(missing(&pair.partial.rig.git), pair.n_missing);
        if now.is_none() {
            pair.partial.reopen();
        }
    }
    pair.ask();
    assert_eq!(pair.author.say().n_records, 1);
    pair.arrives();
    // What stands on that is taken as it comes.
    let two = pair.author.says("two");
    let (author, partial) = (&pair.author, &mut pair.partial);
    assert_eq!(partial.pull(author).n_waiting, 0);
    assert_eq!(partial.snapshots(&author.line()), [two.commit, pair.said.commit]);
    partial.rig.fsck();
    assert_eq!(partial.rig.git.git(["show", "near/main:other"]), "never seen there\n");
}

#[test]
fn a_folder_that_a_clone_without_folders_lacks_is_asked_for_though_nothing_is_made_of_it() {
    let history = |git: &TestRepo| {
        git.write("folder/sub/kept", "x").commit_all("second");
    };
    let mut pair = Pair::of("tree:0", history, |git| {
        git.write("folder/new", "y");
    });
    assert!(pair.n_missing > 0);
    let done = pair.deliver_at(NOW);
    assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (1, 1, 1));
    let why = &pair.partial.strand.not_taken()[0].why;
    assert!(why.contains(pair.author.rig.git.id("HEAD:folder/sub").trim()), "{why}");
    pair.ask();
    assert_eq!(pair.author.say().n_records, 1);
    pair.arrives();
}

/// So many minutes later.
fn after(minutes: u64) -> Timestamp {
    NOW.after(std::time::Duration::from_secs(minutes * 60))
}

#[test]
fn what_is_asked_for_and_holds_a_secret_is_named_and_not_looked_at_again_until_it_is_allowed() {
    // It is in no file any more, and went out to a Git remote long ago.
    let mut oldest = String::new();
    let mut pair = Pair::with(|git| {
        git.write("deploy.txt", token()).commit_all("deploys");
        oldest = git.git(["rev-parse", "--short=7", "HEAD"]).trim().to_owned();
        git.write("beside", "x").commit_all("more");
        git.delete("deploy.txt").commit_all("does not");
    });
    assert_eq!(pair.deliver_at(NOW).n_asked, 1);
    pair.ask();
    let (n_records, n_looked_at) = pair.offer_at(NOW);
    assert!(n_records == 0 && n_looked_at > 10, "{n_records} {n_looked_at}");
    let held = LineStanding::Held {
        findings: vec![format!("deploy.txt: GitHub token (commit {oldest})")],
        places: vec![Place::Commit],
    };
    assert_eq!(pair.unanswered(), held);
    assert_eq!(pair.author.own(), LineStanding::Said);
    let n_commands = git::n_commands();
    for minutes in [1, 60, 60 * 24 * 30] {
        pair.author.reopen();
        assert_eq!(pair.offer_at(after(minutes)), (0, 0));
        assert_eq!(pair.unanswered(), held);
    }
    // Nor does the other side try again.
    assert_eq!(pair.deliver_at(NOW).n_asked, 1);
    assert_eq!(pair.partial.strand.not_taken(), []);
    assert_eq!(git::n_commands(), n_commands, "no Git runs");
    pair.author.rig.configure("[code]\nexchange_secrets = \"send\"\n");
    pair.author.reopen();
    assert_eq!(pair.offer_at(after(61)).0, 1);
    assert_eq!(pair.author.standing().unanswered, []);
    assert_eq!(pair.offer_at(after(62)), (0, 0), "once");
    pair.arrives();
}

#[test]
fn of_a_repository_that_is_gone_nothing_is_said_to_be_unanswered() {
    let mut pair = Pair::with(|git| {
        git.write("deploy.txt", token()).commit_all("deploys");
    });
    pair.deliver_at(NOW);
    pair.ask();
    assert!(pair.offer_at(NOW).1 > 0);
    pair.unanswered();
    let root = pair.author.rig.git.root().to_owned();
    let aside = root.with_extension("aside");
    std::fs::rename(&root, &aside).unwrap();
    pair.author.reopen();
    pair.offer_at(after(1));
    std::fs::rename(&aside, &root).unwrap();
    assert_eq!(pair.author.standing().unanswered, []);
    pair.author.reopen();
    assert!(pair.offer_at(after(2)).1 > 0);
    pair.unanswered();
}

#[test]
fn another_version_looks_again_at_what_held_a_secret() {
    let mut pair = Pair::with(|git| {
        git.write("deploy.txt", token()).commit_all("deploys");
    });
    pair.deliver_at(NOW);
    pair.ask();
    assert!(pair.offer_at(NOW).1 > 0);
    let db = carry_kernel::db::rusqlite::Connection::open(pair.author.rig.ctx.home.database("code")).unwrap();
    assert_eq!(db.execute("UPDATE unanswered SET version = '0.0.0'", []).unwrap(), 1);
    assert!(pair.offer_at(NOW).1 > 0);
    assert_eq!(pair.offer_at(NOW).1, 0);
}

#[test]
fn what_cannot_be_made_is_tried_less_and_less_often_as_long_as_somebody_asks() {
    let mut pair = Pair::with(|_| {});
    pair.deliver_at(NOW);
    pair.ask();
    pair.author.strand =
        carry_code::stream::CodeStrand::open(pair.author.rig.ctx.clone()).unwrap().with_pack_bytes_max(64);
    let mut tried = Vec::new();
    for minutes in (0..60 * 24 * 6).step_by(15) {
        if pair.offer_at(after(minutes)).1 > 0 {
            tried.push(minutes);
        }
    }
    let (hours, day) = (|n: u64| n * 60, 24 * 60);
    let gaps: Vec<u64> = tried.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(gaps, [15, 30, 60, hours(2), hours(4), hours(8), hours(16), day, day, day, day]);
    assert!(matches!(pair.unanswered(), LineStanding::TooLarge { .. }), "{:?}", pair.unanswered());
    // A clock that was set back.
    assert!(pair.offer_at(NOW).1 > 0);
    // The other side has it by now.
    pair.partial.rig.git.git(["-c", "maintenance.auto=false", "fetch", "-q", "--refetch", "--no-filter", "near"]);
    assert_eq!(pair.partial.deliver().n_waiting, 0, "{:?}", pair.partial.strand.not_taken());
    pair.ask();
    assert_eq!(pair.offer_at(after(1)), (0, 0));
    assert_eq!(pair.author.standing().unanswered, []);
}

/// Has Git fail there to unpack anything, whatever it is.
fn break_unpacking(git: &TestRepo) {
    git.git(["config", "pack.indexVersion", "99"]);
}

#[test]
fn what_fails_for_another_reason_in_a_partial_clone_is_not_asked_for_whole() {
    let mut pair = Pair::with(|_| {});
    let git = &pair.partial.rig.git;
    // It has all that is needed, and is a partial clone still.
    git.git(["-c", "maintenance.auto=false", "fetch", "-q", "--refetch", "--no-filter", "near"]);
    git.git(["config", "remote.near.promisor", "true"]);
    break_unpacking(git);
    let done = pair.deliver_at(NOW);
    assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (1, 1, 0));
    let why = pair.partial.strand.not_taken()[0].why.clone();
    assert!(why.contains("pack.indexVersion=99") && !why.contains("partial clone"), "{why}");
    assert_eq!(pair.partial.store.wanted().unwrap(), std::collections::BTreeMap::new());
    pair.partial.rig.git.git(["config", "--unset", "pack.indexVersion"]);
    pair.arrives();
}

#[test]
fn of_several_clones_each_says_why_it_does_not_take_a_pack() {
    let mut pair = Pair::with(|_| {});
    let root = pair.author.rig.git.root().to_str().unwrap().to_owned();
    let clones: Vec<TestRepo> = (0..2)
        .map(|n| {
            let place = format!("../clone-{n}");
            pair.partial.rig.git.git(["clone", "-q", &root, &place]);
            let clone = pair.partial.rig.git.at(&place);
            clone.git(["remote", "set-url", "origin", "https://example.org/team/tool"]);
            clone
        })
        .collect();
    for clone in &clones {
        pair.partial.add(clone);
    }
    break_unpacking(&clones[1]);
    let done = pair.deliver_at(NOW);
    assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (1, 1, 1));
    let refused = pair.partial.strand.not_taken();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let why = &refused[0].why;
    assert!(why.contains("partial clone") && why.contains("pack.indexVersion=99"), "{why}");
    assert!(!refused[0].is_broken);
}
