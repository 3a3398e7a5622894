//! Changing the user's file: one setting at a time, checked first, with comments and layout kept.
//!
//! Each change is read, edit, atomic replacement. Two at the same time lose one of the changes, never
//! the file.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, Table, TableLike};

use super::load::{FILE_BYTES_MAX, line_at};
use super::names::{Names, names_of, shown};
use super::value::{from_toml, from_typed};
use super::{Key, Kind, Value};
use crate::disk::{self, DiskError};

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigEditError {
    /// No setting has this name.
    #[error("there is no setting {name}")]
    Unknown {
        /// The name, as it can be shown.
        name: String,
        /// The setting that was probably meant.
        similar: Option<&'static str>,
    },
    /// The setting cannot hold this value.
    #[error("{name} cannot be set so: {problem}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The setting is no list, so that nothing can be added or taken away.
    #[error("{name} is not a list")]
    NotAList {
        /// The setting.
        name: &'static str,
    },
    /// The file cannot be edited as it is.
    #[error("{}:{line} has to be mended first: {problem}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// It could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Sets `name` to `text`, a TOML value or bare text, in the user's file. Makes the file when missing.
///
/// A setting that stands there under an older name keeps that name.
///
/// # Errors
/// [`ConfigEditError`]; the file is then as it was.
pub fn set_user_value(keys: &[&'static [Key]], file: &Path, name: &str, text: &str) -> Result<(), ConfigEditError> {
    let key = find(keys, name)?;
    let (_, value) =
        from_typed(key.kind, text).map_err(|problem| ConfigEditError::Value { name: key.name, problem })?;
    let mut open = Open::read(file)?;
    let name = open.name_of(key);
    let item = open.item(name)?;
    put(item, value);
    open.write()
}

/// Removes `name` from the user's file, so that its default counts again; says whether it stood there.
///
/// # Errors
/// [`ConfigEditError`]; the file is then as it was.
pub fn unset_user_value(keys: &[&'static [Key]], file: &Path, name: &str) -> Result<bool, ConfigEditError> {
    let key = find(keys, name)?;
    let mut open = Open::read(file)?;
    let mut removed = false;
    for name in names_of(key) {
        let (mut tables, leaf) = split(name);
        let table = tables.try_fold(open.document.as_table_mut() as &mut dyn TableLike, |table, part| {
            table.get_mut(part).and_then(Item::as_table_like_mut)
        });
        removed |= table.is_some_and(|table| table.remove(leaf).is_some());
    }
    if removed {
        open.write()?;
    }
    Ok(removed)
}

/// Adds `item` to the list `name` in the user's file unless it stands there; says whether it did.
///
/// # Errors
/// [`ConfigEditError`]; the file is then as it was.
pub fn append_user_list(keys: &[&'static [Key]], file: &Path, name: &str, item: &str) -> Result<bool, ConfigEditError> {
    edit_list(keys, file, name, |array| {
        if array.iter().any(|found| found.as_str() == Some(item)) {
            return false;
        }
        append(array, item);
        true
    })
}

/// Takes `item` out of the list `name` in the user's file; says whether it stood there.
///
/// # Errors
/// [`ConfigEditError`]; the file is then as it was.
pub fn remove_user_list(keys: &[&'static [Key]], file: &Path, name: &str, item: &str) -> Result<bool, ConfigEditError> {
    edit_list(keys, file, name, |array| {
        let places: Vec<usize> =
            (0..array.len()).filter(|i| array.get(*i).and_then(|v| v.as_str()) == Some(item)).collect();
        // From the end, so that the places stay true.
        for place in places.iter().rev() {
            take_out(array, *place);
        }
        !places.is_empty()
    })
}

/// Puts `item` in the place of `old` in the list `name` in the user's file, in one step; says whether `old` stood there.
///
/// # Errors
/// [`ConfigEditError`]; the file is then as it was.
pub fn replace_user_list(
    keys: &[&'static [Key]],
    file: &Path,
    name: &str,
    old: &str,
    item: &str,
) -> Result<bool, ConfigEditError> {
    edit_list(keys, file, name, |array| {
        let mut has_changed = false;
        for value in array.iter_mut().filter(|value| value.as_str() == Some(old)) {
            let mut new = toml_edit::Value::from(item);
            *new.decor_mut() = value.decor().clone();
            *value = new;
            has_changed = true;
        }
        has_changed
    })
}

fn edit_list(
    keys: &[&'static [Key]],
    file: &Path,
    name: &str,
    edit: impl FnOnce(&mut Array) -> bool,
) -> Result<bool, ConfigEditError> {
    let key = find(keys, name)?;
    if key.kind != Kind::List {
        return Err(ConfigEditError::NotAList { name: key.name });
    }
    let mut open = Open::read(file)?;
    let name = open.name_of(key);
    let item = open.item(name)?;
    if item.is_none() {
        *item = toml_edit::value(Array::new());
    }
    let found = item.as_value_mut().ok_or_else(|| "it is a table".to_owned());
    let checked = found.and_then(|value| match from_toml(key.kind, value)? {
        Value::List(_) => Ok(value),
        other => Err(format!("it is {other}")),
    });
    let value = checked.map_err(|problem| ConfigEditError::Value { name: key.name, problem })?;
    let changed = value.as_array_mut().is_some_and(edit);
    if changed {
        open.write()?;
    }
    Ok(changed)
}

/// The user's file while it is edited.
struct Open {
    /// Where it really lies: dotfiles are often links into a repository.
    path: PathBuf,
    document: DocumentMut,
}

impl Open {
    fn read(file: &Path) -> Result<Self, ConfigEditError> {
        let path = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let bytes = disk::read_bounded(&path, FILE_BYTES_MAX)?.unwrap_or_default();
        let damaged = |line, problem| ConfigEditError::Damaged { file: file.to_owned(), line, problem };
        let text = String::from_utf8(bytes).map_err(|e| {
            damaged(line_at(e.as_bytes(), e.utf8_error().valid_up_to()), "it is not UTF-8 text".to_owned())
        })?;
        let document = text.parse().map_err(|e: toml_edit::TomlError| {
            let line = line_at(text.as_bytes(), e.span().map_or(0, |span| span.start));
            damaged(line, shown(e.message().lines().next().unwrap_or_default()))
        })?;
        Ok(Self { path, document })
    }

    fn write(&self) -> Result<(), ConfigEditError> {
        Ok(disk::write_atomic(&self.path, self.document.to_string().as_bytes())?)
    }

    /// The newest name under which `key` stands in the file, else its own.
    fn name_of(&self, key: &'static Key) -> &'static str {
        let stands = |name: &&str| {
            let found = name.split('.').try_fold(self.document.as_item(), |item, part| item.get(part));
            found.is_some_and(|item| !item.is_none())
        };
        names_of(key).find(stands).unwrap_or(key.name)
    }

    /// The place of `name`, with the tables above it made when missing.
    fn item(&mut self, name: &'static str) -> Result<&mut Item, ConfigEditError> {
        let (tables, leaf) = split(name);
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for part in tables {
            let mut new = Table::new();
            // A table that only holds tables needs no line of its own.
            new.set_implicit(true);
            let item = table.entry(part).or_insert(Item::Table(new));
            table = item.as_table_like_mut().ok_or_else(|| ConfigEditError::Value {
                name,
                problem: format!("{part} is a value in the file, not a table"),
            })?;
        }
        Ok(table.entry(leaf).or_insert(Item::None))
    }
}

/// Replaces a value, leaving the comment behind it in place.
fn put(item: &mut Item, mut value: toml_edit::Value) {
    *value.decor_mut() = toml_edit::Decor::default();
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

/// Adds to a list in the layout it has: on a line of its own where the others have one.
fn append(array: &mut Array, item: &str) {
    let last = array.len().checked_sub(1);
    let prefix = last.and_then(|last| array.get(last)).map(|last| raw(last.decor().prefix())).unwrap_or_default();
    let Some((last, (_, indent))) = last.zip(prefix.rsplit_once('\n')) else {
        array.push(item);
        return;
    };
    // What follows the last item, its comment included, stays with it.
    let mut between = raw(Some(array.trailing()));
    if !array.trailing_comma()
        && let Some(value) = array.get_mut(last)
    {
        between.insert_str(0, &raw(value.decor().suffix()));
        value.decor_mut().set_suffix("");
    }
    let (comment, close) = between.rsplit_once('\n').unwrap_or((&between, ""));
    let mut new = toml_edit::Value::from(item);
    new.decor_mut().set_prefix(format!("{comment}\n{indent}"));
    array.push_formatted(new);
    array.set_trailing(format!("\n{close}"));
    array.set_trailing_comma(true);
}

/// Removes one item with its comment, but not the comment behind the item before it: in TOML's terms
/// both stand before the next comma.
fn take_out(array: &mut Array, place: usize) {
    let removed = array.remove(place);
    let before = raw(removed.decor().prefix());
    let next = array.get(place).map(|next| raw(next.decor().prefix()));
    let after = next.clone().unwrap_or_else(|| raw(removed.decor().suffix()) + &raw(Some(array.trailing())));
    let joined = match (before.split_once('\n'), after.split_once('\n')) {
        (Some((before, _)), Some((_, after))) => format!("{before}\n{after}"),
        (None, None) if next.is_some() => before,
        _ => after,
    };
    match array.get_mut(place) {
        Some(next) => next.decor_mut().set_prefix(joined),
        None => array.set_trailing(joined),
    }
}

/// The text between two tokens.
fn raw(text: Option<&toml_edit::RawString>) -> String {
    text.and_then(|text| text.as_str()).unwrap_or_default().to_owned()
}

fn find(keys: &[&'static [Key]], name: &str) -> Result<&'static Key, ConfigEditError> {
    let names = Names::new(keys);
    let unknown = || ConfigEditError::Unknown { name: shown(name), similar: names.similar(name) };
    names.get(name).map(|(key, _)| key).ok_or_else(unknown)
}

/// The tables of a dotted name, and what stands in the last of them.
fn split(name: &'static str) -> (std::str::Split<'static, char>, &'static str) {
    let (tables, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    let mut parts = tables.split('.');
    if tables.is_empty() {
        parts.next();
    }
    (parts, leaf)
}
