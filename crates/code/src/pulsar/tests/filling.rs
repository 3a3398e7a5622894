//! What git-pulsar leaves out without meaning to, and what it does mean.

use super::super::fixture::Machine;
use super::super::*;
use crate::git::fixture::Fixture;
use crate::prune::fixture::{World, link};

struct Desk {
    world: World,
    machine: Machine,
    n: std::cell::Cell<i64>,
}

impl Desk {
    /// A repository in which HEAD has these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let world = World::with(Fixture::init(&[]));
        let desk = Self {
            machine: Machine::at(&world.git.root(), "desk--0a1b2c3d"),
            world,
            n: std::cell::Cell::new(1_700_000_000),
        };
        for (path, content) in files {
            desk.world.write(path, content);
        }
        desk.git(&["add", "--force", "."]);
        desk.git(&["commit", "--quiet", "-m", "first"]);
        desk
    }

    fn git(&self, args: &[&str]) -> String {
        self.world.git.git(args)
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.world.path(path)).unwrap();
    }

    fn snapshot(&self) {
        self.n.set(self.n.get() + 600);
        self.machine.snapshot(self.n.get());
    }

    /// The files of the tip's tree with their modes, as `git ls-tree` names them.
    fn files(&self) -> Vec<String> {
        let tips = tips(&self.world.ctx, &self.world.repo(), None).unwrap();
        assert_eq!(tips.len(), 1);
        let tree = tips[0].tree.to_string();
        let listed = self.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", &tree]);
        assert_eq!(tree_of(&self.world.ctx, &self.world.repo(), tips[0].commit).unwrap(), tips[0].tree);
        listed.lines().map(|line| line.strip_prefix("100644 ").unwrap_or(line).to_owned()).collect()
    }

    fn content(&self, path: &str) -> String {
        let tips = tips(&self.world.ctx, &self.world.repo(), None).unwrap();
        let output = self.world.git.try_git(&["cat-file", "blob", &format!("{}:{path}", tips[0].tree)]);
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn tracked_files_that_are_ignored_stay() {
    let desk = Desk::with(&[(".gitignore", "*.log\n/out\n"), ("a.log", "x"), ("out/deep/b", "x"), ("c", "x")]);
    desk.world.write("c", "changed");
    desk.snapshot();
    assert_eq!(desk.files(), [".gitignore", "a.log", "c", "out/deep/b"]);
    assert_eq!(desk.content("c"), "changed");
    desk.world.write("c", "changed again");
    desk.snapshot();
    assert_eq!(desk.files(), [".gitignore", "a.log", "c", "out/deep/b"]);
}

#[test]
fn a_file_that_the_stream_had_once_was_deleted() {
    let desk = Desk::with(&[("a", "x"), ("dir/b", "x"), ("c", "x")]);
    desk.snapshot();
    desk.remove("a");
    desk.remove("dir/b");
    desk.snapshot();
    assert_eq!(desk.files(), ["c"]);
    desk.world.write("c", "changed");
    desk.snapshot();
    assert_eq!(desk.files(), ["c"]);
    // A commit that has them still says nothing new.
    desk.git(&["commit", "--quiet", "--allow-empty", "-m", "second"]);
    desk.world.write("c", "changed again");
    desk.snapshot();
    assert_eq!(desk.files(), ["c"]);
}

#[test]
fn a_file_that_is_ignored_by_now_was_not_deleted() {
    let desk = Desk::with(&[("a.log", "x"), ("dir/b", "x"), ("dir/keep", "x"), ("c", "x")]);
    desk.snapshot();
    desk.world.write(".gitignore", "*.log\n");
    desk.world.write("dir/.gitignore", "*\n!keep\n!.gitignore\n");
    desk.remove("dir/keep");
    desk.snapshot();
    assert_eq!(desk.files(), [".gitignore", "a.log", "c", "dir/.gitignore", "dir/b"]);
}

#[test]
fn files_outside_a_sparse_checkout_stay() {
    let desk = Desk::with(&[("in/a", "x"), ("out/b", "x"), ("out/deep/c", "x")]);
    desk.git(&["sparse-checkout", "set", "in"]);
    desk.world.write("in/new", "x");
    desk.snapshot();
    assert!(!desk.world.exists("out"));
    assert_eq!(desk.files(), ["in/a", "in/new", "out/b", "out/deep/c"]);
}

#[test]
fn submodules_that_are_not_checked_out_stay() {
    let desk = Desk::with(&[("a", "x")]);
    let commit = desk.git(&["rev-parse", "HEAD"]);
    desk.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},lib/sub")]);
    desk.git(&["commit", "--quiet", "-m", "submodule"]);
    desk.world.write("a", "changed");
    desk.snapshot();
    assert_eq!(desk.files(), ["a", "160000 lib/sub"]);
}

