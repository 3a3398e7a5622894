//! The exchange between devices, as commands and the daemon make it: settings, this device's side, the remotes, and rounds.
//!
//! A [`Ground`] has what every round needs. [`start`] makes rounds with several remotes at once, a thread each with a store and
//! strands of its own, so that one that hangs or is full delays no other; [`watch`] goes on making them. Nothing here prints.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use carry_code::context::Context;
use carry_code::stream::CodeStrand;
use carry_exchange::location::Location;
use carry_exchange::name::LogId;
use carry_exchange::plan::Budget;
use carry_exchange::remote::{
    BucketRemote, ClientError, Environment, FolderRemote, OpenError, PeerRemote, Remote, Retry, Retrying, Throttled,
    WebDavRemote,
};
use carry_exchange::round::{Collect, Direction, Options};
use carry_exchange::store::{Identity, Room, Setup, Statement, Store, StoreError};
use carry_exchange::strand::{Strand, StrandError};
use carry_exchange::streams::{Streams, Weight};
use carry_kernel::disk::{self, DiskError};
use carry_kernel::secret::SecretError;
use carry_redact::Redactor;
use carry_sessions::mask::{self, MaskError};
use carry_sessions::stream::content::{ContentStrand, Limits};
use carry_sessions::stream::curation;

pub mod accord;
pub mod apart;
mod credentials;
#[cfg(test)]
mod fixture;
mod hold;
mod news;
pub mod place;
mod repair;
mod round;
mod running;
pub mod settings;
mod sum;
pub mod unsent;
mod watch;

pub use credentials::TokenError;
pub use news::{Newsman, Tell};
pub use repair::{Done, Gone, Mended, repair};
pub use round::{ExchangeError, collect, lease_name, once};
pub use running::{Event, Next, Running, start};
pub use sum::Sum;
pub use watch::{Watching, cancel_on_signals, watch};

use place::Place;
use settings::{CODE, PLAIN, RemoteSettings, Settings};

/// What every round needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Home, identity, clock and configuration.
    pub ctx: Context,
    /// The settings of the exchange.
    pub settings: Settings,
    /// Where credentials of buckets are looked for.
    pub around: Around,
}

/// Looks a variable of the environment up.
pub type Variables = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// What surrounds the process: its environment, and the user's home directory.
#[derive(Clone)]
pub struct Around {
    /// Looks a variable up.
    pub variable: Variables,
    /// The user's home directory.
    pub home: Option<PathBuf>,
}

impl std::fmt::Debug for Around {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never what variables say.
        f.debug_struct("Around").field("home", &self.home).finish_non_exhaustive()
    }
}

/// How rounds are made.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Which way.
    pub direction: Direction,
    /// Whether everything is only planned.
    pub is_dry_run: bool,
    /// What is collected at the remote.
    pub collect: Collect,
    /// Whether it is worth a head of its own that something was received: where one round is made and no more.
    pub tells_receipt: bool,
}

impl Default for How {
    fn default() -> Self {
        Self { direction: Direction::Both, is_dry_run: false, collect: Collect::AfterGrace, tells_receipt: true }
    }
}

/// Why this device's side could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// What is kept here.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The home's folder.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The key that tells a copied home apart.
    #[error("the key that tells a copied home apart cannot be had")]
    Key(#[from] SecretError),
    /// The home's folder could not be looked at.
    #[error("cannot tell where Carry's home is")]
    Place(#[source] std::io::Error),
    /// No random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] std::io::Error),
}

/// Why a remote could not be opened. It was not asked yet.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its token, or user and password.
    #[error("the token or login for {remote} cannot be read")]
    Token {
        /// The remote.
        remote: String,
        /// Why.
        source: TokenError,
    },
    /// The bucket, or the credentials for it.
    #[error("the bucket {remote} cannot be opened")]
    Bucket {
        /// The remote.
        remote: String,
        /// Why.
        source: Box<OpenError>,
    },
    /// Nobody said its token.
    #[error(
        "there is no token for {remote}: put the one that `carry serve token NAME` prints there into a file for you alone (0600) and \
         name it with `carry remote add {remote} PLACE --token-file FILE`, or set {variable}"
    )]
    NoToken {
        /// The remote.
        remote: String,
        /// The variable that may hold it.
        variable: String,
    },
    /// What is needed to reach it.
    #[error("nothing can be asked of {remote}")]
    Peer {
        /// The remote.
        remote: String,
        /// Why.
        source: Box<ClientError>,
    },
    /// No random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] std::io::Error),
}

