//! What decides how a file becomes a blob and which files count, as far as it lies outside the working tree.

use sha2::{Digest as _, Sha256};

use crate::shadow_index::Stamp;

/// Digest of the configuration and attribute files that the ids in the private index depend on.
pub(super) fn digest(repo: &gix::Repository) -> [u8; 32] {
    let mut hash = Sha256::new();
    let config = repo.config_snapshot();
    for name in
        ["core.autocrlf", "core.eol", "core.fileMode", "core.symlinks", "core.ignoreCase", "core.attributesFile"]
    {
        hash.update(name);
        if let Some(value) = config.string(name) {
            hash.update(value.as_slice());
        }
        hash.update([0]);
    }
    for section in config.plumbing().sections_by_name("filter").into_iter().flatten() {
        if let Some(name) = section.header().subsection_name() {
            let name: &[u8] = name.as_ref();
            hash.update(name);
        }
        for key in ["clean", "process", "required"] {
            hash.update([1]);
            if let Some(value) = section.value(key) {
                hash.update(value.as_slice());
            }
        }
        hash.update([2]);
    }
    let mut files = repo.attribute_global_paths().unwrap_or_default();
    files.push(repo.common_dir().join("info/attributes"));
    for file in files {
        hash.update(gix::path::into_bstr(file.as_path()).map(|p| p.to_vec()).unwrap_or_default());
        let stat = Stamp::of(&file).stat;
        for number in [stat.mtime, i64::from(stat.mtime_ns), stat.ino.cast_signed(), stat.size.cast_signed()] {
            hash.update(number.to_le_bytes());
        }
    }
    hash.finalize().into()
}

/// The status of the files that a capturer must see unchanged to go on from what it remembers.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    files: Vec<Stamp>,
    /// Whether the files may have changed while they were read.
    doubtful: bool,
}

impl Stamps {
    /// As the files are now, for a handle that was opened before.
    pub(super) fn of(repo: &gix::Repository) -> Self {
        Self { files: stamps(repo), doubtful: false }
    }

    /// For files that were read at `ns` of the file system's clock or later.
    pub(super) fn read_at(mut self, ns: i64) -> Self {
        self.doubtful = self.files.iter().any(|f| f.stat.is_racy(ns));
        self
    }

    /// Whether the files are certainly the same as then: never while either is in doubt.
    pub(super) fn certainly_same(&self, then: &Self) -> bool {
        !self.doubtful && !then.doubtful && self.files == then.files
    }
}

fn stamps(repo: &gix::Repository) -> Vec<Stamp> {
    let mut files = vec![
        repo.common_dir().join("config"),
        repo.git_dir().join("config.worktree"),
        repo.common_dir().join("info/exclude"),
        repo.common_dir().join("info/attributes"),
        repo.git_dir().join("info/sparse-checkout"),
    ];
    let config = repo.config_snapshot();
    for section in config.plumbing().sections() {
        if let Some(path) = &section.meta().path
            && !files.contains(path)
        {
            files.push(path.clone());
        }
    }
    if let Ok(Some(path)) = config.trusted_path("core.excludesFile") {
        files.push(path);
    }
    files.iter().map(|f| Stamp::of(f)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carry_testkit::repo::TestRepo;

    #[test]
    fn what_was_in_doubt_is_the_same_as_nothing() {
        let repo = TestRepo::new();
        let gix = gix::open(repo.root()).unwrap();
        let certain = Stamps::of(&gix);
        assert!(certain.certainly_same(&Stamps::of(&gix)));
        // Read when the file system's clock still said the time of the newest of the files.
        let doubtful = certain.clone().read_at(certain.files[0].stat.mtime_total_ns());
        assert!(!certain.certainly_same(&doubtful));
        assert!(!doubtful.certainly_same(&certain));
        assert!(!doubtful.certainly_same(&doubtful.clone()));
    }
}
