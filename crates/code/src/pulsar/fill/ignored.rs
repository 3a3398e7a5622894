//! Which paths a tree's own `.gitignore` files leave out.

use std::collections::HashMap;

use gix::glob::pattern::Case;
use gix::ignore::{Search, search::Ignore};

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, entry_at, find_object};

/// Larger files of rules are passed over, in bytes.
const RULES_BYTES_MAX: u64 = 1 << 20;

/// The rules of one tree, read as needed.
pub(super) struct Rules<'r> {
    gix: &'r gix::Repository,
    tree: ObjectId,
    of: HashMap<BString, Option<Search>>,
}

impl<'r> Rules<'r> {
    pub(super) fn new(gix: &'r gix::Repository, tree: ObjectId) -> Self {
        Self { gix, tree, of: HashMap::new() }
    }

    /// Whether the file `path`, or a folder it lies in, is ignored.
    pub(super) fn ignore(&mut self, path: &BStr) -> Result<bool, HistoryError> {
        for end in path.find_iter("/") {
            if self.ignore_one(path[..end].as_bstr(), true)? {
                return Ok(true);
            }
        }
        self.ignore_one(path, false)
    }

    /// The nearest folder that says anything decides.
    fn ignore_one(&mut self, path: &BStr, is_dir: bool) -> Result<bool, HistoryError> {
        let mut name_at = path.rfind("/").map_or(0, |at| at + 1);
        loop {
            let folder = path[..name_at].strip_suffix(b"/").unwrap_or_default().as_bstr();
            if let Some(rules) = self.rules_in(folder)?
                && let Some(found) =
                    rules.pattern_matching_relative_path(path[name_at..].as_bstr(), Some(is_dir), Case::Sensitive)
            {
                return Ok(!found.pattern.is_negative());
            }
            if name_at == 0 {
                return Ok(false);
            }
            name_at = path[..name_at - 1].rfind("/").map_or(0, |at| at + 1);
        }
    }

    fn rules_in(&mut self, folder: &BStr) -> Result<Option<&Search>, HistoryError> {
        if !self.of.contains_key(folder) {
            let rules = self.read(folder)?;
            self.of.insert(folder.to_owned(), rules);
        }
        Ok(self.of.get(folder).and_then(Option::as_ref))
    }

    fn read(&self, folder: &BStr) -> Result<Option<Search>, HistoryError> {
        let path = if folder.is_empty() { ".gitignore".into() } else { [folder, "/.gitignore".as_bytes()].concat() };
        let Some((mode::FILE | mode::EXECUTABLE, id)) = entry_at(self.gix, self.tree, path.as_bstr())? else {
            return Ok(None);
        };
        if self.gix.find_header(id).map_or(u64::MAX, |header| header.size()) > RULES_BYTES_MAX {
            return Ok(None);
        }
        let mut rules = Search::default();
        let added = rules.add_patterns_buffer(&find_object(self.gix, id)?.data, ".gitignore", None, Ignore::default());
        Ok(added.is_ok().then_some(rules))
    }
}
