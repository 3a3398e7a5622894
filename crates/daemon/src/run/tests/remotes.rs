use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::remote::{RemoteError, Stop};
use carry_exchange::round::{Direction, Problem, Report, RoundError};
use carry_kernel::worker::Reason;

use super::*;
use crate::exchange::{ExchangeError, How};

/// How an exchange goes that a test has in mind.
#[derive(Clone, Debug)]
enum Turn {
    Well,
    /// So many records of this stream came.
    Brings(&'static str),
    /// Another one is to go on.
    HasMore,
    Fails,
    Panics,
    /// One object could not be used.
    Lacks,
}

/// Exchanges that do what a test says, by remote.
#[derive(Default)]
struct Script {
    /// What was asked for, in order: remote and direction.
    made: Mutex<Vec<(String, Direction)>>,
    /// What the next exchanges do; when none is left they go well.
    turns: Mutex<BTreeMap<String, Vec<Turn>>>,
    /// Remotes that hang, and what tells of a change of these.
    shut: (Mutex<BTreeSet<String>>, Condvar),
}

impl Script {
    fn make(&self, name: &str, how: &How, cancel: &std::sync::atomic::AtomicBool) -> Result<Report, ExchangeError> {
        self.made.lock().unwrap().push((name.to_owned(), how.direction));
        let (shut, bell) = &self.shut;
        drop(bell.wait_while(shut.lock().unwrap(), |shut| shut.contains(name)).unwrap());
        if cancel.load(Ordering::Relaxed) {
            let place = name.to_owned();
            return Err(ExchangeError::Round(RoundError::Remote(RemoteError::Cancelled { place, why: Stop::Asked })));
        }
        let turn = {
            let mut turns = self.turns.lock().unwrap();
            let turns = turns.entry(name.to_owned()).or_default();
            if turns.is_empty() { Turn::Well } else { turns.remove(0) }
        };
        let log = LogId::of_key(&[7; 32]);
        let mut report = Report::default();
        match turn {
            Turn::Well => {}
            Turn::Brings(stream) => {
                let stream: StreamName = stream.parse().unwrap();
                report.records.insert((log, stream), 3);
            }
            Turn::HasMore => report.has_more = true,
            Turn::Fails => {
                let place = "/mnt/nas".to_owned();
                return Err(ExchangeError::Round(RoundError::Remote(RemoteError::NoMarker { place })));
            }
            Turn::Panics => panic!("this test wants it"),
            Turn::Lacks => report.problems.push(Problem::Forked(log)),
        }
        Ok(report)
    }

    fn n_made(&self, name: &str) -> usize {
        self.made.lock().unwrap().iter().filter(|(made, _)| made == name).count()
    }

    fn turn(&self, name: &str, turns: &[Turn]) {
        self.turns.lock().unwrap().insert(name.to_owned(), turns.to_vec());
    }

    fn shut(&self, name: &str) {
        self.shut.0.lock().unwrap().insert(name.to_owned());
    }

    fn open_all(&self) {
        self.shut.0.lock().unwrap().clear();
        self.shut.1.notify_all();
    }
}

/// A world with a daemon whose exchanges are scripted.
struct Places {
    world: World,
    script: Arc<Script>,
}

impl std::ops::Deref for Places {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.script.open_all();
    }
}

impl Places {
    fn new(names: &[&str], code: &[&str]) -> Self {
        let mut places = Self { world: World::new(), script: Arc::default() };
        places.configure(names, code);
        places.start();
        places
    }

    fn start(&mut self) {
        let script = self.script.clone();
        let tuning = Tuning {
            metered: Arc::new(|| None),
            variable: Arc::new(|_| None),
            exchange: Arc::new(move |_, remote, how, cancel, _| script.make(&remote.name, how, cancel)),
            ..Tuning::default()
        };
        self.world.start(tuning);
    }

    /// Writes the configuration with these folders; to those in `code` code goes, too. They are asked so seldom that nothing
    /// comes twice by itself.
    fn configure(&self, names: &[&str], code: &[&str]) {
        let list = |items: Vec<String>| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        let places = names.iter().map(|name| format!("{name}={}", self.path(&format!("places/{name}")).display()));
        let text = format!(
            "[exchange]\nremotes = [{}]\ncode = [{}]\nquiet = \"50ms\"\npoll = \"1000h\"\n",
            list(places.collect()),
            list(code.iter().map(|name| (*name).to_owned()).collect())
        );
        write(&self.world.ctx.home.config_file(), &text);
    }

    fn remote(&self, name: &str) -> Option<Status> {
        self.status().remotes.get(&format!("exchange/{name}")).cloned()
    }

    #[track_caller]
    fn until_made(&self, name: &str, times: usize) {
        self.until(&format!("{name} was exchanged with {times} times"), || self.script.n_made(name) == times);
        self.until("it says so", || {
            self.remote(name).is_some_and(|status| status.phase == Phase::Healthy && !status.dirty)
        });
    }

    fn changed(&self) {
        assert_eq!(self.ask(&Request::SessionsChanged), Some(Answer::Done));
    }
}

