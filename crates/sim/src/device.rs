//! A device: a home on disk with the program's own store and strands, a clock that lies, and ways to some places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_exchange::hash::Digest;
use carry_exchange::name::{LogId, StreamName};
use carry_exchange::remote::Deadline;
use carry_exchange::round::{self, Options, Report, RoundError, Side};
use carry_exchange::store::{Free, Room, Setup, Statement, Store, StoreError};
use carry_exchange::streams::Weight;
use carry_kernel::clock::Clock as _;
use carry_kernel::home::Home;

use crate::place::View;
use crate::rng::Rng;
use crate::strand::{self, Registers, Things};
use crate::template;
use crate::time::DeviceClock;

/// A way to a place: which place, and which of its trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The place.
    pub place: usize,
    /// The tree.
    pub tree: usize,
}

/// What is open while a device runs.
#[derive(Debug)]
pub struct Running {
    /// What it keeps of the exchange.
    pub store: Store,
    /// Its registers.
    pub registers: Registers,
    /// Its things.
    pub things: Things,
}

/// An earlier state of a home.
#[derive(Clone, Debug)]
pub struct Saved {
    root: PathBuf,
    /// The things that its home had said.
    pub said: Vec<u64>,
}

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its number.
    pub number: usize,
    /// Copies are of one family.
    pub family: usize,
    /// Whether nobody approves it, and it means harm.
    pub is_hostile: bool,
    /// Whether it was revoked: what it says from then on counts nowhere.
    pub is_revoked: bool,
    /// Whether its program is of the later version.
    pub is_later: bool,
    /// Bytes of segments that another may bring it, if fewer than usual.
    pub log_bytes_max: Option<u64>,
    /// Its clocks.
    pub clock: Arc<DeviceClock>,
    /// Its ways.
    pub ways: Vec<Way>,
    /// It does nothing before this time.
    pub online_at: i64,
    /// The things that its home has said, oldest first.
    pub said: Vec<u64>,
    /// The logs that it has written, oldest first.
    pub logs: Vec<LogId>,
    /// What it says beside, and how it exchanges.
    pub options: Options,
    /// An earlier state of its home.
    pub saved: Option<Saved>,
    /// What the last exchange with each place said.
    pub reports: BTreeMap<usize, Report>,
    root: PathBuf,
    /// What it takes its fingerprint of.
    home_place: String,
    /// Files of its log that show when they were written by its own clock.
    dated: BTreeSet<PathBuf>,
    rng: Rng,
    running: Option<Running>,
}

/// The stream of the registers.
pub fn registers_stream() -> StreamName {
    "curation".parse().expect("it is a name of a stream")
}

/// The stream of the things.
pub fn things_stream() -> StreamName {
    "sessions".parse().expect("it is a name of a stream")
}

