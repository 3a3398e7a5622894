//! Finding a setting by what people write: its name, an older name, or nearly so.

use std::collections::BTreeMap;

use super::Key;

/// Longest unknown name that a similar one is looked for: comparing costs its length.
const SIMILAR_BYTES_MAX: usize = 64;
/// Longest part of a name or value that is repeated in a message.
const SHOWN_CHARS_MAX: usize = 100;

/// All declared settings by all their names.
pub(super) struct Names {
    by_name: BTreeMap<&'static str, (&'static Key, usize)>,
}

impl Names {
    pub(super) fn new(keys: &[&'static [Key]]) -> Self {
        let mut by_name = BTreeMap::new();
        for key in keys.iter().copied().flatten() {
            for (age, name) in names_of(key).enumerate() {
                let taken = by_name.insert(name, (key, age));
                assert!(taken.is_none(), "two tables declare the setting {name}");
            }
        }
        Self { by_name }
    }

    /// The setting, and how old the name is: 0 for its own.
    pub(super) fn get(&self, name: &str) -> Option<(&'static Key, usize)> {
        self.by_name.get(name).copied()
    }

    /// Whether `name` is a table that holds settings.
    pub(super) fn is_table(&self, name: &str) -> bool {
        let prefix = format!("{name}.");
        self.by_name.range(prefix.as_str()..).next().is_some_and(|(found, _)| found.starts_with(&prefix))
    }

    /// All names with their settings and ages.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &'static Key, usize)> {
        self.by_name.iter().map(|(name, (key, age))| (*name, *key, *age))
    }

    /// The setting that was probably meant by `name`.
    pub(super) fn similar(&self, name: &str) -> Option<&'static str> {
        if name.len() > SIMILAR_BYTES_MAX {
            return None;
        }
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
        let in_another_table = || self.iter().find(|(known, ..)| last(known) == last(name));
        let mistyped =
            self.iter().map(|found| (distance(found.0, &name.to_lowercase()), found)).min_by_key(|(d, _)| *d);
        let mistyped = mistyped.filter(|(d, (known, ..))| *d <= known.len() / 4).map(|(_, found)| found);
        mistyped.or_else(in_another_table).map(|(_, key, _)| key.name)
    }

    /// A sentence about a name that no setting has.
    pub(super) fn unknown(&self, name: &str) -> String {
        match self.similar(name) {
            Some(similar) => format!("There is no setting {}; did you mean {similar}?", shown(name)),
            None => format!("There is no setting {}.", shown(name)),
        }
    }
}

/// The setting's own name, then its older ones.
pub(super) fn names_of(key: &'static Key) -> impl Iterator<Item = &'static str> {
    std::iter::once(key.name).chain(key.aliases.iter().copied())
}

/// `text` as it may stand in a message: of bounded length and without control characters.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(|c| {
            // A file must not be able to move the cursor of whoever reads the warning.
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() { format!("{cut}…") } else { cut }
}

/// Number of characters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
