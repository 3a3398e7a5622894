//! The world: devices, places, time, and what was said. A run takes random steps, lets everything heal, and judges.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_exchange::hash::Digest;
use carry_exchange::name::{LogId, StreamName};
use carry_exchange::store::StoreError;
use carry_kernel::clock::Clock as _;
use carry_kernel::fault;

use crate::check::HeadsRead;
use crate::device::Device;
use crate::hostile::Hostile;
use crate::later::Later;
use crate::model::Model;
use crate::mood::{self, Mood, RevokeCrash};
use crate::place::Place;
use crate::reached::Reached;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::time::{DeviceClock, Time};
use crate::trace::Trace;

mod calm;
mod dump;
mod exchange;
mod special;
mod steps;

/// Devices at most, those that join later included.
pub const DEVICES_MAX: usize = 6;

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What the seed drew.
    pub scenario: Scenario,
    /// The devices.
    pub devices: Vec<Device>,
    /// The places.
    pub places: Vec<Place>,
    /// What was said.
    pub model: Model,
    /// What happened.
    pub trace: Trace,
    pub(crate) time: Time,
    pub(crate) rng: Rng,
    pub(crate) hostile: Hostile,
    /// A device whose program is of a later version than any.
    pub(crate) later: Option<Later>,
    /// Which log was revoked, and how far it counts.
    pub(crate) revoked: Option<(LogId, Positions)>,
    /// How the first try at that goes wrong, if it does.
    pub(crate) revoke_crash: Option<RevokeCrash>,
    /// What the run reached.
    pub reached: Reached,
    /// What went wrong where, so that it is counted once.
    pub(crate) met: BTreeSet<(usize, String)>,
    /// What heads came to that checks read.
    pub(crate) heads_read: HeadsRead,
    root: PathBuf,
}

/// The last record of each stream that counts, and the chain after it.
pub(crate) type Positions = BTreeMap<StreamName, (u64, Digest)>;

/// What is wrong, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

/// What a check or a step comes to.
pub type Judged<T = ()> = Result<T, Wrong>;

/// For `map_err`: a failure that nothing was armed for.
pub(crate) fn unexpected<E: std::error::Error>(what: &str) -> impl FnOnce(E) -> Wrong {
    move |error| Wrong(format!("{what}: {}", in_words(&error)))
}

