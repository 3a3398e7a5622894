use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use carry_kernel::id::TreeId;

use super::*;
use crate::git::fixture::{self, Fixture, write};

/// Longer than any event takes, shorter than anyone waits.
const DEADLINE: Duration = Duration::from_secs(20);

struct Watch {
    watcher: Watcher,
    events: Receiver<Event>,
    _cookies: tempfile::TempDir,
    syncs: u64,
}

impl Watch {
    fn start() -> Self {
        Self::start_with(Style::HERE, inbox::NOTES_MAX)
    }

    fn start_with(style: Style, notes_max: usize) -> Self {
        let (sender, events) = channel();
        let cookies = tempfile::tempdir().unwrap();
        let watcher = Watcher::start_with(sender, &cookies.path().join("cookies"), style, notes_max).unwrap();
        Self { watcher, events, _cookies: cookies, syncs: 0 }
    }

    /// Everything said of what happened before this call.
    fn said(&mut self) -> Vec<Event> {
        self.syncs += 1;
        self.watcher.sync(self.syncs);
        let until = Instant::now() + DEADLINE;
        let mut said = Vec::new();
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Synced(n)) if n == self.syncs => return said,
                Ok(event) => said.push(event),
                Err(error) => panic!("no answer to the sync: {error}; so far {said:?}"),
            }
        }
    }

    /// All paths of one tree that were named.
    fn paths(&mut self, tree: &TreeId) -> Vec<String> {
        let mut all = BTreeSet::new();
        for event in self.said() {
            match event {
                Event::Changed(id, Hint::Paths(paths)) if id == *tree => {
                    all.extend(paths.iter().map(ToString::to_string))
                }
                Event::Changed(id, Hint::Rescan) if id == *tree => {
                    all.insert("<all>".to_owned());
                }
                Event::Changed(..) => {}
                other => panic!("{other:?}"),
            }
        }
        all.into_iter().collect()
    }

    fn hints(&mut self, tree: &TreeId) -> Vec<Hint> {
        let mine = |event| match event {
            Event::Changed(id, hint) if id == *tree => Some(hint),
            _ => None,
        };
        self.said().into_iter().filter_map(mine).collect()
    }

    fn folders(&self, tree: &TreeId) -> Vec<String> {
        self.watcher.lock().trees[tree].folders.iter().map(ToString::to_string).collect()
    }
}

fn tree(n: u8) -> TreeId {
    format!("{n:012x}").parse().unwrap()
}

fn watching(fixture: &Fixture) -> (Watch, TreeId) {
    let mut watch = Watch::start();
    watch.watcher.add(&tree(1), &fixture.open(), &[]).unwrap();
    assert_eq!(watch.said(), [], "nothing has happened yet");
    (watch, tree(1))
}

#[test]
fn a_change_of_content_names_the_file() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    write(&repo.root().join("file"), b"two\n");
    assert_eq!(watch.paths(&id), ["file"]);
}

#[test]
fn reading_is_no_change() {
    let repo = Fixture::new();
    let (mut watch, _) = watching(&repo);
    fs::read(repo.root().join("file")).unwrap();
    fs::read_dir(repo.root()).unwrap().for_each(drop);
    fs::read(repo.root().join(".git/index")).unwrap();
    assert_eq!(watch.said(), []);
}

#[test]
fn names_of_any_bytes_are_kept() {
    use std::os::unix::ffi::OsStrExt as _;
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    write(&repo.root().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), b"");
    let [Hint::Paths(paths)] = &watch.hints(&id)[..] else { panic!() };
    assert_eq!(paths.iter().collect::<Vec<_>>(), [b"caf\xe9".as_slice()]);
}

#[test]
fn what_happens_in_folders_made_in_a_hurry_is_found_below_a_path_that_is_named() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    for n in 0..50 {
        write(&repo.root().join(format!("d{n}/a/b/c/d/e/file")), b"x");
    }
    let paths = watch.paths(&id);
    for n in 0..50 {
        let file = format!("d{n}/a/b/c/d/e/file");
        assert!(paths.iter().any(|path| file.starts_with(path.as_str())), "{file} in {paths:?}");
    }
    // From now on each of them is watched by itself.
    write(&repo.root().join("d7/a/b/c/d/e/file"), b"y");
    assert_eq!(watch.paths(&id), ["d7/a/b/c/d/e/file"]);
    assert_eq!(watch.folders(&id).len(), 1 + 50 * 6);
}

