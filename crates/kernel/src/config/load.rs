//! Reading the layers and laying them over each other.
//!
//! A layer is first gathered as [`Said`] values with their places, then laid over what the weaker
//! layers gave. The file of a repository is hostile: it is opened without following links or waiting,
//! bounded in size and in the number of warnings it can cause, and may only narrow.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use rustix::fs::OFlags;
use toml_edit::{Document, Item, TableLike};

use super::names::{Names, names_of, shown};
use super::value::{from_text, from_toml, from_typed};
use super::{Config, Key, Kind, Origin, RepoRule, Resolved, Sources, Value, Warning};
use crate::disk;

/// Largest configuration file read.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most warnings about one file: a hostile one could cause a hundred thousand.
const WARNINGS_PER_FILE_MAX: usize = 50;
/// Longest name of a table that is looked into; far longer than any of ours. Names are joined anew for
/// each key, so that a long one with many keys would cost their product.
const NAME_BYTES_MAX: usize = 200;
/// The table of `pyproject.toml` that is ours.
const PYPROJECT_TABLE: &str = "tool.carry";

/// Variables with meanings of their own, whatever a key is called.
const RESERVED: &[&str] = &["CARRY_HOME", "CARRY_LOG", "CARRY_CLOCK_OFFSET"];
/// Beginnings of further such variables.
const RESERVED_PREFIXES: &[&str] = &["CARRY_FAULT", "CARRY_CONFIG", "CARRY_REMOTE_TOKEN", "CARRY_S3"];

/// One valid value in one layer.
struct Said {
    key: &'static Key,
    /// How old the name is it was said under; 0 for the key's own.
    age: usize,
    value: Value,
    origin: Origin,
    /// For a list, the place of each item.
    items: Vec<Origin>,
}

/// The layers so far.
struct Layers {
    names: Names,
    config: Config,
}

