//! What holds work back on this machine, as last measured.

use std::time::Duration;

use carry_code::remote::Reach;
use carry_kernel::clock::Timestamp;
use carry_kernel::gate::{self, Gate, Machine, Needs};
use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::event::Event;
use super::link::{Link, Role};
use super::remotes::Remote;
use super::slot::Key;
use super::team::Store;

/// The gates that are shut.
#[derive(Debug, Default)]
pub(super) struct Gates {
    local: Vec<Gate>,
    network: Vec<Gate>,
    at: Option<Timestamp>,
}

/// Whether the network costs money, asked of the system now and then.
#[derive(Debug, Default)]
pub(super) struct Metered {
    /// The last answer; the system may not know either.
    answer: Option<Option<bool>>,
    is_asked: bool,
    at: Option<Timestamp>,
}

impl Metered {
    /// Whether there was an answer at all.
    pub(super) fn is_known(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now: Timestamp, hold: Duration) -> bool {
        !self.is_asked && self.at.is_none_or(|at| now.since(at) >= hold)
    }

    /// The question is under way.
    pub(super) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// The answer came.
    pub(super) fn answer(&mut self, answer: Option<bool>, now: Timestamp) {
        *self = Self { answer: Some(answer), is_asked: false, at: Some(now) };
    }
}

impl Daemon<'_> {
    /// Measures what may hold work back, unless it was measured just now, and tells all workers of a change.
    pub(super) fn measure_gates(&mut self) {
        let now = self.now();
        if self.gates.at.is_some_and(|at| now.since(at) < self.tuning.gates_hold) {
            return;
        }
        self.gates.at = Some(now);
        if self.uses_network() {
            self.measure_metered();
        }
        let config = self.ctx.config(None);
        let metered = self.metered.answer.flatten();
        let machine = Machine { metered, ..Machine::measure(std::path::Path::new("/")) };
        let local = gate::evaluate(&machine, &config, Needs::Local);
        let network = gate::evaluate(&machine, &config, Needs::Network);
        let is_new = (local != self.gates.local, network != self.gates.network);
        (self.gates.local, self.gates.network) = (local.clone(), network.clone());
        if is_new.0 {
            let ids: Vec<TreeId> = self.jobs.keys().cloned().collect();
            for id in ids {
                self.step(&id, Input::Gates(local.clone()));
            }
        }
        let links = self
            .links
            .iter()
            .flat_map(|(id, link)| Role::ALL.map(|role| (Key::Link(id.clone(), role), link.remote.reach)));
        let far: Vec<(Key, Reach)> = links.chain(self.team.reaches()).chain(self.remotes.reaches()).collect();
        for (key, reach) in far {
            let (is_new, gates) = if reach == Reach::Network { (is_new.1, &network) } else { (is_new.0, &local) };
            if is_new {
                self.drive(&key, Input::Gates(gates.clone()));
            }
        }
    }

    /// The next time they are measured anew.
    pub(super) fn forget_gates(&mut self) {
        self.gates.at = None;
    }

    /// The gates as last measured, for work on this machine.
    pub(super) fn local_gates(&self) -> &[Gate] {
        &self.gates.local
    }

    /// The gates as last measured, for what is reached like this.
    pub(super) fn gates_for(&self, reach: Reach) -> &[Gate] {
        if reach == Reach::Network { &self.gates.network } else { &self.gates.local }
    }

    /// Asks what the network costs, off the loop, unless that is known or asked already.
    pub(super) fn measure_metered(&mut self) {
        let (now, hold) = (self.now(), self.tuning.metered_hold);
        if self.is_stopping() || !self.metered.is_due(now, hold) {
            return;
        }
        let (measure, events) = (self.tuning.metered.clone(), self.events.clone());
        let ask = move || {
            // The loop may have ended.
            let _ = events.send(Event::Metered(measure()));
        };
        match std::thread::Builder::new().name("carry-metered".to_owned()).spawn(ask) {
            Ok(_) => self.metered.ask(),
            Err(error) => {
                self.complain("no thread to ask what the network costs", &error);
                self.metered.answer(None, now);
            }
        }
    }

    /// The answer.
    pub(super) fn metered_is(&mut self, metered: Option<bool>) {
        self.metered.answer(metered, self.now());
        self.forget_gates();
        self.measure_gates();
        self.start_links();
        self.start_all_named::<Store>();
        self.start_all_named::<Remote>();
    }

    /// Whether any link, team store or remote is reached over the network.
    pub(super) fn uses_network(&self) -> bool {
        let is_far = |link: &Link| link.remote.reach == Reach::Network;
        self.links.values().any(is_far) || self.team.uses_network() || self.remotes.uses_network()
    }
}