#[test]
fn ignored_folders_cost_no_watches_and_say_nothing() {
    let repo = Fixture::new();
    repo.commit(".gitignore", "node_modules/\n*.log\n");
    write(&repo.root().join("node_modules/a/b/index.js"), b"");
    let (mut watch, id) = watching(&repo);
    assert_eq!(watch.folders(&id), [""]);
    write(&repo.root().join("node_modules/a/b/index.js"), b"changed");
    write(&repo.root().join("server.log"), b"line");
    write(&repo.root().join("sub/node_modules/x/y"), b"");
    assert_eq!(watch.paths(&id), ["sub"]);
    assert_eq!(watch.folders(&id), ["", "sub"]);
    // Known by now; the second time nothing is even looked up.
    write(&repo.root().join("server.log"), b"line two");
    assert_eq!(watch.said(), []);
}

#[test]
fn patterns_of_ours_count_like_gits() {
    let repo = Fixture::new();
    write(&repo.root().join("cache/deep/file"), b"");
    let mut watch = Watch::start();
    watch.watcher.add(&tree(1), &repo.open(), &["cache/".to_owned()]).unwrap();
    assert_eq!(watch.folders(&tree(1)), [""]);
    watch.watcher.add(&tree(1), &repo.open(), &[]).unwrap();
    assert_eq!(watch.folders(&tree(1)), ["", "cache", "cache/deep"]);
}

#[test]
fn tracked_files_are_heard_of_although_ignored() {
    let repo = Fixture::new();
    write(&repo.root().join("build/keep/me"), b"1");
    write(&repo.root().join("build/other/file"), b"1");
    repo.git(&["add", "-f", "build/keep/me"]);
    repo.commit(".gitignore", "build/\n*.gen\n");
    write(&repo.root().join("code.gen"), b"1");
    repo.git(&["add", "-f", "code.gen"]);
    let (mut watch, id) = watching(&repo);
    assert_eq!(watch.folders(&id), ["", "build", "build/keep"]);
    write(&repo.root().join("build/keep/me"), b"2");
    write(&repo.root().join("build/keep/other"), b"2");
    write(&repo.root().join("code.gen"), b"2");
    write(&repo.root().join("more.gen"), b"2");
    assert_eq!(watch.paths(&id), ["build/keep/me", "code.gen"]);
}

#[test]
fn a_folder_in_which_something_is_tracked_from_now_on_is_watched() {
    let repo = Fixture::new();
    repo.commit(".gitignore", "build/\n");
    write(&repo.root().join("build/sub/file"), b"1");
    let (mut watch, id) = watching(&repo);
    repo.git(&["add", "-f", "build/sub/file"]);
    assert!(watch.hints(&id).contains(&Hint::Git));
    let until = Instant::now() + DEADLINE;
    let found = loop {
        let event = watch.events.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap();
        if let Event::Changed(_, Hint::Paths(paths)) = event {
            break paths;
        }
    };
    assert!(found.contains(&BString::from("build")), "{found:?}");
    assert_eq!(watch.folders(&id), ["", "build", "build/sub"]);
    write(&repo.root().join("build/sub/file"), b"2");
    assert_eq!(watch.paths(&id), ["build/sub/file"]);
}