/// An error with its causes, in one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl World {
    /// Makes a world below `root`.
    ///
    /// # Errors
    /// [`Wrong`] when a device cannot be made.
    pub fn new(seed: u64, root: &Path, trace: Trace) -> Judged<Self> {
        fault::arm(None);
        let mut rng = Rng::new(seed);
        let mood = Mood::of(seed);
        let scenario = Scenario { needs_dropped: mood::needs_dropped(seed), ..Scenario::draw(&mut rng, mood) };
        let time = Time::default();
        let mut world = Self {
            devices: Vec::new(),
            places: Vec::new(),
            model: Model::default(),
            trace,
            time: time.clone(),
            hostile: Hostile::new(rng.split(), mood.n_attacks()),
            later: scenario.later_head.then(|| Later::new(&mut rng)),
            revoked: None,
            revoke_crash: mood::revoke_crash(seed),
            reached: Reached::default(),
            met: BTreeSet::new(),
            heads_read: HeadsRead::default(),
            rng,
            root: root.to_owned(),
            scenario,
        };
        world.note(&format!("world {:?}", world.scenario));
        for (number, (kind, _)) in world.scenario.places.clone().into_iter().enumerate() {
            let place = Place::new(&format!("place{number}"), kind, time.clone(), world.rng.split());
            place.set(world.scenario.faults, world.scenario.delay_ms);
            world.places.push(place);
        }
        for number in 0..world.scenario.n_devices {
            let places = world.scenario.places.iter().enumerate();
            let places = places.filter(|(_, (_, devices))| devices.contains(&number)).map(|(place, _)| place);
            world.add_device(places.collect(), false)?;
        }
        if world.scenario.hostile {
            let place = world.rng.below(world.places.len());
            world.add_device(vec![place], true)?;
        }
        if world.scenario.approves_at_once {
            world.approve_all()?;
        }
        Ok(world)
    }

    /// Notes an event, with its time. The folder of the world, which differs from run to run, is left out.
    pub(crate) fn note(&mut self, event: &str) {
        let event = event.replace(&*self.root.to_string_lossy(), "~");
        let line = format!("{:>12} {event}", self.time.ms());
        self.trace.line(&line);
    }

    /// A clock that is off as far as this world's are.
    pub(crate) fn clock(&mut self) -> Arc<DeviceClock> {
        let off = self.scenario.clock_off_ms;
        let off = i64::try_from(self.rng.below_u64(2 * off + 1)).unwrap_or(0) - i64::try_from(off).unwrap_or(0);
        let drift = i64::try_from(self.rng.below(400)).unwrap_or(0) - 200;
        Arc::new(DeviceClock::new(self.time.clone(), off, drift))
    }

    /// Adds a device that goes to these places.
    pub(crate) fn add_device(&mut self, places: Vec<usize>, is_hostile: bool) -> Judged<usize> {
        let (clock, options) = (self.clock(), self.scenario.options(&mut self.rng));
        let number = self.devices.len();
        let rng = self.rng.split();
        let device = Device::new(number, &self.root, clock, options, rng);
        let mut device = device.map_err(unexpected("a new device"))?;
        device.is_hostile = is_hostile;
        device.log_bytes_max = self.scenario.log_bytes_max;
        if self.scenario.mood == Mood::Changing {
            device.is_later = self.rng.chance(40);
        }
        if device.is_later || device.log_bytes_max.is_some() {
            device.stop();
            device.start().map_err(unexpected("starting"))?;
        }
        self.devices.push(device);
        for place in places {
            self.join(number, place);
        }
        let ways = format!("{:?}", self.devices[number].ways);
        self.note(&format!("device {number} joins, hostile: {is_hostile}, {ways}"));
        Ok(number)
    }

    /// Gives a device a way to a place.
    pub(crate) fn join(&mut self, device: usize, place: usize) {
        let tree = self.places[place].join();
        self.devices[device].ways.push(crate::device::Way { place, tree });
    }

    /// The honest devices that were not revoked.
    pub fn honest(&self) -> Vec<usize> {
        let counts = |device: &Device| !device.is_hostile && !device.is_revoked;
        (0..self.devices.len()).filter(|device| counts(&self.devices[*device])).collect()
    }

    /// Lets every honest device approve every log that an honest device has written.
    pub(crate) fn approve_all(&mut self) -> Judged {
        for device in self.honest() {
            for other in self.honest() {
                self.approve(device, other)?;
            }
            if let Some(log) = self.later.as_ref().map(Later::log) {
                self.approve_log(device, log)?;
            }
        }
        Ok(())
    }

    /// Lets a device approve the logs of another.
    pub(crate) fn approve(&mut self, device: usize, other: usize) -> Judged {
        let logs = self.devices[other].logs.clone();
        logs.into_iter().try_for_each(|log| self.approve_log(device, log))
    }

    fn approve_log(&mut self, device: usize, log: LogId) -> Judged {
        let now = self.devices[device].clock.now();
        let store = &mut self.devices[device].running().map_err(unexpected("starting"))?.store;
        let state = store.state(log).map_err(unexpected("the state of a log"))?;
        if state.is_none_or(|state| !state.counts()) {
            store.approve(log, now).map_err(unexpected("approving"))?;
        }
        Ok(())
    }

    /// Whether an error comes from a failure that was armed.
    pub(crate) fn was_armed(error: &StoreError) -> bool {
        let text = in_words(error);
        text.contains("fault armed at") || text.contains("disk full at")
    }
}