/// See [`Config::load`].
pub(super) fn load(keys: &[&'static [Key]], sources: &Sources) -> Config {
    let mut layers = Layers { names: Names::new(keys), config: Config::default() };
    for key in keys.iter().copied().flatten() {
        layers.config.values.insert(key.name, default(key));
    }
    if let Some(file) = &sources.user {
        layers.user_file(file);
    }
    if let Some(root) = &sources.repository {
        layers.repository_file(root);
    }
    layers.environment(&sources.environment);
    layers.flags(&sources.flags);
    layers.config
}

fn default(key: &'static Key) -> Resolved {
    if key.default.is_empty() {
        // A list that nobody wrote is an empty one.
        let value = (key.kind == Kind::List).then(|| Value::List(Vec::new()));
        return Resolved { key, value, origins: Vec::new() };
    }
    let toml = key.default.parse::<toml_edit::Value>().map_err(|e| e.message().to_owned());
    let value = toml.and_then(|toml| from_toml(key.kind, &toml));
    let value = value.unwrap_or_else(|problem| panic!("the default of {} is not valid: {problem}", key.name));
    let n_origins = if let Value::List(items) = &value { items.len() } else { 1 };
    Resolved { key, value: Some(value), origins: vec![Origin::Default; n_origins] }
}

impl Layers {
    fn user_file(&mut self, file: &Path) {
        let at = |line| Origin::User { file: file.to_owned(), line };
        match disk::read_bounded(file, FILE_BYTES_MAX) {
            Ok(None) => {}
            Ok(Some(bytes)) => self.file(bytes, None, &at),
            Err(e) => self.broken(at(1), format!("The file has no effect: it cannot be read ({}).", e.source)),
        }
    }

    fn repository_file(&mut self, root: &Path) {
        for (name, table) in [("carry.toml", None), ("pyproject.toml", Some(PYPROJECT_TABLE))] {
            let file = root.join(name);
            let at = |line| Origin::Repository { file: file.clone(), line };
            let opened = disk::open_regular(&file, OFlags::NOFOLLOW);
            match opened.and_then(|f| disk::read_at_most(f, FILE_BYTES_MAX)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Ok(bytes) => self.file(bytes, table, &at),
                Err(_) if file.is_symlink() => {
                    self.warn(
                        at(1),
                        "The file has no effect: a repository's file may not be a symbolic link.".to_owned(),
                    );
                }
                Err(e) => self.warn(at(1), format!("The file has no effect: it cannot be read ({e}).")),
            }
            return;
        }
    }

    /// One file's layer; `table` is the part of it that is ours, all of it if `None`.
    fn file(&mut self, bytes: Vec<u8>, table: Option<&str>, at: &dyn Fn(usize) -> Origin) {
        // One that nobody can parse may be a shared file that has no part of ours.
        let is_ours = |text: &str| table.is_none_or(|table| text.contains(table));
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                let line = line_at(e.as_bytes(), e.utf8_error().valid_up_to());
                let message = "The file has no effect: it is not UTF-8 text.".to_owned();
                return match is_ours(&String::from_utf8_lossy(e.as_bytes())) {
                    true => self.broken(at(line), message),
                    false => self.warn(at(line), message),
                };
            }
        };
        let document = match Document::parse(text.as_str()) {
            Ok(document) => document,
            // A damaged file of somebody else's that never mentions us is not for us to report.
            Err(_) if table.is_some() && !text.contains("carry") => return,
            Err(e) => {
                let line = line_at(text.as_bytes(), e.span().map_or(0, |span| span.start));
                let problem = shown(e.message().lines().next().unwrap_or_default());
                let message = format!("The file has no effect: it is not valid TOML ({problem}).");
                return match is_ours(&text) {
                    true => self.broken(at(line), message),
                    false => self.warn(at(line), message),
                };
            }
        };
        let mut ours: &dyn TableLike = document.as_table();
        for part in table.into_iter().flat_map(|t| t.split('.')) {
            match ours.get(part).and_then(Item::as_table_like) {
                Some(inner) => ours = inner,
                None => return,
            }
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        let mut walk = Walk { names: &self.names, lines, at, said: Vec::new(), warnings: Vec::new(), more: 0 };
        walk.table(ours, "");
        let Walk { said, mut warnings, more, .. } = walk;
        warnings.sort_by(|a, b| a.origin.cmp(&b.origin));
        if more > 0 {
            warnings.push(Warning { origin: at(1), message: format!("The file has {more} further problems.") });
        }
        self.config.warnings.append(&mut warnings);
        self.lay(said);
    }

    fn environment(&mut self, variables: &[(String, String)]) {
        let named: BTreeMap<String, _> =
            self.names.iter().map(|(name, key, age)| (variable_of(name), (key, age))).collect();
        let mut said = Vec::new();
        for (variable, text) in variables {
            let reserved = RESERVED.contains(&variable.as_str())
                || RESERVED_PREFIXES.iter().any(|prefix| variable.starts_with(prefix));
            let Some((key, age)) = named.get(variable).copied().filter(|_| !reserved && !text.is_empty()) else {
                continue;
            };
            let origin = Origin::Environment(variable.clone());
            match from_text(key.kind, text) {
                Ok(value) => said.push(Said::everywhere(key, age, value, origin)),
                Err(problem) => self.warn(origin, no_effect(key.name, &problem)),
            }
        }
        self.lay(said);
    }

    fn flags(&mut self, flags: &[(String, String)]) {
        let mut said = Vec::new();
        for (name, text) in flags {
            let Some((key, age)) = self.names.get(name) else {
                let message = self.names.unknown(name);
                self.warn(Origin::Flag, message);
                continue;
            };
            match from_typed(key.kind, text) {
                Ok((value, _)) => said.push(Said::everywhere(key, age, value, Origin::Flag)),
                Err(problem) => self.warn(Origin::Flag, no_effect(name, &problem)),
            }
        }
        self.lay(said);
    }

    /// Lays one layer over the weaker ones. Of several names the newest counts, of several values
    /// under it the last; lists under it are joined.
    fn lay(&mut self, layer: Vec<Said>) {
        let mut newest: BTreeMap<&'static str, usize> = BTreeMap::new();
        for said in &layer {
            newest.entry(said.key.name).and_modify(|age| *age = said.age.min(*age)).or_insert(said.age);
        }
        for said in layer {
            let age = newest[said.key.name];
            if said.age > age {
                let name = |age| names_of(said.key).nth(age).unwrap_or_default();
                let message = format!("{} has no effect: {} is set as well.", name(said.age), name(age));
                self.warn(said.origin, message);
            } else if matches!(said.origin, Origin::Repository { .. }) {
                self.narrow(said);
            } else {
                self.replace(said);
            }
        }
    }

    /// Lays over a value that may do anything.
    fn replace(&mut self, said: Said) {
        let weaker = self.config.values.get_mut(said.key.name).expect("every key has a default entry");
        match (&mut weaker.value, said.value) {
            (Some(Value::List(items)), Value::List(more)) => {
                let mut known: HashSet<String> = items.iter().cloned().collect();
                for (item, origin) in more.into_iter().zip(said.items) {
                    if known.insert(item.clone()) {
                        items.push(item);
                        weaker.origins.push(origin);
                    }
                }
            }
            (value, new) => {
                // Inside one layer the last one replaces the one before, place and all.
                weaker.origins.retain(|origin| origin.layer() != said.origin.layer());
                weaker.origins.push(said.origin);
                *value = Some(new);
            }
        }
    }

    /// Lays over a value of the repository's file, as far as its rule allows.
    fn narrow(&mut self, mut said: Said) {
        let (name, weaker) = (said.key.name, &self.config.values[said.key.name].value);
        let order = weaker.as_ref().and_then(|weaker| compare(&said.value, weaker));
        let refusal = match said.key.repo {
            RepoRule::Ignored => Some("a repository may not set it".to_owned()),
            RepoRule::Lower => match (weaker, order) {
                (Some(_), Some(std::cmp::Ordering::Less)) => None,
                (Some(_), Some(std::cmp::Ordering::Equal)) => return,
                (Some(weaker), _) => Some(format!("a repository may only lower it, and it is {weaker} already")),
                (None, _) => Some("a repository may only lower it, and you have not set it".to_owned()),
            },
            RepoRule::Raise => match (weaker, order) {
                (None, _) | (Some(_), Some(std::cmp::Ordering::Greater)) => None,
                (Some(_), Some(std::cmp::Ordering::Equal)) => return,
                (Some(weaker), _) => Some(format!("a repository may only raise it, and it is {weaker} already")),
            },
            RepoRule::Append => (said.key.kind != Kind::List).then(|| "a repository may not set it".to_owned()),
            RepoRule::OffOnly => match (weaker, &said.value) {
                (_, Value::Bool(false)) => None,
                (Some(weaker), value) if weaker == value => return,
                _ => Some("a repository may only switch it off".to_owned()),
            },
        };
        if let Some(problem) = refusal {
            return self.warn(said.origin, no_effect(name, &problem));
        }
        if let Value::List(items) = &mut said.value {
            let (kept, refused): (Vec<_>, Vec<_>) = std::mem::take(items)
                .into_iter()
                .zip(std::mem::take(&mut said.items))
                .partition(|(item, _)| !item.starts_with('!') && !item.contains(char::is_control));
            (*items, said.items) = kept.into_iter().unzip();
            for (item, origin) in refused.into_iter().take(WARNINGS_PER_FILE_MAX) {
                let message = format!(
                    "The item {} of {name} has no effect: a repository may only add to the list.",
                    shown(&item)
                );
                self.warn(origin, message);
            }
        }
        self.replace(said);
    }

    /// Nothing of a file is known.
    fn broken(&mut self, origin: Origin, message: String) {
        self.config.broken.push(Warning { origin: origin.clone(), message: message.clone() });
        self.warn(origin, message);
    }

    fn warn(&mut self, origin: Origin, message: String) {
        self.config.warnings.push(Warning { origin, message });
    }
}

