//! A Git working tree, opened: where it is, what HEAD is on, what Git is in the middle of.
//!
//! Variables that would redirect Git (`GIT_DIR`, `GIT_INDEX_FILE`, …) are ignored, replacement objects are not
//! followed, and nothing is ever fetched lazily. Configuration is read once, when the tree is opened; HEAD, state
//! and worktrees are read afresh at each call.

use std::path::{Path, PathBuf};

use crate::git::{HashKind, ObjectId};
use crate::line::Branch;
use crate::snapshot::State;

mod discover;
mod format;
mod head;
mod options;
mod worktrees;

pub(crate) use format::is_partial;

/// An opened working tree. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repo {
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    reftable: bool,
    hash: HashKind,
    inner: gix::ThreadSafeRepository,
}

/// What HEAD points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The branch, or none. A HEAD that names a ref outside `refs/heads/` is a branch of that full name.
    pub branch: Branch,
    /// The commit; `None` on an unborn branch.
    pub commit: Option<ObjectId>,
}

/// Why a working tree could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{} does not exist", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// It is no Git working tree, nor inside one.
    #[error("{} is not inside a Git working tree", path.display())]
    NotARepository {
        /// What was asked for.
        path: PathBuf,
    },
    /// It has no working tree.
    #[error("{} is a bare repository: it has no working tree to capture", path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// It belongs to somebody else and `safe.directory` does not name it.
    #[error("{} belongs to another user", path.display())]
    Untrusted {
        /// The repository.
        path: PathBuf,
    },
    /// Git's files are damaged or of a kind we do not know.
    #[error("cannot open the repository {}", path.display())]
    Damaged {
        /// The repository.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    /// For `map_err`: damage found at `path`.
    pub(crate) fn damaged<E>(path: &Path) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Damaged { path: path.to_owned(), source: source.into() }
    }
}

impl Repo {
    /// Opens the working tree whose root is `root`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let root = discover::resolve(root)?;
        let Some(found) = discover::at(&root)? else {
            return Err(OpenError::NotARepository { path: root });
        };
        let repo = Self::open_found(&found)?;
        // `core.worktree` may say that the files are elsewhere; then this folder is no root.
        if repo.root == root { Ok(repo) } else { Err(OpenError::NotARepository { path: root }) }
    }

    /// Opens the working tree that encloses `from`, a folder or a file. Like Git, does not cross into another file
    /// system on the way up, and refuses the inside of a git directory.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn discover(from: &Path) -> Result<Self, OpenError> {
        let from = discover::resolve(from)?;
        let Some(found) = discover::upwards(&from)? else {
            return Err(OpenError::NotARepository { path: from });
        };
        let repo = Self::open_found(&found)?;
        let inside_git = |dir: &Path| from.starts_with(dir) && !repo.root.starts_with(dir);
        if !from.starts_with(&repo.root) || inside_git(&repo.git_dir) || inside_git(&repo.common_dir) {
            return Err(OpenError::NotARepository { path: from });
        }
        Ok(repo)
    }

    /// Opens it again, with the configuration as it is now.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn reopen(&self) -> Result<Self, OpenError> {
        Self::open(&self.root)
    }

    fn open_found(found: &discover::Found) -> Result<Self, OpenError> {
        let inner = options::open(found)?;
        let Some(root) = inner.work_dir() else {
            return Err(OpenError::Bare { path: found.git.clone() });
        };
        let real = |path: &Path| path.canonicalize().map_err(OpenError::damaged(path));
        let root = real(root)?;
        let local = inner.to_thread_local();
        let reftable = format::check(&local).map_err(|problem| OpenError::damaged(&root)(problem))?;
        let (git_dir, common_dir) = (real(local.git_dir())?, real(local.common_dir())?);
        let hash = local.object_hash();
        Ok(Self { root, git_dir, common_dir, reftable, hash, inner })
    }

    /// The root of the working tree, absolute, links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its own git directory (of the linked worktree, if it is one).
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory that all its worktrees share.
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The folder that objects are written to.
    pub fn objects_dir(&self) -> PathBuf {
        self.common_dir.join("objects")
    }

    /// The hash that names objects here.
    pub fn hash(&self) -> HashKind {
        self.hash
    }

    /// A handle for this thread. Configuration is as it was when opened.
    pub fn gix(&self) -> gix::Repository {
        let mut repo = self.inner.to_thread_local();
        repo.object_cache_size_if_unset(4 * 1024 * 1024);
        repo
    }

    /// What HEAD points at now. During a rebase it is detached; [`Repo::rebasing_branch`] names the branch.
    ///
    /// # Errors
    /// [`OpenError::Damaged`].
    pub fn head(&self) -> Result<Head, OpenError> {
        head::read(self)
    }

    /// What Git is in the middle of, if anything.
    pub fn state(&self) -> Option<State> {
        head::state(self)
    }

    /// The branch that is being rebased or that patches are being applied to; `None` when neither is going on, or
    /// when it was begun with a detached HEAD.
    pub fn rebasing_branch(&self) -> Option<Branch> {
        head::rebasing_branch(&self.git_dir)
    }

    /// The branch whose line a snapshot belongs to: the one HEAD is on, or the one being rebased.
    pub(crate) fn branch_of(&self, head: &Head) -> Branch {
        match &head.branch {
            Branch::Detached => self.rebasing_branch().unwrap_or(Branch::Detached),
            named @ Branch::Named(_) => named.clone(),
        }
    }

    /// Whether refs are kept in the reftable format, which only the git program can write.
    pub fn is_reftable(&self) -> bool {
        self.reftable
    }

    /// Roots of the other worktrees of the same repository, the main one included, that exist.
    pub fn other_worktrees(&self) -> Vec<PathBuf> {
        worktrees::others(self)
    }
}

#[cfg(test)]
mod tests;
