//! Where an entry belongs: to the turn it follows, to a new branch, or to one that was given up.
//!
//! Entries name their parents. A prompt whose parent lies before the newest turns is a rewind: a few turns are marked as given
//! up, many stay and the new branch becomes a session of its own. Only prompts rewind: outputs of parallel calls hang
//! from whatever entry made the call. Once a prompt's parent is unknown, the rest of the file is taken as it stands.
//!
//! Reading a whole file keeps a number for every entry; going on from a checkpoint knows only the newest entries of the
//! newest turn and asks for the whole file when a prompt names another.

use std::collections::{HashMap, VecDeque};

/// A branch with more turns than this stays when the user goes back before it.
const TURNS_KEPT: usize = 3;
/// Entries of the newest turn that a checkpoint remembers.
pub(super) const RECENT_MAX: usize = 16;
/// Turns that are taken up again at most.
const RESUMED_MAX: usize = 64;

/// What a prompt does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It follows the newest turn of this thread.
    Next(u32),
    /// It goes back in this thread.
    Back {
        /// The thread.
        thread: u32,
        /// Ordinals that are given up.
        abandoned: Vec<(u32, u32)>,
        /// Ordinals that count again.
        resumed: Vec<(u32, u32)>,
    },
    /// It begins a thread of its own.
    Fork,
    /// Only the whole file can tell.
    NeedsWhole,
}

#[derive(Clone, Debug)]
struct Turn {
    parent: u32,
    thread: u32,
    ordinals: Option<(u32, u32)>,
    is_abandoned: bool,
}

/// The graph of a file.
#[derive(Debug)]
pub(super) struct Graph {
    /// All entries and their turns; `None` when going on from a checkpoint.
    nodes: Option<HashMap<u128, u32>>,
    turns: Vec<Turn>,
    /// The newest turn of each thread.
    tips: Vec<u32>,
    /// The thread of the entry before.
    thread: u32,
    /// Entries of the newest turn.
    pub(super) recent: VecDeque<u128>,
    pub(super) is_linear: bool,
    pub(super) has_forks: bool,
    has_entries: bool,
}

impl Graph {
    /// For reading a whole file.
    pub(super) fn whole() -> Self {
        let mut graph = Self::resumed(VecDeque::new(), false, false);
        graph.nodes = Some(HashMap::new());
        graph.has_entries = false;
        graph
    }

    /// For going on after these entries.
    pub(super) fn resumed(recent: VecDeque<u128>, is_linear: bool, has_forks: bool) -> Self {
        let before = Turn { parent: 0, thread: 0, ordinals: None, is_abandoned: false };
        Self {
            nodes: None,
            turns: vec![before],
            tips: vec![0],
            thread: 0,
            recent,
            is_linear,
            has_forks,
            has_entries: true,
        }
    }

    /// An entry that is neither prompt nor answer, with its parent.
    pub(super) fn note(&mut self, node: u128, parent: u128) {
        let tip = self.tips[self.thread as usize];
        let turn = match &self.nodes {
            Some(nodes) => nodes.get(&parent).copied().unwrap_or(tip),
            None if parent == 0 || self.recent.contains(&parent) => tip,
            None => return,
        };
        self.put(node, turn);
    }

    /// An answer, an output: the thread it belongs to; `None` when only the whole file can tell.
    pub(super) fn entry(&mut self, node: u128, parent: u128) -> Option<u32> {
        let thread = match &self.nodes {
            Some(nodes) => nodes.get(&parent).map_or(self.thread, |turn| self.turns[*turn as usize].thread),
            None if self.has_forks && !self.is_linear && !self.recent.contains(&parent) => return None,
            None => self.thread,
        };
        self.has_entries = true;
        self.enter(thread);
        self.put(node, self.tips[thread as usize]);
        Some(thread)
    }

    /// A prompt. Registers it, too.
    pub(super) fn prompt(&mut self, node: u128, parent: u128) -> Step {
        if node == 0 {
            // An entry that cannot be named: from here on, the order of the file counts.
            self.go_linear();
        }
        let step = self.step(parent);
        self.has_entries = true;
        let (thread, turn) = match &step {
            Step::NeedsWhole => return step,
            Step::Next(thread) => (*thread, self.tips[*thread as usize]),
            Step::Back { thread, .. } => (*thread, self.turn_of(parent)),
            Step::Fork => {
                self.has_forks = true;
                self.tips.push(0);
                (u32::try_from(self.tips.len() - 1).unwrap_or(u32::MAX), self.turn_of(parent))
            }
        };
        self.turns.push(Turn { parent: turn, thread, ordinals: None, is_abandoned: false });
        self.tips[thread as usize] = u32::try_from(self.turns.len() - 1).unwrap_or(u32::MAX);
        self.thread = thread;
        self.recent.clear();
        self.put(node, self.tips[thread as usize]);
        step
    }

    /// The current entry has this ordinal in its thread.
    pub(super) fn number(&mut self, ordinal: u32) {
        let turn = &mut self.turns[self.tips[self.thread as usize] as usize];
        turn.ordinals = Some((turn.ordinals.map_or(ordinal, |(first, _)| first), ordinal));
    }

    fn step(&mut self, parent: u128) -> Step {
        if self.is_linear || !self.has_entries {
            return Step::Next(self.thread);
        }
        let Some(nodes) = &self.nodes else {
            return if self.recent.contains(&parent) { Step::Next(self.thread) } else { Step::NeedsWhole };
        };
        let Some(&target) = nodes.get(&parent) else {
            self.go_linear();
            return Step::Next(self.thread);
        };
        let thread = self.turns[target as usize].thread;
        let tip = self.tips[thread as usize];
        if target == tip {
            return Step::Next(thread);
        }
        // Up from a turn that was given up to one that counts.
        let (mut from, mut resumed) = (target, Vec::new());
        while self.turns[from as usize].is_abandoned && resumed.len() < RESUMED_MAX {
            resumed.push(from);
            from = self.turns[from as usize].parent;
        }
        let mut abandoned = Vec::new();
        let mut at = tip;
        while at != from && abandoned.len() <= TURNS_KEPT && self.turns[at as usize].thread == thread {
            abandoned.push(at);
            at = self.turns[at as usize].parent;
        }
        if at != from || abandoned.len() > TURNS_KEPT {
            return Step::Fork;
        }
        Step::Back { thread, abandoned: self.mark(&abandoned, true), resumed: self.mark(&resumed, false) }
    }

    fn go_linear(&mut self) {
        self.is_linear = true;
        if let Some(nodes) = &mut self.nodes {
            *nodes = HashMap::new();
        }
    }

    fn mark(&mut self, turns: &[u32], is_abandoned: bool) -> Vec<(u32, u32)> {
        let mut ordinals = Vec::new();
        for turn in turns.iter().rev() {
            let turn = &mut self.turns[*turn as usize];
            turn.is_abandoned = is_abandoned;
            ordinals.extend(turn.ordinals);
        }
        ordinals
    }

    fn turn_of(&self, node: u128) -> u32 {
        self.nodes.as_ref().and_then(|nodes| nodes.get(&node).copied()).unwrap_or_default()
    }

    fn enter(&mut self, thread: u32) {
        if self.thread != thread {
            self.thread = thread;
            self.recent.clear();
        }
    }

    fn put(&mut self, node: u128, turn: u32) {
        if node == 0 {
            return;
        }
        if let Some(nodes) = self.nodes.as_mut().filter(|_| !self.is_linear) {
            nodes.insert(node, turn);
        }
        if turn == self.tips[self.thread as usize] {
            if self.recent.len() == RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(node);
        }
    }
}