impl Said {
    /// A value whose items, if any, all come from the same place.
    fn everywhere(key: &'static Key, age: usize, value: Value, origin: Origin) -> Self {
        let n_items = if let Value::List(items) = &value { items.len() } else { 0 };
        let items = vec![origin.clone(); n_items];
        Self { key, age, value, origin, items }
    }
}

/// A walk through one file's tables.
struct Walk<'a> {
    names: &'a Names,
    /// Where each line begins.
    lines: Vec<usize>,
    at: &'a dyn Fn(usize) -> Origin,
    said: Vec<Said>,
    warnings: Vec<Warning>,
    /// Problems beyond the bound.
    more: usize,
}

impl Walk<'_> {
    fn table(&mut self, table: &dyn TableLike, prefix: &str) {
        for (part, item) in table.iter() {
            let name = if prefix.is_empty() { part.to_owned() } else { format!("{prefix}.{part}") };
            let key_span = table.get_key_value(part).and_then(|(key, _)| key.span());
            let origin = self.origin(key_span.or_else(|| item.span()));
            match (self.names.get(&name), item.as_table_like()) {
                (Some((key, age)), _) => self.setting(key, age, &name, item, origin),
                (None, Some(inner)) if !inner.is_empty() && name.len() <= NAME_BYTES_MAX => self.table(inner, &name),
                (None, Some(_)) if self.names.is_table(&name) => {}
                (None, None) if self.names.is_table(&name) => {
                    self.warn(origin, |_| no_effect(&name, "it is a table of settings, not a value"));
                }
                (None, _) => self.warn(origin, |names| names.unknown(&name)),
            }
        }
    }

    fn setting(&mut self, key: &'static Key, age: usize, name: &str, item: &Item, origin: Origin) {
        let value = match item.as_value() {
            Some(value) => from_toml(key.kind, value),
            None => Err(format!("it must be {}, not a table", super::value::expected(key.kind))),
        };
        match value {
            Ok(value) => {
                let items = match (key.kind, item.as_array()) {
                    (Kind::List, Some(array)) => array.iter().map(|item| self.origin(item.span())).collect(),
                    _ => Vec::new(),
                };
                self.said.push(Said { key, age, value, origin, items });
            }
            Err(problem) => self.warn(origin, |_| no_effect(name, &problem)),
        }
    }

    fn origin(&self, span: Option<std::ops::Range<usize>>) -> Origin {
        let offset = span.map_or(0, |span| span.start);
        (self.at)(self.lines.partition_point(|begin| *begin <= offset))
    }

    /// The message is only made when it is kept.
    fn warn(&mut self, origin: Origin, message: impl FnOnce(&Names) -> String) {
        if self.warnings.len() < WARNINGS_PER_FILE_MAX {
            let message = message(self.names);
            self.warnings.push(Warning { origin, message });
        } else {
            self.more += 1;
        }
    }
}

/// The variable that stands for a setting.
fn variable_of(name: &str) -> String {
    format!("CARRY_{}", name.replace(['.', '-'], "_").to_uppercase())
}

fn no_effect(name: &str, problem: &str) -> String {
    format!("{} has no effect: {problem}.", shown(name))
}

/// Compares what has a size; `None` for what has not.
fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Size(a), Value::Size(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The line of the byte at `offset`, from 1.
pub(super) fn line_at(text: &[u8], offset: usize) -> usize {
    text[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}
