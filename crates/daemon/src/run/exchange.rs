//! One exchange with a remote, as a network thread does it: a push, or a look at what others have.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use carry_code::context::Context;
use carry_code::registry::{Consent, Registry, Tree};
use carry_code::remote::{Io, Remote, RemoteError};
use carry_code::repo::{OpenError, Repo};
use carry_kernel::db::DbError;
use carry_kernel::lease::{Held, Lease, Owner};
use carry_kernel::worker::{Failure, Reason};

use super::far::Far;
use super::link::{LinkId, Role, patience};
use super::results::sentence;
use super::{notices, outcome};
use crate::desktop::Desktop;

/// How often a running exchange tells how far it is within a step.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Longest name of a step: it may be what another machine says.
const STEP_CHARS_MAX: usize = 60;

/// What a thread is to do.
pub(super) struct Exchange {
    pub(super) link: LinkId,
    pub(super) role: Role,
    pub(super) remote: Remote,
    /// The trees it is for.
    pub(super) trees: Vec<Tree>,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) held: Held,
}

/// What came of it.
pub(super) type Outcome = outcome::Outcome<Done>;

/// What an exchange found besides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The remote or the consent is not what it was when the work was planned.
    pub(super) is_stale: bool,
    /// The remote lost lines of ours.
    pub(super) push_again: bool,
}

/// Why an exchange did not come about.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Db(#[from] DbError),
    /// It was cancelled, or the lease was lost.
    #[error("the exchange was cancelled")]
    Cancelled,
}

/// Whatever an exchange needs.
pub(super) struct Partner {
    pub(super) ctx: Context,
    pub(super) owner: Owner,
    pub(super) far: Arc<dyn Far>,
    pub(super) desktop: Desktop,
}

impl Partner {
    /// Does it. `lease` is this thread's own handle: a database is not shared between threads.
    pub(super) fn run(&self, work: &Exchange, lease: &mut Option<Lease>, tell: &dyn Fn(String)) -> Outcome {
        let mut run = || -> Result<Done, ExchangeError> {
            let lease = self.lease(lease)?;
            let mut registry = Registry::open(&self.ctx.home)?;
            match work.role {
                Role::Push => self.push(work, lease, &mut registry, tell),
                Role::Radar => self.fetch(work, lease, &mut registry, tell),
            }
        };
        match run() {
            Ok(done) => Outcome::Done(done),
            Err(error) => failure(&error).map_or(Outcome::Cancelled, Outcome::Failed),
        }
    }

