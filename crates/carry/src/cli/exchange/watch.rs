//! `carry exchange --watch`: exchanges that go on in the foreground.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_daemon::exchange::{self, Event, How, Next};

use super::names::Names;
use super::{overview, told};
use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;

/// How often it is looked whether all ended.
const TICK: Duration = Duration::from_secs(1);
/// So long after Ctrl-C a remote that hangs is left to itself.
const LAST: Duration = Duration::from_secs(30);

/// Exchanges until it is interrupted.
pub(super) fn run(shell: &Shell, remotes: &[RemoteSettings], how: How) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let cancel = Arc::new(AtomicBool::new(false));
    exchange::cancel_on_signals(&cancel)?;
    let mut watching = exchange::watch(&ground, remotes, how, &cancel)?;
    let names: Vec<&str> = remotes.iter().map(|remote| remote.name.as_str()).collect();
    shell.out.note(format_args!("Exchanging with {} whenever something is new; Ctrl-C ends it.", names.join(", ")));
    // What went wrong last, by remote: said once, not each time.
    let mut failing: BTreeMap<usize, String> = BTreeMap::new();
    let mut interrupted = None;
    loop {
        if cancel.load(Ordering::Relaxed) && interrupted.is_none() {
            interrupted = Some(shell.clock.steady());
            shell.out.note("Putting what is new here …");
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
                    Ok(report) => {
                        let names = Names::read(shell)?;
                        let was_failing = failing.remove(&at).is_some();
                        let is_news =
                            told::sentence(&how, &report, &names) != "nothing new" || !report.problems.is_empty();
                        if is_news || was_failing || shell.out.is_json() {
                            told::show(shell, remote, &how, &report, &names)?;
                        }
                        if !report.new_logs.is_empty() {
                            overview::note_unapproved(shell, true)?;
                        }
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
