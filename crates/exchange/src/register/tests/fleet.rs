//! Devices that edit one register, and the truth about who knew what.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::test_log;
use crate::hash::Digest;
use crate::name::LogId;
use crate::register::{Branch, Edit, Forks, Register};
use carry_kernel::hlc::Hlc;

/// What happens in a history. Devices and edits are taken modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A device edits, after skipping some sequence numbers, with a clock that may say anything.
    Write { device: usize, value: u8, skip: u64, wall_ms: u64 },
    /// A device receives an edit.
    Receive { device: usize, edit: usize },
}

/// An edit, and the truth about it: all edits that its author knew when it was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) edit: Edit<u8>,
    pub(super) past: BTreeSet<usize>,
}

/// Devices, each with a log; those of one home have the same.
pub(super) struct Fleet {
    pub(super) logs: Vec<LogId>,
    pub(super) registers: Vec<Register<u8>>,
    /// What each device knows, told apart from the registers.
    pub(super) knows: Vec<BTreeSet<usize>>,
    pub(super) next: Vec<u64>,
    /// The branch that a device writes, once it has begun one: for devices of a home that was copied.
    branch: Vec<Option<(u64, [u8; 4])>>,
    is_copied: Vec<bool>,
    pub(super) made: Vec<Made>,
    forks: Forks,
}

impl Fleet {
    pub(super) fn new(n_devices: u8) -> Self {
        let n = usize::from(n_devices);
        Self {
            logs: (0..n_devices).map(test_log).collect(),
            registers: vec![Register::default(); n],
            knows: vec![BTreeSet::new(); n],
            next: vec![1; n],
            branch: vec![None; n],
            is_copied: vec![false; n],
            made: Vec::new(),
            forks: Forks::default(),
        }
    }

    /// A device as it is now, once more.
    pub(super) fn copy(&mut self, device: usize) {
        self.logs.push(self.logs[device]);
        self.registers.push(self.registers[device].clone());
        self.knows.push(self.knows[device].clone());
        self.next.push(self.next[device]);
        self.branch.push(None);
        self.is_copied[device] = true;
        self.is_copied.push(true);
    }

    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Write { device, value, skip, wall_ms } => self.write(device % self.logs.len(), value, skip, wall_ms),
            Step::Receive { device, edit } if !self.made.is_empty() => {
                self.receive(device % self.logs.len(), edit % self.made.len());
            }
            Step::Receive { .. } => {}
        }
    }

    fn write(&mut self, device: usize, value: u8, skip: u64, wall_ms: u64) {
        let (log, id) = (self.logs[device], self.made.len());
        let seq = self.next[device] + skip;
        let r4 = Digest::of(&[&id.to_le_bytes()]).first4();
        if self.is_copied[device] {
            let branch = *self.branch[device].get_or_insert_with(|| {
                let name = (self.next[device], r4);
                // The copies part at the first sequence number that both use for themselves.
                self.forks.add(log, Branch { parent: None, first: name.0, r4 });
                name
            });
            self.forks.place(log, branch, seq, r4);
        }
        self.next[device] = seq + 1;
        let seen = self.registers[device].seen(log);
        let edit = Edit { log, seq, r4, at: Hlc { wall_ms, counter: 0 }, value, seen };
        self.made.push(Made { edit, past: self.knows[device].clone() });
        self.receive(device, id);
    }

    pub(super) fn receive(&mut self, device: usize, id: usize) {
        self.registers[device].apply(self.made[id].edit.clone(), &self.forks);
        let past = self.made[id].past.clone();
        self.knows[device].extend(past);
        self.knows[device].insert(id);
    }

    /// The register of somebody who receives these edits.
    pub(super) fn folded(&self, ids: &[usize]) -> Register<u8> {
        let mut register = Register::default();
        for id in ids {
            register.apply(self.made[*id].edit.clone(), &self.forks);
        }
        register
    }

    /// These, all that they had in their past, without the void ones that `keeps` does not keep: what
    /// somebody has who has heard everybody out, whatever was compacted before.
    pub(super) fn heard_out(&self, ids: &[usize], keeps: impl Fn(usize) -> bool) -> Vec<usize> {
        let all: BTreeSet<usize> = ids.iter().flat_map(|id| self.made[*id].past.iter().copied().chain([*id])).collect();
        let is_void = |id: usize| {
            let edit = &self.made[id].edit;
            all.iter().any(|other| self.made[*other].edit.log == edit.log && self.made[*other].edit.seq > edit.seq)
        };
        all.iter().copied().filter(|id| keeps(*id) || !is_void(*id)).collect()
    }

    /// The edits among these that none of them had in its past.
    pub(super) fn truth(&self, ids: &[usize]) -> BTreeSet<(LogId, u64, u8)> {
        let is_live = |id: &&usize| !ids.iter().any(|other| self.made[*other].past.contains(id));
        let named = |id: &usize| {
            let edit = &self.made[*id].edit;
            (edit.log, edit.seq, edit.value)
        };
        ids.iter().filter(is_live).map(named).collect()
    }
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..8usize, 0..3u8, 0..3u64, 0..5u64).prop_map(|(device, value, skip, wall_ms)| Step::Write {
        device,
        value,
        skip,
        wall_ms,
    });
    let receive = (0..8usize, any::<usize>()).prop_map(|(device, edit)| Step::Receive { device, edit });
    proptest::collection::vec(prop_oneof![write, receive], 1..40)
}

/// Which edits an observer receives, in which order, some of them twice.
pub(super) fn picks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..60)
}
