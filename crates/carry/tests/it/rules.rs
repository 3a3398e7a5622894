//! The rules that a capture keeps whatever the repository, the machine or another program does, each with its test.
//!
//! ## What is the user's stays (`rules/user_state.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Git's index stays byte for byte, however it differs from HEAD and the files | `partial_staging_survives_every_capture`, `partial_staging_survives_the_daemon` |
//! | A conflict is captured with its markers and stays one for Git | `a_conflict_stays_unresolved`, `a_conflict_of_a_stash_stays_unresolved` |
//! | While Git is in the middle of something a capture is marked, or waits where that is asked | `an_unfinished_merge_is_waited_for_where_that_is_asked`, `now_captures_an_unfinished_merge_even_so` |
//! | No hook of the user runs | `no_hook_runs_in_a_capture` |
//! | `.gitignore` is never edited | `gitignore_and_excludes_stay_as_the_user_wrote_them` |
//! | Reading commands write nothing, not even what Git would refresh | `commands_that_read_write_nothing_of_git` |
//! | Locks of Git's are neither waited for nor taken away, and none is held | `locks_that_git_holds_stop_no_capture_and_stay`, `git_works_while_a_capture_waits` |
//! | Nothing is overwritten or deleted that no snapshot holds | `what_a_snapshot_left_out_is_never_deleted`, `restoring::what_no_snapshot_holds_is_moved_aside_and_named` |
//! | What a restore replaces comes back with `undo` | `a_deletion_is_brought_back_as_one_and_undone`, `restoring::edits_made_since_the_last_snapshot_are_kept_and_come_back_with_undo` |
//! | What was staged or stashed is kept, too | `what_was_staged_comes_back_after_a_hard_reset`, `a_dropped_stash_outlives_gc` |
//!
//! ## A snapshot holds what Git would commit (`rules/coverage.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Tracked files count, ignored or not | `tracked_files_that_are_ignored_are_captured` |
//! | What is not checked out stays | `folders_outside_a_sparse_checkout_stay_in_snapshots`, `a_submodule_that_is_not_checked_out_stays_in_snapshots` |
//! | A submodule is a repository of its own | `a_submodule_is_captured_once_it_is_registered` |
//! | Modes, links and line ends are as Git has them | `executable_bits_stay_where_the_file_system_keeps_none`, `links_stay_links_where_the_file_system_has_none`, `unmodified_files_keep_their_line_ends` |
//! | Detached work is captured, whatever detached it | `detached_work_is_captured`, `a_bisection_is_captured_and_marked` |
//! | Each worktree is captured for itself | `linked_worktrees_are_captured_paused_and_resumed_for_themselves` |
//! | Names are bytes | `names_that_are_not_utf8_are_captured_and_come_back`, `a_branch_whose_name_is_not_utf8_is_captured`, `names_that_look_like_options_or_patterns_are_names` |
//! | Changed rules of conversion make everything be read again | `a_changed_filter_is_applied_to_unchanged_files`, `a_changed_setting_of_line_ends_is_applied_to_unchanged_files` |
//! | No edit is too quick or too small to be seen | `an_edit_in_the_same_moment_and_of_the_same_size_is_captured`, `an_edit_whose_time_was_set_back_is_captured` |
//! | Clones that lack objects are captured without fetching | `a_shallow_clone_is_captured`, `a_partial_clone_is_captured_without_its_remote` |
//! | Messages say what changed | `messages_say_what_changed` |
//! | Every snapshot can be reached, by path and time | `every_state_that_was_captured_can_be_brought_back`, `looking_back::log_of_a_path_lists_where_it_changed`, `restoring::a_time_names_a_snapshot` |
//!
//! ## What cannot be captured is left out alone and named (`rules/left_out.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Nested repositories | `a_nested_repository_is_named_and_can_be_registered` |
//! | Large files, which stay as last known | `a_large_file_is_left_out_alone_whatever_its_name`, `a_large_file_that_is_committed_and_unchanged_stays` |
//! | Files whose filter fails | `a_failing_filter_leaves_out_its_files_alone`, `a_filter_that_need_not_succeed_changes_nothing_when_it_fails` |
//! | Files that cannot be read, or are none | `an_unreadable_file_is_left_out_alone`, `pipes_and_sockets_hold_nobody` |
//! | What the user's patterns name | `patterns_of_ours_leave_files_out_and_are_not_gits` |
//! | Bare repositories, with the reason | `mistakes::a_bare_repository_is_refused_with_a_reason` |
//!
//! ## The next capture works (`rules/availability.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Clocks may lie | `a_clock_in_the_future_does_not_stop_captures`, `a_clock_in_the_past_does_not_stop_captures` |
//! | Intervals hold back the daemon, not the user | `now_always_captures` |
//! | A capture has no time limit, and one that died leaves nothing in the way | `a_capture_takes_as_long_as_it_needs`, `a_capture_that_was_killed_leaves_nothing_in_the_way`, `a_daemon_that_was_killed_leaves_nothing_in_the_way`, `a_damaged_private_index_is_made_again`, `a_lock_of_a_dead_process_on_a_line_can_be_taken_away` |
//! | A missing path stays registered and is captured when it is back | `a_missing_path_stays_registered`, `a_path_that_vanishes_under_the_daemon_stays_registered` |
//! | A folder may have any name | `a_folder_of_any_name_can_be_registered` |
//! | Nothing in a working tree holds a capture for ever, or the daemon | `a_pipe_in_the_place_of_settings_holds_nobody`, `a_pipe_in_the_place_of_an_ignore_file_holds_no_capture`, `a_pipe_in_the_place_of_an_ignore_file_stops_no_other_tree` |
//! | A failure is said, by the command, `status` and `doctor` | `a_failure_is_named_until_a_capture_succeeds` |
//! | Neither a name nor a key of the user's is needed | `a_missing_identity_does_not_stop_captures`, `a_signing_key_is_never_asked_for` |
//!
//! ## Captures stand beside each other (`rules/together.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Of one tree | `two_captures_at_once_both_succeed`, `captures_beside_the_daemon_succeed`, `first_captures_at_once_make_one_device_and_one_tree` |
//! | Of several trees | `worktrees_of_one_repository_are_captured_at_once`, `other_trees_are_captured_while_one_waits`, `mistakes::a_missing_repository_fails_alone_and_the_rest_goes_on` |
//! | The registry loses nothing | `registering_at_once_loses_nothing` |
//!
//! ## Names, and what stays apart (`rules/identity.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Devices | `a_machine_name_with_spaces_is_made_legal`, `a_device_stays_itself_when_the_machine_is_renamed` |
//! | Branches | `branches_of_any_name_have_lines_of_their_own` |
//! | Folders | `a_registered_prefix_is_not_a_registered_path`, `two_clones_and_a_copy_have_lines_of_their_own` |
//! | Snapshots are in nobody's way | `snapshots_show_in_no_list_of_branches_tags_or_stashes`, `a_push_takes_no_snapshot_along`, `a_clone_gets_no_snapshots` |
//! | No fetch takes them away, and where a mirror would, `doctor` says so | `fetching_with_prune_keeps_every_snapshot`, `a_remote_that_mirrors_is_named_with_what_keeps_snapshots_out`, `a_line_that_somebody_deleted_begins_again` |
//! | Capturing uses no network | `nothing_leaves_the_machine` |
//! | Our files lie in our home | `everything_of_ours_lies_in_our_home` |
//! | Nobody else's settings lead us elsewhere | `variables_of_git_lead_captures_nowhere`, `a_repository_of_somebody_else_is_refused_and_runs_nothing` |
//! | Parents of a snapshot differ | `a_snapshot_has_no_parent_twice` |
//!
//! ## What it costs (`rules/efficiency.rs`)
//!
//! | rule | test |
//! |---|---|
//! | Only what changed is read | `an_idle_capture_reads_and_writes_nothing`, `one_edit_is_one_file_read`, `a_filter_runs_only_for_files_that_changed` |
//! | No program is started | `captures_start_no_git` |
//! | Ignored folders cost nothing | `ignored_folders_are_not_watched` |
//! | Only `prune` and retention thin, and the newest snapshot of a branch never goes | `capturing_and_looking_never_thin`, `thinning_keeps_the_newest_snapshot_of_every_branch`, `a_capture_after_thinning_goes_on_with_the_line` |
//! | What was thinned leaves the disk, and what stays is in few packs | `what_was_thinned_leaves_the_repository`, `many_captures_leave_few_packs_and_no_gc_to_the_user` |

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::git_tree::git_tree_of;
use carry_testkit::patience;
use serde_json::Value;

