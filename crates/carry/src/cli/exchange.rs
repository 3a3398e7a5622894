//! `carry exchange`: exchange with remotes now, and look after what is kept of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_daemon::exchange::{self, Event, ExchangeError, How, Next};
use carry_exchange::round::{Collect, Direction, Report, Step};
use carry_exchange::store::Reason;
use clap::Subcommand;

use self::unsent::Unsent;
use super::remote;
use crate::failure::Failure;
use crate::output::style;
use crate::progress::Progress;
use crate::text;
use crate::wire::Shell;

mod aside;
mod code;
mod gc;
mod mend;
mod names;
mod overdue;
mod overview;
mod problem;
mod silent;
mod stats;
mod told;
mod unsent;
mod verify;
mod watch;

pub(super) use code::{is_plain, revoked, root_of, who};
pub(super) use names::Names;
pub(super) use overview::{announce, findings, show as show_overview};
pub(super) use problem::unsent_advice;

/// Exchange with the remotes now
///
/// Takes in what other devices wrote, and puts what is new here; with all remotes at once, or the one named. It can be stopped at any
/// time: the next exchange goes on. The exit code is 3 when something could not be exchanged, or code of this device is held back for
/// secrets or its size; the rest is.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Name of the remote; all by default
    remote: Option<String>,
    /// Exchange once, and end; the default
    #[arg(long, conflicts_with = "watch")]
    once: bool,
    /// Go on exchanging whenever something is new, until Ctrl-C
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Only take in
    #[arg(long, conflicts_with = "push")]
    pull: bool,
    /// Only put
    #[arg(long)]
    push: bool,
    /// Remove nothing at the remotes that is not needed any more
    #[arg(long)]
    no_gc: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
    Gc(gc::Args),
    Stats(stats::Args),
}

/// Nothing heard for so long is worth a word.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if let None | Some(Command::Gc(_)) = args.command {
        shell.check_config(None)?;
    }
    match &args.command {
        Some(Command::Verify(args)) => return verify::run(shell, args),
        Some(Command::Gc(args)) => return gc::run(shell, args),
        Some(Command::Stats(args)) => return stats::run(shell, args),
        None => {}
    }
    let how = How {
        direction: match (args.pull, args.push) {
            (true, _) => Direction::Pull,
            (_, true) => Direction::Push,
            _ => Direction::Both,
        },
        is_dry_run: args.dry_run,
        collect: if args.no_gc { Collect::Nothing } else { Collect::AfterGrace },
        tells_receipt: !args.watch,
    };
    let settings = shell.exchange();
    for warning in &settings.warnings {
        shell.out.warn(text::line(warning));
    }
    let remotes = remote::meant(&settings, args.remote.as_deref())?;
    tell_moved(shell);
    match args.watch {
        true => watch::run(shell, &remotes, args.remote.is_some(), how),
        false => once(shell, &remotes, how),
    }
}

/// Says that this home goes on in a new log, and why, until that log was published. Opening what is kept decides so; that it cannot
/// be opened is told by the exchange.
fn tell_moved(shell: &Shell) {
    let Some(store) = shell.ground().ok().and_then(|ground| ground.store().ok()) else { return };
    let (Ok(status), Ok(reason)) = (store.status(), store.renewed()) else { return };
    let Some(own) = status.own() else { return };
    let (Some(from), None) = (own.row.vouched_by, own.head) else { return };
    let from = status.log(from).map_or(from.to_string(), |log| log.row.alias.clone());
    let (why, section) = match reason {
        Some(Reason::Lost) => ("exchange.db was gone, as where it was put away", "exchange.db is damaged"),
        Some(Reason::WentBack) => ("exchange.db was put back to an earlier state", "a backup was restored on a device"),
        Some(Reason::ForeignHead) => ("This home was copied, or put back from a backup", "a home was copied"),
        Some(Reason::Place) | None => ("This home was copied or moved", "a home was copied"),
    };
    shell.out.note(format_args!(
        "{why}: this device goes on in a new log, {}, which {from} speaks for. Nothing is lost; see \"{section}\" in docs/exchange.md.",
        own.row.alias
    ));
}

