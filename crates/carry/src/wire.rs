//! Where everything comes together: the one place that reads environment, flags, clock and identity.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_code::context::Context;
use carry_code::history::{self, HistoryError};
use carry_code::registry::Registry;
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_daemon::control::{self, Liveness};
use carry_daemon::exchange::{self, Around, Ground};
use carry_daemon::handle::{Handle as _, Request};
use carry_daemon::socket::Remote;
use carry_exchange::store::Store;
use carry_kernel::clock::{Clock, SystemClock, Timestamp};
use carry_kernel::config::{Config, ConfigEditError, Key, Origin, Sources, Warning};
use carry_kernel::device::{self, Device};
use carry_kernel::home::Home;
use carry_kernel::id::TreeId;
use carry_sessions::settings::Settings;

use crate::cli::Options;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

/// Every table of settings there is.
pub(crate) const KEYS: &[&[Key]] = &[
    carry_kernel::config::KEYS,
    carry_code::settings::KEYS,
    carry_sessions::settings::KEYS,
    carry_team::settings::KEYS,
    carry_daemon::exchange::settings::KEYS,
    carry_hub::settings::KEYS,
];

/// What a command has at hand. Databases, identity and configuration are opened when asked for, so that a command
/// that needs none starts at once.
pub(crate) struct Shell {
    /// What was asked for besides the command.
    pub(crate) options: Options,
    /// Where to speak.
    pub(crate) out: Output,
    /// Where Carry keeps its things.
    pub(crate) home: Home,
    /// `CARRY_HOME`, when that is what says so.
    pub(crate) carry_home: Option<PathBuf>,
    /// The user's home directory.
    pub(crate) user_home: Option<PathBuf>,
    /// Where we stand; absolute, links resolved.
    pub(crate) cwd: PathBuf,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    sources: Sources,
    /// The files of settings of which it was said that they cannot be parsed.
    said: RefCell<Vec<Origin>>,
}

