//! Holding a lease while this process works: taken with patience, and renewed beside work that does not say how far it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use carry_kernel::clock::Clock;
use carry_kernel::lease::{Held, Lease, Outcome, Owner};

use crate::failure::Failure;
use crate::wire::Shell;

/// How long a lease is taken for; renewed at a third of it. One whose owner died is free at once.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How long to wait for another process that does the same.
const LEASE_WAIT: Duration = Duration::from_secs(60);
/// How often to try again meanwhile.
const LEASE_RETRY: Duration = Duration::from_millis(100);

/// Takes the lease, waiting for whoever has it. `doing` says what the other does: `capturing this working tree`.
pub(crate) fn acquire(shell: &Shell, lease: &mut Lease, name: &str, doing: &str) -> Result<Held, Failure> {
    let since = shell.clock.steady();
    let mut was_told = false;
    loop {
        let now = shell.clock.steady();
        match lease.acquire(name, LEASE, now)? {
            Outcome::Granted(held) => return Ok(held),
            Outcome::Refused { owner, .. } if now.since(since) >= LEASE_WAIT => {
                return Err(Failure::failed(format!(
                    "process {} on {} has been {doing} for more than a minute",
                    owner.pid, owner.host
                ))
                .hint("Nothing is lost: it does this work. `carry status` shows how far it is."));
            }
            Outcome::Refused { owner, .. } => {
                if !was_told && now.since(since) >= Duration::from_secs(1) {
                    shell
                        .out
                        .note(format_args!("Waiting for process {} on {}, which is {doing} …", owner.pid, owner.host));
                    was_told = true;
                }
                std::thread::sleep(LEASE_RETRY);
            }
        }
    }
}

/// Does `work` under the lease `name`. The flag that `work` gets is set when the lease was lost.
pub(crate) fn hold<T>(
    shell: &Shell,
    name: &str,
    doing: &str,
    work: impl FnOnce(&AtomicBool) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut lease = Lease::open(&shell.home, Owner::this_process())?;
    let held = acquire(shell, &mut lease, name, doing)?;
    let lost = AtomicBool::new(false);
    let clock = shell.clock.as_ref();
    std::thread::scope(|scope| {
        // Dropping it, also when the work panics, ends the thread.
        let (end, ended) = channel::<()>();
        let lost = &lost;
        std::thread::Builder::new()
            .name("carry-lease".to_owned())
            .spawn_scoped(scope, move || keep(lease, held, clock, &ended, lost))?;
        let done = work(lost);
        drop(end);
        done
    })
}

/// Renews the lease until `ended` hangs up, then gives it back.
fn keep(mut lease: Lease, mut held: Held, clock: &dyn Clock, ended: &Receiver<()>, lost: &AtomicBool) {
    while ended.recv_timeout(LEASE / 3) == Err(RecvTimeoutError::Timeout) {
        match lease.renew(&held, LEASE, clock.steady()) {
            Ok(Some(longer)) => held = longer,
            Ok(None) => return lost.store(true, Ordering::Relaxed),
            // It holds for a while yet; the next try may succeed.
            Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
        }
    }
    // One that cannot be given back lapses when this process ends.
    let _ = lease.release(held);
}