#[test]
fn changed_ignore_rules_are_a_rescan_and_move_the_watches() {
    let repo = Fixture::new();
    write(&repo.root().join("a/file"), b"");
    write(&repo.root().join("b/file"), b"");
    let (mut watch, id) = watching(&repo);
    assert_eq!(watch.folders(&id), ["", "a", "b"]);
    write(&repo.root().join(".gitignore"), b"a/\n");
    assert!(watch.hints(&id).contains(&Hint::Rescan));
    assert_eq!(watch.folders(&id), ["", "b"]);
    write(&repo.root().join(".git/info/exclude"), b"b/\n");
    assert!(watch.hints(&id).contains(&Hint::Rescan));
    assert_eq!(watch.folders(&id), [""]);
    fs::remove_file(repo.root().join(".gitignore")).unwrap();
    assert!(watch.hints(&id).contains(&Hint::Rescan));
    assert_eq!(watch.folders(&id), ["", "a"]);
}

#[test]
fn configuration_and_attributes_are_a_rescan() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    repo.git(&["config", "core.autocrlf", "true"]);
    assert_eq!(watch.hints(&id), [Hint::Rescan]);
    write(&repo.root().join(".gitattributes"), b"* text\n");
    assert!(watch.hints(&id).contains(&Hint::Rescan));
}

#[test]
fn a_moved_folder_is_watched_where_it_is() {
    let repo = Fixture::new();
    write(&repo.root().join("old/sub/file"), b"1");
    let (mut watch, id) = watching(&repo);
    fs::rename(repo.root().join("old"), repo.root().join("new")).unwrap();
    assert_eq!(watch.paths(&id), ["new", "old"]);
    assert_eq!(watch.folders(&id), ["", "new", "new/sub"]);
    write(&repo.root().join("new/sub/file"), b"2");
    assert_eq!(watch.paths(&id), ["new/sub/file"]);
    fs::rename(repo.root().join("new"), repo.dir().join("outside")).unwrap();
    assert_eq!(watch.paths(&id), ["new"]);
    write(&repo.dir().join("outside/sub/file"), b"3");
    assert_eq!(watch.said(), []);
}

#[test]
fn a_folder_removed_and_made_again_is_watched() {
    let repo = Fixture::new();
    write(&repo.root().join("d/sub/file"), b"1");
    let (mut watch, id) = watching(&repo);
    for n in 0..20 {
        fs::remove_dir_all(repo.root().join("d")).unwrap();
        write(&repo.root().join("d/sub/file"), format!("{n}").as_bytes());
    }
    assert!(watch.paths(&id).contains(&"d".to_owned()));
    write(&repo.root().join("d/sub/file"), b"last");
    assert_eq!(watch.paths(&id), ["d/sub/file"]);
    fs::remove_dir_all(repo.root().join("d")).unwrap();
    assert!(watch.paths(&id).contains(&"d".to_owned()));
    assert_eq!(watch.folders(&id), [""]);
}

#[test]
fn a_folder_moved_over_an_empty_one_is_watched() {
    let repo = Fixture::new();
    fs::create_dir(repo.root().join("target")).unwrap();
    write(&repo.root().join("source/file"), b"1");
    let (mut watch, id) = watching(&repo);
    fs::rename(repo.root().join("source"), repo.root().join("target")).unwrap();
    assert_eq!(watch.paths(&id), ["source", "target"]);
    write(&repo.root().join("target/file"), b"2");
    assert_eq!(watch.paths(&id), ["target/file"]);
}

#[test]
fn git_itself_is_heard_of() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    #[track_caller]
    fn check(watch: &mut Watch, id: &TreeId) {
        assert!(watch.hints(id).contains(&Hint::Git));
    }
    write(&repo.root().join("new"), b"1");
    watch.said();
    repo.git(&["add", "new"]);
    check(&mut watch, &id);
    repo.git(&["commit", "--quiet", "-m", "more"]);
    check(&mut watch, &id);
    repo.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "other words"]);
    check(&mut watch, &id);
    repo.git(&["checkout", "--quiet", "-b", "feature/x"]);
    check(&mut watch, &id);
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "on a branch below a folder"]);
    check(&mut watch, &id);
    repo.git(&["update-ref", "refs/carry/device/tree/main", "HEAD"]);
    repo.git(&["update-ref", "refs/heads/unrelated", "HEAD"]);
    repo.loose_blob(b"an object");
    assert_eq!(watch.said(), [], "refs and objects of ours, and other branches, wake nobody");
}

