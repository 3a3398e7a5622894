//! Devices whose remotes are folders, for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_code::context::Context;
use carry_exchange::name::LogId;
use carry_exchange::record::Flags;
use carry_exchange::remote::{Deadline, FolderRemote, Remote as _};
use carry_exchange::strand::{NewRecord, Nonce};
use carry_kernel::clock::{ManualClock, Timestamp};
use carry_kernel::config::{Config, Sources};
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::settings::{KEYS, Settings};
use super::{Around, Ground, How, once};

/// A device whose remotes are folders.
pub(super) struct Side {
    pub(super) ground: Ground,
    pub(super) clock: Arc<ManualClock>,
}

impl Side {
    pub(super) fn new(root: &Path, label: &str, folders: &[PathBuf]) -> Self {
        let home = Home::at(root.join(label));
        let device = Device::load_or_create(&home, label).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_171_200)));
        let named = |folder: &PathBuf| {
            format!("{:?}", format!("{}={}", folder.file_name().unwrap().to_str().unwrap(), folder.display()))
        };
        let remotes = folders.iter().map(named).collect::<Vec<_>>().join(",");
        let flags = [("exchange.remotes", format!("[{remotes}]")), ("exchange.free_min", "0".to_owned())];
        let flags = flags.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let sources = Sources { flags, ..Sources::default() };
        let keys = [carry_kernel::config::KEYS, carry_code::settings::KEYS, carry_sessions::settings::KEYS, KEYS];
        let settings = Settings::new(&Config::load(&keys, &sources), None, &|_| None);
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
        let ctx = Context { home, device: device.into(), clock: clock.clone(), sources };
        Self { ground: Ground { ctx, settings, around: Around { variable: Arc::new(|_| None), home: None } }, clock }
    }

    pub(super) fn log(&self) -> LogId {
        self.ground.store().unwrap().log()
    }

    pub(super) fn exchange(&self, names: &[&str]) {
        for name in names {
            let remote = self.ground.settings.remote(name).unwrap();
            once(&self.ground, remote, &How::default(), &AtomicBool::new(false), &mut |_| {}).unwrap();
        }
    }
}

/// An author and a reader of what it said, who both know of these folders and have exchanged through all of them.
pub(super) fn settled(dir: &Path, names: &[&str]) -> (Side, Side) {
    let folders: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    let (author, reader) = (Side::new(dir, "author", &folders), Side::new(dir, "reader", &folders));
    for folder in &folders {
        std::fs::create_dir(folder).unwrap();
        FolderRemote::new(folder, author.log(), 1).init(&Deadline::NONE).unwrap();
    }
    let record = NewRecord {
        id: 1,
        flags: Flags::default(),
        key: b"k".to_vec(),
        kind: 999,
        kind_version: 1,
        wants: vec![],
        payload: b"{}".to_vec(),
    };
    let now = author.ground.ctx.clock.now();
    let mut store = author.ground.store().unwrap();
    store.append(&"sessions".parse().unwrap(), Nonce([1; 16]), &[record], now).unwrap();
    author.exchange(names);
    reader.exchange(names);
    reader.ground.store().unwrap().approve(author.log(), now).unwrap();
    reader.exchange(names);
    (author, reader)
}
