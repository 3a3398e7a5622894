//! Why a command did not do what was asked: its exit code, the chain of causes, and what to do.
//!
//! Library errors are turned into failures here and nowhere else, and printed here and nowhere else.

use std::error::Error;
use std::io;
use std::path::Path;

use carry_code::capture::CaptureError;
use carry_code::history::HistoryError;
use carry_code::prune::PruneError;
use carry_code::registry::RegistryError;
use carry_code::repo::OpenError;
use carry_code::restore::RestoreError;
use carry_daemon::control::ControlError;
use carry_daemon::handle::{HandleError, reason};
use carry_daemon::run::RunError;
use carry_daemon::service::ServiceError;
use carry_kernel::config::ConfigEditError;
use carry_kernel::db::DbError;
use carry_kernel::device::DeviceError;
use carry_kernel::disk::DiskError;
use carry_kernel::home::HomeError;
use serde::Serialize;

use crate::output::{Output, style};
use crate::text;

mod between;
mod exchange;
mod serve;
mod sessions;
mod team;

pub(crate) use exchange::is_damaged_store;

/// Exit code for a mistake of ours.
pub(crate) const EXIT_BUG: u8 = 70;

/// Shown at the end of every help text.
pub(crate) const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 70 a mistake in Carry, 130 interrupted.";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Nothing, or not what counts, was done.
    Failed,
    /// It was asked for wrongly.
    Usage,
    /// Some was done.
    Partly,
    /// The user ended it before it was done.
    Interrupted,
    /// The reader of our output went away. Not worth a word.
    Closed,
}

impl Kind {
    fn exit_code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partly => 3,
            // As a shell says it of a program that the interrupt itself ends.
            Self::Interrupted => 130,
        }
    }
}

/// A command that did not do, or did not wholly do, what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

/// An error that is only words.
#[derive(Debug)]
struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl Error for Said {}

/// A failure as `--json` prints it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
struct Line<'a> {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: &'a [String],
}

impl Failure {
    /// Nothing was done.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, Said(message.into()))
    }
    /// The command was asked for wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, Said(message.into()))
    }
    /// Some of it was done.
    pub(crate) fn partly(message: impl Into<String>) -> Self {
        Self::new(Kind::Partly, Said(message.into()))
    }
    /// The user ended it; what was done before stays.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Kind::Interrupted, Said(message.into()))
    }
    /// An error of a library that has no hints of its own.
    pub(crate) fn from_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Failed, error: error.into(), hints: Vec::new() }
    }
    /// Adds what to do about it: a full sentence.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
    /// The same as what was partly done: some of it went well before.
    #[must_use]
    pub(crate) fn into_partly(mut self) -> Self {
        self.kind = Kind::Partly;
        self
    }
    /// Whether something was done.
    pub(crate) fn is_partly(&self) -> bool {
        self.kind == Kind::Partly
    }
    /// Whether the user ended it.
    #[cfg(test)]
    pub(crate) fn is_interrupted(&self) -> bool {
        self.kind == Kind::Interrupted
    }
    /// In one line: the error and its causes.
    pub(crate) fn in_one_line(&self) -> String {
        std::iter::once(self.error.to_string()).chain(self.causes()).collect::<Vec<_>>().join(": ")
    }
    /// The hints.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    fn new(kind: Kind, error: impl Error + Send + Sync + 'static) -> Self {
        Self { kind, error: Box::new(error), hints: Vec::new() }
    }

    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut last = self.error.to_string();
        let mut next = self.error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // A transparent wrapper says the same as what it wraps, and others repeat it at their end.
            if !last.ends_with(&text) {
                causes.push(text.clone());
            }
            last = text;
            next = cause.source();
        }
        causes
    }

    /// Prints it, to stderr for people and to stdout as JSON, and returns the exit code.
    pub(crate) fn report(&self, out: &Output) -> u8 {
        if self.kind == Kind::Closed {
            return self.kind.exit_code();
        }
        if out.is_json() {
            let line =
                Line { kind: self.kind, message: self.error.to_string(), causes: self.causes(), hints: &self.hints };
            // Nobody is left to be told that the telling failed.
            let _ = out.json(&line);
        } else {
            out.problem(style::ERROR, "Error", &self.error.to_string());
            for cause in self.causes() {
                out.problem(style::DIM, "Caused by", &cause);
            }
            for hint in &self.hints {
                out.problem(style::HINT, "Hint", hint);
            }
        }
        self.kind.exit_code()
    }
}

/// Says that a panic is our mistake. Also logged, for a daemon whose stderr nobody sees.
#[expect(clippy::print_stderr, reason = "a panic has no Output to speak through")]
pub(crate) fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("no message");
    tracing::error!(place, message, "panic");
    eprintln!("Error: this is a mistake in Carry itself ({place})\nCaused by: {message}");
    eprintln!("Hint: Your files and Git's state are untouched by it. Please report it with these lines.");
}

