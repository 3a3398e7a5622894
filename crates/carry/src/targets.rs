//! Which working trees a command is about.

use std::path::{Path, PathBuf};

use carry_code::registry::{Added, Registry, Tree};
use carry_code::repo::{OpenError, Repo};

use crate::failure::Failure;
use crate::paths;
use crate::wire::Shell;

/// Where a path lies.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a registered working tree.
    Registered(Tree),
    /// In one that is not registered.
    Unregistered(PathBuf),
    /// In none.
    Outside,
}

/// Looks where `from` lies by the nearest `.git` above it, without opening the repository: `status` has no time for that.
pub(crate) fn place(registry: Option<&Registry>, from: &Path) -> Result<Place, Failure> {
    let Some(root) = from.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()) else {
        return Ok(Place::Outside);
    };
    let known = registry.map(|registry| registry.by_root(root)).transpose()?.flatten();
    Ok(known.map_or_else(|| Place::Unregistered(root.to_owned()), Place::Registered))
}

/// Opens the working tree that encloses `path` (as typed), which must be registered.
pub(crate) fn open(shell: &Shell, path: &Path) -> Result<(Repo, Tree), Failure> {
    let repo = discover(shell, path)?;
    match shell.registry_to_read()?.map(|registry| registry.by_root(repo.root())).transpose()?.flatten() {
        Some(tree) => Ok((repo, tree)),
        None => Err(Failure::failed(format!("{} is not registered", shell.folder(repo.root())))
            .hint("`carry up` registers it and captures it from now on.")),
    }
}

/// Opens the working tree we stand in, which must be registered.
pub(crate) fn open_here(shell: &Shell) -> Result<(Repo, Tree), Failure> {
    open(shell, Path::new("."))
}

/// Opens the working tree that encloses `path`, or that is it. A file stands for its folder.
pub(crate) fn discover(shell: &Shell, path: &Path) -> Result<Repo, Failure> {
    let full = shell.cwd.join(path);
    let from = match full.metadata() {
        Ok(found) if !found.is_dir() => full.parent().unwrap_or(&full),
        Ok(_) => &full,
        Err(_) => return Err(OpenError::Missing { path: full }.into()),
    };
    Ok(Repo::discover(from)?)
}

/// What registering did.
#[derive(Debug)]
pub(crate) struct Registered {
    /// To the tree asked for.
    pub(crate) added: Added,
    /// Its other worktrees that came along.
    pub(crate) linked: Vec<Tree>,
}

impl Registered {
    /// The tree asked for.
    pub(crate) fn tree(&self) -> &Tree {
        match &self.added {
            Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. } => tree,
        }
    }
    /// Whether the registry changed.
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.added, Added::Known(_)) || !self.linked.is_empty()
    }
    /// Says what was done.
    pub(crate) fn say(&self, shell: &Shell) -> Result<(), Failure> {
        match &self.added {
            Added::New(tree) => shell.out.say(format_args!("Registered {}.", shell.folder(&tree.root)))?,
            Added::Known(tree) => shell.out.say(format_args!("{} is registered already.", shell.folder(&tree.root)))?,
            Added::Moved { tree, from } => shell.out.say(format_args!(
                "{} moved to {}; its snapshots came along.",
                shell.folder(from),
                shell.folder(&tree.root)
            ))?,
        }
        for tree in &self.linked {
            shell.out.say(format_args!("Registered its linked worktree {}.", shell.folder(&tree.root)))?;
        }
        Ok(())
    }
}

/// Registers the working tree that encloses `path` with its linked worktrees, and tells a running daemon.
pub(crate) fn register(shell: &Shell, path: &Path, force: bool) -> Result<Registered, Failure> {
    let repo = discover(shell, path)?;
    let mut registry = shell.registry()?;
    let device = shell.context()?.device.id();
    let added = registry.add(&repo, &device, shell.now(), force, shell.user_home.as_deref())?;
    let linked = registry.add_linked(&repo, &device, shell.now())?;
    let registered = Registered { added, linked };
    if registered.is_change() {
        shell.reload_daemon();
    }
    Ok(registered)
}

/// The registered trees that `given` names: by its id, its root (also one that is gone), or a path inside it that
/// exists. With nothing given, the tree we stand in; all when `all`.
pub(crate) fn select(
    shell: &Shell,
    registry: &Registry,
    given: Option<&Path>,
    all: bool,
) -> Result<Vec<Tree>, Failure> {
    let trees = registry.trees()?;
    if all {
        return Ok(trees);
    }
    let listed = "`carry list` shows what is registered.";
    let Some(typed) = given else {
        return match place(Some(registry), &shell.cwd)? {
            Place::Registered(tree) => Ok(vec![tree]),
            Place::Unregistered(root) => {
                Err(Failure::failed(format!("{} is not registered", shell.folder(&root))).hint(listed))
            }
            Place::Outside => Err(Failure::failed("this is not inside a Git working tree")
                .hint("Name a repository; `carry list` shows those that are registered.")),
        };
    };
    let full = paths::without_dots(&shell.cwd.join(typed));
    let real = shell.cwd.join(typed).canonicalize();
    // A tree that is gone cannot be looked for on disk, but its path still stands in the registry.
    let resolved = match &real {
        Ok(real) => Some(real.clone()),
        Err(_) => paths::resolve_folder(&full),
    };
    let is_meant = |tree: &&Tree| {
        Path::new(tree.id.as_str()) == typed || tree.root == full || resolved.as_ref() == Some(&tree.root)
    };
    if let Some(tree) = trees.iter().find(is_meant) {
        return Ok(vec![tree.clone()]);
    }
    // A mistyped name below a working tree must not stand for that tree.
    let real = real.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Failure::failed(format!("{} does not exist, and no repository is registered there", typed.display()))
                .hint(listed)
        }
        _ => Failure::failed(format!("cannot look at {}: {error}", typed.display())),
    })?;
    match place(Some(registry), &real)? {
        Place::Registered(tree) => Ok(vec![tree]),
        Place::Unregistered(root) => {
            Err(Failure::failed(format!("{} is not registered", shell.folder(&root))).hint(listed))
        }
        Place::Outside => {
            Err(Failure::failed(format!("{} is not a registered repository", typed.display())).hint(listed))
        }
    }
}
