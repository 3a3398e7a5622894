//! `carry exchange --watch`: exchanges that go on in the foreground.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carry_daemon::exchange::settings::{RemoteSettings, Settings};
use carry_daemon::exchange::{self, Event, How, Next};
use carry_kernel::clock::Timestamp;
use carry_kernel::config::{Config, Origin};

use super::names::Names;
use super::unsent::Unsent;
use super::{code, overview, told};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

mod said;

use said::Said;

/// How often it is looked whether all ended.
const TICK: Duration = Duration::from_secs(1);
/// So long after Ctrl-C a remote that hangs is left to itself.
const LAST: Duration = Duration::from_secs(30);
/// So many problems that are settled are named one by one.
const SETTLED_MAX: usize = 5;

/// Exchanges until it is interrupted. `is_named` says that one remote was named, and no other is meant.
pub(super) fn run(shell: &Shell, remotes: &[RemoteSettings], is_named: bool, how: How) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let cancel = Arc::new(AtomicBool::new(false));
    exchange::cancel_on_signals(&cancel)?;
    let mut watching = exchange::watch(&ground, remotes, how, &cancel)?;
    let names: Vec<&str> = remotes.iter().map(|remote| remote.name.as_str()).collect();
    shell.out.note(format_args!("Exchanging with {} whenever something is new; Ctrl-C ends it.", names.join(", ")));
    // What went wrong last, by remote: said once, not each time.
    let mut failing: BTreeMap<usize, String> = BTreeMap::new();
    // What was said of each remote that was reached.
    let mut said: BTreeMap<usize, Said> = BTreeMap::new();
    // The same notes as after one exchange: all of them after the first, from then on what is new.
    let mut shown = code::Shown::default();
    let mut is_first = true;
    // Remotes that are not what they were when this began: nothing more goes there.
    let mut left = BTreeSet::new();
    // Remotes that were there at the last look.
    let names_of = |settings: &Settings| settings.remotes.iter().map(|remote| remote.name.clone()).collect();
    let mut known: BTreeSet<String> = names_of(&ground.settings);
    let mut looking = Looking::new(shell);
    let mut interrupted = None;
    loop {
        if cancel.load(Ordering::Relaxed) && interrupted.is_none() {
            interrupted = Some(shell.clock.steady());
            shell.out.note("Putting what is new here …");
        }
        let settings = looking.settings();
        if let Some(settings) = &settings {
            let now = names_of(settings);
            for new in now.difference(&known).filter(|new| !is_named || names.contains(&new.as_str())) {
                shell.out.note(format_args!(
                    "The remote {new} was added; `carry exchange --watch` again exchanges with it, too."
                ));
            }
            known = now;
        }
        for (at, remote) in remotes.iter().enumerate() {
            let name = &remote.name;
            let Some(settings) = settings.as_ref().filter(|now| ground.settings.differ_for(name, now)) else {
                continue;
            };
            if !left.insert(at) {
                continue;
            }
            watching.leave(at);
            match settings.remote(name) {
                None => shell.out.note(format_args!("The remote {name} was removed, and is not exchanged with any more.")),
                Some(_) => shell.out.note(format_args!(
                    "The settings of the remote {name} changed, and it is not exchanged with any more; `carry exchange --watch` \
                     again goes by the new ones."
                )),
            }
        }
        match watching.next(TICK) {
            Next::Over => return Ok(()),
            Next::Quiet => {
                if interrupted.is_some_and(|since| shell.clock.steady().since(since) >= LAST) {
                    return Err(Failure::partly("a remote does not answer; what waits for it stays here")
                        .hint("Nothing is lost: the next exchange goes on."));
                }
            }
            Next::Heard(at, Event::Waiting { pid, host }) => {
                let name = names.get(at).copied().unwrap_or_default();
                shell.out.note(format_args!("Waiting for process {pid} on {host}, which is exchanging with {name} …"));
            }
            Next::Heard(_, Event::Step(_)) => {}
            Next::Heard(at, Event::Done(done)) => {
                let Some(remote) = remotes.get(at) else { continue };
                match *done {
                    Ok(mut report) => {
                        let names = Names::read(shell)?;
                        if failing.remove(&at).is_some() {
                            shell.out.note(format_args!("{} is exchanged with again.", remote.name));
                        }
                        if shell.out.is_json() {
                            told::show(shell, remote, &how, &report, &names)?;
                        } else {
                            let news = said.entry(at).or_default().take_in(&mut report, &names);
                            let mut unsent = Unsent::default();
                            unsent.add(&remote.name, &report);
                            let unsent = unsent.missing_here(shell)?;
                            let is_news = told::news(&how, &report, &names).is_some() || !unsent.is_empty();
                            report.problems = news.problems;
                            if is_news || !report.problems.is_empty() {
                                told::show(shell, remote, &how, &report, &names)?;
                            }
                            unsent.show(shell, &names);
                            show_settled(shell, remote, &news.settled);
                        }
                        if is_first || !report.new_logs.is_empty() {
                            overview::note_unapproved(shell, !report.new_logs.is_empty())?;
                        }
                        is_first = false;
                        shown.show_new(shell)?;
                    }
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => {
                        let class = error.class();
                        let failure = Failure::from(error);
                        if shell.out.is_json() {
                            told::show_failed(shell, remote, &how, class, &failure)?;
                        }
                        let why = failure.in_one_line();
                        if failing.insert(at, why.clone()).is_none_or(|before| before != why) {
                            shell.out.warn(format_args!("{}: {why}", remote.name));
                            failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
                        }
                    }
                }
                shell.out.flush()?;
            }
        }
    }
}

