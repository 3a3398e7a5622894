//! Which remotes a working tree is published to.

use carry_kernel::config::Config;

use super::{Reach, Remote, address};
use crate::git::{BStr, ByteSlice as _};
use crate::line::Branch;
use crate::repo::Repo;

/// See [`super::of`].
pub(super) fn of(repo: &Repo, config: &Config, branch: &Branch) -> Vec<Remote> {
    let known = Known { gix: repo.gix() };
    let first = config.text("core.remote_name").filter(|name| !name.is_empty());
    let wanted: Vec<&str> = first.into_iter().chain(config.list("code.remotes").iter().map(String::as_str)).collect();
    if !wanted.is_empty() {
        let mut remotes: Vec<Remote> = Vec::new();
        for remote in wanted.iter().filter_map(|name| known.find(name)) {
            if remotes.iter().all(|there| there.key() != remote.key()) {
                remotes.push(remote);
            }
        }
        return remotes;
    }
    known.of_git(branch).into_iter().collect()
}

/// The remote that Git calls so.
pub(super) fn named(repo: &Repo, name: &str) -> Option<Remote> {
    Known { gix: repo.gix() }.named(name)
}

/// What a repository's configuration says of remotes.
struct Known {
    gix: gix::Repository,
}

impl Known {
    /// The one that Git itself would push to, or else the most likely.
    fn of_git(&self, branch: &Branch) -> Option<Remote> {
        let of_branch = |key: &str| match branch {
            Branch::Named(name) => self.string("branch", Some(name.as_bstr()), key),
            Branch::Detached => None,
        };
        let said = [
            of_branch("pushRemote"),
            self.string("remote", None, "pushDefault"),
            of_branch("remote").filter(|name| name != "."),
            Some("origin".to_owned()),
        ];
        said.into_iter().flatten().find_map(|name| self.find(&name)).or_else(|| {
            let names = self.gix.remote_names();
            let mut with_url = names.iter().filter_map(|name| self.named(&name.to_str_lossy()));
            with_url.next().filter(|_| with_url.next().is_none())
        })
    }

    /// A remote by its name, or the one at an address.
    fn find(&self, name: &str) -> Option<Remote> {
        self.named(name).or_else(|| {
            let is_address = address::is_address(name) && !name.starts_with('-');
            is_address.then(|| {
                let reach = self.reach(name, name);
                Remote { name: name.to_owned(), url: name.to_owned(), reach }
            })
        })
    }

    fn named(&self, name: &str) -> Option<Remote> {
        // Git would take it for an option.
        if name.is_empty() || name.starts_with('-') {
            return None;
        }
        let config = self.gix.config_snapshot();
        let strings =
            |key: &str| config.plumbing().strings_by("remote", Some(BStr::new(name)), key).unwrap_or_default();
        let text =
            |url: &[u8]| url.to_str().ok().filter(|url| !url.is_empty() && !url.starts_with('-')).map(str::to_owned);
        let url = strings("url").iter().find_map(|url| text(url))?;
        let reach = self.reach(name, &url);
        Some(Remote { name: name.to_owned(), url, reach })
    }

    /// The farthest of where it is fetched from and where it is pushed to.
    fn reach(&self, name: &str, url: &str) -> Reach {
        let config = self.gix.config_snapshot();
        let pushed_to = address::pushed_to(config.plumbing(), name, url);
        let fetched_from = address::reach(&address::rewritten(config.plumbing(), url));
        pushed_to.iter().map(|url| address::reach(url)).fold(fetched_from, Reach::max)
    }

    fn string(&self, section: &str, of: Option<&BStr>, key: &str) -> Option<String> {
        let config = self.gix.config_snapshot();
        let value = config.plumbing().string_by(section, of, key)?;
        value.to_str().ok().filter(|value| !value.is_empty()).map(str::to_owned)
    }
}
