//! How large messages are.

use super::StoredMessage;
use crate::model::{Block, CallRef};

/// What a message, a block or a result takes besides its texts, roughly.
const EACH: usize = 256;

impl StoredMessage {
    /// About how many bytes of memory it takes with its results.
    pub fn weight(&self) -> usize {
        let blocks = self.message.blocks.iter().map(|block| {
            let texts = match block {
                Block::Text(text) | Block::Thinking(text) => text.len(),
                Block::Call(call) => call.id.len() + call.name.len() + call.input.len(),
                Block::Image(image) => image.media.len(),
                Block::Other { kind, json } => kind.len() + json.len(),
            };
            texts + EACH
        });
        let results = self.results.iter().map(|result| {
            let id = match &result.result.call {
                CallRef::Id(id) => id.len(),
                CallRef::At { .. } => 0,
            };
            result.result.content.len() + result.result.source.len() + id + result.result.images.len() * EACH + EACH
        });
        blocks.chain(results).fold(EACH, usize::saturating_add)
    }
}
