use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use carry_kernel::config::{Config, Sources};
use carry_kernel::worker::Reason;

use super::*;
use crate::git::fixture::Fixture;

fn config(flags: &[(&str, &str)]) -> Config {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::load(&[carry_kernel::config::KEYS, crate::settings::KEYS], &Sources { flags, ..Sources::default() })
}

fn main() -> Branch {
    Branch::Named("main".into())
}

fn names(git: &Fixture, config: &Config) -> Vec<String> {
    of(&git.open(), config, &main()).into_iter().map(|remote| remote.name).collect()
}

fn remote(url: &str) -> Remote {
    Remote { name: url.to_owned(), url: url.to_owned(), reach: Reach::Local }
}

#[test]
fn a_url_says_where_it_is_reached() {
    for (url, expected) in [
        ("/srv/git/x.git", Reach::Local),
        ("../x.git", Reach::Local),
        ("x", Reach::Local),
        ("./a:b", Reach::Local),
        ("file:///srv/git/x.git", Reach::Local),
        ("http://localhost:8080/x", Reach::Loopback),
        ("https://LOCALHOST/x", Reach::Loopback),
        ("ssh://git@127.0.0.9/x", Reach::Loopback),
        ("ssh://git@[::1]:2222/x", Reach::Loopback),
        ("git@[::1]:x", Reach::Loopback),
        ("[localhost:2222]:x", Reach::Loopback),
        ("http://[::ffff:127.0.0.1]/x", Reach::Loopback),
        ("localhost:x", Reach::Loopback),
        ("git@example.org:team/x.git", Reach::Network),
        ("example.org:x", Reach::Network),
        ("ssh://git@[2001:db8::1]:2222/x", Reach::Network),
        ("https://user:token@example.org:8443/x.git", Reach::Network),
        ("https://127.0.0.1@example.org/x", Reach::Network),
        ("https://example.org/127.0.0.1", Reach::Network),
        ("http://127.0.0.1.example.org/x", Reach::Network),
        ("ext::ssh host %S x", Reach::Network),
        ("codecommit::eu-west-1://x", Reach::Network),
    ] {
        assert_eq!(address::reach(url), expected, "{url}");
    }
}