/// Says what is not so any more that was said before.
fn show_settled(shell: &Shell, remote: &RemoteSettings, settled: &[String]) {
    for text in settled.iter().take(SETTLED_MAX) {
        shell.out.note(format_args!("{}: settled: {text}.", remote.name));
    }
    if settled.len() > SETTLED_MAX {
        shell.out.note(format_args!("{}: and {} more are settled.", remote.name, settled.len() - SETTLED_MAX));
    }
}

/// Looks at the settings now and then.
struct Looking<'a> {
    shell: &'a Shell,
    /// When it was looked last, on the steady clock.
    at: Timestamp,
    /// What was wrong with the user's file when this began.
    at_first: Vec<String>,
    /// Whether it was said that the file cannot be gone by.
    is_said: bool,
}

impl<'a> Looking<'a> {
    fn new(shell: &'a Shell) -> Self {
        Self { shell, at: shell.clock.steady(), at_first: wrong(&shell.config_in_silence(None)), is_said: false }
    }

    /// The settings as they are now, if it is time to look. Not while something is wrong with the user's file that was not so when
    /// this began: what does not stand there may only not be understood, and is not taken for removed.
    fn settings(&mut self) -> Option<Settings> {
        let now = self.shell.clock.steady();
        if now.since(self.at) < TICK {
            return None;
        }
        self.at = now;
        let config = self.shell.config_in_silence(None);
        let wrong = wrong(&config);
        let Some(problem) = wrong.iter().find(|problem| !self.at_first.contains(problem)) else {
            self.is_said = false;
            return Some(self.shell.exchange_of(&config));
        };
        if !std::mem::replace(&mut self.is_said, true) {
            let file = self.shell.home.config_file();
            self.shell.out.warn(format_args!(
                "what {} says by now is not gone by until that is mended: {}",
                text::line(&file.display().to_string()),
                text::line(problem)
            ));
        }
        None
    }
}

/// What the user's file says without effect.
fn wrong(config: &Config) -> Vec<String> {
    let of_user = config.warnings().iter().filter(|warning| matches!(warning.origin, Origin::User { .. }));
    of_user.map(|warning| warning.message.clone()).collect()
}
