//! The random steps of a world: what devices and people do, and what happens to them.

use carry_exchange::round::Direction;
use carry_kernel::fault::{self, Failure};

use super::{DEVICES_MAX, Judged, World, Wrong, unexpected};
use crate::reached::Event;
use crate::strand::{REGISTERS, Thing};

pub(super) const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Keys of things.
const KEYS: usize = 3;

impl World {
    /// Takes one step.
    ///
    /// # Errors
    /// [`Wrong`] when something happens that must not.
    pub fn step(&mut self) -> Judged {
        let ms = match self.rng.below(100) {
            0..=69 => self.rng.below_u64(30 * MINUTE),
            70..=94 => self.rng.below_u64(12 * HOUR),
            _ => self.rng.below_u64(20 * DAY),
        };
        self.time.pass(i64::try_from(ms).unwrap_or(0));
        self.places.iter().for_each(crate::place::Place::sync);
        let percent = self.scenario.mischief_percent;
        if self.rng.chance(percent) {
            return self.meddle();
        }
        let device = self.rng.below(self.devices.len());
        if self.devices[device].online_at > self.time.ms() {
            // What is offline works on, and meets nobody.
            return if self.rng.chance(50) { self.edit(device) } else { self.say(device) };
        }
        let percent = self.scenario.special_percent;
        if self.rng.chance(percent) {
            return self.special(device);
        }
        match self.rng.below(100) {
            0..=21 => self.edit(device),
            22..=43 => self.say(device),
            44..=79 => self.meet(device),
            80..=82 => self.sign(device),
            83..=85 => self.jump(device),
            86..=87 => self.leave(device),
            88..=89 => self.restart(device),
            90..=91 => self.pair(device),
            92..=93 => self.newcomer(device),
            94..=95 => self.copy(device),
            96..=97 => self.go_back(device),
            _ if self.scenario.hostile => self.attack(),
            _ => self.meet(device),
        }
    }

    pub(super) fn edit(&mut self, device: usize) -> Judged {
        let register = self.rng.below(usize::from(REGISTERS)) as u8;
        let value = self.rng.below_u64(3);
        let log = self.devices[device].log().map_err(unexpected("starting"))?;
        let (counts, family) = (self.devices[device].counts(), self.devices[device].family);
        let id = self.model.next_id(!counts);
        let running = self.devices[device].running().map_err(unexpected("starting"))?;
        let has = running.registers.ids().map_err(|e| Wrong(format!("reading registers: {e}")))?;
        let done = running.registers.edit(log, register, value, id).map_err(|e| Wrong(format!("an edit: {e}")))?;
        if let Some(n_live) = done {
            self.reached.add(Event::Settled, u64::from(n_live > 1));
            self.model.edited(id, register, value, &has, family);
            self.note(&format!("device {device} edits r{register} = {value}, id {id}"));
        }
        Ok(())
    }

    pub(super) fn say(&mut self, device: usize) -> Judged {
        let id = self.model.next_id(!self.devices[device].counts());
        let mut thing = Thing { id, ..Thing::default() };
        match self.rng.below(10) {
            0..=2 => {}
            3..=6 => {
                thing.key = Some(self.rng.below(KEYS) as u8);
                thing.replaces = self.rng.chance(50);
                thing.is_latest = self.rng.chance(40);
            }
            7 => {
                let running = self.devices[device].running().map_err(unexpected("starting"))?;
                let ids = running.things.ids().map_err(|e| Wrong(format!("reading things: {e}")))?;
                let ids: Vec<u64> = ids.into_iter().collect();
                thing.removes = self.rng.pick(&ids);
            }
            _ => {
                thing.wants = true;
                let attached: Vec<u64> = self.devices[device].said.clone();
                let attached: Vec<u64> = attached.into_iter().filter(|id| self.may_be_needed(device, *id)).collect();
                if self.rng.chance(40) {
                    thing.needs = self.rng.pick(&attached);
                }
            }
        }
        if self.rng.chance(10) {
            thing.padding = self.rng.below(60_000);
        }
        self.say_thing(device, &thing)
    }

