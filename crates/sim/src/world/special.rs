//! What worlds of a mood do beside the rest.

use carry_exchange::round::Direction;
use carry_kernel::fault::{self, Failure};

use super::steps::MINUTE;
use super::{Judged, Positions, World, Wrong, unexpected};
use crate::device::{registers_stream, things_stream};
use crate::later::LATER_FAMILY;
use crate::mood::{Mood, RevokeCrash};
use crate::place::Kind;
use crate::reached::Event;
use crate::strand::Thing;

impl World {
    /// Takes a step of the world's mood.
    pub(super) fn special(&mut self, device: usize) -> Judged {
        match self.scenario.mood {
            Mood::Plain | Mood::Long => self.meet(device),
            Mood::Compacting => self.burst(device),
            Mood::Crashing => self.sign(device),
            Mood::Hostile => self.attack(),
            Mood::Restoring if self.rng.chance(30) => self.copy(device),
            Mood::Restoring => self.go_back(device),
            Mood::Changing => self.change(device),
            Mood::Narrow => self.much(device),
        }
    }

    /// Says much in small parts, each in a segment of its own, and meets somebody.
    fn burst(&mut self, device: usize) -> Judged {
        if self.rng.chance(15) {
            // Long enough for stubs to become runs.
            self.time.pass(i64::try_from(self.rng.between(20, 45) * 24 * 60 * MINUTE).unwrap_or(0));
        }
        for _ in 0..self.rng.between(4, 10) {
            self.time.pass(i64::try_from(self.rng.below_u64(3 * MINUTE)).unwrap_or(0));
            if self.rng.chance(30) { self.edit(device) } else { self.say_little(device) }?;
            self.sign(device)?;
        }
        self.meet(device)
    }

    /// Says something small that may replace what was said before.
    fn say_little(&mut self, device: usize) -> Judged {
        let id = self.model.next_id(!self.devices[device].counts());
        let mut thing = Thing { id, wants: self.rng.chance(20), ..Thing::default() };
        if self.rng.chance(60) {
            thing.key = Some(self.rng.below(3) as u8);
            thing.replaces = self.rng.chance(50);
            thing.is_latest = !thing.replaces;
        }
        if thing.wants && self.rng.chance(50) {
            let mut said = self.devices[device].said.iter().copied().rev();
            thing.needs = said.find(|id| self.may_be_needed(device, *id));
        }
        if self.rng.chance(15) {
            // Of another size, so that others are not merged across it.
            thing.padding = 20_000 + self.rng.below(30_000);
        }
        self.say_thing(device, &thing)
    }

    /// Says more than others take in.
    fn much(&mut self, device: usize) -> Judged {
        let id = self.model.next_id(!self.devices[device].counts());
        let thing = Thing { id, padding: 5000 + self.rng.below(60_000), ..Thing::default() };
        self.say_thing(device, &thing)
    }

    /// Programs of several versions, devices that are revoked, attachments that come late.
    fn change(&mut self, device: usize) -> Judged {
        match self.rng.below(10) {
            0..=1 => self.speak_later(),
            2..=5 if self.scenario.revokes && self.revoked.is_none() => self.revoke(device),
            3..=5 => self.push_needed(device),
            _ => self.say_later(device),
        }
    }

    /// A program of the later version says something of a kind that others do not know.
    fn say_later(&mut self, device: usize) -> Judged {
        if !self.devices[device].is_later {
            return self.say(device);
        }
        let id = self.model.next_id(!self.devices[device].counts());
        self.say_thing(device, &Thing { id, is_later: true, ..Thing::default() })
    }

    /// Says something whose attachment needs another that was handed over before; others get little at a time.
    fn push_needed(&mut self, device: usize) -> Judged {
        let mut needs = None;
        for _ in 0..3 {
            let id = self.model.next_id(!self.devices[device].counts());
            self.say_thing(device, &Thing { id, wants: true, needs, ..Thing::default() })?;
            self.sign(device)?;
            needs = Some(id);
        }
        let before = self.devices[device].options.clone();
        self.devices[device].options.direction = Direction::Push;
        let way = self.rng.below(self.devices[device].ways.len());
        let done = self.exchange(device, way, None);
        self.devices[device].options = before;
        done?;
        let honest = self.honest();
        let Some(other) = self.rng.pick(&honest) else { return Ok(()) };
        let before = self.devices[other].options.clone();
        self.devices[other].options.budget.objects = 1;
        let done = self.meet(other);
        self.devices[other].options = before;
        done
    }

    /// A device of a version later than all says something, or signs what none can read.
    fn speak_later(&mut self) -> Judged {
        let Some(mut later) = self.later.take() else { return Ok(()) };
        let place = self.rng.below(self.places.len());
        let place = self.places[place].clone();
        let tree = self.rng.below(place.state().trees.len());
        if later.has_spoken() {
            later.go_on(&mut place.state(), tree);
            self.note(&format!("{}: a head of the later version", place.name()));
        } else {
            let ids = [self.model.next_id(false), self.model.next_id(false)];
            for id in ids {
                self.model.said(&Thing { id, ..Thing::default() }, &[], LATER_FAMILY);
            }
            // It lies nowhere else.
            self.model.may_be_lost.extend(ids);
            later.speak(&mut place.state(), tree, &ids, &mut self.rng);
            self.note(&format!("{}: a device of the later version says {ids:?}", place.name()));
        }
        self.later = Some(later);
        Ok(())
    }