use crate::world::{Ran, World};

mod availability;
mod coverage;
mod efficiency;
mod identity;
mod left_out;
mod together;
mod user_state;

/// Longer than anything here takes, shorter than a lease lasts: who waits longer waits for something that never comes.
const DEADLINE: Duration = Duration::from_secs(30);

impl World {
    /// Runs `carry`, which must succeed and must leave everything that is the user's as it was.
    #[track_caller]
    fn quietly(&self, arguments: &[&str]) -> Ran {
        self.quietly_in(&self.repo(), arguments)
    }

    /// The same in the working tree at `root`.
    #[track_caller]
    fn quietly_in(&self, root: &Path, arguments: &[&str]) -> Ran {
        let before = Fingerprint::of(root);
        let ran = self.carry_in(root, arguments);
        assert_eq!(ran.code, 0, "carry {arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        Fingerprint::of(root).assert_same_as(&before);
        ran
    }

    /// Captures quietly and returns what `now` says for machines.
    #[track_caller]
    fn capture(&self) -> Value {
        self.capture_in(&self.repo())
    }

    /// The same in the working tree at `root`.
    #[track_caller]
    fn capture_in(&self, root: &Path) -> Value {
        let said = self.quietly_in(root, &["now", "--json"]).raw;
        let last = said.lines().last().unwrap_or_default();
        let capture: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert_eq!(capture["error"], Value::Null, "{said}");
        capture
    }

    /// Captures quietly; the tree must be the one that Git itself would write.
    #[track_caller]
    fn as_git(&self) -> Value {
        self.as_git_in(&self.repo())
    }

    /// The same in the working tree at `root`.
    #[track_caller]
    fn as_git_in(&self, root: &Path) -> Value {
        let wanted = git_tree_of(root);
        let capture = self.capture_in(root);
        let tree = capture["snapshot"]["tree"].as_str().unwrap_or_default();
        let listed = self.git_in(root, &["ls-tree", "-r", tree]);
        assert_eq!(tree, wanted.id, "Git has {:#?}\nthe snapshot has\n{listed}", wanted.entries);
        capture
    }

    /// Runs git in a folder, which must succeed.
    #[track_caller]
    fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let said = self.try_git_in(folder, arguments);
        assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Runs git in a folder, whatever comes of it.
    fn try_git_in(&self, folder: &Path, arguments: &[&str]) -> Output {
        self.command(Path::new("git"), folder).args(arguments).output().expect("git starts")
    }

    /// What a capture's snapshot has at `path`.
    fn held(&self, capture: &Value, path: &str) -> Option<String> {
        let said = self.try_git_in(&self.repo(), &["show", &format!("{}:{path}", commit(capture))]);
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// All paths of a capture's snapshot.
    #[track_caller]
    fn paths(&self, capture: &Value) -> Vec<String> {
        let listed = self.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", commit(capture)]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Refs below `refs/carry`.
    #[track_caller]
    fn lines(&self) -> Vec<String> {
        let listed = self.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/carry", "refs/carry-keep"]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Writes the user's configuration. Captures in the background must not wait for a machine at rest.
    fn configure(&self, toml: &str) {
        let text = format!("daemon.max_load = 1000\ndaemon.min_battery_percent = 0\n{toml}");
        put(&self.root().join("carry/config/config.toml"), text.as_bytes());
    }

    /// A folder for programs that come first in the search path, and that search path.
    fn search_path(&self) -> (PathBuf, String) {
        let folder = self.root().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        (folder, path)
    }

    /// Starts `carry` without waiting for it.
    fn start(&self, folder: &Path, arguments: &[&str]) -> Running {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_carry")), folder);
        Running::start(command.args(arguments))
    }
}

/// A process that runs beside the test.
struct Running(Option<Child>);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")))
    }

    /// Waits until it ends.
    #[track_caller]
    fn end(mut self) -> Output {
        until("the process ends", || self.has_ended());
        let child = self.0.take().expect("it is waited for once");
        child.wait_with_output().expect("it was started")
    }

    /// Waits until it ends, which must be with success; returns what it said.
    #[track_caller]
    fn ok(self) -> String {
        let said = self.end();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    fn has_ended(&mut self) -> bool {
        self.0.as_mut().is_none_or(|child| child.try_wait().expect("it was started").is_some())
    }

    /// Ends it as a power cut would.
    fn kill(mut self) {
        self.0.take().into_iter().for_each(kill);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(kill);
    }
}

fn kill(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A clean filter that holds still until the test lets it go.
struct Gate {
    fifo: PathBuf,
    open: PathBuf,
}

impl Gate {
    /// Makes the filter of all files named `*.slow`.
    fn new(world: &World, root: &Path) -> Self {
        let gate = Self { fifo: world.root().join("gate"), open: world.root().join("gate-is-open") };
        let made = Command::new("mkfifo").arg(&gate.fifo).status().expect("mkfifo starts");
        assert!(made.success());
        let filter = format!("test -e '{}' || cat '{}' >/dev/null; cat", gate.open.display(), gate.fifo.display());
        world.git_in(root, &["config", "filter.slow.clean", &filter]);
        put(&root.join(".gitattributes"), b"*.slow filter=slow\n");
        gate
    }

    /// Waits until a filter stands still there; it goes on when the returned file is dropped.
    #[track_caller]
    fn reached(&self) -> File {
        use std::os::unix::fs::OpenOptionsExt as _;
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag of the system");
        let mut held = None;
        until("the filter runs", || {
            held = File::options().write(true).custom_flags(nonblocking).open(&self.fifo).ok();
            held.is_some()
        });
        held.expect("it was just opened")
    }

    /// Lets every later filter through.
    fn open(&self) {
        put(&self.open, b"");
    }
}

/// The commit of a capture's snapshot.
#[track_caller]
fn commit(capture: &Value) -> &str {
    capture["snapshot"]["commit"].as_str().unwrap_or_else(|| panic!("no snapshot: {capture}"))
}

/// What a capture left out, as `path reason`.
fn skipped(capture: &Value) -> Vec<String> {
    let each = capture["skipped"].as_array().into_iter().flatten();
    each.map(|one| format!("{} {}", text(&one["path"]), text(&one["reason"]))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Writes a file anywhere, making its folders.
#[track_caller]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
    File::create(path).and_then(|mut file| file.write_all(bytes)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Writes a program. Not by this process: a fork of another test would hold the file open, and it could not be run.
#[track_caller]
fn script(path: &Path, body: &str) {
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
    let mut child = Command::new("sh")
        .args([OsStr::new("-c"), OsStr::new("cat >\"$1\" && chmod 755 \"$1\""), OsStr::new("sh"), path.as_os_str()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut pipe = child.stdin.take().expect("it was asked for");
    pipe.write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).expect("sh reads");
    drop(pipe);
    assert!(child.wait().expect("it was started").success());
}

/// Asks again and again until the answer is yes.
#[track_caller]
fn until(what: &str, holds: impl FnMut() -> bool) {
    patience::within(DEADLINE, what, holds);
}

#[test]
fn the_table_names_every_test_and_no_other() {
    let files = [
        include_str!("rules/availability.rs"),
        include_str!("rules/coverage.rs"),
        include_str!("rules/efficiency.rs"),
        include_str!("rules/identity.rs"),
        include_str!("rules/left_out.rs"),
        include_str!("rules/together.rs"),
        include_str!("rules/user_state.rs"),
        include_str!("looking_back.rs"),
        include_str!("mistakes.rs"),
        include_str!("restoring.rs"),
    ];
    let names = |text: &'static str| {
        let tests = text.split("#[test]\nfn ").skip(1);
        tests.map(|test| test.split('(').next().unwrap_or_default())
    };
    let table = include_str!("rules.rs").lines().take_while(|line| line.starts_with("//!"));
    let named: Vec<&str> = table
        .filter(|line| line.starts_with("//! | ") && !line.contains("| rule |"))
        .flat_map(|line| line.rsplit(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2))
        .collect();
    let elsewhere = |name: &str| ["looking_back", "mistakes", "restoring"].map(|file| format!("{file}::{name}"));
    for (at, name) in files.iter().enumerate().flat_map(|(at, file)| names(file).map(move |name| (at, name))) {
        assert!(at >= 7 || named.contains(&name), "the table misses {name}");
    }
    for name in named {
        let known = |test: &str| test == name || elsewhere(test).iter().any(|test| test == name);
        assert!(files.iter().any(|file| names(file).any(known)), "there is no test {name}");
    }
}
