//! One exchange with one remote: rounds under a lease until nothing is left, and a note of how they ended.

use std::sync::atomic::{AtomicBool, Ordering};

use carry_exchange::remote::{Class, Deadline};
use carry_exchange::round::{self, Collection, Direction, Options, Problem, Report, RoundError, Side, Step};
use carry_exchange::store::{Store, Way};
use carry_exchange::strand::Strand;
use carry_kernel::db::DbError;

use super::hold::Cancel;
use super::settings::RemoteSettings;
use super::{ConnectError, Ground, GroundError, How, accord, hold, sum};

/// Rounds that one exchange makes at most: what then is left is said, and another goes on.
const ROUNDS_MAX: usize = 10_000;

/// A name that no remote has.
const NO_REMOTE: &str = "";

/// Why there was no exchange, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// This device's side.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// The remote, before it was asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The round.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// Another process exchanges with the same remote, and goes on doing so.
    #[error("process {pid} on {host} has been exchanging with it for more than a minute")]
    Busy {
        /// The process.
        pid: u32,
        /// Its machine.
        host: String,
    },
    /// Nothing was heard of it for so long, and others waited: it was left.
    #[error("nothing was heard of it for {} minutes, and it was left for the others", patience.as_secs().div_ceil(60))]
    Silent {
        /// How long.
        patience: std::time::Duration,
    },
    /// All was to end, and it did not within so long: it was left.
    #[error("it did not answer for {} seconds after all was to end, and was left", after.as_secs())]
    Left {
        /// How long.
        after: std::time::Duration,
    },
    /// The lease.
    #[error("who exchanges with it cannot be known")]
    Lease(#[source] DbError),
    /// No thread to work in.
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
    /// A mistake of ours.
    #[error("the exchange failed by a mistake in Carry: {0}")]
    Panicked(String),
}

impl ExchangeError {
    /// What kind of failure it is, in a word for status and machines.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Round(RoundError::Remote(error)) => error.class().as_str(),
            Self::Round(RoundError::Store(_)) | Self::Ground(_) => "store",
            Self::Connect(ConnectError::Token { .. } | ConnectError::NoToken { .. } | ConnectError::Bucket { .. }) => {
                "denied"
            }
            Self::Connect(ConnectError::Peer { .. } | ConnectError::Random(_))
            | Self::Thread(_)
            | Self::Panicked(_) => "internal_error",
            Self::Busy { .. } | Self::Lease(_) => "busy",
            Self::Silent { .. } => "unreachable",
            Self::Left { .. } => Class::Cancelled.as_str(),
        }
    }

    /// Whether it ended because somebody asked for that.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Left { .. } => true,
            Self::Round(RoundError::Remote(error)) => error.class() == Class::Cancelled,
            _ => false,
        }
    }
}

/// The name of the lease under which this device exchanges with a remote.
pub fn lease_name(remote: &str) -> String {
    format!("exchange/{remote}")
}

/// What happens meanwhile.
pub(super) enum Meanwhile<'a> {
    /// Another process is waited for.
    Waiting(&'a carry_kernel::lease::Owner),
    /// The round is at this.
    Step(Step),
}

/// Exchanges with one remote until nothing is left to move, `cancel` is set, or it fails. Another process that does the same is
/// waited for. How it ended is noted in the store.
///
/// # Errors
/// [`ExchangeError`]; what was done before stays.
pub fn once(
    ground: &Ground,
    remote: &RemoteSettings,
    how: &How,
    cancel: &AtomicBool,
    tell: &mut dyn FnMut(Step),
) -> Result<Report, ExchangeError> {
    run(ground, remote, how, &[cancel], &mut |what| {
        if let Meanwhile::Step(step) = what {
            tell(step);
        }
    })
}