    fn push(
        &self,
        work: &Exchange,
        lease: &Lease,
        registry: &mut Registry,
        tell: &dyn Fn(String),
    ) -> Result<Done, ExchangeError> {
        let mut done = Done::default();
        let mut failed = None;
        for tree in &work.trees {
            may_go_on(work, lease)?;
            let link = registry.link(&work.link.common_dir, &work.remote.shown_name(), &work.remote.key())?;
            if link.consent != Some(Consent::Agreed) {
                return Ok(Done { is_stale: true, ..done });
            }
            let repo = match Repo::open(&tree.root) {
                Ok(repo) => repo,
                Err(error) => {
                    failed.get_or_insert(ExchangeError::Open(error));
                    continue;
                }
            };
            // What the user agreed to is this URL. Since it was looked up, the name may mean another.
            if !self.is_still(&repo, &work.remote)? {
                done.is_stale = true;
                continue;
            }
            let progress = Progress::new(tell);
            let io = Io {
                interactive: false,
                cancel: &work.cancel,
                progress: &|step, done, total| progress.tell(step, done, total),
            };
            match self.far.push(&self.ctx, &repo, tree, &work.remote, &io) {
                Ok(report) => {
                    tracing::debug!(
                        tree = %tree.id, remote = work.remote.shown_name(), pushed = report.pushed.len(),
                        held = report.held.len(), refused = report.refused.len(), bytes = report.bytes, "pushed"
                    );
                    if self.may_notify() {
                        notices::of_push(registry, tree, work).into_iter().for_each(|notice| self.desktop.tell(notice));
                    }
                }
                // What stopped this tree need not stop the others, unless it is the remote.
                Err(error) if error.reason() == Some(Reason::InvalidData) => {
                    failed.get_or_insert(error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        failed.map_or(Ok(done), Err)
    }

    fn fetch(
        &self,
        work: &Exchange,
        lease: &Lease,
        registry: &mut Registry,
        tell: &dyn Fn(String),
    ) -> Result<Done, ExchangeError> {
        may_go_on(work, lease)?;
        let mut trees = registry.trees()?;
        trees.retain(|tree| tree.common_dir == work.link.common_dir);
        let mut opened = Vec::new();
        let mut failed = None;
        for tree in &work.trees {
            match Repo::open(&tree.root) {
                Ok(repo) => opened.push((tree, repo)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let Some((_, repo)) = opened.first() else {
            return failed.map_or(Ok(Done { is_stale: true, ..Done::default() }), |error| Err(error.into()));
        };
        if !self.is_still(repo, &work.remote)? {
            return Ok(Done { is_stale: true, ..Done::default() });
        }
        let progress = Progress::new(tell);
        let io = Io {
            interactive: false,
            cancel: &work.cancel,
            progress: &|step, done, total| progress.tell(step, done, total),
        };
        let report = self.far.fetch(&self.ctx, repo, &trees, &work.remote, &io)?;
        tracing::debug!(
            remote = work.remote.shown_name(),
            moved = report.moved.len(),
            refused = report.refused.len(),
            lost = report.lost.len(),
            "asked for others' work"
        );
        for (name, why) in &report.refused {
            tracing::warn!(remote = work.remote.shown_name(), line = name, "a line was refused: {why}");
        }
        let mut told = if self.may_notify() { notices::of_devices(registry) } else { Vec::new() };
        for (tree, repo) in &opened {
            match self.far.drift(&self.ctx, repo, &tree.id) {
                Ok(drift) if self.may_notify() => {
                    told.extend(notices::of_drift(registry, tree, &drift, self.ctx.clock.now()));
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(tree = %tree.id, "drift cannot be looked up: {}", sentence(&error)),
            }
        }
        told.into_iter().for_each(|notice| self.desktop.tell(notice));
        Ok(Done { push_again: !report.lost.is_empty(), ..Done::default() })
    }

    /// Whether lines of a tree still go to this remote, under this URL.
    fn is_still(&self, repo: &Repo, remote: &Remote) -> Result<bool, OpenError> {
        Ok(self.far.remotes(&self.ctx, repo)?.remotes.contains(remote))
    }

    fn may_notify(&self) -> bool {
        self.ctx.config(None).bool("daemon.notify")
    }

    fn lease<'a>(&self, open: &'a mut Option<Lease>) -> Result<&'a Lease, DbError> {
        if open.is_none() {
            *open = Some(Lease::open(&self.ctx.home, self.owner.clone())?.with_clock(self.ctx.clock.clone()));
        }
        Ok(open.as_ref().expect("it was opened above"))
    }
}

/// What cannot be asked for is taken for lost.
fn may_go_on(work: &Exchange, lease: &Lease) -> Result<(), ExchangeError> {
    let may = !work.cancel.load(Ordering::Relaxed) && lease.check(&work.held).unwrap_or(false);
    if may { Ok(()) } else { Err(ExchangeError::Cancelled) }
}

/// The class and words of a failure; `None` for an exchange that was cancelled.
fn failure(error: &ExchangeError) -> Option<Failure> {
    let reason = match error {
        ExchangeError::Cancelled => return None,
        ExchangeError::Remote(error) => error.reason()?,
        ExchangeError::Open(OpenError::Missing { .. }) => Reason::Unreachable,
        ExchangeError::Open(OpenError::Untrusted { .. }) => Reason::PolicyForbidden,
        ExchangeError::Open(_) => Reason::InvalidData,
        ExchangeError::Db(_) => Reason::InternalError,
    };
    Some(Failure { reason, message: sentence(error), retry_after: patience(reason) })
}

/// Tells of steps as they begin, and how far one is now and then.
struct Progress<'a> {
    tell: &'a dyn Fn(String),
    told: Mutex<Option<(String, Instant)>>,
}

impl<'a> Progress<'a> {
    fn new(tell: &'a dyn Fn(String)) -> Self {
        Self { tell, told: Mutex::new(None) }
    }

    fn tell(&self, step: &str, done: u64, total: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref().is_some_and(|(last, at)| last == step && at.elapsed() < TELL_EVERY) {
            return;
        }
        *told = Some((step.to_owned(), Instant::now()));
        (self.tell)(step_text(step, done, total));
    }
}

/// `pushing 45 %`, or the step alone when nobody knows how much there is.
fn step_text(step: &str, done: u64, total: u64) -> String {
    let step: String = step.chars().filter(|c| !c.is_control()).take(STEP_CHARS_MAX).collect();
    match u128::from(done.min(total)) * 100 / u128::from(total.max(1)) {
        _ if total == 0 => step,
        percent => format!("{step} {percent} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_how_far_it_is_if_anybody_knows() {
        assert_eq!(step_text("pushing", 45, 100), "pushing 45 %");
        assert_eq!(step_text("pushing", 7, 0), "pushing");
        assert_eq!(step_text("pushing", u64::MAX, 3), "pushing 100 %");
        assert_eq!(step_text(&"x\u{1b}".repeat(100), 0, 0), "x".repeat(STEP_CHARS_MAX));
    }

    #[test]
    fn what_somebody_must_mend_is_tried_rarely_and_cancelling_is_no_failure() {
        let failed = |reason| {
            let (remote, message) = ("origin".to_owned(), "no".to_owned());
            failure(&RemoteError::Failed { remote, reason, message }.into()).unwrap()
        };
        assert!(failed(Reason::AuthRequired).retry_after > Some(Duration::from_secs(60)));
        assert_eq!(failed(Reason::Unreachable).retry_after, None);
        assert_eq!(failed(Reason::AuthRequired).message, "Origin: no.");
        assert_eq!(failure(&RemoteError::Cancelled { remote: "origin".to_owned() }.into()), None);
    }
}
