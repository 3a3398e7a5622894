//! Looks through one text and all that is encoded in it.

use std::cell::Cell;
use std::ops::Range;

use memchr::{memchr, memrchr};

use crate::decode::signals::{self, Kind, Signal};
use crate::decode::{base64, escape, hex};
use crate::mask::{Encoding, Redactor};
use crate::rules::Confidence;
use crate::set::Spot;
use crate::view::View;
use crate::{cluster, json, pem, placeholder};

/// How many encodings are taken off, one from another.
pub(crate) const DEPTH_MAX: usize = 6;

/// A secret in a text.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    /// The rule.
    pub(crate) rule: &'static str,
    /// Where, in the text that was looked through.
    pub(crate) span: Range<usize>,
    /// The secret as it is behind all encodings.
    pub(crate) secret: String,
    /// Through what it was seen.
    pub(crate) encoding: Encoding,
    /// How sure it is.
    pub(crate) confidence: Confidence,
}

impl Hit {
    /// The same, as it stands in what `view` was made from.
    pub(crate) fn through(mut self, view: &View) -> Self {
        self.span = view.source(&self.span);
        if self.encoding == Encoding::Plain {
            self.encoding = view.encoding;
        }
        self
    }
}

/// One run over one field.
#[derive(Debug)]
pub(crate) struct Scan<'r> {
    /// Rules, key, and what is let through.
    pub(crate) redactor: &'r Redactor,
    /// How many bytes may still be looked through, what is decoded included.
    left: Cell<usize>,
    /// Whether there was more to look through than that.
    is_over: Cell<bool>,
}

impl<'r> Scan<'r> {
    /// One over a field of so many bytes.
    pub(crate) fn new(redactor: &'r Redactor, bytes: usize) -> Self {
        /// A field that decodes to more than this many times its size is an attack.
        const GROWTH_MAX: usize = 24;
        const GROWTH_FREE: usize = 1 << 20;
        Self { redactor, left: Cell::new(bytes * GROWTH_MAX + GROWTH_FREE), is_over: Cell::new(false) }
    }

    /// Whether something could not be looked through.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Takes `bytes` from what may be looked through.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        match self.left.get().checked_sub(bytes) {
            Some(left) => self.left.set(left),
            None => self.is_over.set(true),
        }
        !self.is_over.get()
    }

    /// All secrets in `text`, which was decoded `depth` times.
    pub(crate) fn text(&self, text: &str, depth: usize) -> Vec<Hit> {
        self.text_with(text, depth, None)
    }

    /// The same, where `seen` is known to be all that makes a closer look worth it.
    pub(crate) fn text_with(&self, text: &str, depth: usize, seen: Option<Clues>) -> Vec<Hit> {
        let mut hits = Vec::new();
        let Some(clues) = (match seen {
            Some(clues) => self.spend(text.len()).then_some(clues),
            None => self.clues(text, depth),
        }) else {
            return hits;
        };
        if depth < DEPTH_MAX
            && matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"'))
            && let Some(shape) = json::shape(text)
            && text[shape.end..].trim_ascii_start().is_empty()
        {
            json::look(self, text, &shape, &clues, depth, &mut hits);
        } else if depth < DEPTH_MAX {
            self.lines(text, clues, depth, &mut hits);
        } else {
            self.flat(text, &clues, depth, &mut hits);
        }
        self.known(text, &mut hits);
        hits
    }

    /// What makes a closer look at `text` worth it; nothing if nothing does.
    fn clues(&self, text: &str, depth: usize) -> Option<Clues> {
        if !self.spend(text.len()) {
            return None;
        }
        let rules = self.redactor.rules();
        let spots = rules.set().spots(text);
        let mut signals = if depth < DEPTH_MAX { signals::find(text) } else { Vec::new() };
        signals.sort_by_key(|signal| signal.span.start);
        let is_strict = self.redactor.is_strict() && !rules.set().anywhere().is_empty();
        let is_of_interest = !spots.is_empty() || !signals.is_empty() || is_strict || self.redactor.known().is_some();
        is_of_interest.then_some(Clues { spots, signals })
    }

    /// Looks through text of which some lines may be JSON.
    fn lines(&self, text: &str, clues: Clues, depth: usize, hits: &mut Vec<Hit>) {
        let mut rest = Clues::default();
        let (mut spots, mut signals) = (clues.spots.as_slice(), clues.signals.as_slice());
        let first = |spots: &[Spot], signals: &[Signal]| {
            let spot = spots.first().map(|spot| spot.start as usize);
            let signal = signals.first().map(|signal| signal.span.start);
            [spot, signal].into_iter().flatten().min()
        };
        while let Some(at) = first(spots, signals) {
            let start = memrchr(b'\n', &text.as_bytes()[..at]).map_or(0, |at| at + 1);
            let end = memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length);
            // What begins at the break itself belongs to the line before it.
            let spots_within = spots.partition_point(|spot| spot.start as usize <= end);
            let signals_within = signals.partition_point(|signal| signal.span.start <= end);
            let line = &text[start..end];
            let is_json = matches!(line.trim_start().as_bytes().first(), Some(b'{' | b'['));
            let shape = json::shape(line).filter(|shape| is_json && line[shape.end..].trim_ascii_start().is_empty());
            let inner = Clues { spots: spots[..spots_within].to_vec(), signals: signals[..signals_within].to_vec() };
            match shape {
                Some(shape) => {
                    // What is encoded may go on in lines that are no JSON.
                    let over =
                        inner.signals.iter().filter(|signal| signal.span.end > end && signal.kind == Kind::Escapes);
                    rest.signals.extend(over.map(|signal| Signal { span: end..signal.span.end, ..signal.clone() }));
                    let mut found = Vec::new();
                    json::look(self, line, &shape, &inner.moved(start), depth, &mut found);
                    hits.extend(found.into_iter().map(|mut hit| {
                        hit.span = hit.span.start + start..hit.span.end + start;
                        hit
                    }));
                }
                None => {
                    rest.spots.extend(inner.spots);
                    rest.signals.extend(inner.signals);
                }
            }
            spots = &spots[spots_within..];
            signals = &signals[signals_within..];
        }
        self.flat(text, &rest, depth, hits);
    }

    /// Looks through text that is no JSON.
    fn flat(&self, text: &str, clues: &Clues, depth: usize, hits: &mut Vec<Hit>) {
        let placeholders = placeholder::find(text);
        self.keys(text, clues, hits);
        cluster::look(self, text, &clues.spots, &placeholders, hits);
        if self.redactor.is_strict() {
            cluster::look_anywhere(self, text, &placeholders, hits);
        }
        if depth >= DEPTH_MAX {
            return;
        }
        for signal in &clues.signals {
            self.encoded(text, signal, depth, hits);
        }
    }

    /// Looks through what `signal` says is encoded.
    fn encoded(&self, text: &str, signal: &Signal, depth: usize, hits: &mut Vec<Hit>) {
        let stretch = &text[signal.span.clone()];
        let at = signal.span.start;
        let view = match signal.kind {
            Kind::Base64 => base64::decode(stretch, &signal.breaks, at),
            Kind::Hex => hex::decode(stretch, at),
            Kind::Escapes => escape::peel(stretch).map(|view| view.moved(at)),
        };
        if let Some(view) = view {
            hits.extend(self.text(&view.text, depth + 1).into_iter().map(|hit| hit.through(&view)));
        }
    }

    /// Private keys.
    fn keys(&self, text: &str, clues: &Clues, hits: &mut Vec<Hit>) {
        let mut done = 0;
        for spot in clues.spots.iter().filter(|spot| self.redactor.rules().set().is_pem(**spot)) {
            let start = spot.start as usize;
            if start < done {
                continue;
            }
            let Some(block) = pem::at(text, start) else { continue };
            done = block.span.end;
            let encoding = if text[block.span.clone()].contains('\\') { Encoding::Escaped } else { Encoding::Plain };
            let hit = Hit {
                rule: pem::RULE,
                span: block.span,
                secret: block.body,
                encoding,
                confidence: Confidence::Certain,
            };
            hits.extend(self.redactor.masks(hit.rule, &hit.secret).then_some(hit));
        }
    }

    /// Values that are known.
    fn known(&self, text: &str, hits: &mut Vec<Hit>) {
        let Some(known) = self.redactor.known() else { return };
        let found = known.find(text).map(|(span, value, encoding)| Hit {
            rule: crate::known::RULE,
            span,
            secret: value.to_owned(),
            encoding,
            confidence: Confidence::Certain,
        });
        hits.extend(found.filter(|hit| self.redactor.masks(hit.rule, &hit.secret)));
    }
}