/// One exchange with each remote.
fn once(shell: &Shell, remotes: &[RemoteSettings], how: How) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let cancel = Arc::new(AtomicBool::new(false));
    let mut running = exchange::start(&ground, remotes, how, &cancel);
    let mut silent: Vec<&str> = remotes.iter().map(|remote| remote.name.as_str()).collect();
    let mut progress = Some(Progress::new(shell));
    let mut ended = Ended::default();
    loop {
        match running.next(PATIENCE) {
            Next::Over => break,
            Next::Quiet => {
                shell
                    .out
                    .note(format_args!("Still waiting for {}; Ctrl-C ends it, and does no harm.", silent.join(", ")));
            }
            Next::Heard(at, event) => {
                let Some(remote) = remotes.get(at) else { continue };
                match event {
                    Event::Waiting { pid, host } => {
                        progress = None;
                        shell.out.note(format_args!(
                            "Waiting for process {pid} on {host}, which is exchanging with {} …",
                            remote.name
                        ));
                    }
                    Event::Step(step) => show_step(progress.get_or_insert_with(|| Progress::new(shell)), remote, &step),
                    Event::Done(done) => {
                        progress = None;
                        silent.retain(|name| *name != remote.name);
                        ended.take(shell, remote, &how, *done)?;
                        // The next one may take long.
                        shell.out.flush()?;
                    }
                }
            }
        }
    }
    drop(progress);
    ended.finish(shell, remotes, &how)
}

/// What came of all of them.
#[derive(Default)]
struct Ended {
    n_well: usize,
    has_problems: bool,
    failures: Vec<(String, Failure)>,
    met: bool,
    unsent: Unsent,
}

impl Ended {
    /// Says how one ended.
    fn take(
        &mut self,
        shell: &Shell,
        remote: &RemoteSettings,
        how: &How,
        done: Result<Report, ExchangeError>,
    ) -> Result<(), Failure> {
        match done {
            Ok(report) => {
                let names = Names::read(shell)?;
                told::show(shell, remote, how, &report, &names)?;
                self.unsent.add(&remote.name, &report);
                self.n_well += 1;
                self.met |= !report.new_logs.is_empty();
                self.has_problems |= report.problems.iter().any(problem::is_failure);
            }
            Err(error) => {
                let class = error.class();
                let failure = Failure::from(error);
                if shell.out.is_json() {
                    told::show_failed(shell, remote, how, class, &failure)?;
                }
                self.failures.push((remote.name.clone(), failure));
            }
        }
        Ok(())
    }

    fn finish(mut self, shell: &Shell, remotes: &[RemoteSettings], how: &How) -> Result<(), Failure> {
        let mut stayed = false;
        if !shell.out.is_json() {
            // What one remote does not have another may have brought.
            self.unsent = self.unsent.missing_here(shell)?;
            self.unsent.show(shell, &Names::read(shell)?);
        }
        if !how.is_dry_run {
            overview::note_unapproved(shell, self.met)?;
            let was_to_go = how.direction != Direction::Pull && remotes.iter().any(|remote| remote.has_code);
            stayed = code::show(shell)? && was_to_go;
        }
        let Some((name, last)) = self.failures.pop() else {
            return match (self.has_problems, stayed) {
                (false, false) => Ok(()),
                (true, _) => Err(Failure::partly("not everything could be exchanged")
                    .hint("The rest is. The next exchange tries again; `carry exchange stats` shows how it stands.")),
                (false, true) => Err(Failure::partly("not all code of this device went out")
                    .hint("The rest is exchanged. `carry exchange stats` shows how it stands.")),
            };
        };
        for (name, failure) in &self.failures {
            shell.out.warn(format_args!("{name}: {}", failure.in_one_line()));
            failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
        }
        if remotes.len() > 1 {
            shell.out.note(format_args!("There was no exchange with {name}:"));
        }
        Err(if self.n_well > 0 { last.into_partly() } else { last })
    }
}

fn show_step(progress: &Progress, remote: &RemoteSettings, step: &Step) {
    let name = &remote.name;
    let number = |n: &usize| u64::try_from(*n).unwrap_or(u64::MAX);
    match step {
        Step::Listing => progress.show(&format!("{name}: looking"), 0, 0),
        Step::Pulling { n_objects, n_total, bytes } => {
            let what = format!("{name}: taking in, {}", text::size(*bytes));
            progress.show(&what, number(n_objects), number(n_total));
        }
        Step::Folding(stream) => progress.show(&format!("{name}: reading {}", stream.as_str()), 0, 0),
        Step::Saying => progress.show(&format!("{name}: gathering what is new here"), 0, 0),
        Step::Pushing { n_objects, n_total, bytes } => {
            let what = format!("{name}: putting, {}", text::size(*bytes));
            progress.show(&what, number(n_objects), number(n_total));
        }
        Step::Checking { n_objects, bytes } => {
            let what = format!("{name}: reading what is there, {}", text::size(*bytes));
            progress.show(&what, number(n_objects), 0);
        }
        // What was healed is said at the end.
        Step::Healed { .. } => {}
        Step::Collecting => progress.show(&format!("{name}: removing what is not needed any more"), 0, 0),
    }
}
