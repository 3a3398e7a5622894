//! How well the rules find what they should: every rule in every encoding and place, and texts that must stay.
//!
//! The examples of the rules are put together at run time, hidden in each encoding, set into each place where secrets stand
//! in conversations, and masked. A case is missed when the secret can still be read from what comes out. The report is for
//! people and for a test that demands floors.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::mask::Redactor;
use crate::rules::{Confidence, Rule};

mod decoys;

#[cfg(test)]
mod tests;

pub use decoys::decoys;

/// How a text is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hiding {
    /// Not at all.
    Plain,
    /// As inside a string literal.
    EscapedOnce,
    /// As inside a string literal that stands in a string literal.
    EscapedTwice,
    /// As a member of a JSON object.
    Json,
    /// As a member of a JSON object that is a string of another.
    JsonInJson,
    /// Base64.
    Base64,
    /// Base64 for addresses, without padding.
    Base64Url,
    /// Every byte that is no letter or digit as `%xx`.
    Percent,
    /// Hexadecimal digits.
    Hex,
    /// UTF-16 whose bytes were read as text: a NUL after each character.
    Utf16,
    /// Broken into lines of forty characters.
    Wrapped,
}

impl Hiding {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::EscapedOnce,
        Self::EscapedTwice,
        Self::Json,
        Self::JsonInJson,
        Self::Base64,
        Self::Base64Url,
        Self::Percent,
        Self::Hex,
        Self::Utf16,
        Self::Wrapped,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::EscapedOnce => "escaped",
            Self::EscapedTwice => "escaped twice",
            Self::Json => "JSON",
            Self::JsonInJson => "JSON in JSON",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Percent => "percent",
            Self::Hex => "hex",
            Self::Utf16 => "UTF-16",
            Self::Wrapped => "wrapped",
        }
    }

    /// The text, hidden.
    pub fn hide(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::EscapedOnce => escaped(text),
            Self::EscapedTwice => escaped(&escaped(text)),
            Self::Json => serde_json::json!({ "value": text }).to_string(),
            Self::JsonInJson => serde_json::json!({ "body": Self::Json.hide(text) }).to_string(),
            Self::Base64 => STANDARD.encode(text),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(text),
            Self::Percent => percent(text),
            Self::Hex => text.bytes().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
            Self::Utf16 => text.chars().flat_map(|character| [character, '\0']).collect(),
            Self::Wrapped => wrapped(text),
        }
    }

    /// Texts of which none may be left when `secret` in `text` is masked.
    fn traces(self, text: &str, secret: &str) -> Vec<String> {
        match self {
            Self::Base64 | Self::Base64Url => text.find(secret).map_or_else(Vec::new, |at| {
                let hidden = self.hide(text);
                let (start, end) = (at.div_ceil(3) * 4, (at + secret.len()) / 3 * 4);
                hidden
                    .get(start..end.min(hidden.len()))
                    .filter(|trace| trace.len() >= 8)
                    .map(str::to_owned)
                    .into_iter()
                    .collect()
            }),
            Self::Json | Self::JsonInJson => vec![Self::Plain.hide(secret), escaped(secret), escaped(&escaped(secret))],
            other => vec![other.hide(secret)],
        }
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a sentence.
    Prose,
    /// As the value of a variable of an environment file.
    Environment,
    /// As a member of a JSON object.
    Member,
    /// In a command.
    Command,
    /// In a header.
    Header,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Prose, Self::Environment, Self::Member, Self::Command, Self::Header];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Environment => "environment",
            Self::Member => "JSON member",
            Self::Command => "command",
            Self::Header => "header",
        }
    }

    /// The text, set into the place.
    pub fn set(self, text: &str) -> String {
        match self {
            Self::Prose => format!("Look at this: {text} and tell me."),
            Self::Environment => format!("MODE=fast\nVALUE={text}\nLEVEL=3\n"),
            Self::Member => serde_json::json!({ "ok": true, "value": text, "count": 3 }).to_string(),
            Self::Command => format!("printf '%s\\n' '{text}' | tee out.txt"),
            Self::Header => format!("GET / HTTP/1.1\nX-Note: {text}\nHost: barn.internal\n"),
        }
    }
}