/// What makes a closer look worth it, in order of place.
#[derive(Debug, Default)]
pub(crate) struct Clues {
    /// Keywords.
    pub(crate) spots: Vec<Spot>,
    /// Encoded stretches.
    pub(crate) signals: Vec<Signal>,
}

impl Clues {
    /// The same, counted from `start`.
    fn moved(mut self, start: usize) -> Self {
        let start_u32 = u32::try_from(start).unwrap_or(u32::MAX);
        for spot in &mut self.spots {
            spot.start -= start_u32;
            spot.end -= start_u32;
        }
        for signal in &mut self.signals {
            signal.span = signal.span.start.saturating_sub(start)..signal.span.end - start;
        }
        self
    }

    /// The keywords within `span`, as they stand in `view` of it, or counted from its start.
    pub(crate) fn within(&self, span: &Range<usize>, view: Option<&View>) -> Self {
        let first = self.spots.partition_point(|spot| (spot.start as usize) < span.start);
        let last = self.spots.partition_point(|spot| (spot.start as usize) < span.end);
        let within = self.spots[first..last].iter().filter(|spot| spot.end as usize <= span.end).copied();
        let Some(view) = view else {
            return Self { spots: within.collect(), signals: Vec::new() }.moved(span.start);
        };
        let place = |at: u32| u32::try_from(view.position(at as usize)).unwrap_or(u32::MAX);
        let spots = within.map(|spot| Spot { start: place(spot.start), end: place(spot.end), ..spot }).collect();
        Self { spots, signals: Vec::new() }
    }

    /// What is encoded, for many questions.
    pub(crate) fn encoded(&self) -> Stretches {
        let mut end = 0;
        let stretch = |signal: &Signal| {
            end = signal.span.end.max(end);
            (signal.span.start, end)
        };
        Stretches(self.signals.iter().map(stretch).collect())
    }

    /// Where each begins.
    pub(crate) fn places(&self) -> Vec<usize> {
        let spots = self.spots.iter().map(|spot| spot.start as usize);
        let mut places: Vec<usize> = spots.chain(self.signals.iter().map(|signal| signal.span.start)).collect();
        // A stretch begins before what is encoded in it, and may reach into several strings.
        for signal in &self.signals {
            places.extend((signal.span.start..signal.span.end).step_by(16));
        }
        places.sort_unstable();
        places
    }
}

/// Stretches of a text: where each begins, in order, and how far those up to it reach.
#[derive(Debug)]
pub(crate) struct Stretches(Vec<(usize, usize)>);

impl Stretches {
    /// Whether one of them touches `span`.
    pub(crate) fn touch(&self, span: &Range<usize>) -> bool {
        let count = self.0.partition_point(|(start, _)| *start < span.end);
        count > 0 && self.0[count - 1].1 > span.start
    }
}