#[test]
fn a_url_is_shown_without_passwords_and_tokens() {
    for (url, expected) in [
        ("https://user:token@host:8443/x.git", "https://host:8443/x.git"),
        ("https://ghp_token@host/x.git", "https://host/x.git"),
        ("https://user:pa/ss@host/x.git", "https://host/x.git"),
        ("https://host/x.git?token=1", "https://host/x.git?…"),
        ("ssh://git:secret@[::1]:2222/x", "ssh://git@[::1]:2222/x"),
        ("git@host:x", "git@host:x"),
        ("/srv/x", "/srv/x"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host:8443/a@b", "https://host:8443/a@b"),
        ("https://user:it's@host/x", "https://host/x"),
    ] {
        assert_eq!(remote(url).shown(), expected);
        assert_eq!(remote(url).shown_name(), expected);
    }
    assert_eq!(
        masked("unable to access 'https://u:p@host/x/': error, see http://q:r@other"),
        "unable to access 'https://host/x/': error, see http://other"
    );
}

#[test]
fn the_remote_is_the_one_git_would_push_to() {
    let git = Fixture::new();
    let plain = config(&[]);
    assert!(names(&git, &plain).is_empty());
    git.git(&["remote", "add", "only", "/there/only"]);
    assert_eq!(names(&git, &plain), ["only"]);
    git.git(&["remote", "add", "other", "/there/other"]);
    assert!(names(&git, &plain).is_empty(), "nobody can tell which of two is meant");
    git.git(&["remote", "add", "origin", "/there/origin"]);
    assert_eq!(names(&git, &plain), ["origin"]);
    git.git(&["config", "branch.main.remote", "."]);
    assert_eq!(names(&git, &plain), ["origin"]);
    git.git(&["config", "branch.main.remote", "other"]);
    assert_eq!(names(&git, &plain), ["other"]);
    git.git(&["config", "remote.pushDefault", "origin"]);
    assert_eq!(names(&git, &plain), ["origin"]);
    git.git(&["config", "branch.main.pushRemote", "only"]);
    assert_eq!(names(&git, &plain), ["only"]);
}

#[test]
fn what_the_user_configured_comes_first_and_unknown_names_are_passed_over() {
    let git = Fixture::new();
    git.git(&["remote", "add", "origin", "/there/origin"]);
    git.git(&["remote", "add", "backup", "git@example.org:backup"]);
    let both =
        config(&[("core.remote_name", "backup"), ("code.remotes", r#"["nowhere", "origin", "/mnt/disk/x.git"]"#)]);
    assert_eq!(names(&git, &both), ["backup", "origin", "/mnt/disk/x.git"]);
    assert!(names(&git, &config(&[("core.remote_name", "nowhere")])).is_empty());
    assert!(names(&git, &config(&[("core.remote_name", "--upload-pack=x:y")])).is_empty());
}

#[test]
fn the_url_is_as_configured_and_its_reach_as_rewritten() {
    let git = Fixture::new();
    git.git(&["remote", "add", "origin", "work:team/x"]);
    git.git(&["config", "url.http://127.0.0.1:1/.insteadOf", "work:"]);
    let found = of(&git.open(), &config(&[]), &main());
    assert_eq!(found, [Remote { name: "origin".into(), url: "work:team/x".into(), reach: Reach::Loopback }]);
    git.git(&["config", "remote.origin.pushUrl", "git@example.org:x"]);
    assert_eq!(of(&git.open(), &config(&[]), &main())[0].reach, Reach::Network);
}

#[test]
fn a_push_goes_by_name_unless_that_would_do_more() {
    let git = Fixture::new();
    git.git(&["remote", "add", "origin", "/there"]);
    let origin = |git: &Fixture| push_target(&git.open(), &of(&git.open(), &config(&[]), &main())[0]);
    assert_eq!(origin(&git), "origin");
    git.git(&["config", "--add", "remote.origin.fetch", "+refs/*:refs/remotes/origin/*"]);
    assert_eq!(origin(&git), "/there", "a tracking ref would move");
    git.git(&["config", "--unset-all", "remote.origin.fetch"]);
    git.git(&["config", "remote.origin.mirror", "true"]);
    assert_eq!(origin(&git), "/there", "everything would be pushed");
}

#[test]
fn a_key_holds_no_secret_and_tells_places_apart() {
    let key = |url: &str| remote(url).key();
    assert_eq!(key("https://user:one@host/x"), key("https://two@host/x"));
    assert_eq!(key("ssh://git@host/x"), "ssh://git@host/x");
    assert_ne!(key("ssh://git@host/x"), key("ssh://bob@host/x"));
    assert_ne!(key("https://host:1/x"), key("https://host:2/x"));
    assert_ne!(key("https://host/x?repo=a"), key("https://host/x?repo=b"));
    assert!(!key("https://host/x?token=secret").contains("secret"));
    for url in ["https://user:one@host/x", "https://host/x?token=secret", "git@host:x", "/srv/x"] {
        assert_eq!(key(&key(url)), key(url), "{url}");
    }
}

#[test]
fn where_a_push_would_go_elsewhere_is_told() {
    for (url, key, value, is_same) in [
        ("https://host/team/x.git", "remote.origin.pushUrl", "git@HOST:team/x", true),
        ("https://host/team/x.git", "remote.origin.pushUrl", "ssh://git@host:2222/team/x.git", true),
        ("https://host/team/x.git", "remote.origin.pushUrl", "https://token@host/team/x", true),
        ("https://host:1/team/x", "remote.origin.pushUrl", "https://host:2/team/x", false),
        ("https://host/team/x.git", "remote.origin.pushUrl", "git@host:other/x", false),
        ("https://host/team/x.git", "remote.origin.pushUrl", "git@other:team/x", false),
        ("https://host/team/x.git", "url.git@host:.pushInsteadOf", "https://host/", true),
        ("https://host/team/x.git", "url.git@other:.pushInsteadOf", "https://host/", false),
        ("work:x", "url.https://host/team/.insteadOf", "work:", true),
        ("/srv/x", "remote.origin.pushUrl", "file:///srv/x", true),
        ("/srv/x", "remote.origin.pushUrl", "/srv/y", false),
    ] {
        let git = Fixture::new();
        git.git(&["remote", "add", "origin", url]);
        git.git(&["config", key, value]);
        let repo = git.open();
        let found = of(&repo, &config(&[]), &main()).remove(0).may_push(&repo);
        assert_eq!(found.is_ok(), is_same, "{url} {key} {value}: {found:?}");
    }
}

fn said(text: &str) -> (Reason, String) {
    failure::classify(&text.lines().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn failures_are_told_apart_by_what_git_says() {
    for (text, expected) in [
        ("fatal: Authentication failed for 'https://host/x/'", Reason::AuthRequired),
        ("fatal: could not read Username for 'https://host': terminal prompts disabled", Reason::AuthRequired),
        (
            "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            Reason::AuthRequired,
        ),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", Reason::AuthRequired),
        ("fatal: unable to access 'https://host/': Could not resolve host: host", Reason::Unreachable),
        (
            "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
            Reason::Unreachable,
        ),
        ("fatal: '/mnt/x' does not appear to be a git repository", Reason::Unreachable),
        ("fatal: unable to access 'https://host/': The requested URL returned error: 403", Reason::PolicyForbidden),
        ("fatal: unable to access 'https://host/': The requested URL returned error: 503", Reason::Unreachable),
        ("remote: fatal: early EOF\nerror: index-pack failed", Reason::InvalidData),
        ("error: file write error: No space left on device", Reason::StorageFull),
        ("fatal: mismatched algorithms: client sha1; server sha256", Reason::ServerUnsupported),
        ("fatal: something nobody has seen", Reason::InternalError),
        ("", Reason::InternalError),
    ] {
        assert_eq!(said(text).0, expected, "{text}");
    }
}

#[test]
fn the_message_is_the_line_that_says_something() {
    let ssh = "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.";
    assert_eq!(said(ssh).1, "git@host: Permission denied (publickey).");
    assert_eq!(said("fatal: unable to access 'https://u:p@h/': nope").1, "unable to access 'https://h/': nope");
    assert_eq!(said("fatal: a\x1b[31mb").1, "a [31mb");
}

#[test]
fn progress_is_read_from_what_git_writes_for_a_terminal() {
    let step = progress::parse("Receiving objects:  45% (9/20), 1.50 KiB | 2.00 MiB/s").unwrap();
    assert_eq!((step.name, step.done, step.total, step.bytes), ("Receiving objects", 9, 20, Some(1536)));
    let step = progress::parse("Writing objects: 100% (3/3), 270 bytes | 270.00 KiB/s, done.").unwrap();
    assert_eq!((step.name, step.done, step.total, step.bytes), ("Writing objects", 3, 3, Some(270)));
    let step = progress::parse("remote: Enumerating objects: 12, done.").unwrap();
    assert_eq!((step.name, step.done, step.total), ("Enumerating objects", 12, 0));
    assert_eq!(progress::parse("fatal: 12 is not right"), None);
    assert_eq!(progress::parse("remote: hello"), None);
}

#[test]
fn a_listing_passes_hostile_names_over() {
    let id = "1".repeat(40);
    let good = "refs/carry/laptop-1a2b3c4d/0f1e2d3c4b5a/main";
    let listing = format!(
        "{id}\t{good}\n{id}\trefs/carry/laptop-1a2b3c4d/../main\n{id}\trefs/carry/x\n{}\t{good}\n{id}\trefs/heads/main\nnonsense\n{id}\trefs/carry/\u{fffd}\n",
        "0".repeat(40)
    );
    let found = list::parse(listing.as_bytes(), gix::hash::Kind::Sha1);
    assert_eq!(found.refs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [good]);
    assert_eq!(found.get(good).unwrap().to_string(), id);
    assert_eq!(found.passed_over, 4);
}

/// Steps that a run told of.
type Steps = Vec<(String, u64, u64)>;

/// Runs a shell script in place of Git.
fn run(script: &str, stall: Duration, cancel: &AtomicBool) -> (Result<Output, RemoteError>, Steps) {
    use std::os::unix::process::CommandExt as _;
    let steps = std::cell::RefCell::new(Vec::new());
    let progress = |name: &str, done: u64, total: u64| steps.borrow_mut().push((name.to_owned(), done, total));
    let io = Io { interactive: false, cancel, progress: &progress };
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).process_group(0);
    let there = remote("https://u:p@host/x");
    let mut run = Run::new(shell, &there);
    run.stall = stall;
    let ended = run.run(&io);
    (ended, steps.into_inner())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_a_run_says_and_prints_comes_apart() {
    let script = r"printf 'out\n'; printf 'Writing objects:  50%% (1/2)\rWriting objects: 100%% (2/2), 1.00 KiB | 1 KiB/s, done.\nremote: hello\n' >&2; exit 3";
    let (ended, steps) = run(script, LONG, &AtomicBool::new(false));
    let output = ended.unwrap();
    assert!(!output.success);
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.said, ["remote: hello"]);
    assert_eq!(output.sent, 1024);
    assert_eq!(steps, [("writing objects".to_owned(), 1, 2), ("writing objects".to_owned(), 2, 2)]);
}

#[test]
fn a_silent_run_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > '{}'; wait", pid_file.display());
    let began = Instant::now();
    let (ended, _) = run(&script, Duration::from_secs(3), &AtomicBool::new(false));
    let error = ended.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::TimedOut));
    assert!(!error.to_string().contains("u:p"), "{error}");
    assert!(began.elapsed() < LONG);
    let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    // A zombie that nobody reaped still has an id, but runs no more. A signal takes a moment on a busy machine.
    let runs = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    carry_testkit::patience::until("what it started is ended", || !runs());
}

#[test]
fn a_cancelled_run_ends_at_once() {
    let began = Instant::now();
    let (ended, _) = run("sleep 600", LONG, &AtomicBool::new(true));
    assert!(matches!(ended, Err(RemoteError::Cancelled { .. })));
    assert!(began.elapsed() < LONG);
}

#[test]
fn a_connection_that_is_kept_open_does_not_hold_a_run_up() {
    let began = Instant::now();
    let (ended, _) = run("sleep 60 & exit 0", LONG, &AtomicBool::new(false));
    assert!(ended.unwrap().success);
    assert!(began.elapsed() < Duration::from_secs(50));
}

#[test]
fn a_quarantine_reads_what_the_repository_has_and_vanishes() {
    let git = Fixture::new();
    let repo = git.open();
    let quarantine = Quarantine::new(&repo).unwrap();
    let dir = quarantine.dir().to_owned();
    assert!(quarantine.open(&repo).unwrap().find_commit(git.id("HEAD")).is_ok());
    Quarantine::remove_leftovers(&repo);
    assert!(dir.exists(), "it is in use");
    drop(quarantine);
    assert!(!dir.exists());
}

#[test]
fn what_a_dead_process_left_of_a_quarantine_is_removed() {
    let git = Fixture::new();
    let repo = git.open();
    let left = repo.objects_dir().join("tmp_objdir-carry-1-abc");
    std::fs::create_dir_all(left.join("pack")).unwrap();
    std::fs::File::create(left.join("carry.lock")).unwrap();
    let theirs = repo.objects_dir().join("tmp_objdir-incoming-abc");
    std::fs::create_dir_all(&theirs).unwrap();
    Quarantine::remove_leftovers(&repo);
    assert!(!left.exists());
    assert!(theirs.exists());
}
