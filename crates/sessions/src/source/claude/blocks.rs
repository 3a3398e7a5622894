//! Blocks of lines as blocks of the model.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::{text, wire};
use crate::model::{Block, Category, Image, ToolCall, Usage};
use crate::source::Op;

/// How much of both ends of a block it is recognised by.
const MARK_BYTES: usize = 128;

/// What was noticed while blocks were made.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Control characters were taken out.
    pub(super) has_control: bool,
    /// Pictures, to be said before the blocks that name them.
    pub(super) blobs: Vec<Op>,
}

impl Notes {
    /// The text, clean.
    pub(super) fn text(&mut self, text: Cow<'_, str>) -> String {
        let (clean, has_control) = text::clean(&text);
        if has_control {
            self.has_control = true;
            return clean.into_owned();
        }
        drop(clean);
        text.into_owned()
    }

    /// A picture, or a document; its bytes become a blob.
    pub(super) fn image(&mut self, source: &wire::Source<'_>) -> Option<Image> {
        let bytes = STANDARD.decode(source.data.some()?.as_bytes()).ok()?;
        let media = source.media_type.some().unwrap_or("application/octet-stream").to_owned();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let image = Image { media: media.clone(), bytes: bytes.len() as u64, hash: hash.clone() };
        self.blobs.push(Op::Blob { hash, media, bytes });
        Some(image)
    }
}

/// The blocks of an answer. `raw` finds the JSON of the block at a place.
pub(super) fn answer(
    content: wire::Content<'_>,
    notes: &mut Notes,
    raw: &dyn Fn(usize) -> Option<String>,
) -> Vec<Block> {
    let blocks = match content {
        wire::Content::None => return Vec::new(),
        wire::Content::Text(text) if text.is_empty() => return Vec::new(),
        wire::Content::Text(text) => return vec![Block::Text(notes.text(text))],
        wire::Content::Blocks(blocks) => blocks,
    };
    blocks.into_iter().enumerate().filter_map(|(place, block)| one(block, place, notes, raw)).collect()
}

/// One block, unless it is empty.
pub(super) fn one(
    block: wire::Block<'_>,
    place: usize,
    notes: &mut Notes,
    raw: &dyn Fn(usize) -> Option<String>,
) -> Option<Block> {
    match &*block.kind {
        "text" => block.text.some().is_some().then(|| Block::Text(notes.text(block.text.0))),
        "thinking" => block.thinking.some().is_some().then(|| Block::Thinking(notes.text(block.thinking.0))),
        "tool_use" | "server_tool_use" | "mcp_tool_use" => Some(Block::Call(call(&block))),
        "image" | "document" if block.source.0.as_ref().is_some_and(|source| source.data.some().is_some()) => {
            match block.source.0.as_ref().and_then(|source| notes.image(source)) {
                Some(image) => Some(Block::Image(image)),
                None => Some(Block::Other { kind: block.kind.0.into_owned(), json: "{}".to_owned() }),
            }
        }
        "" => None,
        kind => Some(Block::Other { kind: kind.to_owned(), json: raw(place).unwrap_or_else(|| "{}".to_owned()) }),
    }
}

fn call(block: &wire::Block<'_>) -> ToolCall {
    let input = block.input.map_or("{}", RawValue::get);
    let category = Category::of(&block.name);
    let places: wire::Input<'_> = match category {
        Category::Bash => wire::Input::default(),
        _ => serde_json::from_str(input).unwrap_or_default(),
    };
    let is_skill = block.name.eq_ignore_ascii_case("skill");
    let skill = places.skill.some().or(places.command.some()).filter(|_| is_skill);
    let file = [&places.file_path, &places.notebook_path, &places.path].into_iter().find_map(wire::Text::some);
    ToolCall {
        index: 0,
        id: block.id.0.clone().into_owned(),
        name: text::clean(&block.name).0.into_owned(),
        category,
        input: input.to_owned(),
        skill: skill.map(|skill| text::clean(skill).0.into_owned()),
        subagent: None,
        file: file.map(|file| text::clean(file).0.into_owned()),
    }
}

/// The tokens of an answer.
pub(super) fn usage(tokens: &wire::Tokens) -> Usage {
    let written = tokens.cache_creation.0.as_ref();
    let hour = written.and_then(|written| written.ephemeral_1h_input_tokens.0);
    let minutes = written.and_then(|written| written.ephemeral_5m_input_tokens.0);
    let rest = tokens.cache_creation_input_tokens.0.map(|all| all.saturating_sub(hour.unwrap_or(0)));
    Usage {
        input: tokens.input_tokens.0,
        output: tokens.output_tokens.0,
        reasoning: None,
        cache_read: tokens.cache_read_input_tokens.0,
        cache_write: rest.or(minutes),
        cache_write_1h: hour,
        cost_micros: None,
    }
}

/// Puts the blocks of a further piece to those of the pieces before. A piece may repeat them, grown, or only add.
pub(super) fn merge(known: &mut Vec<Block>, piece: Vec<Block>) {
    let repeats = piece.len() >= known.len() && known.iter().zip(&piece).all(|(old, new)| grows(old, new));
    if repeats && !known.is_empty() {
        let links = known.iter().map(subagent).collect::<Vec<_>>();
        *known = piece;
        for (block, link) in known.iter_mut().zip(links) {
            if let (Block::Call(call), Some(link)) = (block, link) {
                call.subagent = Some(link);
            }
        }
        return;
    }
    for block in piece {
        let is_known = match &block {
            Block::Call(call) => known.iter().any(|old| matches!(old, Block::Call(old) if same_call(old, call))),
            _ => false,
        };
        if !is_known {
            known.push(block);
        }
    }
}

fn subagent(block: &Block) -> Option<crate::model::NativeId> {
    match block {
        Block::Call(call) => call.subagent.clone(),
        _ => None,
    }
}

fn same_call(old: &ToolCall, new: &ToolCall) -> bool {
    !new.id.is_empty() && old.id == new.id
}

fn grows(old: &Block, new: &Block) -> bool {
    match (old, new) {
        (Block::Text(old), Block::Text(new)) | (Block::Thinking(old), Block::Thinking(new)) => {
            new.starts_with(old.as_str())
        }
        (Block::Call(old), Block::Call(new)) => same_call(old, new),
        (old, new) => old == new,
    }
}

/// Counts the calls of a message.
pub(super) fn number(blocks: &mut [Block]) {
    let mut index = 0;
    for block in blocks {
        if let Block::Call(call) = block {
            call.index = index;
            index += 1;
        }
    }
}

/// A hash to recognise a block by.
pub(super) fn mark(block: &Block) -> u64 {
    let parts: [&[u8]; 2] = match block {
        Block::Text(text) => [b"text", text.as_bytes()],
        Block::Thinking(text) => [b"thinking", text.as_bytes()],
        Block::Call(call) if call.id.is_empty() => [b"input", call.input.as_bytes()],
        Block::Call(call) => [b"call", call.id.as_bytes()],
        Block::Image(image) => [b"image", image.hash.as_bytes()],
        Block::Other { kind, json } => [kind.as_bytes(), json.as_bytes()],
    };
    // Edges and length: a piece that repeats a block repeats all of it, and most answers never have another piece.
    let long = parts[1];
    let edge = long.len().min(MARK_BYTES);
    let mut hasher = blake3::Hasher::new();
    hasher.update(parts[0]).update(&long.len().to_le_bytes());
    hasher.update(&long[..edge]).update(&long[long.len() - edge..]);
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(short)
}
