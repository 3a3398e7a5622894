//! The places of this crate, under the contract.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use carry_exchange::location::{Bucket, Location};
use carry_exchange::remote::{
    BucketRemote, Environment, Faults, Faulty, FolderRemote, Login, MemoryRemote, Retry, Retrying, Throttled, Ways,
    WebDavRemote,
};
use carry_kernel::clock::{Clock, SystemClock};
use carry_testkit::apache::{self, Apache};
use carry_testkit::dav::{Dav, LOGIN, Quirks};
use carry_testkit::s3::{BUCKET, Conditions, KEY_ID, S3, SECRET};
use carry_testkit::tmpfs::Tmpfs;
use tempfile::TempDir;

use crate::contract::contract;
use crate::rig::{NoTime, Plant, Rig, log};

const RENAME_NEW: Ways = Ways { link: false, rename_new: true, rename: true };
const RENAME: Ways = Ways { link: false, rename_new: false, rename: true };
const NO_WAY: Ways = Ways { link: false, rename_new: false, rename: false };

contract! {
    memory: Some(Rig::memory());
    folder: Some(Rig::folder(Ways::default()));
    folder_without_links: Some(Rig::folder(RENAME_NEW));
    folder_with_plain_renames_only: Some(Rig::folder(RENAME));
    folder_that_can_only_create: Some(Rig::folder(NO_WAY));
    small_disk: Rig::small_disk();
    bucket: Some(Rig::bucket(Conditions::Kept));
    bucket_that_ignores_conditions: Some(Rig::bucket(Conditions::Ignored));
    bucket_that_knows_no_conditions: Some(Rig::bucket(Conditions::Unknown));
    unsteady_bucket: Some(Rig::unsteady_bucket(3));
    webdav: Some(Rig::webdav(Quirks::default()));
    webdav_that_knows_little: Some(Rig::webdav(little()));
    webdav_of_apache: Some(Rig::apache());
    unsteady_webdav: Some(Rig::unsteady_webdav(4));
    throttled: Some(Rig::throttled());
    unsteady: Some(Rig::unsteady(1));
    unsteady_otherwise: Some(Rig::unsteady(2));
}

impl Rig {
    pub(crate) fn memory() -> Self {
        let memory = MemoryRemote::new("memory");
        let plant = plant_in(memory.clone());
        Self {
            remote: Box::new(memory),
            plant,
            repeats: false,
            is_exclusive: true,
            is_guarded: false,
            _held: Box::new(()),
        }
    }

    pub(crate) fn folder(ways: Ways) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().to_owned();
        Self::folder_at(&path, ways, Box::new(dir))
    }

    /// `None` where no small disk can be mounted.
    pub(crate) fn small_disk() -> Option<Self> {
        let disk = Tmpfs::mount(16 << 20)?;
        let path = disk.path().to_owned();
        Some(Self::folder_at(&path, Ways::default(), Box::new(disk)))
    }

    fn folder_at(path: &Path, ways: Ways, held: Box<dyn std::any::Any>) -> Self {
        let root = path.to_owned();
        let plant: Plant = Box::new(move |at, bytes| {
            let path = root.join(at);
            carry_kernel::disk::write_cache(&path, bytes).unwrap();
        });
        let remote = FolderRemote::new(path, log(), 1).with_ways(ways);
        Self {
            remote: Box::new(remote),
            plant,
            repeats: false,
            is_exclusive: ways.link || ways.rename_new,
            is_guarded: false,
            _held: held,
        }
    }

    /// A place that goes slowly.
    pub(crate) fn throttled() -> Self {
        let memory = MemoryRemote::new("memory");
        let plant = plant_in(memory.clone());
        let rate = std::num::NonZeroU64::MIN;
        let remote = Throttled::with_pause(memory, rate, Arc::new(SystemClock), NoTime);
        Self {
            remote: Box::new(remote),
            plant,
            repeats: false,
            is_exclusive: true,
            is_guarded: false,
            _held: Box::new(()),
        }
    }

    /// A place that fails now and then, and is asked again.
    pub(crate) fn unsteady(seed: u64) -> Self {
        let memory = MemoryRemote::new("memory");
        let plant = plant_in(memory.clone());
        let faulty = Faulty::new(memory, seed, Faults::passing(15));
        let retry = Retry { tries_max: 60, ..Retry::default() };
        let remote = Retrying::with_pause(faulty, retry, seed, NoTime);
        Self {
            remote: Box::new(remote),
            plant,
            repeats: true,
            is_exclusive: false,
            is_guarded: false,
            _held: Box::new(()),
        }
    }

    /// A bucket, under a prefix that is hard to write.
    pub(crate) fn bucket(conditions: Conditions) -> Self {
        let server = Arc::new(S3::start());
        server.set_conditions(conditions);
        let remote = open(&format!("s3://{BUCKET}/{PREFIX}?endpoint={}", server.endpoint()));
        Self {
            plant: plant_at(&server),
            remote: Box::new(remote),
            repeats: false,
            is_exclusive: conditions == Conditions::Kept,
            is_guarded: false,
            _held: Box::new(server),
        }
    }

    /// A bucket whose calls fail now and then, and that is asked again.
    pub(crate) fn unsteady_bucket(seed: u64) -> Self {
        let server = Arc::new(S3::start());
        let bucket = open(&format!("s3://{BUCKET}/{PREFIX}?endpoint={}", server.endpoint()));
        let faulty = Faulty::new(bucket, seed, Faults::passing(15));
        let retry = Retry { tries_max: 60, ..Retry::default() };
        let remote = Retrying::with_pause(faulty, retry, seed, NoTime);
        Self {
            plant: plant_at(&server),
            remote: Box::new(remote),
            repeats: true,
            is_exclusive: false,
            is_guarded: false,
            _held: Box::new(server),
        }
    }
}