/// A case in which the secret can still be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The rule whose example it is.
    pub rule: &'static str,
    /// How it was hidden.
    pub hiding: Hiding,
    /// Where it stood.
    pub place: Place,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For each hiding: cases and how many of them were masked.
    pub hidings: BTreeMap<Hiding, (usize, usize)>,
    /// For each place, the same.
    pub places: BTreeMap<Place, (usize, usize)>,
    /// What was missed.
    pub misses: Vec<Miss>,
    /// How many texts had to stay.
    pub decoys: usize,
    /// Those that did not: the text and the rules that took it.
    pub taken: Vec<(String, Vec<&'static str>)>,
}

impl Report {
    /// The share of cases that were masked.
    pub fn recall(&self) -> f64 {
        let (cases, masked) = self.hidings.values().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        share(masked, cases)
    }

    /// The share of cases of one hiding that were masked.
    pub fn recall_of(&self, hiding: Hiding) -> f64 {
        self.hidings.get(&hiding).map_or(1.0, |(cases, masked)| share(*masked, *cases))
    }

    /// The share of texts that stayed of those that had to.
    pub fn kept(&self) -> f64 {
        share(self.decoys - self.taken.len(), self.decoys)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "masked: {:.2} %  kept: {:.2} % of {} texts that must stay",
            self.recall() * 100.0,
            self.kept() * 100.0,
            self.decoys
        )?;
        for (hiding, (cases, masked)) in &self.hidings {
            writeln!(f, "  {:<14} {masked:>5} of {cases:>5}", hiding.as_str())?;
        }
        for (place, (cases, masked)) in &self.places {
            writeln!(f, "  {:<14} {masked:>5} of {cases:>5}", place.as_str())?;
        }
        let mut by_rule: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for miss in &self.misses {
            by_rule.entry(miss.rule).or_default().push(format!("{} in {}", miss.hiding.as_str(), miss.place.as_str()));
        }
        for (rule, cases) in by_rule {
            writeln!(f, "missed {rule}: {}", cases.join(", "))?;
        }
        for (_, rules) in &self.taken {
            writeln!(f, "took a text that must stay: {}", rules.join(", "))?;
        }
        Ok(())
    }
}

/// Masks the example of each of `rules` in every hiding and place with `redactor`, and the texts that must stay. Rules that only
/// guess are left out: a redactor that is not strict does not run them.
pub fn run(redactor: &Redactor, rules: &[Rule]) -> Report {
    let mut report = Report::default();
    for rule in rules.iter().filter(|rule| rule.confidence > Confidence::Guess) {
        let (text, secret) = (rule.example)();
        for hiding in Hiding::ALL {
            let hidden = hiding.hide(&text);
            let traces = hiding.traces(&text, &secret);
            for place in Place::ALL {
                let masked = redactor.text(&place.set(&hidden)).text.into_owned();
                let escaped = place == Place::Member;
                let is_left = traces.iter().any(|trace| {
                    masked.contains(trace.as_str()) || (escaped && masked.contains(&self::escaped(trace)))
                });
                for part in [report.hidings.entry(hiding).or_default(), report.places.entry(place).or_default()] {
                    part.0 += 1;
                    part.1 += usize::from(!is_left);
                }
                if is_left {
                    report.misses.push(Miss { rule: rule.id, hiding, place });
                }
            }
        }
    }
    for decoy in decoys() {
        report.decoys += 1;
        let masked = redactor.text(&decoy);
        if masked.text != decoy {
            let rules = masked.findings.iter().map(|finding| finding.rule).collect();
            report.taken.push((decoy, rules));
        }
    }
    report
}

/// As a JSON string without its quotes.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 40 == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
