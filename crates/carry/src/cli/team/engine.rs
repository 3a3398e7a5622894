//! What pushing, previewing and comparing need, opened.

use std::sync::atomic::AtomicBool;

use carry_redact::Redactor;
use carry_sessions::archive::Archive;
use carry_team::postgres::Postgres;
use carry_team::push::{self, Depth, Progress as PushProgress, Push, Report};
use carry_team::settings::{DEFAULT_STORE, Settings, StoreSettings};
use carry_team::sink::Client;
use carry_team::state::State;

use super::store;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::wire::Shell;

/// A store, and the archive that is pushed to it.
pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) store: StoreSettings,
    archive: Option<Archive>,
}

impl Engine {
    /// Opens what there is of it. Connects to nothing.
    pub(super) fn open(shell: &Shell, name: &str) -> Result<Self, Failure> {
        let settings = shell.team();
        let store = store::named(shell, name)?;
        Ok(Self { settings, store, archive: Archive::open_read_only(&shell.home)? })
    }

    /// The same for a look at what a mode would share, before there is a store.
    pub(super) fn without_store(shell: &Shell) -> Result<Self, Failure> {
        let settings = shell.team_with(&[("team.url", "\"postgres://localhost/\"".to_owned())]);
        let store = settings.store(DEFAULT_STORE).cloned();
        let store = store.ok_or_else(|| {
            settings.warnings.iter().fold(Failure::failed("the settings cannot be used"), Failure::hint)
        })?;
        Ok(Self { settings, store, archive: Archive::open_read_only(&shell.home)? })
    }

    /// The archive, if there is one.
    pub(super) fn archive(&self) -> Option<&Archive> {
        self.archive.as_ref()
    }

    /// The archive, which must be there.
    pub(super) fn whole_archive(&self) -> Result<&Archive, Failure> {
        self.archive.as_ref().ok_or_else(|| {
            Failure::failed("no session is archived yet")
                .hint("`carry sessions index` reads what agents have left on this machine.")
        })
    }

    /// What masks.
    pub(super) fn redactor(&self, shell: &Shell) -> Result<Redactor, Failure> {
        Ok(push::redactor(&shell.home, &self.settings)?)
    }

    /// Who is at work here.
    pub(super) fn client(&self, shell: &Shell) -> Result<Client, Failure> {
        Ok(Client {
            origin: self.whole_archive()?.origin().to_owned(),
            // The state knows it.
            holder: String::new(),
            person: shell.person(),
            label: shell.context()?.device.get().label().to_owned(),
        })
    }

    /// Pushes. The caller holds the store's lease; `lost` is set when that is gone.
    pub(super) fn push(&self, shell: &Shell, depth: Depth, dry: bool, lost: &AtomicBool) -> Result<Report, Failure> {
        let mut state = State::open(&shell.home)?;
        let failed = match self.push_with(shell, &mut state, depth, dry, lost) {
            Ok(report) => return Ok(report),
            Err(failure) => failure,
        };
        // So that `status` says so, whether or not there is a daemon. That this cannot be noted is not what the user must hear.
        if !dry && let Err(error) = state.push_failed(&self.store.name, &failed.in_one_line(), shell.now()) {
            tracing::warn!(%error, "that a push failed could not be noted");
        }
        Err(failed)
    }

    fn push_with(
        &self,
        shell: &Shell,
        state: &mut State,
        depth: Depth,
        dry: bool,
        lost: &AtomicBool,
    ) -> Result<Report, Failure> {
        let progress = Progress::new(shell);
        let told = |at: PushProgress| progress.show("pushing sessions", at.done, at.of);
        let push = Push {
            archive: self.whole_archive()?,
            state,
            sink: &mut Postgres::new(&self.store),
            store: &self.store,
            redactor: &self.redactor(shell)?,
            client: self.client(shell)?,
            now: &|| shell.now(),
            cancel: lost,
            progress: &told,
        };
        Ok(push.run(depth, dry)?)
    }
}
