//! What it took, and what was taken back.

use carry_kernel::clock::Timestamp;

use super::super::state::usage;
use super::super::wire::{Info, Record, Tokens};
use super::Reader;
use crate::model::UsageEvent;
use crate::source::json::count;
use crate::source::{Op, Sink, SinkError};

impl Reader<'_> {
    pub(super) fn tokens(
        &mut self,
        event: &Record<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let Some(info) = event.info.and_then(|info| serde_json::from_str::<Info>(info.get()).ok()) else {
            return Ok(());
        };
        let numbers = |tokens: Tokens| {
            let Tokens { input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens } = tokens;
            [input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens].map(count)
        };
        let totals = numbers(info.total_token_usage.unwrap_or_default());
        let before = self.state.counted;
        let last = info.last_token_usage.map(numbers).unwrap_or_else(|| {
            let [a, b, c, d] = before.map_or([0; 4], |(totals, _)| totals);
            let [e, f, g, h] = totals;
            [e.saturating_sub(a), f.saturating_sub(b), g.saturating_sub(c), h.saturating_sub(d)]
        });
        let is_counted = self.state.answer.is_some_and(|(_, is_counted)| is_counted);
        let is_repeat = before.is_some_and(|(known, step)| step == last && (known == totals || is_counted));
        if is_repeat || last == [0; 4] {
            return Ok(());
        }
        self.state.counted = Some((totals, last));
        match &mut self.state.answer {
            Some((ordinal, is_counted)) if !*is_counted => {
                *is_counted = true;
                let ordinal = *ordinal;
                if let Some(spawn) = self.state.spawns.iter_mut().find(|spawn| spawn.ordinal == ordinal) {
                    spawn.usage = Some(last);
                }
                self.held.extend(ordinal, Vec::new(), Some(usage(last)), sink)
            }
            // A step that left no message.
            _ => {
                self.ensure(sink)?;
                let [input, cached, output, reasoning] = totals;
                let event = UsageEvent {
                    source: "session".to_owned(),
                    dedup: format!("{input}-{cached}-{output}-{reasoning}"),
                    at,
                    model: self.state.model.clone(),
                    usage: usage(last),
                };
                self.held.later(Op::Usage(Box::new(event)), sink)
            }
        }
    }

    /// The user went back by some turns: what they hold is kept as given up.
    pub(super) fn rolled_back(&mut self, turns: u64, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let known = self.state.prompts.len();
        let kept = known.saturating_sub(usize::try_from(turns).unwrap_or(usize::MAX));
        let Some(first) = self.state.prompts.get(kept).copied() else { return Ok(()) };
        self.settle_thinking(sink)?;
        self.state.prompts.truncate(kept);
        self.state.answer = None;
        let ordinals = first..=self.state.next.saturating_sub(1);
        self.held.now(Op::Abandon { ordinals, is_abandoned: true }, sink)
    }
}
