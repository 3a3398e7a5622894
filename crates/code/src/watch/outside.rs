//! What is watched for a tree outside its folders: Git's own, those of submodules, and files of rules elsewhere.

use std::path::{Path, PathBuf};

use carry_kernel::id::TreeId;
use notify::RecursiveMode;

use super::WatchError;
use super::place::{self, Role};
use super::rules;
use super::trees::Trees;

/// Submodules whose HEAD is watched, for each tree. Where there are more, looks at everything find the rest.
const SUBMODULES_MAX: usize = 200;

impl Trees {
    /// Watches the folders of Git's that are there and not watched yet.
    pub(super) fn watch_git(&mut self, id: &TreeId) -> Result<(), WatchError> {
        let Some(tree) = self.trees.get(id) else { return Ok(()) };
        let (own, common) = (tree.repo.git_dir().to_owned(), tree.repo.common_dir().to_owned());
        let mut places = vec![
            (own.clone(), Role::GitDir),
            (own.join("info"), Role::Info),
            (own.join("logs"), Role::Logs),
            (common.clone(), Role::Common),
            (common.join("refs/heads"), Role::Heads),
            (common.join("worktrees"), Role::Worktrees),
        ];
        if own != common {
            places.push((common.join("info"), Role::Info));
        }
        for file in rules::outer_files(&tree.repo) {
            places.extend(outer_place(&file));
            // A link is changed where it leads.
            places.extend(file.canonicalize().ok().and_then(|file| outer_place(&file)));
        }
        places.into_iter().try_for_each(|(folder, role)| self.watch_place(id, folder, role))
    }

    fn watch_place(&mut self, id: &TreeId, folder: PathBuf, role: Role) -> Result<(), WatchError> {
        let user = (id.clone(), role);
        match self.git.get_mut(&folder) {
            Some(users) if users.contains(&user) => {}
            Some(users) => users.push(user),
            None if !folder.is_dir() => {}
            None => {
                if self.watch(&folder, RecursiveMode::NonRecursive)? {
                    self.git.insert(folder, vec![user]);
                }
            }
        }
        Ok(())
    }

    /// Watches the git directories of submodules: which commit one is at is part of a snapshot.
    pub(super) fn watch_submodules(&mut self, id: &TreeId) -> Result<(), WatchError> {
        let Some((root, mut rules)) = self.take_rules(id)? else { return Ok(()) };
        let found = rules.submodules(SUBMODULES_MAX);
        self.put_rules(id, rules);
        for path in found {
            let Some(git_dir) = place::git_dir_of(&rules::absolute(&root, &path)) else { continue };
            self.watch_place(id, git_dir.join("logs"), Role::Submodule(path.clone()))?;
            self.watch_place(id, git_dir, Role::Submodule(path))?;
        }
        Ok(())
    }

    /// Whether files outside that rules depend on are others than when the tree was walked.
    pub(super) fn has_other_rules(&self, id: &TreeId) -> bool {
        let Some(tree) = self.trees.get(id) else { return false };
        tree.repo.reopen().is_ok_and(|repo| rules::outer_status(&repo) != tree.outer)
    }
}

/// Where to hear of a file of rules: in its folder, or in the one above while that is missing.
fn outer_place(file: &Path) -> Option<(PathBuf, Role)> {
    let at = if file.parent()?.is_dir() { file } else { file.parent()? };
    // Events name folders without links in their path.
    let folder = at.parent()?.canonicalize().ok()?;
    Some((folder, Role::Rules(rules::relative(Path::new(at.file_name()?)))))
}