pub(super) fn run(
    ground: &Ground,
    remote: &RemoteSettings,
    how: &How,
    cancel: Cancel<'_>,
    tell: &mut dyn FnMut(Meanwhile<'_>),
) -> Result<Report, ExchangeError> {
    // It may be called otherwise since the daemon started.
    if let Err(error) = ground.ctx.refresh_device() {
        tracing::warn!("the device's identity cannot be read again: {error}");
    }
    let mut store = ground.store()?;
    // The two of them speak one after the other.
    let tell = std::cell::RefCell::new(tell);
    let done = hold::hold(
        &ground.ctx,
        &lease_name(&remote.name),
        cancel,
        &mut |owner| (tell.borrow_mut())(Meanwhile::Waiting(owner)),
        |stop| rounds(ground, remote, how, &mut store, stop, &mut |step| (tell.borrow_mut())(Meanwhile::Step(step))),
    );
    if let Err(ExchangeError::Connect(error)) = &done
        && !how.is_dry_run
    {
        // Rounds note how they went; this one did not begin.
        note(ground, &mut store, remote, how.direction, &in_one_line(error))?;
    }
    done
}

fn rounds(
    ground: &Ground,
    remote: &RemoteSettings,
    how: &How,
    store: &mut Store,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Step),
) -> Result<Report, ExchangeError> {
    let options = options_there(ground, store, remote, how)?;
    let place = ground.connect(remote, store.log())?;
    let mut strands = ground.strands(remote.has_code);
    let deadline = Deadline::NONE.on(stop);
    let mut all = Report::default();
    let failed = std::mem::take(&mut strands.failed).into_iter();
    let unopened: Vec<Problem> =
        failed.filter_map(|(name, error)| Some(Problem::Strand(name.parse().ok()?, error.to_string()))).collect();
    if !how.is_dry_run {
        settle(ground, store);
    }
    for _ in 0..ROUNDS_MAX {
        let strands = strands.open.iter_mut().map(|strand| &mut **strand as &mut (dyn Strand + '_));
        let mut side = Side { store, strands: strands.collect(), clock: &*ground.ctx.clock };
        let report = round::exchange(&mut side, &*place, &options, &deadline, tell)?;
        // What was met may be of a device of which something was said before.
        let counts = report.pulled.n_heads > 0 && !how.is_dry_run && settle(ground, store);
        let (goes_on, moved) = (report.has_more || counts, sum::has_moved(&report));
        sum::add(&mut all, report);
        // A round that moved nothing is followed by none that does.
        if !goes_on || !moved || how.is_dry_run || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    all.problems.extend(unopened);
    Ok(all)
}

/// See [`accord::settle`]; says whether a log counts now that did not. What cannot be had holds up no exchange.
fn settle(ground: &Ground, store: &mut Store) -> bool {
    accord::settle(store, &ground.ctx.home, ground.ctx.clock.now()).unwrap_or_else(|error| {
        tracing::warn!("who is trusted at Git remotes and in the exchange cannot be compared: {error}");
        false
    })
}

/// What is noted of a remote holds where it was noted: the settings may name another place by now. Called under the lease, before
/// anything of it is believed.
pub(super) fn at_its_place(store: &mut Store, remote: &RemoteSettings) -> Result<(), ExchangeError> {
    if store.note_place(&remote.name, &remote.location.to_string()).map_err(GroundError::Store)? {
        tracing::info!(remote = remote.name, "the remote is elsewhere now; what was noted of it is forgotten");
    }
    Ok(())
}

/// How a round is made, once it is sure that what is noted of the remote is of the place where it is. A dry run forgets nothing:
/// where that is not so, it goes by what is noted of no remote, which is nothing.
fn options_there(
    ground: &Ground,
    store: &mut Store,
    remote: &RemoteSettings,
    how: &How,
) -> Result<Options, ExchangeError> {
    let mut options = ground.options(remote, how);
    if !how.is_dry_run {
        at_its_place(store, remote)?;
    } else if store.noted_place(&remote.name).map_err(GroundError::Store)? != Some(remote.location.to_string()) {
        NO_REMOTE.clone_into(&mut options.remote);
    }
    Ok(options)
}

/// Plans what is to be removed at a remote, and unless it is a dry run removes it.
///
/// # Errors
/// [`ExchangeError`].
pub fn collect(
    ground: &Ground,
    remote: &RemoteSettings,
    how: &How,
    cancel: &AtomicBool,
) -> Result<Collection, ExchangeError> {
    let mut store = ground.store()?;
    hold::hold(&ground.ctx, &lease_name(&remote.name), &[cancel], &mut |_| {}, |stop| {
        let options = options_there(ground, &mut store, remote, how)?;
        let place = ground.connect(remote, store.log())?;
        let deadline = Deadline::NONE.on(stop);
        Ok(round::collect(&mut store, &*place, &options, &*ground.ctx.clock, &deadline)?)
    })
}

/// Notes that there was no round, and why.
fn note(
    ground: &Ground,
    store: &mut Store,
    remote: &RemoteSettings,
    direction: Direction,
    why: &str,
) -> Result<(), ExchangeError> {
    let ways: &[Way] = match direction {
        Direction::Both => &[Way::Pull, Way::Push],
        Direction::Pull => &[Way::Pull],
        Direction::Push => &[Way::Push],
    };
    for way in ways {
        store.note_round(&remote.name, *way, Some(why), ground.ctx.clock.now()).map_err(GroundError::Store)?;
    }
    Ok(())
}

/// An error and its causes.
pub(super) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use carry_exchange::remote::{FolderRemote, Remote as _};
    use carry_kernel::db::rusqlite::Connection;

    use super::*;
    use crate::exchange::fixture::{Side, settled};

    /// All that is noted of remotes.
    fn noted(side: &Side) -> Vec<String> {
        let db = Connection::open(side.ground.ctx.home.database("exchange")).unwrap();
        let mut all = Vec::new();
        for table in ["put", "published", "rejects", "places", "rounds", "hours", "compared", "answered", "carried"] {
            let mut rows = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let n_columns = rows.column_count();
            let rows = rows.query_map([], |row| {
                (0..n_columns).map(|at| Ok(format!("{:?}", row.get_ref(at)?))).collect::<Result<Vec<_>, _>>()
            });
            all.extend(rows.unwrap().map(|row| format!("{table}: {}", row.unwrap().join(", "))));
        }
        all
    }

    #[test]
    fn a_dry_run_at_another_place_forgets_nothing_and_believes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (before, _) = settled(&root, &["place"]);
        let elsewhere = root.join("elsewhere/place");
        std::fs::create_dir_all(&elsewhere).unwrap();
        FolderRemote::new(&elsewhere, before.log(), 1).init(&Deadline::NONE).unwrap();
        let after = Side::new(&root, "author", &[elsewhere]);
        let (remote, never) = (after.ground.settings.remote("place").unwrap(), AtomicBool::new(false));
        let run = |side: &Side, remote: &RemoteSettings, is_dry_run| {
            let how = How { is_dry_run, ..How::default() };
            let pushed = once(&side.ground, remote, &how, &never, &mut |_| {}).unwrap().pushed;
            let collection = collect(&side.ground, remote, &How { is_dry_run: true, ..how }, &never).unwrap();
            (pushed.n_heads, pushed.n_objects, collection.removed.len() + collection.waiting.len())
        };
        let at_first = noted(&before);
        assert!(at_first.iter().any(|row| row.starts_with("put: ")), "{at_first:?}");
        assert_eq!(run(&after, remote, true), (1, 1, 0), "nothing is taken to be there");
        assert_eq!(noted(&after), at_first);
        // Where it was it still knows what it did.
        assert_eq!(run(&before, before.ground.settings.remote("place").unwrap(), true).0, 0);
        assert_eq!(run(&after, remote, false), (1, 1, 0));
        assert_ne!(noted(&after), at_first);
    }
}