impl Shell {
    /// Puts it together from flags and environment. Opens nothing.
    pub(crate) fn new(options: Options, out: Output) -> Result<Self, Failure> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(directory) = &options.directory {
            // The process itself moves, so that programs it starts stand there too.
            std::env::set_current_dir(directory)
                .map_err(|e| Failure::usage(format!("cannot go to {}: {e}", directory.display())))?;
        }
        let cwd = std::env::current_dir()
            .map_err(|e| Failure::from_error(e).hint("The folder you are in is gone; go to another one."))?;
        let home = Home::from_env(var)?;
        let sources = Sources {
            user: Some(home.config_file()),
            repository: None,
            environment: environment(std::env::vars_os()),
            flags: options.config.clone(),
        };
        check_flags(&sources)?;
        Ok(Self {
            options,
            out,
            home,
            carry_home: var("CARRY_HOME").map(PathBuf::from),
            user_home: var("HOME").map(PathBuf::from),
            cwd,
            clock: clock(&var),
            sources,
            said: RefCell::default(),
        })
    }

    /// What captures and restores need; makes the device's identity when there is none.
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        Ok(self.context_of(Device::load_or_create(&self.home, &device::host_name())?))
    }

    /// The same, if this device has an identity. Makes nothing.
    pub(crate) fn existing_context(&self) -> Result<Option<Context>, Failure> {
        Ok(Device::load(&self.home)?.map(|device| self.context_of(device)))
    }

    fn context_of(&self, device: Device) -> Context {
        Context {
            home: self.home.clone(),
            device: device.into(),
            clock: self.clock.clone(),
            sources: self.sources.clone(),
        }
    }

    /// The configuration that holds for the working tree at `root`, or the user's alone. A file
    /// that cannot be parsed is named on stderr, once; what else is wrong is said by `config` and `doctor`.
    pub(crate) fn config(&self, root: Option<&Path>) -> Config {
        let config = self.config_in_silence(root);
        self.warn_of_broken(&config);
        config
    }

    /// The same, saying nothing.
    pub(crate) fn config_in_silence(&self, root: Option<&Path>) -> Config {
        let mut sources = self.sources.clone();
        sources.repository = root.map(Path::to_owned);
        Config::load(KEYS, &sources)
    }

    fn load(&self, sources: &Sources) -> Config {
        let config = Config::load(KEYS, sources);
        self.warn_of_broken(&config);
        config
    }

    /// The configuration as it would be if the user's file were edited so. The file stays as it is: a copy is edited.
    pub(crate) fn config_if(&self, edit: impl FnOnce(&Path) -> Result<(), ConfigEditError>) -> Result<Config, Failure> {
        let (_dir, copy) = self.copy_of_config()?;
        edit(&copy)?;
        Ok(Config::load(KEYS, &Sources { user: Some(copy), ..self.sources.clone() }))
    }

    /// Edits the user's file in several ways and one step: a copy is edited, and takes its place. Whoever reads it meanwhile finds all
    /// of it or nothing.
    pub(crate) fn edit_config<T>(&self, edit: impl FnOnce(&Path) -> Result<T, ConfigEditError>) -> Result<T, Failure> {
        let (_dir, copy) = self.copy_of_config()?;
        let done = edit(&copy)?;
        // Where it really lies: dotfiles are often links into a repository.
        let file = self.home.config_file();
        let file = std::fs::canonicalize(&file).unwrap_or(file);
        carry_kernel::disk::write_atomic(&file, &std::fs::read(&copy)?)?;
        Ok(done)
    }

    fn copy_of_config(&self) -> Result<(tempfile::TempDir, PathBuf), Failure> {
        let dir = tempfile::tempdir()?;
        let copy = dir.path().join("config.toml");
        match std::fs::read(self.home.config_file()) {
            Ok(bytes) => carry_kernel::disk::write_atomic(&copy, &bytes)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e.into()),
        }
        Ok((dir, copy))
    }

    fn warn_of_broken(&self, config: &Config) {
        for warning in config.broken() {
            let mut said = self.said.borrow_mut();
            if !said.contains(&warning.origin) {
                said.push(warning.origin.clone());
                self.out.warn(broken(warning));
            }
        }
    }

    /// Fails when a file of the configuration for `root`, or of the user's alone, cannot be parsed: for commands that must not go by what
    /// is left of it.
    pub(crate) fn check_config(&self, root: Option<&Path>) -> Result<(), Failure> {
        let config = self.config_in_silence(root);
        let Some(warning) = config.broken().first() else { return Ok(()) };
        Err(Failure::failed(broken(warning).trim_end_matches('.')).hint(match warning.origin {
            Origin::Repository { .. } => "`carry doctor` says whether it is mended.",
            _ => "`carry config edit` opens it, and `carry doctor` says whether it is mended.",
        }))
    }

    /// Whether flags or variables of this run say otherwise than the files that a daemon reads.
    pub(crate) fn has_overrides(&self) -> bool {
        let is_ours = |origin: &Origin| matches!(origin, Origin::Environment(_) | Origin::Flag);
        self.config(None).iter().any(|resolved| resolved.origins.iter().any(is_ours))
    }

    /// Whether the working tree at `root` may be captured.
    pub(crate) fn is_enabled(&self, root: &Path) -> bool {
        self.config(Some(root)).bool("code.enabled")
    }

    /// The snapshot of `tree` that `spec` names.
    pub(crate) fn find(&self, repo: &Repo, tree: &TreeId, spec: &str) -> Result<Snapshot, Failure> {
        history::find(repo, tree, spec, self.now()).map_err(|error| match error {
            HistoryError::TooEarly { spec, oldest } => {
                let (at, age) = (text::local_time(oldest), carry_code::time::age(oldest, self.now()));
                Failure::failed(format!("no snapshot is as old as {spec:?}; the oldest was made {age}, at {at}"))
                    .hint("`carry log` lists the snapshots.")
            }
            other => other.into(),
        })
    }

    /// Where sessions with agents are looked for, and how they are archived.
    pub(crate) fn sessions(&self) -> Result<Settings, Failure> {
        self.sessions_of(&self.config(None))
    }

    /// The same of a configuration that was read.
    pub(crate) fn sessions_of(&self, config: &Config) -> Result<Settings, Failure> {
        let home = self.user_home.as_deref().ok_or_else(|| {
            Failure::failed("HOME is not set, so that nobody knows where agents keep their sessions")
                .hint("Set HOME to your home directory.")
        })?;
        Ok(Settings::new(config, home, &|name| std::env::var_os(name)))
    }

    /// The team stores, and what is shared with them.
    pub(crate) fn team(&self) -> carry_team::settings::Settings {
        self.team_with(&[])
    }

    /// The same as they would be if these settings were said, too.
    pub(crate) fn team_with(&self, said: &[(&str, String)]) -> carry_team::settings::Settings {
        let mut sources = self.sources.clone();
        sources.flags.extend(said.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.team_of(&self.load(&sources))
    }

    /// The same of a configuration that was read.
    pub(crate) fn team_of(&self, config: &Config) -> carry_team::settings::Settings {
        carry_team::settings::Settings::new(config, self.user_home.as_deref(), &|name| std::env::var_os(name))
    }

    /// The remotes of the exchange, and what goes there.
    pub(crate) fn exchange(&self) -> exchange::settings::Settings {
        self.exchange_with(&[])
    }

    /// The same as they would be if these settings were said, too.
    pub(crate) fn exchange_with(&self, said: &[(&str, String)]) -> exchange::settings::Settings {
        let mut sources = self.sources.clone();
        sources.flags.extend(said.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.exchange_of(&self.load(&sources))
    }

    /// The same of a configuration that was read.
    pub(crate) fn exchange_of(&self, config: &Config) -> exchange::settings::Settings {
        exchange::settings::Settings::new(config, self.user_home.as_deref(), &|name| std::env::var_os(name))
    }

    /// What exchanges need; makes the device's identity when there is none.
    pub(crate) fn ground(&self) -> Result<Ground, Failure> {
        Ok(self.ground_of(self.context()?))
    }

    fn ground_of(&self, ctx: Context) -> Ground {
        let around = Around { variable: Arc::new(|name: &str| std::env::var_os(name)), home: self.user_home.clone() };
        Ground { ctx, settings: self.exchange(), around }
    }

    /// What is kept of the exchange, to be looked at alone; none where nothing was ever exchanged. Makes and changes nothing.
    pub(crate) fn store_to_read(&self) -> Result<Option<Store>, Failure> {
        let Some(ctx) = self.existing_context()? else { return Ok(None) };
        Ok(self.ground_of(ctx).store_to_read()?)
    }

    /// What the user is called in team stores; empty when nobody says. The daemon says the same.
    pub(crate) fn person(&self) -> String {
        Some(self.team().person)
            .filter(|person| !person.is_empty())
            .or_else(|| carry_code::git::user_name(Path::new("/")))
            .unwrap_or_default()
    }

    /// The registry, made when missing.
    pub(crate) fn registry(&self) -> Result<Registry, Failure> {
        Ok(Registry::open(&self.home)?)
    }

    /// The registry, if anything was ever registered. Writes nothing.
    pub(crate) fn registry_to_read(&self) -> Result<Option<Registry>, Failure> {
        Ok(Registry::open_read_only(&self.home)?)
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The process of the running daemon.
    pub(crate) fn daemon(&self) -> Result<Option<u32>, Failure> {
        Ok(match control::liveness(&self.home)? {
            Liveness::Alive { pid } => Some(pid),
            Liveness::Dead => None,
        })
    }

    /// Tells a running daemon that repositories or settings changed. It would notice by itself before long, so that
    /// failing is only worth a note.
    pub(crate) fn reload_daemon(&self) {
        match self.daemon() {
            Ok(Some(_)) => {}
            _ => return,
        }
        if let Err(error) = Remote::new(&self.home).ask(&Request::Reload, &mut |_| {}) {
            self.out.note(format_args!(
                "The daemon could not be told ({error}); `carry daemon restart` makes it look again."
            ));
        }
    }

    /// Tells a running daemon that a command changed the archive of sessions, so that team stores follow soon. They would
    /// before long anyway, so that failing is worth no word.
    pub(crate) fn tell_of_sessions(&self) {
        if let Ok(Some(_)) = self.daemon()
            && let Err(error) = Remote::new(&self.home).ask(&Request::SessionsChanged, &mut |_| {})
        {
            tracing::debug!(%error, "the daemon could not be told of changed sessions");
        }
    }

    /// The program that a daemon or service runs: `carry`, also when this is `git-carry`.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        let this = std::env::current_exe()?;
        let carry = this.with_file_name("carry");
        Ok(if carry.is_file() { carry } else { this })
    }

    /// A folder for people.
    pub(crate) fn folder(&self, folder: &Path) -> String {
        text::folder(folder, self.user_home.as_deref())
    }
}

/// The machine's clock. In builds with debug assertions `CARRY_CLOCK_OFFSET` moves what it shows by this many seconds, for
/// tests of devices whose clocks disagree.
fn clock(var: &dyn Fn(&str) -> Option<OsString>) -> Arc<dyn Clock> {
    #[cfg(debug_assertions)]
    if let Some(seconds) = var("CARRY_CLOCK_OFFSET").and_then(|text| text.to_str()?.parse().ok()) {
        return Arc::new(moved::Moved(seconds));
    }
    let _ = var;
    Arc::new(SystemClock)
}

#[cfg(debug_assertions)]
mod moved {
    use carry_kernel::clock::{Clock, SystemClock, Timestamp};

    /// A wall clock that is wrong by so many seconds.
    #[derive(Debug)]
    pub(super) struct Moved(pub(super) i64);

    impl Clock for Moved {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(SystemClock.now().as_millis().saturating_add(self.0.saturating_mul(1000)))
        }

        fn steady(&self) -> Timestamp {
            SystemClock.steady()
        }
    }
}

/// That a file of settings cannot be parsed, and what that means.
pub(crate) fn broken(warning: &Warning) -> String {
    format!("{warning} Nothing that it says holds until it is mended.")
}

/// A mistyped `--config` is wrong usage, whether or not the command reads that setting.
fn check_flags(sources: &Sources) -> Result<(), Failure> {
    if sources.flags.is_empty() {
        return Ok(());
    }
    let flags = Sources { flags: sources.flags.clone(), ..Sources::default() };
    match Config::load(KEYS, &flags).warnings().first() {
        Some(warning) => {
            Err(Failure::usage(warning.to_string().trim_end_matches('.'))
                .hint("`carry config list` lists the settings."))
        }
        None => Ok(()),
    }
}

/// Our variables. One that is not text names nothing of ours.
fn environment(vars: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    vars.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("CARRY_"))
        .collect()
}
