//! One push to a team store, on a thread of its own that ends with it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;

use carry_code::context::Context;
use carry_code::git;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::Failure;
use carry_sessions::archive::Archive;
use carry_team::postgres::Postgres;
use carry_team::push::{self, Depth, Progress, Push, PushError, Report};
use carry_team::settings::{Settings, StoreSettings};
use carry_team::sink::{Client, Sink};
use carry_team::state::State;

use super::super::event::Event;
use super::super::outcome::{self, Teller};
use super::super::slot::Key;
use super::failure;

/// Makes what a push goes to; nothing is connected yet.
pub(in super::super) type MakeSink = dyn Fn(&StoreSettings) -> Box<dyn Sink> + Send + Sync;

/// The database that the settings name.
pub(in super::super) fn connect(settings: &StoreSettings) -> Box<dyn Sink> {
    Box::new(Postgres::new(settings))
}

/// What a push is to do.
pub(super) struct Work {
    pub(super) ctx: Context,
    pub(super) settings: Arc<Settings>,
    /// The store's name.
    pub(super) store: String,
    pub(super) cancel: Arc<AtomicBool>,
    pub(super) sink: Arc<MakeSink>,
}

/// How it ended.
pub(in super::super) type Outcome = outcome::Outcome<Box<Pushed>>;

/// What a push came to.
#[derive(Debug, Default)]
pub(in super::super) struct Pushed {
    pub(super) report: Report,
    /// Why what is set aside now is.
    pub(super) aside: Vec<String>,
    /// When that is tried again at the earliest, on the wall clock.
    pub(super) retry_at: Option<Timestamp>,
}

/// Starts it; the end comes as [`Event::PushedToStore`].
pub(super) fn start(work: Work, events: SyncSender<Event>) -> Result<(), Failure> {
    let (store, key) = (work.store.clone(), Key::Team(work.store.clone()));
    let cycle = move |teller: &Teller| match run(&work, teller) {
        Ok(pushed) => Outcome::Done(Box::new(pushed)),
        Err(error) => Outcome::Failed(failure::of(&error)),
    };
    let end = move |outcome| Event::PushedToStore { store, outcome: Box::new(outcome) };
    outcome::start(key, ("carry-team", "the push"), events, cycle, end)
}

fn run(work: &Work, teller: &Teller) -> Result<Pushed, PushError> {
    let Work { ctx, settings, store: name, .. } = work;
    let Some(store) = settings.store(name) else { return Ok(Pushed::default()) };
    // Without an archive there is nothing to share, nor anything that could have been.
    let Some(archive) = Archive::open_read_only(&ctx.home)? else { return Ok(Pushed::default()) };
    let redactor = push::redactor(&ctx.home, settings)?;
    let mut state = State::open(&ctx.home)?;
    let mut sink = (work.sink)(store);
    let client = Client {
        origin: archive.origin().to_owned(),
        holder: state.store(name)?.holder,
        person: person(settings),
        label: ctx.device.get().label().to_owned(),
    };
    let push = Push {
        archive: &archive,
        state: &mut state,
        sink: &mut *sink,
        store,
        redactor: &redactor,
        client,
        now: &|| ctx.clock.now(),
        cancel: &work.cancel,
        progress: &|progress| teller.tell(|| step(&progress)),
    };
    let report = push.run(Depth::Changed, false)?;
    let failed = state.store(name)?.failed;
    let retry_at = failed.iter().map(|(_, failed)| failed.retry_at).min();
    Ok(Pushed { report, aside: failed.into_iter().map(|(_, failed)| failed.why).collect(), retry_at })
}

/// Who pushes: as the settings say, else as Git does wherever no repository says otherwise.
fn person(settings: &Settings) -> String {
    if settings.person.is_empty() {
        git::user_name(Path::new("/")).unwrap_or_default()
    } else {
        settings.person.clone()
    }
}

/// Progress for people.
fn step(progress: &Progress) -> String {
    format!("pushing sessions: {} of {}", progress.done, progress.of)
}
