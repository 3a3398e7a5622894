//! A remote as the daemon sees it: its settings, what is to go there and what was heard.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use carry_code::context::Context;
use carry_code::remote::Reach;
use carry_exchange::location::Location;
use carry_exchange::round::{Problem, Report};
use carry_kernel::backoff::Policy;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::{self, Input};

use super::super::chores::Daemon;
use super::super::event::Event;
use super::super::keeper::{Kind, Named, Plan};
use super::super::slot::{Key, Running, Slot};
use super::super::tuning::Tuning;
use super::Remotes;
use super::round::Work;
use crate::desktop::Desktop;
use crate::exchange::settings::{RemoteSettings, Settings};
use crate::exchange::unsent::is_kept_back;
use crate::exchange::{Ground, Newsman};

/// Files arrive one after the other: so long after the first of them it is looked what there is.
const SETTLED: Duration = Duration::from_millis(300);

/// How often others are told of what arrived here, where nothing else is to be said: each time costs a file.
const RECEIPTS_EVERY: Duration = Duration::from_secs(10 * 60);

/// What a remote has beside its worker.
pub(in super::super) struct Remote {
    /// Hears of news there. Only rounds take hold of it: to watch a folder may hang.
    newsman: Arc<Mutex<Newsman>>,
    /// When to look because of news, on the steady clock.
    pub(super) news_at: Option<Timestamp>,
    /// Something here is to go there since the last round began.
    pub(super) is_dirty: bool,
    /// When others were told last of what arrived here, on the steady clock.
    receipts_at: Option<Timestamp>,
    /// What is put last, while the daemon stops.
    pub(super) flush: Option<Running>,
}

impl Kind for Remote {
    type Ground = Ground;

    const ROWS: &'static str = "exchange/";
    const ONE: &'static str = "a remote";
    const RUNS_ON_RELOAD: bool = false;

    fn keeper<'d>(daemon: &'d mut Daemon<'_>) -> &'d mut Remotes {
        &mut daemon.remotes
    }

    fn key(name: String) -> Key {
        Key::Remote(name)
    }

    fn read(ctx: &Context, tuning: &Tuning) -> Ground {
        super::read(ctx, tuning)
    }

    fn plans(ground: &Ground) -> Vec<Plan> {
        let plan = |remote: &RemoteSettings| {
            let reach = reach(&remote.location);
            // The exchange itself takes the lease that commands wait for.
            let lease = format!("exchanging/{}", remote.name);
            Plan { name: remote.name.clone(), reach, lease, worker: worker_settings(&ground.settings, remote, reach) }
        };
        ground.settings.remotes.iter().map(plan).collect()
    }

    fn new(name: &str, events: &SyncSender<Event>) -> Self {
        let (heard, events) = (name.to_owned(), events.clone());
        // A loop that is busy hears the next one, or asks by itself.
        let tell = move || drop(events.try_send(Event::RemoteStirred(heard.clone())));
        Self {
            newsman: Arc::new(Mutex::new(Newsman::new(Arc::new(tell)))),
            news_at: None,
            is_dirty: false,
            receipts_at: None,
            flush: None,
        }
    }

    fn differs(name: &str, before: &Ground, after: &Ground) -> bool {
        before.settings.differ_for(name, &after.settings)
    }

    fn due(&self, slot: &Slot) -> Option<Timestamp> {
        self.news_at.filter(|_| slot.running.is_none())
    }

    /// Whether it is time to look because of news. While a round runs they wait.
    fn take_due(&mut self, slot: &Slot, now: Timestamp) -> Option<Input> {
        let is_due = slot.running.is_none() && self.news_at.take_if(|at| *at <= now).is_some();
        is_due.then_some(Input::Now)
    }

    fn is_at_work(&self) -> bool {
        self.flush.is_some()
    }
}

impl Named<Remote> {
    /// Whether code goes there.
    pub(super) fn takes_code(&self) -> bool {
        self.ground.settings.remote(&self.name).is_some_and(|remote| remote.has_code)
    }

