//! Ends of turns: a session in which the agent now waits for its user.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use crate::archive::{Archive, ArchiveError};
use crate::model::{Agent, Block, Message, NativeId, RelationKind, Role, Termination};
use crate::source::Op;

/// A turn that ended longer ago is history: what the working tree holds now says nothing about it.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// More sessions do not end a turn at a time; of those that do, so many are told.
const TURNS_MAX: usize = 256;

/// The end of a turn: the agent waits for its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// The session's row.
    pub session: i64,
    /// Where it works.
    pub cwd: PathBuf,
    /// When the turn ended.
    pub at: Timestamp,
}

/// How the session that is being read stands after what was said so far.
#[derive(Debug)]
struct Standing {
    agent: Agent,
    native: NativeId,
    /// The newest message is one after which the user's turn comes.
    waits: bool,
    /// What the source itself says.
    termination: Option<Termination>,
    at: Option<Timestamp>,
}

/// Listens to what is said and remembers which sessions wait.
#[derive(Debug)]
pub(super) struct Turns {
    now: Timestamp,
    open: Option<Standing>,
    ended: BTreeMap<(Agent, NativeId), Timestamp>,
}

impl Turns {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, open: None, ended: BTreeMap::new() }
    }

    /// Takes note of what is said; `agent` is the source's own.
    pub(super) fn hear(&mut self, agent: Agent, op: &Op) {
        match op {
            Op::Session { agent: said, native, relation } => {
                let agent = said.unwrap_or(agent);
                if self.open.as_ref().is_some_and(|open| open.agent == agent && open.native == *native) {
                    return;
                }
                self.close();
                // A subagent answers to its parent, not to a user.
                if relation.as_ref().is_some_and(|relation| relation.kind == RelationKind::Subagent) {
                    return;
                }
                self.open = Some(Standing { agent, native: native.clone(), waits: false, termination: None, at: None });
            }
            Op::Message(message) if !message.is_abandoned => {
                let Some(open) = &mut self.open else { return };
                // What a program puts between says nothing about whose turn it is, unless it says that the user stepped in.
                if message.is_system && message.subtype.as_deref() != Some("interrupted") {
                    return;
                }
                (open.waits, open.termination) = (waits_after(message), None);
                open.at = message.at.or(open.at);
            }
            Op::Extend { blocks, .. } => {
                if let Some(open) = &mut self.open {
                    open.waits &= !blocks.iter().any(|block| matches!(block, Block::Call(_)));
                }
            }
            Op::Result(_) => {
                if let Some(open) = &mut self.open {
                    open.waits = false;
                }
            }
            Op::Facts(facts) => {
                if let Some(open) = &mut self.open {
                    open.termination = facts.termination.or(open.termination);
                }
            }
            _ => {}
        }
    }

    /// The reading of a unit ended.
    pub(super) fn close(&mut self) {
        let Some(Standing { agent, native, waits, termination, at: Some(at) }) = self.open.take() else { return };
        let waits = match termination {
            Some(Termination::AwaitingUser) => true,
            Some(Termination::ToolCallPending | Termination::Truncated) => false,
            Some(Termination::Clean) | None => waits,
        };
        if !waits || self.now.since(at) > AGE_MAX {
            self.ended.remove(&(agent, native));
        } else if self.ended.len() < TURNS_MAX {
            self.ended.insert((agent, native), at);
        }
    }

    /// The reading came to nothing.
    pub(super) fn forget(&mut self) {
        self.open = None;
    }

    /// The ends of turns in sessions that work somewhere.
    pub(super) fn resolve(self, archive: &Archive) -> Result<Vec<TurnEnd>, ArchiveError> {
        let mut ends = Vec::with_capacity(self.ended.len());
        for ((agent, native), at) in self.ended {
            let Some(row) = archive.by_native(agent, &native)? else { continue };
            let is_subagent = row.parent.is_some_and(|(_, kind)| kind == RelationKind::Subagent);
            if let Some(cwd) = row.cwd.filter(|_| !is_subagent) {
                ends.push(TurnEnd { session: row.n, cwd: PathBuf::from(cwd), at });
            }
        }
        Ok(ends)
    }
}

/// Whether the user's turn comes after this message.
fn waits_after(message: &Message) -> bool {
    match message.role {
        Role::Assistant => !message.blocks.iter().any(|block| matches!(block, Block::Call(_))),
        Role::User => message.subtype.as_deref() == Some("interrupted"),
    }
}

#[cfg(test)]
mod tests;