impl Device {
    /// A device with a new home below `root`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(
        number: usize,
        root: &Path,
        clock: Arc<DeviceClock>,
        options: Options,
        rng: Rng,
    ) -> Result<Self, StoreError> {
        let mut device = Self {
            number,
            family: number,
            is_hostile: false,
            is_revoked: false,
            is_later: false,
            log_bytes_max: None,
            clock,
            ways: Vec::new(),
            online_at: 0,
            said: Vec::new(),
            logs: Vec::new(),
            options,
            saved: None,
            reports: BTreeMap::new(),
            root: root.join(format!("d{number}")),
            home_place: format!("machine {number}"),
            dated: BTreeSet::new(),
            rng,
            running: None,
        };
        device.start()?;
        Ok(device)
    }

    /// Starts the program, if it does not run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn start(&mut self) -> Result<(), StoreError> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut rng = self.rng.split();
        let home = Home::at(&self.root);
        template::begin(&home.database("exchange"), &strand::database(&self.root))?;
        let mut store = Store::open(Setup {
            home,
            device: format!("device{}-00c0ffee", self.number).parse().expect("it is the id of a device"),
            fingerprint: Digest::of(&[self.home_place.as_bytes()]),
            entropy: Box::new(move |bytes: &mut [u8]| {
                rng.fill(bytes);
                Ok(())
            }),
            now: self.clock.now(),
        })?;
        // How full this machine's disk is must make no difference.
        let room = Room { free: Free::Bytes(0), ..Room::default() };
        store.set_room(Room { log_bytes: self.log_bytes_max.unwrap_or(room.log_bytes), ..room });
        store
            .set_streams([(registers_stream(), Weight::Small), (things_stream(), Weight::Usual)].into_iter().collect());
        let registers = Registers::open(&self.root, registers_stream())?;
        let things = Things::open(&self.root, things_stream(), self.is_later)?;
        self.running = Some(Running { store, registers, things });
        self.note_log();
        Ok(())
    }

    /// Ends the program, wherever it is.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Whether what it says counts.
    pub fn counts(&self) -> bool {
        !self.is_hostile && !self.is_revoked
    }

    /// Whether the program runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What runs. Starts it if it does not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn running(&mut self) -> Result<&mut Running, StoreError> {
        self.start()?;
        self.running.as_mut().ok_or(StoreError::Refused("the device does not run"))
    }

    /// The log that it writes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log(&mut self) -> Result<LogId, StoreError> {
        Ok(self.running()?.store.log())
    }

    /// Notes the log that it writes; says whether it is a new one.
    pub fn note_log(&mut self) -> bool {
        let Some(running) = &self.running else { return false };
        let log = running.store.log();
        let is_new = !self.logs.contains(&log);
        if is_new {
            self.logs.push(log);
        }
        is_new
    }

    /// Makes an exchange with what it sees of a place.
    ///
    /// # Errors
    /// [`RoundError`].
    pub fn exchange(&mut self, view: &View, options: &Options) -> Result<Report, RoundError> {
        self.start()?;
        let clock = self.clock.clone();
        let Some(running) = &mut self.running else { return Ok(Report::default()) };
        let Running { store, registers, things } = running;
        let mut side = Side { store, strands: vec![registers, things], clock: &*clock };
        let done = round::exchange(&mut side, view, options, &Deadline::NONE, &mut |_| {});
        self.date_files().map_err(StoreError::from)?;
        done
    }

    /// Says what there is to say, without any place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn say(&mut self, statement: &Statement) -> Result<round::Said, StoreError> {
        self.start()?;
        let clock = self.clock.clone();
        let Some(running) = &mut self.running else { return Ok(round::Said::default()) };
        let Running { store, registers, things } = running;
        let mut side = Side { store, strands: vec![registers, things], clock: &*clock };
        let done = round::say(&mut side, statement);
        self.date_files()?;
        done
    }

    /// Lets new files of its log show its own time: the machine's would differ from run to run.
    fn date_files(&mut self) -> io::Result<()> {
        let (Some(log), now) = (self.logs.last(), self.clock.now()) else { return Ok(()) };
        let dir = self.root.join("data/exchange").join(log.to_string());
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if !self.dated.contains(&path) {
                let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now.as_millis().unsigned_abs());
                fs::File::options().write(true).open(&path)?.set_modified(at)?;
                self.dated.insert(path);
            }
        }
        Ok(())
    }

    /// Keeps the state of the home.
    ///
    /// # Errors
    /// What copying fails with.
    pub fn save(&mut self) -> io::Result<()> {
        self.stop();
        let root = self.root.with_extension("saved");
        remove(&root)?;
        copy(&self.root, &root)?;
        self.saved = Some(Saved { root, said: self.said.clone() });
        Ok(())
    }

    /// Puts the home back to the state that was kept. The machine is the same, so nothing in the home tells.
    ///
    /// # Errors
    /// What copying fails with.
    pub fn go_back(&mut self) -> io::Result<bool> {
        let Some(saved) = self.saved.clone() else { return Ok(false) };
        self.stop();
        remove(&self.root)?;
        copy(&saved.root, &self.root)?;
        self.dated.clear();
        self.said = saved.said;
        Ok(true)
    }

    /// A copy of the home on another device, or, where `is_same_machine`, one that cannot tell that it is a copy.
    ///
    /// # Errors
    /// What copying fails with.
    pub fn copy(&mut self, number: usize, clock: Arc<DeviceClock>, is_same_machine: bool) -> io::Result<Self> {
        self.stop();
        let root = self.root.with_file_name(format!("d{number}"));
        copy(&self.root, &root)?;
        let home_place = if is_same_machine { self.home_place.clone() } else { format!("machine {number}") };
        Ok(Self {
            number,
            family: self.family,
            is_hostile: false,
            is_revoked: false,
            is_later: self.is_later,
            log_bytes_max: self.log_bytes_max,
            clock,
            ways: Vec::new(),
            online_at: 0,
            said: self.said.clone(),
            logs: self.logs.clone(),
            options: self.options.clone(),
            saved: None,
            reports: BTreeMap::new(),
            root,
            home_place,
            dated: BTreeSet::new(),
            rng: self.rng.split(),
            running: None,
        })
    }

    /// Bytes of everything below the home.
    ///
    /// # Errors
    /// What looking fails with.
    pub fn home_bytes(&self) -> io::Result<u64> {
        bytes_below(&self.root)
    }

    /// Bytes of the files of a log that the home has.
    ///
    /// # Errors
    /// [`io::Error`].
    pub fn log_bytes(&self, log: LogId) -> io::Result<u64> {
        match bytes_below(&self.root.join("data/exchange").join(log.to_string())) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            found => found,
        }
    }
}

fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let data = entry.metadata()?;
        sum += if data.is_dir() { bytes_below(&entry.path())? } else { data.len() };
    }
    Ok(sum)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Copies a home that nothing has open. What SQLite shares between processes is made anew.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type()?.is_dir() {
            copy(&path, &to.join(name))?;
        } else if !name.to_string_lossy().ends_with("-shm") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
