//! Discovery: which units there are now, and which of the known ones would have been seen.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::Pass;
use super::plan::Reader;
use super::run::sentence;
use crate::archive::UnitRow;
use crate::source::{Root, Source, Unit};

/// So many places that could not be listed are told one by one.
const PROBLEMS_MAX: usize = 1000;

/// So many units are looked up one by one, rather than reading all that are known.
const FEW_PATHS: usize = 64;

/// What was looked for, and found.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// Units that are there, with the place of their source.
    pub(super) units: Vec<(usize, Unit)>,
    /// What could not be listed, and why.
    pub(super) problems: Vec<(PathBuf, String)>,
    /// More could not be listed than is told.
    has_more_problems: bool,
    /// Roots that are not there though they were asked for: an agent makes its folder when it is first used.
    absent: BTreeSet<PathBuf>,
    /// Roots that were listed.
    listed: Vec<(usize, PathBuf)>,
    /// Units that were looked at by themselves.
    looked_at: BTreeSet<PathBuf>,
}

impl Discovery {
    /// Looks at everything, or only at what the pass is to look at.
    pub(super) fn of(pass: &Pass<'_>) -> Self {
        let mut discovery = Self::default();
        for (at, source) in pass.sources.iter().enumerate() {
            for root in source.roots(pass.places) {
                match pass.only {
                    None => discovery.list(at, source.as_ref(), &root),
                    Some(paths) => discovery.look(at, source.as_ref(), &root, paths),
                }
                if (pass.should_stop)() {
                    return discovery;
                }
            }
        }
        discovery
    }

    /// Lists a root.
    fn list(&mut self, at: usize, source: &dyn Source, root: &Root) {
        let Self { units, problems, has_more_problems, absent, .. } = self;
        source.discover(root, &mut |unit| units.push((at, unit)), &mut |path, error| {
            if path == root.path && error.kind() == io::ErrorKind::NotFound {
                absent.insert(root.path.clone());
            }
            if problems.len() < PROBLEMS_MAX {
                problems.push((path.to_owned(), sentence(&error)));
            } else {
                *has_more_problems = true;
            }
        });
        self.listed.push((at, root.path.clone()));
    }

    /// Looks at the units that changed paths belong to; lists the root when one belongs to none, or to several.
    fn look(&mut self, at: usize, source: &dyn Source, root: &Root, paths: &[PathBuf]) {
        let mut units = BTreeSet::new();
        let beside = source.beside(root);
        for path in paths {
            if beside.as_ref() == Some(path) {
                return self.list(at, source, root);
            } else if path.starts_with(&root.path) {
                match source.unit_of(root, path) {
                    Some(unit) => units.insert(unit),
                    None => return self.list(at, source, root),
                };
            } else if root.path.starts_with(path) {
                // A folder above: the root may be new, or gone.
                return self.list(at, source, root);
            }
        }
        for path in units {
            match source.stamp(root, &path) {
                None => return self.list(at, source, root),
                Some(Ok(stamp)) => self.units.push((at, Unit { path: path.clone(), stamp })),
                Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Some(Err(error)) => {
                    self.problems.push((path, sentence(&error)));
                    continue;
                }
            }
            self.looked_at.insert(path);
        }
    }

    /// The paths that were looked at, when no root was listed and they are few.
    pub(super) fn only(&self) -> Option<&BTreeSet<PathBuf>> {
        (self.listed.is_empty() && self.looked_at.len() <= FEW_PATHS).then_some(&self.looked_at)
    }

    /// Whether a known unit would have been found, were it there.
    pub(super) fn covers(&self, row: &UnitRow, readers: &[Reader<'_>]) -> bool {
        if self.looked_at.contains(&row.path) {
            return true;
        }
        let is_below_listed =
            |(at, root): &(usize, PathBuf)| readers[*at].name == row.source && row.path.starts_with(root);
        // Units in a container have its path, `#`, and their name.
        let hides = |(path, _): &(PathBuf, String)| {
            let rest = row.path.as_os_str().as_bytes().strip_prefix(path.as_os_str().as_bytes());
            row.path.starts_with(path) || rest.is_some_and(|rest| rest.starts_with(b"#"))
        };
        !self.has_more_problems && self.listed.iter().any(is_below_listed) && !self.problems.iter().any(hides)
    }

    /// What could not be listed and is worth a word: not a folder that is not there and in which nothing ever was.
    pub(super) fn unlisted<'k>(self, known: impl Iterator<Item = &'k UnitRow> + Clone) -> Vec<(PathBuf, String)> {
        let Self { problems, absent, .. } = self;
        let was_used = |root: &PathBuf| known.clone().any(|row| row.path.starts_with(root));
        problems.into_iter().filter(|(path, _)| !absent.contains(path) || was_used(path)).collect()
    }

    /// How many units of each source were found, by the source's name.
    pub(super) fn counts(&self, readers: &[Reader<'_>]) -> Vec<(String, u64)> {
        let mut counts = vec![0; readers.len()];
        for (at, _) in &self.units {
            counts[*at] += 1;
        }
        readers.iter().zip(counts).map(|(reader, count)| (reader.name.to_owned(), count)).collect()
    }
}