macro_rules! plain {
    ($($error:ty),* $(,)?) => { $(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Kind::Failed, error)
            }
        }
    )* };
}
plain!(HomeError, DiskError, ControlError, RunError, ConfigEditError);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::Closed } else { Kind::Failed };
        Self::new(kind, error)
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        let hint = match &error {
            DeviceError::Damaged { .. } => Some(
                "Bring the file back from a backup. Moving it away makes this a new device; its snapshots so far stay readable.",
            ),
            _ => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let hint = match &error {
            DbError::Newer { .. } => Some("Install the newer Carry here too."),
            DbError::Older { .. } => Some("`carry daemon restart`, or any command that writes, brings it up to date."),
            DbError::Foreign { .. } => Some(
                "Move the file away; `carry add` registers repositories anew. No snapshot is lost: they lie in the repositories.",
            ),
            DbError::Sqlite { .. } | DbError::Disk(_) => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let hint = open_hint(&error);
        let mut failure = Self::new(Kind::Failed, error);
        failure.hints.extend(hint);
        failure
    }
}

fn open_hint(error: &OpenError) -> Option<String> {
    match error {
        OpenError::Missing { .. } => Some(
            "If it was moved, run `carry add` at its new place; if it is gone for good, `carry remove` it.".to_owned(),
        ),
        OpenError::NotARepository { .. } => {
            Some("Go into a Git working tree, or name one. Carry never runs `git init` for you.".to_owned())
        }
        OpenError::Bare { .. } => Some("Uncommitted work lies in working trees; run this in one.".to_owned()),
        OpenError::Untrusted { path } => {
            Some(format!("If you trust it: git config --global --add safe.directory {}", text::shell_word(path)))
        }
        OpenError::Damaged { .. } => Some("`git fsck` there says what is wrong.".to_owned()),
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Open(error) => error.into(),
            RegistryError::Db(error) => error.into(),
            RegistryError::Guarded { .. } => {
                Self::new(Kind::Failed, error).hint("`carry add --force` there registers it all the same.")
            }
        }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let hint = match &error {
            HistoryError::Db(_) => None,
            HistoryError::NoMatch { .. } | HistoryError::TooEarly { .. } | HistoryError::BadSpec { .. } => {
                Some("`carry log` lists the snapshots.")
            }
            HistoryError::Ambiguous { .. } => Some("Give more digits of the id; `carry log` lists the snapshots."),
            HistoryError::Git { .. } | HistoryError::NotASnapshot(_) | HistoryError::NotASeal(_) => {
                Some("`carry doctor` finds and mends damaged lines.")
            }
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Self {
        let hint = match error {
            CaptureError::Open(error) => return error.into(),
            CaptureError::Db(error) => return error.into(),
            CaptureError::History(error) => return error.into(),
            CaptureError::Device(error) => return error.into(),
            CaptureError::OverBudget { .. } => Some(OVER_BUDGET),
            CaptureError::DiskFull { .. } => Some(DISK_FULL),
            CaptureError::Vanished { .. } => {
                Some("Another program removes objects at the same time, perhaps `git gc`. Try again when it is done.")
            }
            CaptureError::Cancelled => {
                Some("Another process took over, or ended it; `carry status` says who captures now.")
            }
            _ => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

/// What to do when the budget is used up.
const OVER_BUDGET: &str = "`carry prune --gc` gives space back; `carry config set budget.repository SIZE` allows more.";
/// What to do when the disk is full.
const DISK_FULL: &str = "Free some space on that file system; the next capture takes everything.";
/// What to do when nothing may be captured.
pub(crate) const SWITCHED_OFF: &str = "`carry config show --origin` there says where code.enabled was set.";

impl Failure {
    /// A capture of the working tree at `root` that the daemon says it could not make.
    pub(crate) fn of_daemon(root: &Path, why: &str, reason: Option<&str>) -> Self {
        let hint = match reason {
            Some(reason::OVER_BUDGET) => Some(OVER_BUDGET.to_owned()),
            Some(reason::DISK_FULL) => Some(DISK_FULL.to_owned()),
            Some(reason::UNTRUSTED) => open_hint(&OpenError::Untrusted { path: root.to_owned() }),
            Some(reason::MISSING) => open_hint(&OpenError::Missing { path: root.to_owned() }),
            Some(reason::SWITCHED_OFF) => Some(SWITCHED_OFF.to_owned()),
            Some(reason::PAUSED) => Some("`carry resume` captures it again.".to_owned()),
            // A newer daemon may know more reasons.
            _ => None,
        };
        let mut failure = Self::failed(why.trim_end_matches('.'));
        failure.hints.extend(hint);
        failure
    }
}

impl From<PruneError> for Failure {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::History(error) => error.into(),
            PruneError::Db(error) => error.into(),
            _ => Self::new(Kind::Failed, error),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let hint = match error {
            RestoreError::History(error) => return error.into(),
            RestoreError::IndexLocked { .. } => {
                Some("Wait for the other Git command. If none runs, `carry doctor --fix` removes the lock.")
            }
            _ => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<HandleError> for Failure {
    fn from(error: HandleError) -> Self {
        let hint = match &error {
            HandleError::NotRunning => "`carry daemon start` starts it.",
            HandleError::Broken(_) => "`carry daemon restart` starts it afresh; `carry logs` may say more.",
        };
        Self::new(Kind::Failed, error).hint(hint)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

impl Failure {
    fn with(mut self, hint: Option<&str>) -> Self {
        self.hints.extend(hint.map(str::to_owned));
        self
    }
}

impl Failure {
    /// Whether it says that a path lies in no working tree.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(OpenError::NotARepository { .. }))
    }
    /// Whether it says that a path does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(OpenError::Missing { .. }))
    }
}
