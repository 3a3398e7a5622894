//! What a world is made to show. Most are of no kind; the others do one thing much more than chance would have it.

use crate::hostile::PLAIN_ATTACKS;
use crate::rng::Rng;
use crate::scenario::Scenario;

/// A kind of world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// Of none: everything may happen and nothing has to.
    #[default]
    Plain,
    /// Devices say much in small parts, so that segments are merged and old ones collected.
    Compacting,
    /// Programs end everywhere.
    Crashing,
    /// Somebody means harm all the time.
    Hostile,
    /// Homes are copied and put back.
    Restoring,
    /// Programs of several versions, devices that are revoked, attachments that wait.
    Changing,
    /// Others may bring little.
    Narrow,
    /// Much happens before all heals.
    Long,
}

/// What a seed's mood is drawn from besides the seed. It is such that the seeds that were kept before there were moods have none.
const SALT: u64 = 259;
/// The same for whether attachments may need what was replaced, which no seed has that was kept before this was drawn.
const NEEDS_SALT: u64 = 32;
/// The same for whether a program ends while it revokes, which none does of the seeds that were kept before this was drawn.
const REVOKE_SALT: u64 = 8;

/// Whether in a seed's world attachments may need those of things that were replaced, which merges drop.
pub fn needs_dropped(seed: u64) -> bool {
    Rng::new(seed ^ NEEDS_SALT << 32).chance(10)
}

/// How the first try at a revocation goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct RevokeCrash {
    /// Points that are passed before the program ends.
    pub n_points: u32,
    /// Whether it is tried again at once, not when all heals.
    pub is_retried: bool,
}

/// How it does in a seed's world, if it does. It takes nothing from what else the seed draws.
pub fn revoke_crash(seed: u64) -> Option<RevokeCrash> {
    let mut rng = Rng::new(seed ^ REVOKE_SALT << 32);
    rng.chance(50).then(|| RevokeCrash { n_points: rng.below(2) as u32, is_retried: rng.chance(50) })
}

impl Mood {
    /// The mood of a seed's world. It takes nothing from what else the seed draws.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ SALT);
        match rng.below(100) {
            0..=39 => Self::Plain,
            40..=54 => Self::Compacting,
            55..=64 => Self::Crashing,
            65..=70 => Self::Hostile,
            71..=82 => Self::Restoring,
            83..=93 => Self::Changing,
            94..=97 => Self::Narrow,
            _ => Self::Long,
        }
    }

    /// How many of the kinds of attack somebody who means harm knows: the last ones are younger than some kept seeds.
    pub fn n_attacks(self) -> usize {
        if self == Self::Plain { PLAIN_ATTACKS } else { PLAIN_ATTACKS + 1 }
    }

    /// Makes a world of this kind of a drawn one.
    pub fn shape(self, scenario: &mut Scenario, rng: &mut Rng) {
        scenario.mood = self;
        match self {
            Self::Plain => {}
            Self::Compacting => {
                scenario.special_percent = 30;
                scenario.n_steps += 10;
            }
            Self::Crashing => {
                scenario.crash_percent = 40 + rng.below(50) as u8;
                scenario.crash_points = rng.pick(&[60, 150, 400]).unwrap_or(60);
                scenario.special_percent = 10;
            }
            Self::Hostile => {
                scenario.hostile = true;
                scenario.special_percent = 20;
            }
            Self::Restoring => {
                scenario.copies = rng.chance(70);
                scenario.goes_back = true;
                scenario.special_percent = 20;
                scenario.crash_percent = scenario.crash_percent.max(20);
            }
            Self::Changing => {
                scenario.special_percent = 35;
                scenario.revokes = rng.chance(80);
                if scenario.revokes {
                    // Nobody passes on what a revoked device says, and it passes nothing on that matters: all must meet each other.
                    scenario.n_devices = scenario.n_devices.max(3);
                    scenario.places[0].1 = (0..scenario.n_devices).collect();
                }
                scenario.upgrades_all = rng.chance(60);
                scenario.later_head = rng.chance(60);
            }
            Self::Narrow => {
                scenario.log_bytes_max = Some(1000 + rng.below_u64(60_000));
                scenario.special_percent = 20;
            }
            Self::Long => scenario.n_steps += 60 + rng.below(80),
        }
    }
}
