//! Decoded text that knows where each byte came from.

use std::ops::Range;

use crate::mask::Encoding;

/// A stretch of a view, up to the next one.
#[derive(Debug)]
struct Piece {
    /// Where it begins in the view.
    at: usize,
    /// What it stands for in the source.
    source: Range<usize>,
    /// Whether view and source are the same bytes here.
    is_copy: bool,
}

/// Text made from other text.
#[derive(Debug)]
pub(crate) struct View {
    /// The decoded text.
    pub(crate) text: String,
    /// Through what it was seen.
    pub(crate) encoding: Encoding,
    pieces: Vec<Piece>,
}

impl View {
    /// An empty one.
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { text: String::new(), encoding, pieces: Vec::new() }
    }

    /// Appends `text`, which stands at `at` in the source.
    pub(crate) fn copy(&mut self, text: &str, at: usize) {
        if text.is_empty() {
            return;
        }
        let continues = self.pieces.last().is_some_and(|piece| piece.is_copy && piece.source.end == at);
        if continues {
            if let Some(piece) = self.pieces.last_mut() {
                piece.source.end += text.len();
            }
        } else {
            self.pieces.push(Piece { at: self.text.len(), source: at..at + text.len(), is_copy: true });
        }
        self.text.push_str(text);
    }

    /// Appends `text`, which all of `source` stands for. Its parts cannot be told apart.
    pub(crate) fn put(&mut self, text: &str, source: Range<usize>) {
        if text.is_empty() {
            return;
        }
        self.pieces.push(Piece { at: self.text.len(), source, is_copy: false });
        self.text.push_str(text);
    }

    /// Appends one character, which all of `source` stands for.
    pub(crate) fn push(&mut self, character: char, source: Range<usize>) {
        self.put(character.encode_utf8(&mut [0; 4]), source);
    }

    /// What `span` of the view stands for in the source.
    pub(crate) fn source(&self, span: &Range<usize>) -> Range<usize> {
        let Some(first) = self.piece(span.start) else { return 0..0 };
        let Some(last) = self.piece(span.end.saturating_sub(1).max(span.start)) else { return 0..0 };
        let start = if first.is_copy { first.source.start + (span.start - first.at) } else { first.source.start };
        let end = if last.is_copy { last.source.start + (span.end - last.at) } else { last.source.end };
        start..end.max(start)
    }

    /// Where the view shows what stands at `source` or first after it.
    pub(crate) fn position(&self, source: usize) -> usize {
        let idx = self.pieces.partition_point(|piece| piece.source.end <= source);
        match self.pieces.get(idx) {
            None => self.text.len(),
            Some(piece) if piece.is_copy => piece.at + source.saturating_sub(piece.source.start),
            Some(piece) => piece.at,
        }
    }

    /// The same view, of a source that begins `by` bytes earlier.
    pub(crate) fn moved(mut self, by: usize) -> Self {
        for piece in &mut self.pieces {
            piece.source = piece.source.start + by..piece.source.end + by;
        }
        self
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        self.pieces.get(self.pieces.partition_point(|piece| piece.at <= at).checked_sub(1)?)
    }
}