#[test]
fn nested_repositories_are_left_alone() {
    let repo = Fixture::new();
    fixture::git(&repo.root(), &["init", "--quiet", "inner"]);
    write(&repo.root().join("inner/src/file"), b"");
    let (mut watch, id) = watching(&repo);
    assert_eq!(watch.folders(&id), [""]);
    write(&repo.root().join("inner/src/file"), b"2");
    assert_eq!(watch.said(), []);
    // A folder becomes one, and is one no more.
    write(&repo.root().join("later/src/file"), b"");
    assert_eq!(watch.paths(&id), ["later"]);
    fixture::git(&repo.root(), &["init", "--quiet", "later"]);
    assert!(watch.paths(&id).contains(&"later".to_owned()));
    fs::remove_dir_all(repo.root().join("later/.git")).unwrap();
    watch.said();
    fs::remove_dir_all(repo.root().join("inner/.git")).unwrap();
    watch.said();
}

#[test]
fn trees_in_each_other_hear_what_is_theirs() {
    let repo = Fixture::new();
    fixture::git(&repo.root(), &["worktree", "add", "--quiet", "wt/linked"]);
    let linked = crate::repo::Repo::open(&repo.root().join("wt/linked")).unwrap();
    let (mut watch, outer) = watching(&repo);
    let inner = tree(2);
    watch.watcher.add(&inner, &linked, &[]).unwrap();
    write(&repo.root().join("wt/linked/file"), b"changed");
    let changed = |id: &TreeId, path: &str| Event::Changed(id.clone(), Hint::Paths([path.into()].into()));
    assert_eq!(watch.said(), [changed(&inner, "file")]);
    write(&repo.root().join("file"), b"changed");
    assert_eq!(watch.said(), [changed(&outer, "file")]);
    fixture::git(&repo.root().join("wt/linked"), &["commit", "--quiet", "-a", "-m", "there"]);
    assert_eq!(watch.said(), [Event::Changed(inner.clone(), Hint::Git)]);
    repo.git(&["worktree", "remove", "--force", "wt/linked"]);
    let said = watch.said();
    assert!(said.contains(&Event::Gone(inner)), "{said:?}");
    watch.watcher.remove(&outer);
    assert_eq!(watch.watcher.watches(), 1, "only the cookies' folder is left");
}

#[test]
fn a_new_worktree_is_heard_of() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    for name in ["one", "two"] {
        repo.git(&["worktree", "add", "--quiet", &format!("../{name}")]);
        assert!(watch.hints(&id).contains(&Hint::Git), "{name}");
    }
}

#[test]
fn a_root_that_goes_away_is_gone() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    fs::rename(repo.root(), repo.dir().join("moved")).unwrap();
    assert_eq!(watch.said(), [Event::Gone(id.clone())]);
    assert_eq!(watch.watcher.watches(), 1);
    let moved = crate::repo::Repo::open(&repo.dir().join("moved")).unwrap();
    watch.watcher.add(&id, &moved, &[]).unwrap();
    fs::remove_dir_all(repo.dir().join("moved/.git")).unwrap();
    let said = watch.said();
    assert!(said.contains(&Event::Gone(id)), "{said:?}");
}

#[test]
fn a_tree_that_is_not_watched_any_more_says_nothing() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    watch.watcher.remove(&id);
    write(&repo.root().join("file"), b"two\n");
    assert_eq!(watch.said(), []);
    assert_eq!(watch.watcher.watches(), 1);
    watch.watcher.remove(&id);
}

#[test]
fn running_out_of_watches_gives_all_of_the_tree_back() {
    let (small, large) = (Fixture::new(), Fixture::new());
    (0..50).for_each(|n| write(&large.root().join(format!("d{n}/file")), b""));
    let (mut watch, _) = watching(&small);
    let before = watch.watcher.watches();
    watch.watcher.lock().watches_max = before + 20;
    let error = watch.watcher.add(&tree(2), &large.open(), &[]).unwrap_err();
    assert!(matches!(error, WatchError::LimitReached { used } if used == before + 20), "{error}");
    assert_eq!(watch.watcher.watches(), before);
    // And so does a tree that grows past it.
    (0..50).for_each(|n| write(&small.root().join(format!("d{n}/file")), b""));
    let said = watch.said();
    // What was seen before may have been told on the way.
    let Some(Event::Unwatchable(id, why)) = said.last() else { panic!("{said:?}") };
    assert_eq!(*id, tree(1));
    assert!(why.contains("limit"), "{why}");
    assert_eq!(watch.watcher.watches(), 1);
}

