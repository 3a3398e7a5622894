//! Holding a lease while a round goes on: taken with patience, renewed beside the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use carry_code::context::Context;
use carry_kernel::lease::{Held, Lease, Outcome, Owner};

use super::round::ExchangeError;

/// How long a lease is taken for; renewed at a third of it. One whose owner died is free at once.
const LEASE: Duration = Duration::from_secs(60);
/// How often to try again while another process exchanges with the same remote.
const RETRY: Duration = Duration::from_millis(100);
/// How long to wait for it. What it does is what was asked for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often the keeper looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What ends work: any of these flags.
pub(super) type Cancel<'a> = &'a [&'a AtomicBool];

/// Does `work` under the lease `name`. The flag that `work` gets is set when the lease was lost, or when one of `cancel` is. `waits`
/// is told once who has it, when that takes longer than a moment.
pub(super) fn hold<T>(
    ctx: &Context,
    name: &str,
    cancel: Cancel<'_>,
    waits: &mut dyn FnMut(&Owner),
    work: impl FnOnce(&AtomicBool) -> Result<T, ExchangeError>,
) -> Result<T, ExchangeError> {
    let mut lease = Lease::open(&ctx.home, Owner::this_process()).map_err(ExchangeError::Lease)?;
    let held = acquire(ctx, &mut lease, name, cancel, waits)?;
    let stop = AtomicBool::new(is_set(cancel));
    std::thread::scope(|scope| {
        // Dropping it, also when the work panics, ends the thread.
        let (end, ended) = channel::<()>();
        let stop = &stop;
        let keeper = std::thread::Builder::new().name("carry-lease".to_owned());
        let keeper = keeper.spawn_scoped(scope, move || keep(ctx, lease, held, &ended, cancel, stop));
        keeper.map_err(ExchangeError::Thread)?;
        let done = work(stop);
        drop(end);
        done
    })
}

fn acquire(
    ctx: &Context,
    lease: &mut Lease,
    name: &str,
    cancel: Cancel<'_>,
    waits: &mut dyn FnMut(&Owner),
) -> Result<Held, ExchangeError> {
    let since = ctx.clock.steady();
    let mut was_told = false;
    loop {
        let now = ctx.clock.steady();
        match lease.acquire(name, LEASE, now).map_err(ExchangeError::Lease)? {
            Outcome::Granted(held) => return Ok(held),
            Outcome::Refused { owner, .. } => {
                let waited = now.since(since);
                if waited >= WAIT_MAX || is_set(cancel) {
                    return Err(ExchangeError::Busy { pid: owner.pid, host: owner.host });
                }
                if !was_told && waited >= Duration::from_secs(1) {
                    waits(&owner);
                    was_told = true;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

fn is_set(cancel: Cancel<'_>) -> bool {
    cancel.iter().any(|flag| flag.load(Ordering::Relaxed))
}

/// Renews the lease until `ended` hangs up, then gives it back.
fn keep(ctx: &Context, mut lease: Lease, mut held: Held, ended: &Receiver<()>, cancel: Cancel<'_>, stop: &AtomicBool) {
    let mut renewed = ctx.clock.steady();
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if is_set(cancel) {
            stop.store(true, Ordering::Relaxed);
        }
        let now = ctx.clock.steady();
        if now.since(renewed) < LEASE / 3 {
            continue;
        }
        match lease.renew(&held, LEASE, now) {
            Ok(Some(longer)) => (held, renewed) = (longer, now),
            Ok(None) => return stop.store(true, Ordering::Relaxed),
            // It holds for a while yet; the next try may succeed.
            Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
        }
    }
    // One that cannot be given back lapses when this process ends.
    let _ = lease.release(held);
}
