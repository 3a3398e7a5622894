//! The end of a run: everything heals, devices meet until nothing moves any more, and then it is judged.

use std::collections::BTreeSet;

use carry_exchange::name::LogId;
use carry_exchange::round::{Problem, Report};
use carry_kernel::fault;

use super::{Judged, World, Wrong, unexpected};
use crate::check;

/// Times that all devices meet all their places, at most, until nothing moves any more.
const SWEEPS_MAX: usize = 60;
/// Sweeps in which nothing moved, before it is believed that nothing will; more than a day lies between the first and the last.
const QUIET_SWEEPS: usize = 3;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    n_writes: u64,
    n_gets: u64,
    n_records: u64,
    is_unfinished: bool,
}

/// The log in whose folder a problem lets a round look again.
fn of_log(problem: &Problem) -> Option<LogId> {
    match problem {
        Problem::Arriving(object)
        | Problem::Damaged(object)
        | Problem::Missing(object)
        | Problem::Wrong(object, _)
        | Problem::StillWrong(object, _)
        | Problem::Unreachable(object, _)
        | Problem::Lost(object, _)
        | Problem::Blocked(object) => Some(object.log()),
        Problem::Quota(log, _) | Problem::Shrunk(log) | Problem::Forked(log) | Problem::NeedsUpgrade(log) => Some(*log),
        Problem::NoHead(_) | Problem::Strand(..) | Problem::Cut(_) => None,
    }
}

impl World {
    /// Runs to the end.
    ///
    /// # Errors
    /// [`Wrong`] says what is.
    pub fn run(&mut self) -> Judged {
        let done = self.run_all();
        if done.is_err() {
            fault::arm(None);
            self.dump();
        }
        done
    }

    fn run_all(&mut self) -> Judged {
        for _ in 0..self.scenario.n_steps {
            self.step()?;
        }
        self.settle()?;
        check::all(self)
    }

    /// Lets everything heal, and devices meet until it is quiet.
    ///
    /// # Errors
    /// [`Wrong`] when it does not become quiet, or is not as cheap then as it should be.
    pub fn settle(&mut self) -> Judged {
        fault::arm(None);
        check::limits(self)?;
        self.note("everything heals");
        self.places.iter().for_each(crate::place::Place::heal);
        for device in 0..self.devices.len() {
            self.devices[device].online_at = 0;
            self.devices[device].options.is_dry_run = false;
            self.open_up(device);
            self.devices[device].start().map_err(unexpected("starting after healing"))?;
        }
        self.tell_of_revocation()?;
        let mut n_quiet = 0;
        for sweep in 0..SWEEPS_MAX {
            self.approve_all()?;
            let moved = self.sweep()?;
            self.note(&format!("sweep {sweep}: {moved:?}"));
            // Some rules wait an hour, or a day, before they do anything.
            self.time.pass(if sweep % 2 == 1 { 25 * 3_600_000 } else { 61 * 60_000 });
            let is_quiet = moved.n_writes == 0 && moved.n_records == 0 && !moved.is_unfinished;
            n_quiet = if is_quiet { n_quiet + 1 } else { 0 };
            if n_quiet == QUIET_SWEEPS {
                break;
            }
            if sweep + 1 == SWEEPS_MAX {
                return Err(Wrong(format!("it is not quiet after {SWEEPS_MAX} sweeps: {moved:?}")));
            }
        }
        self.look_at_quiet_rounds()
    }

    /// Every device meets every place once, in random order.
    fn sweep(&mut self) -> Judged<Moved> {
        let mut all: Vec<(usize, usize)> = (0..self.devices.len())
            .flat_map(|device| (0..self.devices[device].ways.len()).map(move |way| (device, way)))
            .collect();
        self.rng.shuffle(&mut all);
        let mut moved = Moved::default();
        let before = self.counted();
        for (device, way) in all {
            let report = self.calm_exchange(device, way)?;
            moved.n_records += report.records.values().sum::<u64>();
            moved.is_unfinished |= report.has_more;
        }
        let after = self.counted();
        moved.n_writes = after.0 - before.0;
        moved.n_gets = after.1 - before.1;
        Ok(moved)
    }

    fn calm_exchange(&mut self, device: usize, way: usize) -> Judged<Report> {
        match self.exchange(device, way, None)? {
            Some(report) => Ok(report),
            None => Err(Wrong(format!("device {device} could not exchange though nothing fails"))),
        }
    }

    fn counted(&self) -> (u64, u64) {
        let books = self.places.iter().map(|place| {
            let state = place.state();
            (state.books.n_writes, state.books.n_gets)
        });
        books.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// When all is quiet, a round costs one listing and nothing else.
    fn look_at_quiet_rounds(&mut self) -> Judged {
        for device in 0..self.devices.len() {
            for way in 0..self.devices[device].ways.len() {
                let place = self.places[self.devices[device].ways[way].place].clone();
                // Now and then what is there is compared with what should be; that was this one.
                self.calm_exchange(device, way)?;
                let before = place.state().books.clone();
                self.calm_exchange(device, way)?;
                let after = place.state().books.clone();
                let cost = (
                    after.n_lists - before.n_lists,
                    after.n_gets - before.n_gets,
                    after.n_puts - before.n_puts,
                    after.n_writes - before.n_writes,
                );
                let reports = || self.devices[device].reports.values().flat_map(|report| &report.problems);
                // What is missing or damaged is looked for again.
                let n_lists_max = 1 + reports().filter_map(of_log).collect::<BTreeSet<_>>().len() as u64;
                if cost.0 > n_lists_max || (cost.1, cost.2, cost.3) != (0, 0, 0) {
                    return Err(Wrong(format!(
                        "a quiet round of device {device} with {} costs {} listings, {} gets, {} puts, {} writes",
                        place.name(),
                        cost.0,
                        cost.1,
                        cost.2,
                        cost.3
                    )));
                }
            }
        }
        Ok(())
    }
}