#[test]
fn an_overflow_is_a_rescan_after_which_new_folders_are_watched() {
    let repo = Fixture::new();
    // Room for so little that a burst must overflow while the trees are locked.
    let mut watch = Watch::start_with(Style::HERE, 4);
    let id = tree(1);
    watch.watcher.add(&id, &repo.open(), &[]).unwrap();
    {
        let trees = watch.watcher.trees.clone();
        let _held = trees.lock().unwrap();
        // More than our thread can hold while it waits for the lock.
        for n in 0..2 * 4096 / 3 {
            write(&repo.root().join("file"), format!("{n}").as_bytes());
        }
        write(&repo.root().join("unseen/deep/file"), b"1");
    }
    assert!(watch.hints(&id).contains(&Hint::Rescan));
    write(&repo.root().join("unseen/deep/file"), b"2");
    let said = watch.paths(&id);
    assert!(said.contains(&"unseen/deep/file".to_owned()) || said.contains(&"<all>".to_owned()), "{said:?}");
}

#[test]
fn a_sync_that_cannot_write_its_cookie_is_answered_all_the_same() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    fs::remove_dir_all(&watch.watcher.cookies).unwrap();
    watch.watcher.sync(77);
    let said: Vec<Event> = watch.events.try_iter().collect();
    assert!(said.contains(&Event::Changed(id, Hint::Rescan)) && said.contains(&Event::Synced(77)), "{said:?}");
}

#[test]
fn a_burst_is_few_messages() {
    let repo = Fixture::new();
    let (mut watch, id) = watching(&repo);
    for n in 0..3000 {
        write(&repo.root().join(format!("f{n}")), b"x");
    }
    let hints = watch.hints(&id);
    assert!(hints.len() < 200, "{}", hints.len());
}

#[test]
fn where_roots_are_watched_whole_ignored_and_nested_are_dropped_when_heard() {
    let repo = Fixture::new();
    repo.commit(".gitignore", "node_modules/\n");
    fixture::git(&repo.root(), &["init", "--quiet", "inner"]);
    write(&repo.root().join("node_modules/a/file"), b"");
    write(&repo.root().join("src/deep/file"), b"");
    let mut watch = Watch::start_with(Style::Recursive, inbox::NOTES_MAX);
    let id = tree(1);
    watch.watcher.add(&id, &repo.open(), &[]).unwrap();
    watch.said();
    write(&repo.root().join("node_modules/a/file"), b"2");
    write(&repo.root().join("inner/file"), b"2");
    write(&repo.root().join("src/deep/file"), b"2");
    repo.loose_blob(b"an object");
    assert_eq!(watch.paths(&id), ["src/deep/file"]);
    repo.git(&["add", "src/deep/file"]);
    assert!(watch.hints(&id).contains(&Hint::Git));
}

/// Commits once in the submodule's clone and returns its folder.
fn with_submodule(repo: &Fixture, other: &Fixture) -> PathBuf {
    let url = other.root().display().to_string();
    repo.git(&["submodule", "--quiet", "add", &url, "sub"]);
    repo.git(&["commit", "--quiet", "-m", "submodule"]);
    let sub = repo.root().join("sub");
    fixture::git(&sub, &["commit", "--quiet", "--allow-empty", "-m", "more"]);
    sub
}

