//! What a session says in messages: new ones, ones that are said again, and ones that grow.

use carry_kernel::db::rusqlite::{self, Connection};

use super::super::Tools;
use super::super::rows::{self, Before};
use super::OpenSession;
use super::usage::cost_of;
use crate::archive::digest::message_digest;
use crate::archive::session_state::Counted;
use crate::git_links;
use crate::model::{Block, Message, Role, Usage};

impl OpenSession {
    pub(super) fn message(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        message: &Message,
    ) -> rusqlite::Result<usize> {
        let n = self.state.n;
        let digest = message_digest(message);
        let before = if self.has_rows || self.said.contains(&message.ordinal) {
            Before::load(conn, n, message.ordinal)?
        } else {
            None
        };
        let was_said = before.is_some() && (!self.is_whole || self.said.contains(&message.ordinal));
        let cost = message.usage.and_then(|usage| cost_of(message.model.as_deref(), &usage));
        if message.is_abandoned {
            self.abandoned.set(message.ordinal..=message.ordinal, true);
        } else if !was_said && self.abandoned.get(message.ordinal) == Some(true) {
            // What was given up was said before this one.
            self.abandoned.set(message.ordinal..=message.ordinal, false);
        }
        if !was_said {
            // Whether it was given up is settled at the end of the reading.
            self.state.count(Counted { is_abandoned: false, ..Counted::of(message, cost) });
        } else if before.as_ref().is_some_and(|before| before.digest == digest) {
            self.note_calls(message, false);
            return Ok(0);
        } else {
            // An answer that was still growing when it was read.
            self.replace(conn, message, cost)?;
        }
        self.said.insert(message.ordinal);
        if let (Some(before), true) = (&before, was_said) {
            self.state.sum.take(message.ordinal, None, &before.digest);
        }
        self.state.sum.add(message.ordinal, None, &digest);
        self.note_calls(message, !was_said);
        self.note_mentions(&message.blocks, message.ordinal);
        if before.as_ref().is_some_and(|before| before.digest == digest) {
            return Ok(0);
        }
        let held = rows::put_message(conn, tools, n, message, &digest, cost, before.as_ref())?;
        if before.is_some() {
            tools.written.updated += 1;
        } else {
            tools.written.inserted += 1;
        }
        Ok(held)
    }

    pub(super) fn note_calls(&mut self, message: &Message, is_new: bool) {
        if !is_new {
            // The row counts from now on.
            let _ = (0..).find(|index| self.new_calls.remove(&(message.ordinal, *index)).is_none());
        }
        for block in &message.blocks {
            let Block::Call(call) = block else { continue };
            let place = (message.ordinal, call.index);
            if !self.has_rows && is_new {
                self.new_calls.insert(place, rows::Call::new(&call.id, call.category));
            }
            if !call.id.is_empty() && self.is_whole {
                let newest = self.calls.entry(call.id.clone()).or_insert(place);
                *newest = place.max(*newest);
            }
            if self.is_received {
                continue;
            }
            if git_links::is_of_interest(call.category, &call.name, &call.input) {
                self.telling.insert(place, call.clone());
            } else {
                self.telling.remove(&place);
            }
        }
    }

    fn note_mentions(&mut self, blocks: &[Block], ordinal: u32) {
        for block in blocks {
            if let Block::Text(text) = block
                && !self.is_received
                && memchr::memmem::find(text.as_bytes(), b"://").is_some()
            {
                self.links.extend(git_links::mentions(text, ordinal));
            }
        }
    }

    pub(super) fn extend(
        &mut self,
        conn: &Connection,
        tools: &mut Tools,
        ordinal: u32,
        blocks: Vec<Block>,
        usage: Option<Usage>,
    ) -> rusqlite::Result<usize> {
        let n = self.state.n;
        // In a whole reading only what was said counts.
        let found =
            if self.is_whole && !self.said.contains(&ordinal) { None } else { rows::load_message(conn, n, ordinal)? };
        let Some((before, mut message)) = found else { return Ok(self.stray()) };
        self.note_mentions(&blocks, ordinal);
        let mut index = message.blocks.iter().filter(|block| matches!(block, Block::Call(_))).count() as u32;
        let old = message.clone();
        for mut block in blocks {
            if let Block::Call(call) = &mut block {
                call.index = index;
                index += 1;
            }
            message.blocks.push(block);
        }
        message.usage = usage.or(message.usage);
        let digest = message_digest(&message);
        if before.digest == digest {
            return Ok(0);
        }
        self.state.sum.take(ordinal, None, &before.digest);
        self.state.sum.add(ordinal, None, &digest);
        let cost = message.usage.and_then(|usage| cost_of(message.model.as_deref(), &usage));
        // Usage is not a sum of pieces, and a first text may come with this one: unless it only adds, count anew.
        self.recount |= old.is_abandoned || has_other_prompt(&old, &message);
        if old.usage == message.usage && !old.is_abandoned {
            self.state.calls += i64::from(index) - Counted::of(&old, None).calls;
        } else if old.usage.is_none() && !old.is_abandoned {
            self.state.calls += i64::from(index) - Counted::of(&old, None).calls;
            self.state.use_up(message.usage, cost);
        } else {
            self.replace_usage(&old, &message, cost, i64::from(index));
        }
        self.note_calls(&message, false);
        tools.written.updated += 1;
        rows::put_message(conn, tools, n, &message, &digest, cost, Some(&before))
    }

