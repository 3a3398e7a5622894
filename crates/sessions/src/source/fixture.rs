//! What the tests of sources share: the fixtures, a sink that applies ops to a plain model, and the expected sessions.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use serde_json::Value;

use super::{Mode, Odd, Op, Places, ReadEnd, ReadError, Sink, SinkError, Source, Stamp, Unit};
use crate::model::{Agent, Block, CallRef, Facts, Message, NativeId, Relation, ResultEvent, ToolCall, UsageEvent};

/// The folder of the fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The places of the fixtures' home.
pub(crate) fn places() -> Places {
    Places { home: fixtures().join("home"), ..Places::default() }
}

/// The id of the session of this short name (`A`, `K1`, …).
pub(crate) fn id_of(name: &str) -> String {
    let ids: Value = serde_json::from_slice(&std::fs::read(fixtures().join("ids.json")).unwrap()).unwrap();
    let found = ids.as_object().unwrap().values().find_map(|agent| agent.get(name)).unwrap();
    found.as_str().unwrap().to_owned()
}

/// The sessions of `agent` (`claude`, …) that are expected, by native id.
pub(crate) fn expected(agent: &str) -> BTreeMap<String, Value> {
    let all: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("expected-agentsview-0.46.1.json")).unwrap()).unwrap();
    let sessions = all["sessions"].as_array().unwrap();
    let of_agent = sessions.iter().filter(|session| session["agent"] == agent);
    let native = |session: &Value| session["id"].as_str().unwrap().trim_start_matches(&format!("{agent}:")).to_owned();
    of_agent.map(|session| (native(session), session.clone())).collect()
}

/// A session as told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) relation: Option<Relation>,
    /// Facts, folded: later values replace earlier ones; `times` holds the least and the greatest.
    pub(crate) facts: Facts,
    pub(crate) messages: BTreeMap<u32, Message>,
    /// Results by the call they belong to (ordinal, index), in the order of arrival.
    pub(crate) results: BTreeMap<(u32, u32), Vec<ResultEvent>>,
    /// Results whose call is not known.
    pub(crate) strays: Vec<ResultEvent>,
    pub(crate) usage: BTreeMap<(String, String), UsageEvent>,
    pub(crate) pull_requests: Vec<(String, Option<u32>)>,
    /// What its user said, by field and item.
    pub(crate) curation: BTreeMap<(&'static str, String), String>,
}

impl Told {
    /// Messages of the branch that counts.
    pub(crate) fn current(&self) -> Vec<&Message> {
        self.messages.values().filter(|message| !message.is_abandoned).collect()
    }

    /// The least and the greatest time of facts and messages.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let messages = self.messages.values().filter_map(|message| message.at);
        let all: Vec<Timestamp> = messages.chain(self.facts.times.iter().copied()).collect();
        Some((*all.iter().min()?, *all.iter().max()?))
    }

    fn call(&self, call: &CallRef) -> Option<(u32, u32)> {
        match call {
            CallRef::At { ordinal, index } => Some((*ordinal, *index)),
            CallRef::Id(id) => self.messages.values().rev().find_map(|message| {
                let found = calls(message).rev().find(|known| known.id == *id)?;
                Some((message.ordinal, found.index))
            }),
        }
    }
}

/// The calls of a message.
pub(crate) fn calls(message: &Message) -> impl DoubleEndedIterator<Item = &ToolCall> {
    message.blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call),
        _ => None,
    })
}

/// The text blocks of a message, joined by line breaks.
pub(crate) fn text(message: &Message) -> String {
    let texts = message.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// A sink that applies ops to a plain model, as the archive does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) sessions: BTreeMap<(Option<Agent>, String), Told>,
    pub(crate) blobs: BTreeMap<String, (String, usize)>,
    pub(crate) odd: BTreeMap<(u64, String), Odd>,
    pub(crate) raw: Vec<u8>,
    /// Ops taken.
    pub(crate) ops: u64,
    /// Tokens that [`Sink::token`] answers with, by native id.
    pub(crate) tokens: HashMap<String, String>,
    open: Option<(Option<Agent>, String)>,
}

impl Model {
    /// The session of this native id.
    pub(crate) fn session(&self, native: &str) -> &Told {
        let found = self.sessions.iter().find(|((_, known), _)| known == native);
        found.unwrap_or_else(|| panic!("no session {native} among {:?}", self.sessions.keys())).1
    }

    /// How many lines were odd in this way.
    pub(crate) fn odd_count(&self, kind: Odd) -> usize {
        self.odd.values().filter(|known| **known == kind).count()
    }

    /// What is the same however the file was read: without counters.
    pub(crate) fn comparable(mut self) -> Self {
        self.ops = 0;
        self.open = None;
        self.tokens.clear();
        self
    }