    /// There may be news. After a failure only time helps, and then everything is looked at.
    pub(super) fn stirred(&mut self, now: Timestamp) {
        if self.slot.has_started && self.slot.worker.status().consecutive_failures == 0 {
            self.own.news_at.get_or_insert(now.after(SETTLED));
        }
    }

    /// What the next round is to do.
    pub(super) fn work(&mut self, now: Timestamp, tuning: &Tuning, desktop: Desktop, cancel: Arc<AtomicBool>) -> Work {
        let tells_receipt = self.own.receipts_at.is_none_or(|at| now.since(at) >= RECEIPTS_EVERY);
        if tells_receipt {
            self.own.receipts_at = Some(now);
        }
        Work {
            ground: self.ground.clone(),
            remote: self.name.clone(),
            cancel,
            newsman: self.own.newsman.clone(),
            make: tuning.exchange.clone(),
            far: tuning.far.clone(),
            desktop,
            tells_receipt,
            is_last: false,
        }
    }

    /// Notes what a round could not do.
    pub(super) fn note(&mut self, report: &Report) {
        self.aside = aside(&self.name, report);
    }
}

/// How a place is reached: neither a metered nor a missing network holds back what lies on this machine.
fn reach(location: &Location) -> Reach {
    match location {
        Location::Folder(_) => Reach::Local,
        Location::WebDav { origin, .. } | Location::Peer { origin, .. } if origin.is_loopback() => Reach::Local,
        Location::Bucket(_) | Location::WebDav { .. } | Location::Peer { .. } => Reach::Network,
    }
}

/// How a remote's worker behaves.
fn worker_settings(settings: &Settings, remote: &RemoteSettings, reach: Reach) -> worker::Settings {
    let usual = worker::Settings::default();
    worker::Settings {
        quiet: settings.quiet,
        max_wait: settings.quiet_max(),
        poll: Some(settings.poll_of(remote)),
        backoff: Policy { first: Duration::from_secs(5), max: Duration::from_secs(15 * 60), ..Policy::default() },
        battery_wait_max: if reach == Reach::Network { Duration::MAX } else { usual.battery_wait_max },
        ..usual
    }
}

/// What a round could not do, as a full sentence.
fn aside(name: &str, report: &Report) -> Option<String> {
    // What is being delivered comes by itself, and what others do not send is nobody's fault.
    let passes = |problem: &Problem| matches!(problem, Problem::Arriving(_)) || is_kept_back(report, problem);
    match report.problems.iter().filter(|problem| !passes(problem)).count() {
        0 => None,
        1 => Some(format!("One thing could not be exchanged; `carry exchange {name}` says what and why.")),
        n => Some(format!("{n} things could not be exchanged; `carry exchange {name}` says what and why.")),
    }
}

#[cfg(test)]
mod tests {
    use carry_exchange::name::LogId;

    use super::*;
    use crate::exchange::unsent;

    #[test]
    fn what_lasts_is_told_and_what_comes_by_itself_is_not() {
        let log = LogId::of_key(&[7; 32]);
        let arriving =
            Problem::Arriving(carry_exchange::name::ObjectName::list(log, carry_exchange::hash::Digest::of(&[b"x"])));
        let aside = |problems: &[Problem]| {
            let mut report = unsent::tests::without("code");
            report.problems.extend(problems.iter().cloned());
            aside("nas", &report)
        };
        assert_eq!(aside(std::slice::from_ref(&arriving)), None);
        let one = aside(&[arriving, Problem::Forked(log)]).expect("it lasts");
        assert!(one.starts_with("One thing") && one.contains("`carry exchange nas`"), "{one}");
        assert!(aside(&[Problem::Forked(log), Problem::Shrunk(log)]).expect("they last").starts_with("2 things"));
    }

    #[test]
    fn what_lies_on_this_machine_needs_no_network() {
        let of = |place: &str| reach(&Location::parse(place, std::path::Path::new("/")).expect("a place"));
        assert_eq!(of("/mnt/nas"), Reach::Local);
        assert_eq!(of("http://127.0.0.1:7777"), Reach::Local);
        assert_eq!(of("https://hub.example.org"), Reach::Network);
        assert_eq!(of("s3://bucket/prefix"), Reach::Network);
    }
}