    /// Another message stands in the place of one that was counted.
    fn replace(&mut self, conn: &Connection, message: &Message, cost: Option<u64>) -> rusqlite::Result<()> {
        let Some((_, old)) = rows::load_message(conn, self.state.n, message.ordinal)? else {
            self.recount = true;
            return Ok(());
        };
        let (was, is) = (Counted::of(&old, None), Counted::of(message, None));
        let has_same_place =
            (was.is_user, was.is_system, was.model, was.at_ms) == (is.is_user, is.is_system, is.model, is.at_ms);
        if is.calls < was.calls {
            self.drop_results(conn, message)?;
        }
        if has_same_place && !old.is_abandoned && !has_other_prompt(&old, message) {
            if old.usage.is_none() {
                self.state.calls += is.calls - was.calls;
                self.state.use_up(message.usage, cost);
            } else {
                self.replace_usage(&old, message, cost, is.calls);
                self.recount |= message.usage.is_none();
            }
        } else {
            self.state.time(is.at_ms);
            self.recount = true;
        }
        Ok(())
    }

    /// A message that is said again with fewer calls takes the outputs of the others along.
    fn drop_results(&mut self, conn: &Connection, message: &Message) -> rusqlite::Result<()> {
        let kept = rows::calls_of(message);
        for (index, event, digest) in rows::drop_results(conn, self.state.n, message.ordinal, kept)? {
            let place = (message.ordinal, index);
            if !self.is_whole || self.events.get(&place).is_some_and(|next| event < *next) {
                self.state.sum.take(place.0, Some((index, event)), &digest);
            }
        }
        let ordinal = message.ordinal;
        self.events.retain(|place, _| place.0 != ordinal || place.1 < kept);
        self.recount = true;
        Ok(())
    }

    /// A growing message's usage replaces what was counted for it.
    fn replace_usage(&mut self, old: &Message, new: &Message, cost: Option<u64>, calls: i64) {
        let old_cost = old.usage.and_then(|usage| cost_of(old.model.as_deref(), &usage));
        self.state.calls += calls - Counted::of(old, None).calls;
        let (Some(was), Some(is)) = (old.usage, new.usage) else { return };
        let mut recount = false;
        let mut less = |total: &mut Option<i64>, was: Option<u64>, is: Option<u64>| {
            if was.is_some() || is.is_some() {
                let number = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
                let (before, after) = (number(was), number(is));
                // A total at its bound, or of nothing that is known, cannot be corrected.
                recount |= is < was || *total == Some(i64::MAX) || after == i64::MAX;
                *total = Some(total.unwrap_or(0).saturating_add(after.saturating_sub(before)));
            }
        };
        less(&mut self.state.input_tokens, was.input, is.input);
        less(&mut self.state.output_tokens, was.output, is.output);
        less(&mut self.state.cache_read_tokens, was.cache_read, is.cache_read);
        less(&mut self.state.cache_write_tokens, was.cache_write, is.cache_write);
        less(&mut self.state.cache_write_tokens, was.cache_write_1h, is.cache_write_1h);
        less(&mut self.state.cost_micros, old_cost, cost);
        // A smaller context than before would have to be looked for in all rows.
        let context = is.context().map(|context| i64::try_from(context).unwrap_or(i64::MAX));
        self.recount |= recount || is.context() < was.context();
        self.state.peak_context = self.state.peak_context.max(context);
    }
}

/// Whether the prompt that a list may show is another now.
fn has_other_prompt(old: &Message, new: &Message) -> bool {
    old.role == Role::User && Counted::of(old, None).prompt != Counted::of(new, None).prompt
}