/// The kinds of work that go through the exchange, each with a store and files of its own. What could not be opened holds up
/// no other.
#[derive(Default)]
pub struct Strands {
    /// Those that could be opened.
    pub open: Vec<Box<dyn Strand>>,
    /// Those that could not, and why.
    pub failed: Vec<(&'static str, StrandError)>,
}

/// How one of them is opened.
type OpenStrand = fn(&Ground) -> Result<Box<dyn Strand>, StrandError>;

/// Every kind of work that there is, by the name of its stream and what that weighs. This is the one place where they are put
/// together.
const STRANDS: &[(&str, Weight, OpenStrand)] = &[
    (curation::STREAM, Weight::Small, |ground| {
        let device = ground.ctx.device.id();
        Ok(Box::new(curation::open(&ground.ctx.home, device.as_str(), ground.redactor()?)?))
    }),
    ("sessions", Weight::Usual, |ground| {
        let device = ground.ctx.device.id();
        Ok(Box::new(ContentStrand::open(&ground.ctx.home, device.as_str(), ground.redactor()?, Limits::default())?))
    }),
    (CODE, Weight::Large, |ground| Ok(Box::new(CodeStrand::open(ground.ctx.clone())?))),
];

/// All streams that this version knows.
fn streams() -> Streams {
    let all =
        STRANDS.iter().map(|(name, weight, _)| (name.parse().expect("a name of the form that streams have"), *weight));
    all.collect()
}

impl Ground {
    /// This device's store, made when missing.
    ///
    /// # Errors
    /// [`GroundError`].
    pub fn store(&self) -> Result<Store, GroundError> {
        let home = &self.ctx.home;
        disk::create_dir(home.data_dir())?;
        let key = place::key(home)?;
        let place = Place::of(home).map_err(GroundError::Place)?;
        let device = self.ctx.device.get();
        let mut store = Store::open(Setup {
            home: home.clone(),
            device: device.id().clone(),
            fingerprint: place.fingerprint(&key),
            entropy: Box::new(random),
            now: self.ctx.clock.now(),
        })?;
        let (key, label) = (device.public_key(), device.label().to_owned());
        store.introduce(Identity { key, label, sign: Box::new(move |message| device.sign(message)) });
        store.set_room(self.room());
        store.set_streams(streams());
        Ok(store)
    }

    /// The same for whoever only looks. `None` where nothing was ever exchanged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store_to_read(&self) -> Result<Option<Store>, StoreError> {
        let (home, device) = (&self.ctx.home, self.ctx.device.id());
        let mut store = Store::open_read_only(home, device, self.ctx.clock.now())?;
        if let Some(store) = &mut store {
            store.set_room(self.room());
            store.set_streams(streams());
        }
        Ok(store)
    }

    fn room(&self) -> Room {
        Room { log_bytes: self.settings.quota, free: self.settings.free }
    }

    /// The strands. `with_code` says whether uncommitted code is among them.
    pub fn strands(&self, with_code: bool) -> Strands {
        let mut strands = Strands::default();
        for (name, _, open) in STRANDS.iter().filter(|(name, ..)| with_code || *name != CODE) {
            match open(self) {
                Ok(strand) => strands.open.push(strand),
                Err(error) => strands.failed.push((name, error)),
            }
        }
        strands
    }

    /// What masks text on its way out.
    fn redactor(&self) -> Result<Redactor, MaskError> {
        mask::redactor(&self.ctx.home, &self.settings.allow)
    }

