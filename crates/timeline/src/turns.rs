//! The turns of a session.

use std::ops::RangeInclusive;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::{Archive, ArchiveError, SessionRow, StoredMessage};
use carry_sessions::model::{Block, Message, Role};

/// Messages read at a time: a session may hold more than fit into memory with all they say.
const MESSAGES_AT_A_TIME: usize = 256;
/// So much of a prompt is kept, in characters.
const PROMPT_CHARS_MAX: usize = 300;

/// From what the user typed to the last thing said before they typed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the session, from 1.
    pub number: u32,
    /// Its messages.
    pub ordinals: RangeInclusive<u32>,
    /// What the user typed: its beginning, on one line.
    pub prompt: String,
    /// The least and the greatest time in it.
    pub started: Option<Timestamp>,
    /// See `started`.
    pub ended: Option<Timestamp>,
}

/// The turns of a session, in order. What was said before the user typed anything belongs to none; neither do messages of
/// branches that were given up.
///
/// # Errors
/// [`ArchiveError`].
pub fn turns(archive: &Archive, session: &SessionRow) -> Result<Vec<Turn>, ArchiveError> {
    let mut turns = Vec::new();
    let mut from = 0;
    loop {
        let messages = archive.messages(session.n, from, MESSAGES_AT_A_TIME)?;
        messages.iter().for_each(|message| take(&mut turns, message));
        let next = messages.last().and_then(|last| last.message.ordinal.checked_add(1));
        match next.filter(|_| messages.len() == MESSAGES_AT_A_TIME) {
            Some(next) => from = next,
            None => return Ok(turns),
        }
    }
}

/// Adds a message to the last turn, or begins one with it.
fn take(turns: &mut Vec<Turn>, stored: &StoredMessage) {
    let message = &stored.message;
    if message.is_abandoned {
        return;
    }
    if is_prompt(message) {
        turns.push(Turn {
            number: u32::try_from(turns.len()).unwrap_or(u32::MAX).saturating_add(1),
            ordinals: message.ordinal..=message.ordinal,
            prompt: prompt(message),
            started: None,
            ended: None,
        });
    }
    let Some(turn) = turns.last_mut() else { return };
    turn.ordinals = *turn.ordinals.start()..=message.ordinal;
    for at in message.at.into_iter().chain(stored.results.iter().filter_map(|result| result.result.at)) {
        turn.started = Some(turn.started.map_or(at, |started| started.min(at)));
        turn.ended = Some(turn.ended.map_or(at, |ended| ended.max(at)));
    }
}

/// Whether the user typed this.
fn is_prompt(message: &Message) -> bool {
    let says_something = |block: &Block| matches!(block, Block::Text(_) | Block::Image(_));
    message.role == Role::User && !message.is_system && message.blocks.iter().any(says_something)
}

fn prompt(message: &Message) -> String {
    let texts = message.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let mut line = String::new();
    let mut n_chars = 0;
    for word in texts.flat_map(str::split_whitespace) {
        let gap = usize::from(!line.is_empty());
        let left = PROMPT_CHARS_MAX.saturating_sub(n_chars + gap);
        if left == 0 {
            break;
        }
        if gap == 1 {
            line.push(' ');
        }
        let before = line.len();
        line.extend(word.chars().take(left));
        n_chars += gap + line[before..].chars().count();
    }
    line
}

#[cfg(test)]
mod tests;