    /// Whether a new thing of a device may need the attachment of this one: what a replaced thing wanted goes when it is merged,
    /// and then it is handed over as one that needs nothing.
    pub(super) fn may_be_needed(&self, device: usize, id: u64) -> bool {
        if !self.model.things.get(&id).is_some_and(|said| said.thing.wants) {
            return false;
        }
        let said = self.devices[device].said.iter().copied().collect();
        self.scenario.needs_dropped || !self.model.is_replaced(id, &said)
    }

    pub(super) fn say_thing(&mut self, device: usize, thing: &Thing) -> Judged {
        let family = self.devices[device].family;
        self.reached.add(Event::Tombstone, u64::from(thing.removes.is_some()));
        self.reached.add(Event::Replaced, u64::from(thing.replaces || thing.is_latest));
        let running = self.devices[device].running().map_err(unexpected("starting"))?;
        running.things.say(thing).map_err(|e| Wrong(format!("saying a thing: {e}")))?;
        self.model.said(thing, &self.devices[device].said, family);
        self.devices[device].said.push(thing.id);
        self.note(&format!("device {device} says {thing:?}"));
        Ok(())
    }

    pub(super) fn meet(&mut self, device: usize) -> Judged {
        let way = self.rng.below(self.devices[device].ways.len());
        let percent = self.scenario.crash_percent;
        let armed = if self.rng.chance(percent) {
            let failure = if self.rng.chance(25) { Failure::Full } else { Failure::Error };
            Some((self.rng.below(self.scenario.crash_points) as u32, failure))
        } else {
            None
        };
        let before = self.devices[device].options.clone();
        let options = &mut self.devices[device].options;
        match self.rng.below(20) {
            0 => options.direction = Direction::Pull,
            1 => options.direction = Direction::Push,
            2 => options.is_dry_run = true,
            _ => {}
        }
        let done = self.exchange(device, way, armed);
        self.devices[device].options = before;
        done.map(drop)
    }

    /// Says and signs without meeting anybody; may fail anywhere.
    pub(super) fn sign(&mut self, device: usize) -> Judged {
        let percent = self.scenario.crash_percent;
        let armed = self.rng.chance(percent).then(|| (self.rng.below(30) as u32, Failure::Error));
        let statement = self.devices[device].options.statement.clone();
        fault::arm(armed);
        let done = self.devices[device].say(&statement);
        let is_left = fault::arm(None);
        match done {
            Ok(said) => {
                self.merged(&said.merged);
                self.note(&format!("device {device} says {:?}, more: {}", said.records, said.has_more));
            }
            Err(_) if armed.is_some() && !is_left => self.note(&format!("device {device} dies when it says")),
            Err(error) => return Err(unexpected("saying")(error)),
        }
        if armed.is_some() && !is_left {
            self.reached.crashed(fault::failed_at());
            self.devices[device].stop();
            self.devices[device].start().map_err(unexpected("starting again"))?;
        }
        Ok(())
    }

    fn jump(&mut self, device: usize) -> Judged {
        let most = self.scenario.clock_off_ms;
        let ms = i64::try_from(self.rng.below_u64(2 * most + 1)).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
        // Now and then somebody sets it right.
        let ms = if self.rng.chance(30) { -self.devices[device].clock.off_ms() } else { ms };
        self.devices[device].clock.jump(ms);
        self.note(&format!("the clock of device {device} jumps by {ms}"));
        Ok(())
    }

    fn leave(&mut self, device: usize) -> Judged {
        let ms = i64::try_from(self.rng.below_u64(30 * DAY)).unwrap_or(0);
        self.devices[device].online_at = self.time.ms() + ms;
        self.note(&format!("device {device} is offline for {ms}"));
        Ok(())
    }

    fn restart(&mut self, device: usize) -> Judged {
        self.devices[device].stop();
        self.start_again(device)?;
        self.note(&format!("device {device} starts again"));
        Ok(())
    }

    fn pair(&mut self, device: usize) -> Judged {
        let honest = self.honest();
        let other = self.rng.pick(&honest).unwrap_or(0);
        if !self.devices[device].counts() {
            return Ok(());
        }
        self.note(&format!("device {device} approves device {other}"));
        if !self.arm_crash(3) {
            return self.approve(device, other);
        }
        let done = self.approve(device, other);
        if fault::arm(None) {
            return done;
        }
        self.reached.crashed(fault::failed_at());
        self.restart(device)
    }