    /// A remote, asked again where that helps, and as fast as the settings let it be. `log` is the log that this device writes. Touches nothing.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(&self, remote: &RemoteSettings, log: LogId) -> Result<Box<dyn Remote>, ConnectError> {
        let connected = self.connect_unlimited(remote, log)?;
        Ok(match remote.rate {
            Some(rate) => Box::new(Throttled::new(connected, rate, Arc::clone(&self.ctx.clock))),
            None => connected,
        })
    }

    /// The same, as fast as it goes.
    fn connect_unlimited(&self, remote: &RemoteSettings, log: LogId) -> Result<Box<dyn Remote>, ConnectError> {
        let mut seed = [0; 8];
        random(&mut seed).map_err(ConnectError::Random)?;
        let seed = u64::from_le_bytes(seed);
        let again = Retry::default();
        match &remote.location {
            Location::Folder(root) => Ok(Box::new(Retrying::new(FolderRemote::new(root, log, seed), again, seed))),
            Location::Bucket(bucket) => {
                let variable = |name: &str| (self.around.variable)(name);
                let home = self.around.home.as_deref();
                let environment = Environment { variable: &variable, home, clock: &self.ctx.clock };
                let bucket = BucketRemote::open(bucket, &environment)
                    .map_err(|source| ConnectError::Bucket { remote: remote.name.clone(), source: Box::new(source) })?;
                Ok(Box::new(Retrying::new(bucket, again, seed)))
            }
            Location::WebDav { origin, path } => {
                let name = || remote.name.clone();
                let login =
                    remote.token.as_ref().map(|token| credentials::login(token, &remote.token_variable())).transpose();
                let login = login.map_err(|source| ConnectError::Token { remote: name(), source })?;
                let dav = WebDavRemote::new(origin, path, login.as_ref(), remote.ca_file.as_deref(), log, seed)
                    .map_err(|source| ConnectError::Peer { remote: name(), source: Box::new(source) })?;
                Ok(Box::new(Retrying::new(dav, again, seed)))
            }
            Location::Peer { origin, path } => {
                let name = || remote.name.clone();
                let token = remote
                    .token
                    .as_ref()
                    .ok_or_else(|| ConnectError::NoToken { remote: name(), variable: remote.token_variable() })?;
                let token = credentials::read(token, &remote.token_variable())
                    .map_err(|source| ConnectError::Token { remote: name(), source })?;
                let peer = PeerRemote::new(origin, path, &token, remote.ca_file.as_deref())
                    .map_err(|source| ConnectError::Peer { remote: name(), source: Box::new(source) })?;
                Ok(Box::new(Retrying::new(peer, again, seed)))
            }
        }
    }

    /// How a round with this remote is made.
    pub fn options(&self, remote: &RemoteSettings, how: &How) -> Options {
        let plain = PLAIN.into_iter().filter_map(|stream| stream.parse().ok());
        let streams = if remote.has_code { None } else { Some(plain.collect()) };
        Options {
            remote: remote.name.clone(),
            direction: how.direction,
            streams,
            is_private: remote.is_private,
            statement: Statement {
                grace_s: self.settings.grace.as_secs(),
                relay: self.settings.relay_of_streams(),
                lone_holds: how.tells_receipt,
                announce: true,
                ..Statement::default()
            },
            budget: Budget { has_ranges: has_ranges(&remote.location), ..Budget::default() },
            collect: how.collect,
            is_dry_run: how.is_dry_run,
        }
    }
}

/// Whether parts of files can be read there for less than the whole. What a sync tool keeps elsewhere it fetches whole.
fn has_ranges(location: &Location) -> bool {
    match location {
        Location::Folder(_) => false,
        Location::Bucket(_) | Location::WebDav { .. } | Location::Peer { .. } => true,
    }
}

/// The system's random bytes.
fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(|error| match error.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::other(error.to_string()),
    })
}