    /// A device revokes another: what it knows by now of what that one said counts, and nothing else.
    fn revoke(&mut self, device: usize) -> Judged {
        let mut others: Vec<usize> = self.honest().into_iter().filter(|other| *other != device).collect();
        if !self.devices[device].counts() || others.len() < 2 {
            return Ok(());
        }
        self.rng.shuffle(&mut others);
        for other in others {
            if self.revoke_one(device, other)? {
                break;
            }
        }
        Ok(())
    }

    /// Says whether it could: what a home wrote that was copied or put back is not known well enough here to be judged.
    fn revoke_one(&mut self, device: usize, other: usize) -> Judged<bool> {
        let (family, logs) = (self.devices[other].family, self.devices[other].logs.clone());
        let [log] = logs[..] else { return Ok(false) };
        if self.model.troubled.contains(&family) {
            return Ok(false);
        }
        let store = &self.devices[device].running().map_err(unexpected("starting"))?.store;
        let followed = store.followed_of(log).map_err(unexpected("what is followed"))?;
        let Some(way) = followed.iter().find(|way| way.track == 0) else { return Ok(false) };
        let streams = way.head.head().streams.iter();
        let at: Positions = streams.map(|(stream, state)| (stream.clone(), (state.last, state.chain))).collect();
        let last = |stream| at.get(&stream).map_or(0, |(last, _)| *last);
        let running = self.devices[other].running().map_err(unexpected("starting"))?;
        let wrong = |e| Wrong(format!("reading what device {other} said: {e}"));
        let mut counts = running.registers.ids_to(log, last(registers_stream())).map_err(wrong)?;
        counts.extend(running.things.ids_to(log, last(things_stream())).map_err(wrong)?);
        self.model.revoke(family, &counts);
        self.devices[other].is_revoked = true;
        self.reached.note(Event::Revoked);
        self.note(&format!("device {device} revokes device {other}, of which counts {counts:?}"));
        self.revoked = Some((log, at));
        self.try_revoking(device).map(|()| true)
    }

    /// Lets a device take over the revocation. Its program may end while it does.
    fn try_revoking(&mut self, device: usize) -> Judged {
        let Some(RevokeCrash { n_points, is_retried }) = self.revoke_crash.take() else {
            return self.revoke_at(device);
        };
        fault::arm(Some((n_points, Failure::Error)));
        let done = self.revoke_at(device);
        if fault::arm(None) {
            return done;
        }
        if done.is_ok() {
            return Err(Wrong(format!("device {device} revokes though it failed")));
        }
        self.reached.crashed(fault::failed_at());
        self.note(&format!("device {device} dies when it revokes, tries again: {is_retried}"));
        self.devices[device].stop();
        self.devices[device].start().map_err(unexpected("starting again"))?;
        if is_retried { self.revoke_at(device) } else { Ok(()) }
    }

    /// Lets a device take over the revocation.
    fn revoke_at(&mut self, device: usize) -> Judged {
        let Some((log, at)) = self.revoked.clone() else { return Ok(()) };
        let now = carry_kernel::clock::Clock::now(&*self.devices[device].clock);
        let store = &mut self.devices[device].running().map_err(unexpected("starting"))?.store;
        store.revoke(log, &at, now).map_err(unexpected("revoking"))
    }

    /// Arms a failure in worlds where programs end everywhere. Says whether it did.
    pub(super) fn arm_crash(&mut self, n_points: usize) -> bool {
        let percent = self.scenario.crash_percent;
        let is_crashing = matches!(self.scenario.mood, Mood::Crashing | Mood::Restoring) && self.rng.chance(percent);
        if is_crashing {
            fault::arm(Some((self.rng.below(n_points) as u32, Failure::Error)));
        }
        is_crashing
    }

    /// Starts a program, which may end while it does and is started again then.
    pub(super) fn start_again(&mut self, device: usize) -> Judged {
        if self.arm_crash(10) {
            let done = self.devices[device].start();
            if fault::arm(None) {
                return done.map_err(unexpected("starting"));
            }
            self.reached.crashed(fault::failed_at());
            self.note(&format!("device {device} dies when it starts"));
            self.devices[device].stop();
        }
        self.devices[device].start().map_err(unexpected("starting again"))
    }

    /// Where whole disks are put back, keeps what the folders on this one hold.
    pub(super) fn keep_trees(&mut self, device: usize) {
        if self.scenario.mood == Mood::Restoring {
            for way in self.devices[device].ways.clone() {
                self.places[way.place].state().keep(way.tree);
            }
        }
    }

    /// Puts them back, or not.
    pub(super) fn trees_go_back(&mut self, device: usize) {
        if self.scenario.mood == Mood::Restoring && self.rng.chance(50) {
            for way in self.devices[device].ways.clone() {
                if self.places[way.place].kind() == Kind::Folder {
                    self.places[way.place].state().go_back(way.tree);
                }
            }
        }
    }

    /// In the end all are told who was revoked.
    pub(super) fn tell_of_revocation(&mut self) -> Judged {
        self.honest().into_iter().try_for_each(|device| self.revoke_at(device))
    }

    /// Before all heals, limits go, and programs become of the later version where all do.
    pub(super) fn open_up(&mut self, device: usize) {
        let one = &mut self.devices[device];
        let is_new = self.scenario.upgrades_all && !one.is_later;
        if is_new || one.log_bytes_max.is_some() {
            one.is_later |= is_new;
            one.log_bytes_max = None;
            one.stop();
        }
    }
}