#[test]
fn what_took_the_place_of_a_file_is_no_loss_of_it() {
    let desk = Desk::with(&[("a/b", "x"), ("c", "x"), ("d/e/f", "x")]);
    desk.remove("a/b");
    std::fs::remove_dir(desk.world.path("a")).unwrap();
    desk.world.write("a", "a file by now");
    desk.remove("c");
    desk.world.write("c/d", "a folder by now");
    std::fs::remove_dir_all(desk.world.path("d")).unwrap();
    link("c", &desk.world.path("d"));
    desk.snapshot();
    assert_eq!(desk.files(), ["a", "c/d", "120000 d"]);
}

#[test]
fn executable_files_stay_so_where_no_file_is() {
    let desk = Desk::with(&[("run", "x"), ("edited", "x"), ("plain", "x")]);
    desk.git(&["update-index", "--chmod=+x", "run", "edited"]);
    desk.git(&["commit", "--quiet", "-m", "modes"]);
    desk.git(&["config", "core.fileMode", "false"]);
    desk.world.write("edited", "changed");
    desk.snapshot();
    assert_eq!(desk.files(), ["100755 edited", "plain", "100755 run"]);
    assert_eq!(desk.content("edited"), "changed");
}

#[test]
fn a_mode_that_the_stream_had_was_taken_away() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::with(&[("run", "x"), ("plain", "x")]);
    let chmod = |mode| std::fs::set_permissions(desk.world.path("run"), std::fs::Permissions::from_mode(mode)).unwrap();
    chmod(0o755);
    desk.git(&["commit", "--quiet", "--all", "-m", "modes"]);
    desk.snapshot();
    chmod(0o644);
    desk.snapshot();
    assert_eq!(desk.files(), ["plain", "run"]);
}

#[test]
fn links_stay_links_where_the_file_system_has_none() {
    let desk = Desk::with(&[("a", "x")]);
    for name in ["to-a", "other"] {
        link("a", &desk.world.path(name));
    }
    desk.git(&["add", "."]);
    desk.git(&["commit", "--quiet", "-m", "links"]);
    for name in ["to-a", "other"] {
        desk.remove(name);
        desk.world.write(name, "a");
    }
    // A file of another content is another file.
    desk.world.write("other", "text");
    desk.snapshot();
    assert_eq!(desk.files(), ["a", "other", "120000 to-a"]);
}

#[test]
fn line_endings_that_were_only_written_anew_stay() {
    let desk = Desk::with(&[("a", "one\r\ntwo\r\n"), ("b", "one\r\n"), ("c", "one\ntwo\r\n")]);
    desk.git(&["config", "core.autocrlf", "true"]);
    desk.world.write("b", "one\r\nmore\r\n");
    desk.snapshot();
    assert_eq!(desk.content("a"), "one\r\ntwo\r\n");
    assert_eq!(desk.content("b"), "one\nmore\n");
    assert_eq!(desk.content("c"), "one\ntwo\r\n");
}

#[test]
fn line_endings_that_the_stream_had_were_changed() {
    let desk = Desk::with(&[("a", "one\r\n")]);
    desk.snapshot();
    desk.world.write("a", "one\n");
    desk.snapshot();
    assert_eq!(desk.content("a"), "one\n");
}

#[test]
fn a_snapshot_without_head_is_taken_as_it_is() {
    let world = World::with(Fixture::init(&[]));
    world.write("a", "x");
    let commit = Machine::at(&world.git.root(), "desk--0a1b2c3d").snapshot(1);
    let tip = tips(&world.ctx, &world.repo(), None).unwrap().remove(0);
    assert_eq!(tip.tree, world.git.id(&format!("{commit}^{{tree}}")));
}

#[test]
fn many_paths_in_doubt_over_many_snapshots_are_told_apart() {
    let files: Vec<(String, String)> = (0..300).map(|n| (format!("d{}/f{n}", n % 7), n.to_string())).collect();
    let mut named: Vec<(&str, &str)> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    named.push((".gitignore", "/d3\n"));
    let desk = Desk::with(&named);
    for n in 0..20 {
        desk.world.write("new", format!("{n}"));
        desk.snapshot();
        desk.remove(&format!("d{}/f{n}", n % 7));
    }
    desk.snapshot();
    let found = desk.files();
    for n in 0..300 {
        let path = format!("d{}/f{n}", n % 7);
        assert_eq!(found.contains(&path), n >= 20 || n % 7 == 3, "{path}");
    }
}