#[test]
fn each_remote_is_exchanged_with_at_the_start_and_after_a_change() {
    let places = Places::new(&["nas", "stick"], &[]);
    places.until_made("nas", 1);
    places.until_made("stick", 1);
    places.changed();
    places.until_made("nas", 2);
    places.until_made("stick", 2);
}

#[test]
fn when_there_was_a_round_is_told_by_the_wall_clock() {
    let places = Places::new(&["nas"], &[]);
    places.until_made("nas", 1);
    let status = places.status();
    assert!(status.remotes["exchange/nas"].last_success >= Some(status.started), "{status:?}");
}

#[test]
fn a_snapshot_goes_where_code_goes() {
    let places = Places::new(&["nas", "stick"], &["stick"]);
    places.until_made("nas", 1);
    places.until_made("stick", 1);
    let tree = places.repo("here");
    places.reload();
    places.now_one(&tree, false);
    places.until("the stick has it", || places.script.n_made("stick") >= 2);
    assert_eq!(places.script.n_made("nas"), 1);
}

#[test]
fn what_one_brings_the_others_are_to_have() {
    let places = Places::new(&["nas", "stick"], &[]);
    places.until_made("nas", 1);
    places.until_made("stick", 1);
    places.script.turn("nas", &[Turn::Well, Turn::Brings("sessions")]);
    places.changed();
    places.until_made("stick", 2);
    places.until_made("nas", 2);
    places.changed();
    places.until_made("nas", 3);
    // Once for the change, and once, perhaps in the same exchange, for what came.
    places.until("the stick has both", || places.script.n_made("stick") >= 3);
}

#[test]
fn one_that_hangs_or_fails_holds_up_no_other() {
    let mut places = Places { world: World::new(), script: Arc::default() };
    places.configure(&["hangs", "fails", "panics", "well"], &[]);
    places.script.shut("hangs");
    places.script.turn("fails", &[Turn::Fails]);
    places.script.turn("panics", &[Turn::Panics]);
    places.start();
    places.until_made("well", 1);
    places.until("one says why", || {
        places.remote("fails").is_some_and(|status| {
            status.phase == Phase::Backoff
                && status.reason == Some(Reason::Unreachable)
                && status.message.is_some_and(|message| message.contains("/mnt/nas"))
        })
    });
    places.until("one has panicked", || places.remote("panics").is_some_and(|status| status.phase == Phase::Backoff));
    assert_eq!(places.script.n_made("hangs"), 1);
    places.changed();
    places.until_made("well", 2);
    places.script.open_all();
    places.until("the first is done", || places.remote("hangs").is_some_and(|status| status.phase == Phase::Healthy));
}

#[test]
fn what_could_not_be_exchanged_is_named_and_a_bound_is_no_end() {
    let places = Places::new(&["nas"], &[]);
    places.until_made("nas", 1);
    places.script.turn("nas", &[Turn::Lacks]);
    places.changed();
    places.until("it is said", || {
        let message = places.remote("nas").and_then(|status| status.message);
        message.is_some_and(|message| message.contains("One thing") && message.contains("carry exchange nas"))
    });
    places.script.turn("nas", &[Turn::HasMore]);
    let before = places.script.n_made("nas");
    places.changed();
    places.until_made("nas", before + 2);
    assert_eq!(places.remote("nas").and_then(|status| status.message), None);
}

#[test]
fn news_in_a_folder_are_looked_at_at_once() {
    let places = Places { world: World::new(), script: Arc::default() };
    places.configure(&["nas"], &[]);
    let folder = places.path("places/nas/carry/h");
    std::fs::create_dir_all(&folder).unwrap();
    write(&places.path("places/nas/carry/format.json"), "{\"carry\":\"exchange\",\"format\":1}\n");
    let mut places = places;
    places.start();
    places.until_made("nas", 1);
    write(&folder.join("0123456789abcdef0123456789abcdef-000000000001-0123456789abcdef0123456789abcdef.head"), "x");
    places.until("it was looked at", || places.script.n_made("nas") >= 2);
}

#[test]
fn a_remote_that_is_taken_away_leaves_nothing_and_one_that_is_changed_is_asked_again() {
    let places = Places::new(&["nas", "stick"], &[]);
    places.until_made("nas", 1);
    places.until_made("stick", 1);
    places.configure(&["nas"], &["nas"]);
    places.reload();
    places.until("the stick is gone", || places.remote("stick").is_none());
    places.until_made("nas", 2);
    let rows = carry_kernel::status::StatusBoard::open(&places.ctx.home).unwrap().rows().unwrap();
    assert!(rows.iter().all(|row| row.worker != "exchange/stick"), "{rows:?}");
}

#[test]
fn what_was_said_last_is_put_when_the_daemon_stops() {
    let mut places = Places { world: World::new(), script: Arc::default() };
    places.configure(&["nas"], &[]);
    let text = std::fs::read_to_string(places.ctx.home.config_file()).unwrap();
    // A change waits for longer than this test takes.
    write(&places.ctx.home.config_file(), &text.replace("50ms", "10m"));
    places.start();
    places.until_made("nas", 1);
    places.changed();
    places.world.stop();
    let made = places.script.made.lock().unwrap().clone();
    assert_eq!(made.last(), Some(&("nas".to_owned(), Direction::Push)), "{made:?}");
    assert_eq!(made.len(), 2, "{made:?}");
}
