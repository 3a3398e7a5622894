//! A rule set made ready to run: one look for all keywords, and a pattern for each rule, compiled when it is first needed.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use crate::keywords::Keywords;
use crate::rules::Rule;
use crate::{broken, name};

/// Begins every block of a private key, whatever its kind.
const PEM: &str = "-----begin";

/// The most memory one pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 4 << 20;

/// A place where a keyword stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// Its first byte.
    pub(crate) start: u32,
    /// Behind its last byte.
    pub(crate) end: u32,
    /// The keyword.
    pub(crate) keyword: u32,
    /// Whether the keyword ends a name to which something is set.
    pub(crate) is_name: bool,
    /// Whether a line break stands in it.
    pub(crate) is_broken: bool,
}

/// The rules of one keyword.
#[derive(Debug, Default)]
struct Owners {
    /// Those that take what is set to a name of that end.
    named: Vec<u16>,
    /// Whether all of these want the keyword at the very end of the name.
    is_strict: bool,
    /// All others.
    other: Vec<u16>,
}

/// A set made ready.
#[derive(Debug)]
pub(crate) struct Set {
    keywords: Keywords,
    /// The rules of each keyword.
    owners: Vec<Owners>,
    /// The keyword that begins a key's block.
    pem: u32,
    patterns: Vec<Pattern>,
    /// Rules without keywords.
    anywhere: Vec<u16>,
}

/// The pattern of one rule.
#[derive(Debug, Default)]
struct Pattern {
    source: String,
    compiled: OnceLock<Option<(Regex, usize)>>,
}

impl Set {
    /// Makes `rules` ready.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut keywords: Vec<&'static str> = vec![PEM];
        let mut owners: Vec<Owners> = vec![Owners::default()];
        let mut places = std::collections::HashMap::from([(PEM, 0_usize)]);
        let mut anywhere = Vec::new();
        for (rule, idx) in rules.iter().zip(0_u16..) {
            if rule.keywords.is_empty() {
                anywhere.push(idx);
            }
            for keyword in rule.keywords {
                let place = *places.entry(keyword).or_insert_with(|| {
                    keywords.push(keyword);
                    owners.push(Owners::default());
                    keywords.len() - 1
                });
                let owners = &mut owners[place];
                let is_strict = rule.is_of_names();
                if is_strict || rule.is_of_name(keyword) {
                    owners.is_strict = is_strict && (owners.is_strict || owners.named.is_empty());
                    owners.named.push(idx);
                } else {
                    owners.other.push(idx);
                }
            }
        }
        let patterns =
            rules.iter().map(|rule| Pattern { source: rule.pattern.to_owned(), ..Pattern::default() }).collect();
        Self { keywords: Keywords::new(keywords), owners, pem: 0, patterns, anywhere }
    }

    /// All places of keywords in `text` that are of interest to a rule, in order.
    pub(crate) fn spots(&self, text: &str) -> Vec<Spot> {
        let mut spots = self.whole(text);
        broken::find(self, text, &mut spots);
        if !spots.is_sorted_by_key(|spot| spot.start) {
            spots.sort_by_key(|spot| spot.start);
        }
        spots
    }

    /// Places of keywords that stand as they are, in order.
    pub(crate) fn whole(&self, text: &str) -> Vec<Spot> {
        /// How many spots back one of the same keyword is looked for.
        const BACK: usize = 4;
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut spots: Vec<Spot> = Vec::new();
        self.keywords.find(text.as_bytes(), |found| {
            let keyword = found.keyword;
            let owners = &self.owners[keyword as usize];
            let is_name = match owners.is_strict {
                _ if owners.named.is_empty() => false,
                true => name::is_set(text.as_bytes(), found.end, self.keywords.word(keyword)),
                false => name::is_set_later(text.as_bytes(), found.end),
            };
            if !is_name && owners.other.is_empty() && keyword != self.pem {
                return;
            }
            let (start, end) = (place(found.start), place(found.end));
            // A keyword that overlaps itself stands in one spot: `aaaaaaaa`.
            let mut last = spots.iter_mut().rev().take(BACK);
            match last.find(|spot| spot.keyword == keyword) {
                Some(spot) if start < spot.end => {
                    spot.end = end;
                    spot.is_name |= is_name;
                }
                _ => spots.push(Spot { start, end, keyword, is_name, is_broken: false }),
            }
        });
        spots
    }

    /// The rules that `spot` is of interest to: those of names, and all others.
    pub(crate) fn owners(&self, spot: Spot) -> (&[u16], &[u16]) {
        let owners = &self.owners[spot.keyword as usize];
        (if spot.is_name { owners.named.as_slice() } else { &[] }, &owners.other)
    }

    /// Whether any rule looks at `spot`.
    pub(crate) fn is_of_interest(&self, spot: Spot) -> bool {
        let (named, other) = self.owners(spot);
        !(named.is_empty() && other.is_empty())
    }

    /// Whether a private key may begin at `spot`.
    pub(crate) fn is_pem(&self, spot: Spot) -> bool {
        spot.keyword == self.pem
    }

    /// Rules that have no keyword.
    pub(crate) fn anywhere(&self) -> &[u16] {
        &self.anywhere
    }

    /// The pattern of a rule, and the number of the group that is the secret.
    pub(crate) fn pattern(&self, rule: u16) -> Option<&(Regex, usize)> {
        let pattern = &self.patterns[usize::from(rule)];
        pattern.compiled.get_or_init(|| compile(&pattern.source).ok()).as_ref()
    }

    /// Compiles every pattern.
    #[cfg(test)]
    pub(crate) fn check(&self) -> Vec<String> {
        let failure = |pattern: &Pattern| compile(&pattern.source).err().map(|error| error.to_string());
        self.patterns.iter().filter_map(failure).collect()
    }
}

/// Compiles one pattern over bytes: `\b` and `\w` mean ASCII, which is what secrets are made of, and runs fast.
fn compile(source: &str) -> Result<(Regex, usize), regex::Error> {
    let regex = RegexBuilder::new(source).unicode(false).size_limit(PATTERN_BYTES_MAX).build()?;
    let secret = regex.capture_names().position(|name| name == Some("secret")).unwrap_or(0);
    Ok((regex, secret))
}
