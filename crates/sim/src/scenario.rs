//! What kind of world a seed makes: which places there are, who goes where, and what fails how often.

use std::collections::BTreeMap;
use std::time::Duration;

use carry_exchange::head::Relay;
use carry_exchange::plan::Budget;
use carry_exchange::round::{Collect, Direction, Options};
use carry_exchange::store::Statement;

use crate::device::{registers_stream, things_stream};
use crate::mood::Mood;
use crate::place::{Faults, Kind, Mischief};
use crate::rng::Rng;

/// A drawn world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Devices at the beginning.
    pub n_devices: usize,
    /// The places, and the devices that go there from the beginning.
    pub places: Vec<(Kind, Vec<usize>)>,
    /// What fails at places.
    pub faults: Faults,
    /// How long the sync tool takes at most, in milliseconds.
    pub delay_ms: u64,
    /// What happens to files while no device looks, and how often among all steps, in percent.
    pub mischief: Vec<Mischief>,
    /// Of all steps, in percent, those at which it does.
    pub mischief_percent: u8,
    /// Of all exchanges, in percent, those in which a device crashes somewhere.
    pub crash_percent: u8,
    /// How far clocks are off at most, in milliseconds.
    pub clock_off_ms: u64,
    /// Whether homes are copied.
    pub copies: bool,
    /// Whether homes are put back to earlier states.
    pub goes_back: bool,
    /// Whether there is a hostile device.
    pub hostile: bool,
    /// Whether devices are approved at once.
    pub approves_at_once: bool,
    /// How many steps are taken before everything heals.
    pub n_steps: usize,
    /// What the world is made to show.
    pub mood: Mood,
    /// Of all steps, in percent, those that belong to the mood.
    pub special_percent: u8,
    /// Points that are passed at most before an armed one fails.
    pub crash_points: usize,
    /// Whether a device is revoked.
    pub revokes: bool,
    /// Whether all programs are of the later version in the end.
    pub upgrades_all: bool,
    /// Whether a device of a version later than all says something.
    pub later_head: bool,
    /// Bytes of segments that another may bring before everything heals, if fewer than usual.
    pub log_bytes_max: Option<u64>,
    /// Whether attachments may need what was replaced since, and so may be gone when they are handed over.
    pub needs_dropped: bool,
}

impl Scenario {
    /// Draws one of this mood.
    pub fn draw(rng: &mut Rng, mood: Mood) -> Self {
        let n_devices = rng.between(2, 4) as usize;
        let all: Vec<usize> = (0..n_devices).collect();
        let kind = |rng: &mut Rng| if rng.chance(60) { Kind::Folder } else { Kind::Bucket };
        let mut places = Vec::new();
        if n_devices > 2 && rng.chance(45) {
            // A chain: what the ends say reaches each other only if those between pass it on.
            places.extend(all.windows(2).map(|two| (kind(rng), two.to_vec())));
        } else {
            places.push((kind(rng), all.clone()));
            if rng.chance(30) {
                // The first is in both, or they would be two worlds.
                let some = all.iter().copied().filter(|device| *device == 0 || rng.chance(70)).collect();
                places.push((kind(rng), some));
            }
        }
        let is_calm = rng.chance(15);
        let percent =
            |rng: &mut Rng, most: u64| -> u8 { if is_calm || rng.chance(40) { 0 } else { rng.below_u64(most) as u8 } };
        let faults = Faults {
            before: percent(rng, 12),
            after: percent(rng, 8),
            broken_get: percent(rng, 8),
            short_get: percent(rng, 8),
            torn_put: percent(rng, 8),
            late: percent(rng, 40),
            stale: percent(rng, 30),
        };
        let hours = 3_600_000;
        let delay_ms = rng.pick(&[0, hours / 60, hours, 24 * hours, 24 * 7 * hours]).unwrap_or(0);
        let all_mischief = [
            Mischief::Copy,
            Mischief::Lose,
            Mischief::Clean,
            Mischief::Save,
            Mischief::GoBack,
            Mischief::Unmount,
            Mischief::Cut,
            Mischief::Flip,
        ];
        let mischief: Vec<Mischief> = all_mischief.into_iter().filter(|_| !is_calm && rng.chance(40)).collect();
        let mut drawn = Self {
            n_devices,
            places,
            faults,
            delay_ms,
            mischief_percent: if mischief.is_empty() { 0 } else { rng.below_u64(20) as u8 },
            mischief,
            crash_percent: percent(rng, 30),
            clock_off_ms: rng.pick(&[0, 1000, hours, 72 * hours, 24 * 400 * hours]).unwrap_or(0),
            copies: !is_calm && rng.chance(20),
            goes_back: !is_calm && rng.chance(20),
            hostile: !is_calm && rng.chance(25),
            approves_at_once: rng.chance(75),
            n_steps: rng.between(20, 60) as usize,
            mood,
            special_percent: 0,
            crash_points: 60,
            revokes: false,
            upgrades_all: false,
            later_head: false,
            log_bytes_max: None,
            needs_dropped: false,
        };
        mood.shape(&mut drawn, rng);
        drawn
    }

    /// How a device exchanges.
    pub fn options(&self, rng: &mut Rng) -> Options {
        let relay = BTreeMap::from([(registers_stream(), Relay::Any), (things_stream(), Relay::Any)]);
        let statement = Statement {
            relay,
            grace_s: rng.pick(&[60, 3600, 7 * 24 * 3600]).unwrap_or(3600),
            lone_holds: rng.chance(30),
            ..Statement::default()
        };
        let collect = match rng.below(4) {
            0 => Collect::Nothing,
            1 => Collect::AfterGrace,
            _ => Collect::After(Duration::from_secs(rng.pick(&[0, 60, 24 * 3600]).unwrap_or(60))),
        };
        // Where there is much to collect, it is: soon, so that it is seen while the world lasts, or as by itself.
        let collect = match self.mood {
            Mood::Compacting if rng.chance(60) => Collect::After(Duration::from_secs(60)),
            Mood::Compacting => Collect::AfterGrace,
            _ => collect,
        };
        let objects = if rng.chance(20) { 3 } else { 4096 };
        Options {
            remote: String::new(),
            direction: Direction::Both,
            streams: None,
            is_private: rng.chance(50),
            statement,
            budget: Budget { objects, has_ranges: rng.chance(60), ..Budget::default() },
            collect,
            is_dry_run: false,
        }
    }

    /// Whether what nobody can put again may be gone for good.
    pub fn files_vanish(&self) -> bool {
        let gone = [Mischief::Clean, Mischief::GoBack, Mischief::Cut, Mischief::Flip];
        // Where whole disks are put back, so is what lies in their folders.
        let is_put_back = self.mood == Mood::Restoring;
        is_put_back || self.mischief_percent > 0 && self.mischief.iter().any(|one| gone.contains(one))
    }
}
