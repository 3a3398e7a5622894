use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn a_daemon_is_the_only_one_of_its_home() {
    let (mut world, _) = World::with(&[]);
    let pid = std::process::id();
    assert_eq!(control::liveness(&world.ctx.home).unwrap(), Liveness::Alive { pid });
    let (events, inbox) = sync_channel(1);
    let error = run_with(&world.ctx, Tuning::default(), events, &inbox).unwrap_err();
    assert!(matches!(error, RunError::AlreadyRunning { pid: found } if found == pid), "{error}");
    assert_eq!(control::start(&world.ctx.home, Path::new("/nonexistent")).unwrap(), pid, "one that runs is started");
    assert!(control::stop(&world.ctx.home, DEADLINE).unwrap());
    world.join().unwrap();
    assert_eq!(control::liveness(&world.ctx.home).unwrap(), Liveness::Dead);
    assert!(!world.ctx.home.socket().exists());
    // And another may follow.
    world.start(Tuning::default());
}

#[test]
fn stopping_finishes_and_says_that_nobody_watches() {
    let (mut world, trees) = World::with(&["repo"]);
    world.now(&[], false);
    let coverage = |world: &World| world.state(&trees[0]).coverage.unwrap();
    world.until("it is watched", || coverage(&world) == carry_code::registry::Coverage::Watched);
    world.stop();
    assert_eq!(coverage(&world), carry_code::registry::Coverage::Unwatched);
}

#[test]
fn a_daemon_ends_with_its_home() {
    let mut world = World::new();
    let tree = world.repo("repo");
    world.start(Tuning { home_check: Duration::from_millis(20), ..Tuning::default() });
    world.now_one(&tree, false);
    world.quiet(&tree);
    std::fs::rename(world.path("home"), world.path("gone")).unwrap();
    world.join().unwrap();
    assert!(!world.path("home").exists(), "and does not make it again");
}

#[test]
fn the_status_names_every_tree() {
    let (world, trees) = World::with(&["one", "two"]);
    world.now(&[], false);
    let status = world.status();
    assert_eq!(status.pid, std::process::id());
    assert_eq!(status.workers.len(), 2);
    world.until("watches are counted", || world.status().watches >= 6);
    let board = || carry_kernel::status::StatusBoard::open_read_only(&world.ctx.home).unwrap().unwrap().rows().unwrap();
    world.until("others can read it", || {
        let mut rows = board();
        rows.retain(|row| row.worker.starts_with("code/"));
        rows.len() == trees.len() && rows.iter().all(|row| row.pid == status.pid && row.status.cycles > 0)
    });
}

#[test]
fn the_socket_is_private_and_survives_nonsense() {
    let (world, _) = World::with(&[]);
    let path = world.ctx.home.socket();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"nonsense\n{\"request\":\"unheard-of\"}\n{\"request\":\"status\"}\n").unwrap();
    let answers: Vec<String> = BufReader::new(stream).lines().take(3).map(Result::unwrap).collect();
    assert!(answers[0].contains("\"failed\"") && answers[1].contains("\"failed\""), "{answers:?}");
    assert!(answers[2].contains("\"status\""), "{answers:?}");
    // A line without end is cut off.
    let mut stream = UnixStream::connect(&path).unwrap();
    // The other end hangs up while we write.
    let _ = stream.write_all(&vec![b'x'; 2 << 20]);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    world.status();
}

#[test]
fn more_connections_than_anyone_needs_are_refused_and_then_served_again() {
    let (world, _) = World::with(&[]);
    let held: Vec<UnixStream> = (0..100).filter_map(|_| UnixStream::connect(world.ctx.home.socket()).ok()).collect();
    drop(held);
    world.until("it answers", || world.ask(&Request::Status).is_some());
}

#[test]
fn a_socket_left_behind_is_replaced() {
    let mut world = World::new();
    disk::create_dir(world.ctx.home.state_dir()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(world.ctx.home.socket()).unwrap());
    world.start(Tuning::default());
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_of_until_it_is_mended() {
    let (world, _trees) = World::with(&["repo"]);
    assert_eq!(world.status().config, None);
    let file = world.ctx.home.config_file();
    write(&file, "[code]\nquiet = \"20ms\"\n[code\n");
    // Without being told to: whoever edits it by hand tells nobody.
    let problem = world.status().config.unwrap();
    assert_eq!((problem.file.as_str(), problem.line, problem.has_earlier), (file.to_str().unwrap(), 3, true));
    assert!(problem.since <= world.ctx.clock.now() && problem.message.contains("TOML"), "{problem:?}");
    write(&file, "code]\n");
    world.reload();
    let after = world.status().config.unwrap();
    assert_eq!((after.since, after.line), (problem.since, 1));
    write(&file, "[code]\nquiet = \"20ms\"\n");
    assert_eq!(world.status().config, None);
}

#[test]
fn a_daemon_that_never_could_read_its_configuration_says_so_and_takes_it_up_when_it_is_mended() {
    let mut world = World::new();
    let tree = world.repo("repo");
    write(&world.ctx.home.config_file(), "[code\n");
    world.start(Tuning { home_check: Duration::from_millis(20), ..Tuning::default() });
    assert!(!world.status().config.unwrap().has_earlier);
    let [refused] = &world.now(&[&tree], false)[..] else { panic!() };
    assert!(refused.error.as_ref().is_some_and(|why| why.contains("config.toml")), "{refused:?}");
    write(&world.ctx.home.config_file(), "");
    world.until("it is captured", || world.state(&tree).snapshot.is_some());
    assert_eq!(world.status().config, None);
}
