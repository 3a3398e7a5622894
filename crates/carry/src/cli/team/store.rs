//! Which store a command means.

use carry_team::settings::StoreSettings;

use crate::failure::Failure;
use crate::wire::Shell;

/// Which store.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct StoreArg {
    /// The team store, when there are several
    #[arg(long, value_name = "NAME")]
    pub(super) store: Option<String>,
}

impl StoreArg {
    /// The store that is named; else the default one.
    pub(super) fn settings(&self, shell: &Shell) -> Result<StoreSettings, Failure> {
        match &self.store {
            None => Ok(configured(shell)?.swap_remove(0)),
            Some(name) => named(shell, name),
        }
    }
}

/// The store of this name.
pub(super) fn named(shell: &Shell, name: &str) -> Result<StoreSettings, Failure> {
    let mut stores = configured(shell)?;
    match stores.iter().position(|store| store.name == name) {
        Some(at) => Ok(stores.swap_remove(at)),
        None => {
            let names: Vec<&str> = stores.iter().map(|store| store.name.as_str()).collect();
            Err(Failure::usage(format!("there is no team store {name:?}"))
                .hint(format!("These are configured: {}.", names.join(", "))))
        }
    }
}

/// All stores that are configured, at least one, the default one first.
pub(super) fn configured(shell: &Shell) -> Result<Vec<StoreSettings>, Failure> {
    let settings = shell.team();
    if settings.stores.is_empty() {
        let failure = Failure::failed("no team store is configured")
            .hint("`carry team init --url postgres://user@host/database` sets one up.");
        // A store that is there, but not understood, is not "none".
        return Err(settings.warnings.into_iter().fold(failure, Failure::hint));
    }
    Ok(settings.stores)
}
