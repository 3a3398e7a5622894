//! How blocks and the rarer fields of messages and results lie in a row.
//!
//! ```text
//! body    = form, content            form 0: as it is; 1: zstd, preceded by its length
//! content = version, fields          strings: length and bytes; numbers: LEB128
//! ```
//!
//! Bytes from a damaged file are an error, never a panic, and never claim more memory than [`BODY_BYTES_MAX`].

use super::zip::unzip;
use crate::model::{Block, Category, Image, Message, NativeId, ProviderId, ResultEvent, ToolCall};

/// The only version so far.
const VERSION: u8 = 1;

/// Bodies shorter than this are kept as they are.
const COMPRESS_FROM: usize = 192;

/// What a body holds at most.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Buffers of more bytes are given back after use.
const BUFFER_KEPT: usize = 1 << 20;

/// Zstandard's level: higher ones hardly gain on text of this length, and take twice the time.
const LEVEL: i32 = -1;

/// What of a message lies in its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct MessageBody {
    pub(super) effort: Option<String>,
    pub(super) provider_id: Option<ProviderId>,
    pub(super) reasoning: Option<u64>,
    /// What the agent says it cost.
    pub(super) cost: Option<u64>,
    /// Whether anything was counted: none of the counts may be known.
    pub(super) has_usage: bool,
    pub(super) blocks: Vec<Block>,
}

/// What of a result lies in its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResultBody {
    pub(super) content: String,
    pub(super) images: Vec<Image>,
}

/// Compresses bodies with one context and buffers that are reused.
pub(super) struct Codec {
    compressor: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

impl Codec {
    pub(super) fn new() -> Self {
        let compressor = zstd::bulk::Compressor::new(LEVEL).expect("a level that there is");
        Self { compressor, plain: Vec::new(), packed: Vec::new() }
    }

    /// The body of a message, good until the next one.
    pub(super) fn message(&mut self, message: &Message) -> &[u8] {
        let usage = message.usage.unwrap_or_default();
        let mut out = self.begin();
        out.byte(VERSION);
        out.option(message.effort.as_deref());
        out.option(message.provider_id.as_ref().map(|id| id.message.as_str()));
        out.text(message.provider_id.as_ref().map_or("", |id| id.request.as_str()));
        out.number(usage.reasoning.map_or(0, |tokens| tokens.saturating_add(1)));
        out.number(usage.cost_micros.map_or(0, |cost| cost.saturating_add(1)));
        out.byte(message.usage.is_some().into());
        out.number(message.blocks.len() as u64);
        message.blocks.iter().for_each(|block| out.block(block));
        self.pack()
    }

    /// The body of a result, good until the next one.
    pub(super) fn result(&mut self, result: &ResultEvent) -> &[u8] {
        let mut out = self.begin();
        out.byte(VERSION);
        out.text(&result.content);
        out.number(result.images.len() as u64);
        result.images.iter().for_each(|image| out.image(image));
        self.pack()
    }

    /// A body that is kept as it is begins with a zero, so that one buffer serves.
    fn begin(&mut self) -> Out<'_> {
        self.plain.clear();
        self.plain.shrink_to(BUFFER_KEPT);
        self.plain.push(0);
        Out(&mut self.plain)
    }

    fn pack(&mut self) -> &[u8] {
        let plain = &self.plain[1..];
        if !(COMPRESS_FROM..=BODY_BYTES_MAX).contains(&plain.len()) {
            return &self.plain;
        }
        self.packed.clear();
        self.packed.shrink_to(BUFFER_KEPT);
        self.packed.push(1);
        Out(&mut self.packed).number(plain.len() as u64);
        let head = self.packed.len();
        self.packed.resize(head + zstd::zstd_safe::compress_bound(plain.len()), 0);
        match self.compressor.compress_to_buffer(plain, &mut self.packed[head..]) {
            Ok(length) if head + length < self.plain.len() => &self.packed[..head + length],
            _ => &self.plain,
        }
    }
}

/// Reads the body of a message; `None` when it is damaged.
pub(super) fn read_message(body: &[u8]) -> Option<MessageBody> {
    let plain = unpack(body)?;
    let mut from = In(&plain);
    (from.byte()? == VERSION).then_some(())?;
    let effort = from.option()?;
    let message = from.option()?;
    let request = from.text()?;
    let reasoning = from.number()?.checked_sub(1);
    let cost = from.number()?.checked_sub(1);
    let has_usage = match from.byte()? {
        0 if reasoning.is_none() && cost.is_none() => false,
        1 => true,
        _ => return None,
    };
    let count = from.number()?;
    let mut blocks = Vec::new();
    for _ in 0..count {
        blocks.push(from.block()?);
    }
    let provider_id = match message {
        Some(message) => Some(ProviderId { message, request }),
        None if request.is_empty() => None,
        None => return None,
    };
    from.0.is_empty().then_some(MessageBody { effort, provider_id, reasoning, cost, has_usage, blocks })
}

/// Reads the body of a result; `None` when it is damaged.
pub(super) fn read_result(body: &[u8]) -> Option<ResultBody> {
    let plain = unpack(body)?;
    let mut from = In(&plain);
    (from.byte()? == VERSION).then_some(())?;
    let content = from.text()?;
    let count = from.number()?;
    let mut images = Vec::new();
    for _ in 0..count {
        images.push(from.image()?);
    }
    from.0.is_empty().then_some(ResultBody { content, images })
}

/// The content of a body, whatever it is of.
pub(super) fn unpack(body: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    match body.split_first()? {
        (0, plain) => Some(plain.into()),
        (1, rest) => {
            let mut from = In(rest);
            let length = usize::try_from(from.number()?).ok().filter(|length| *length <= BODY_BYTES_MAX)?;
            let plain = unzip(from.0, length).ok()?;
            (plain.len() == length).then(|| plain.into())
        }
        _ => None,
    }
}

struct Out<'a>(&'a mut Vec<u8>);

impl Out<'_> {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn image(&mut self, image: &Image) {
        self.text(&image.media);
        self.number(image.bytes);
        self.text(&image.hash);
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => {
                self.byte(1);
                self.text(text);
            }
            Block::Thinking(text) => {
                self.byte(2);
                self.text(text);
            }
            Block::Call(call) => {
                self.byte(3);
                self.number(call.index.into());
                self.text(&call.id);
                self.text(&call.name);
                self.text(call.category.as_str());
                self.text(&call.input);
                self.option(call.skill.as_deref());
                self.option(call.subagent.as_ref().map(|id| id.0.as_str()));
                self.option(call.file.as_deref());
            }
            Block::Image(image) => {
                self.byte(4);
                self.image(image);
            }
            Block::Other { kind, json } => {
                self.byte(5);
                self.text(kind);
                self.text(json);
            }
        }
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn option(&mut self) -> Option<Option<String>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.text().map(Some),
            _ => None,
        }
    }

    fn image(&mut self) -> Option<Image> {
        Some(Image { media: self.text()?, bytes: self.number()?, hash: self.text()? })
    }

    fn block(&mut self) -> Option<Block> {
        Some(match self.byte()? {
            1 => Block::Text(self.text()?),
            2 => Block::Thinking(self.text()?),
            3 => Block::Call(ToolCall {
                index: u32::try_from(self.number()?).ok()?,
                id: self.text()?,
                name: self.text()?,
                category: Category::named(&self.text()?)?,
                input: self.text()?,
                skill: self.option()?,
                subagent: self.option()?.map(NativeId),
                file: self.option()?,
            }),
            4 => Block::Image(self.image()?),
            5 => Block::Other { kind: self.text()?, json: self.text()? },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