    /// Reads one unit as a pass does: again as a whole when asked to. Says how it ended and whether that was needed.
    pub(crate) fn read(&mut self, source: &dyn Source, unit: &Unit, mode: Mode) -> Result<(ReadEnd, bool), ReadError> {
        let before = self.raw.len();
        match source.read(unit, &mode, self) {
            Err(ReadError::NeedsWhole { .. }) => {
                self.raw.truncate(before);
                // The archive drops what a whole reading does not say again; tests read one unit a model.
                let kept = std::mem::take(self);
                self.tokens = kept.tokens;
                Ok((source.read(unit, &Mode::Whole, self)?, true))
            }
            other => Ok((other?, false)),
        }
    }

    fn told(&mut self) -> &mut Told {
        let key = self.open.clone().expect("an op before the first session");
        self.sessions.get_mut(&key).unwrap()
    }

    fn fold(&mut self, facts: Facts) {
        let known = &mut self.told().facts;
        macro_rules! take { ($($field:ident),*) => { $( if facts.$field.is_some() { known.$field = facts.$field; } )* } }
        take!(cwd, branch, name, project, remote, start_commit, entrypoint, kind, label, version, resume);
        take!(termination, is_automated, token);
        known.times.extend(facts.times);
        if let (Some(least), Some(greatest)) = (known.times.iter().min(), known.times.iter().max()) {
            known.times = vec![*least, *greatest];
        }
    }
}

impl Sink for Model {
    fn op(&mut self, op: Op) -> Result<(), SinkError> {
        self.ops += 1;
        match op {
            Op::Session { agent, native, relation } => {
                let key = (agent, native.0);
                let told = self.sessions.entry(key.clone()).or_default();
                if relation.is_some() {
                    told.relation = relation;
                }
                self.open = Some(key);
            }
            Op::Facts(facts) => self.fold(*facts),
            Op::Message(message) => {
                let was = self.told().messages.insert(message.ordinal, *message);
                if let Some(was) = was {
                    let ordinal = was.ordinal;
                    self.told().messages.get_mut(&ordinal).unwrap().is_abandoned |= was.is_abandoned;
                }
            }
            Op::Extend { ordinal, blocks, usage } => {
                let message = self.told().messages.get_mut(&ordinal).expect("more of a message that was not said");
                let mut index = u32::try_from(calls(message).count()).unwrap();
                for mut block in blocks {
                    if let Block::Call(call) = &mut block {
                        call.index = index;
                        index += 1;
                    }
                    message.blocks.push(block);
                }
                if usage.is_some() {
                    message.usage = usage;
                }
            }
            Op::Result(event) => match self.told().call(&event.call) {
                Some(call) => self.told().results.entry(call).or_default().push(*event),
                None => self.told().strays.push(*event),
            },
            Op::Abandon { ordinals, is_abandoned } => {
                for (_, message) in self.told().messages.range_mut(ordinals) {
                    message.is_abandoned = is_abandoned;
                }
            }
            Op::Blob { hash, media, bytes } => {
                assert_eq!(hash, blake3::hash(&bytes).to_hex().as_str());
                self.blobs.insert(hash, (media, bytes.len()));
            }
            Op::Usage(event) => {
                self.told().usage.insert((event.source.clone(), event.dedup.clone()), *event);
            }
            Op::PullRequest { url, ordinal } => self.told().pull_requests.push((url, ordinal)),
            Op::Odd { kind, at } => {
                self.odd.insert((at, format!("{kind:?}")), kind);
            }
            Op::Curate { field, item, value, .. } => {
                self.told().curation.insert((field, item), value);
            }
        }
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    fn token(&mut self, _agent: Agent, native: &NativeId) -> Option<String> {
        self.tokens.get(&native.0).cloned()
    }
}

/// A unit at `path`, without looking.
pub(crate) fn unit(path: &Path) -> Unit {
    Unit { path: path.to_owned(), stamp: Stamp::default() }
}

/// The units that `source` finds below its roots in `places`, sorted.
pub(crate) fn units(source: &dyn Source, places: &Places) -> Vec<Unit> {
    let mut found = Vec::new();
    for root in source.roots(places) {
        source.discover(&root, &mut |unit| found.push(unit), &mut |path, error| panic!("{}: {error}", path.display()));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Everything that `source` reads of `places`, as a whole; one model for all units.
pub(crate) fn read_all(source: &dyn Source, places: &Places) -> Model {
    let mut model = Model::default();
    for unit in units(source, places) {
        source.read(&unit, &Mode::Whole, &mut model).unwrap();
    }
    model
}