#[test]
fn a_submodule_whose_head_moves_is_named() {
    let (repo, other) = (Fixture::new(), Fixture::new());
    let sub = with_submodule(&repo, &other);
    let (mut watch, id) = watching(&repo);
    fixture::git(&sub, &["checkout", "--quiet", "--detach", "HEAD~1"]);
    assert_eq!(watch.paths(&id), ["sub"]);
    fixture::git(&sub, &["commit", "--quiet", "--allow-empty", "-m", "again"]);
    assert_eq!(watch.paths(&id), ["sub"]);
    fixture::git(&sub, &["reset", "--quiet", "--soft", "HEAD~1"]);
    assert_eq!(watch.paths(&id), ["sub"]);
    write(&sub.join("file"), b"in the submodule");
    assert_eq!(watch.paths(&id), [""; 0], "its files are its own");
    watch.watcher.remove(&id);
    assert_eq!(watch.watcher.watches(), 1, "only the cookies' folder is left");
}

#[test]
fn a_submodule_that_is_added_is_watched_from_then_on() {
    let (repo, other) = (Fixture::new(), Fixture::new());
    let (mut watch, id) = watching(&repo);
    let sub = with_submodule(&repo, &other);
    let git_dir = repo.root().canonicalize().unwrap().join(".git/modules/sub");
    let until = Instant::now() + DEADLINE;
    while !watch.watcher.lock().git.contains_key(&git_dir) {
        // What is tracked is looked at again a moment after the index changed.
        let _ = watch.events.recv_timeout(Duration::from_millis(50));
        assert!(Instant::now() < until, "its git directory is not watched");
    }
    watch.said();
    fixture::git(&sub, &["checkout", "--quiet", "--detach", "HEAD~1"]);
    assert_eq!(watch.paths(&id), ["sub"]);
}

#[test]
fn an_excludes_file_elsewhere_is_heard_of_and_moves_the_watches() {
    let (repo, outside) = (Fixture::new(), tempfile::tempdir().unwrap());
    let outside = outside.path().canonicalize().unwrap();
    write(&repo.root().join("out/file"), b"");
    let file = outside.join("git/excludes");
    repo.git(&["config", "core.excludesFile", &file.display().to_string()]);
    let (mut watch, id) = watching(&repo);
    assert_eq!(watch.folders(&id), ["", "out"]);
    // Its folder is not there yet.
    write(&file, b"out/\n");
    assert_eq!(watch.paths(&id), ["<all>"]);
    write(&file, b"out/\n# more\n");
    assert_eq!(watch.paths(&id), ["<all>"]);
    assert_eq!(watch.folders(&id), [""]);
    write(&outside.join("git/other"), b"");
    assert_eq!(watch.said(), []);
    fs::remove_file(&file).unwrap();
    assert_eq!(watch.paths(&id), ["<all>"]);
    assert_eq!(watch.folders(&id), ["", "out"]);
}

#[test]
fn an_attributes_file_elsewhere_is_heard_of_where_its_link_leads() {
    let (repo, outside) = (Fixture::new(), tempfile::tempdir().unwrap());
    let (link, file) = (outside.path().join("attributes"), outside.path().join("kept/attributes"));
    write(&file, b"");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    repo.git(&["config", "core.attributesFile", &link.display().to_string()]);
    let (mut watch, id) = watching(&repo);
    write(&file, b"*.bin -text\n");
    assert_eq!(watch.paths(&id), ["<all>"]);
}

#[test]
fn rules_that_changed_unheard_are_found_when_asked_for() {
    let (repo, outside) = (Fixture::new(), tempfile::tempdir().unwrap());
    write(&repo.root().join("out/file"), b"");
    // Neither its folder nor the one above is there.
    let file = outside.path().join("a/b/excludes");
    repo.git(&["config", "core.excludesFile", &file.display().to_string()]);
    let (mut watch, id) = watching(&repo);
    watch.watcher.check_rules(&id);
    assert_eq!(watch.said(), []);
    write(&file, b"out/\n");
    assert_eq!(watch.said(), []);
    watch.watcher.check_rules(&id);
    assert_eq!(watch.paths(&id), ["<all>"]);
    assert_eq!(watch.folders(&id), [""]);
    watch.watcher.check_rules(&id);
    assert_eq!(watch.said(), []);
}