impl Rig {
    /// A folder over WebDAV, at a path that is hard to write.
    pub(crate) fn webdav(quirks: Quirks) -> Self {
        let server = Arc::new(Dav::start());
        server.set(quirks);
        server.plant(&format!("{DAV_PATH}/keep"), b"");
        let remote = open_dav(&server, DAV_PATH, Some(LOGIN));
        Self {
            plant: plant_over_dav(&server),
            remote: Box::new(remote),
            repeats: false,
            is_exclusive: false,
            is_guarded: false,
            _held: Box::new(server),
        }
    }

    /// The same of another implementation.
    pub(crate) fn apache() -> Self {
        let server = Arc::new(Apache::start());
        let remote = open_dav_at(&server.address(), DAV_PATH, Some(apache::LOGIN));
        server.plant(&format!("{DAV_PATH}/keep"), b"");
        let planted = server.clone();
        Self {
            plant: Box::new(move |path, bytes| planted.plant(&format!("{DAV_PATH}/{path}"), bytes)),
            remote: Box::new(remote),
            repeats: false,
            is_exclusive: false,
            is_guarded: false,
            _held: Box::new(server),
        }
    }

    /// One whose calls fail now and then, and that is asked again.
    pub(crate) fn unsteady_webdav(seed: u64) -> Self {
        let server = Arc::new(Dav::start());
        let faulty = Faulty::new(open_dav(&server, DAV_PATH, Some(LOGIN)), seed, Faults::passing(15));
        server.plant(&format!("{DAV_PATH}/keep"), b"");
        let retry = Retry { tries_max: 60, ..Retry::default() };
        let remote = Retrying::with_pause(faulty, retry, seed, NoTime);
        Self {
            plant: plant_over_dav(&server),
            remote: Box::new(remote),
            repeats: true,
            is_exclusive: false,
            is_guarded: false,
            _held: Box::new(server),
        }
    }
}

/// A server that knows no more than it must.
fn little() -> Quirks {
    Quirks { ignores_conditions: true, ignores_ranges: true, wants_paths: true, ..Quirks::default() }
}

/// A path with names of all kinds.
pub(crate) const DAV_PATH: &str = "/remote.php/dav/files/ada@example.org/a+b (c) & d/ä";

/// Opens the folder at a path of a server, which is on this machine.
pub(crate) fn open_dav(server: &Dav, path: &str, login: Option<&str>) -> WebDavRemote {
    open_dav_at(&server.address().to_string(), path, login)
}

fn open_dav_at(server: &str, path: &str, login: Option<&str>) -> WebDavRemote {
    let login = login.map(|login| Login::new(login).unwrap());
    match Location::parse(&format!("dav+http://{server}{path}"), Path::new("/")) {
        Ok(Location::WebDav { origin, path }) => {
            WebDavRemote::new(&origin, &path, login.as_ref(), None, log(), 5).unwrap()
        }
        other => panic!("{path} is {other:?}"),
    }
}

fn plant_over_dav(server: &Arc<Dav>) -> Plant {
    let server = server.clone();
    Box::new(move |path, bytes| server.plant(&format!("{DAV_PATH}/{path}"), bytes))
}

/// A prefix of all that an address may hold.
pub(crate) const PREFIX: &str = "a+b/~c=(d)'!*;:@,$_-./e";

/// Opens the place that `address` names with the keys of the test server.
pub(crate) fn open(address: &str) -> BucketRemote {
    with_keys(|environment| BucketRemote::open(&bucket_at(address), environment)).unwrap()
}

/// What `work` makes of an environment with the keys of the test server.
pub(crate) fn with_keys<T>(work: impl FnOnce(&Environment<'_>) -> T) -> T {
    let variable = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some(OsString::from(KEY_ID)),
        "AWS_SECRET_ACCESS_KEY" => Some(OsString::from(SECRET)),
        _ => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let environment = Environment { variable: &variable, home: None, clock: &clock };
    work(&environment)
}

/// The bucket that `address` names.
pub(crate) fn bucket_at(address: &str) -> Bucket {
    match Location::parse(address, Path::new("/")) {
        Ok(Location::Bucket(bucket)) => bucket,
        other => panic!("{address} is {other:?}"),
    }
}

fn plant_at(server: &Arc<S3>) -> Plant {
    let server = server.clone();
    Box::new(move |path, bytes| server.plant(&format!("{PREFIX}/{path}"), bytes))
}

fn plant_in(memory: MemoryRemote) -> Plant {
    Box::new(move |path, bytes| memory.plant(path, bytes))
}