    /// Somebody joins late, where another device goes.
    fn newcomer(&mut self, device: usize) -> Judged {
        if self.devices.len() >= DEVICES_MAX || self.rng.chance(50) {
            return Ok(());
        }
        let places = self.devices[device].ways.iter().map(|way| way.place).collect();
        self.add_device(places, false)?;
        if self.scenario.approves_at_once { self.approve_all() } else { Ok(()) }
    }

    /// A home is copied, and both go on.
    pub(super) fn copy(&mut self, device: usize) -> Judged {
        if !self.scenario.copies || self.devices.len() >= DEVICES_MAX || !self.devices[device].counts() {
            return Ok(());
        }
        let (number, clock, is_same) = (self.devices.len(), self.clock(), self.rng.chance(40));
        self.reached.note(Event::Copied);
        let copy = self.devices[device].copy(number, clock, is_same).map_err(unexpected("copying a home"))?;
        self.devices.push(copy);
        let places: Vec<usize> = self.devices[device].ways.iter().map(|way| way.place).collect();
        places.into_iter().for_each(|place| self.join(number, place));
        let family = self.devices[device].family;
        self.model.troubled.insert(family);
        self.note(&format!("the home of device {device} is copied to device {number}, same machine: {is_same}"));
        for device in [device, number] {
            self.start_again(device)?;
            self.devices[device].note_log();
        }
        Ok(())
    }

    /// A home is kept, or put back to what was kept.
    pub(super) fn go_back(&mut self, device: usize) -> Judged {
        if !self.scenario.goes_back || !self.devices[device].counts() {
            return Ok(());
        }
        if self.devices[device].saved.is_none() || self.rng.chance(20) {
            self.note(&format!("the home of device {device} is kept"));
            self.devices[device].save().map_err(unexpected("keeping a home"))?;
            self.keep_trees(device);
            return self.devices[device].start().map_err(unexpected("starting again"));
        }
        self.reached.note(Event::PutBack);
        let before = self.has(device)?;
        self.devices[device].go_back().map_err(unexpected("putting a home back"))?;
        self.trees_go_back(device);
        self.start_again(device)?;
        self.devices[device].note_log();
        let mut elsewhere = self.has(device)?;
        for other in self.honest() {
            elsewhere.extend(self.has(other)?);
        }
        // What nobody else has may come back from a place, or not.
        let lost: Vec<u64> = before.into_iter().filter(|id| !elsewhere.contains(id)).collect();
        let family = self.devices[device].family;
        self.model.troubled.insert(family);
        self.note(&format!("the home of device {device} goes back; only there were {lost:?}"));
        self.model.may_be_lost.extend(lost);
        Ok(())
    }

    /// The ids of all that a device has.
    pub(crate) fn has(&mut self, device: usize) -> Judged<std::collections::BTreeSet<u64>> {
        let running = self.devices[device].running().map_err(unexpected("starting"))?;
        let mut all = running.registers.ids().map_err(|e| Wrong(format!("reading registers: {e}")))?;
        all.extend(running.things.ids().map_err(|e| Wrong(format!("reading things: {e}")))?);
        Ok(all)
    }

    /// Something happens to files.
    fn meddle(&mut self) -> Judged {
        let place = self.rng.below(self.places.len());
        let Some(mischief) = self.rng.pick(&self.scenario.mischief) else { return Ok(()) };
        let place = self.places[place].clone();
        let done = place.state().meddle(mischief);
        if let Some(what) = done {
            self.reached.note(Event::Mischief);
            self.note(&format!("{}: {what}", place.name()));
        }
        Ok(())
    }

    pub(super) fn attack(&mut self) -> Judged {
        self.reached.note(Event::Attack);
        let place = self.rng.below(self.places.len());
        let place = self.places[place].clone();
        let what = self.hostile.attack(&mut place.state());
        self.note(&format!("{}: {what}", place.name()));
        Ok(())
    }
}
