//! A link: one repository and one Git remote, as the daemon sees them, with a worker that pushes and one that asks.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_code::registry::Tree;
use carry_code::remote::{Reach, Remote};
use carry_code::settings::LinkSettings;
use carry_code::{gather, publish};
use carry_kernel::backoff::Policy;
use carry_kernel::id::TreeId;
use carry_kernel::worker::{Reason, Settings};
use sha2::{Digest as _, Sha256};

use super::slot::Slot;
use super::tuning::Tuning;

/// Hex digits that stand for a repository in the name of a row.
const REPOSITORY_HEX: usize = 12;
/// Longest name of a remote in the name of a row.
const NAME_CHARS_MAX: usize = 40;

/// Which repository and which remote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkId {
    /// The git directory that its worktrees share.
    pub(super) common_dir: PathBuf,
    /// The remote's key: what the user agreed to is for this place and no other.
    pub(super) url: String,
}

/// What a link's worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Brings our lines there.
    Push,
    /// Asks for those of others.
    Radar,
}

impl Role {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Push, Self::Radar];

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Push => Self::Radar,
            Self::Radar => Self::Push,
        }
    }

    /// For names and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Radar => "radar",
        }
    }
}

/// Where a working tree's lines go, as long as it stays on its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) remotes: Vec<Remote>,
    pub(super) settings: LinkSettings,
}

/// A working tree that uses a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) tree: Tree,
    pub(super) settings: LinkSettings,
}

/// One link.
pub(super) struct Link {
    pub(super) remote: Remote,
    pub(super) members: BTreeMap<TreeId, Member>,
    push: Slot,
    radar: Slot,
    /// Nobody uses it any more; it goes when its workers have ended.
    pub(super) is_leaving: bool,
}

impl Link {
    /// One whose workers have not started.
    pub(super) fn new(id: &LinkId, remote: Remote, members: BTreeMap<TreeId, Member>, tuning: &Tuning) -> Self {
        let slot = |role| {
            let seed = digest(id).rotate_left(role as u32) ^ u64::from(std::process::id());
            Slot::new(row_of(id, &remote, role), lease_of(id, role), settings(role, &remote, &members, tuning), seed)
        };
        let (push, radar) = (slot(Role::Push), slot(Role::Radar));
        Self { remote, members, push, radar, is_leaving: false }
    }

    pub(super) fn slot(&mut self, role: Role) -> &mut Slot {
        match role {
            Role::Push => &mut self.push,
            Role::Radar => &mut self.radar,
        }
    }

    /// The workers of both roles.
    pub(super) fn slots(&self) -> [&Slot; 2] {
        [&self.push, &self.radar]
    }

    /// Whether the work of a role is switched on for any of its trees.
    pub(super) fn is_on(&self, role: Role) -> bool {
        self.trees(role).next().is_some()
    }

    /// The trees that want the work of a role.
    pub(super) fn trees(&self, role: Role) -> impl Iterator<Item = &Tree> {
        let wants = move |settings: &LinkSettings| match role {
            Role::Push => settings.publish,
            Role::Radar => settings.radar,
        };
        self.members.values().filter(move |member| wants(&member.settings)).map(|member| &member.tree)
    }

    /// How the worker of a role behaves.
    pub(super) fn settings(&self, role: Role, tuning: &Tuning) -> Settings {
        settings(role, &self.remote, &self.members, tuning)
    }
}

fn settings(role: Role, remote: &Remote, members: &BTreeMap<TreeId, Member>, tuning: &Tuning) -> Settings {
    // Whoever wants it soonest gets it.
    let least = |of: fn(&LinkSettings) -> Duration| members.values().map(|member| of(&member.settings)).min();
    let usual = Settings::default();
    let settings = Settings {
        quiet: tuning.push_quiet,
        max_wait: tuning.push_quiet * 4,
        backoff: Policy { first: Duration::from_secs(10), max: Duration::from_secs(60 * 60), ..Policy::default() },
        battery_wait_max: if remote.reach == Reach::Network { Duration::MAX } else { usual.battery_wait_max },
        ..usual
    };
    match role {
        Role::Push => {
            Settings { min_interval: least(|settings| settings.push_interval).unwrap_or_default(), ..settings }
        }
        Role::Radar => Settings { poll: least(|settings| settings.radar_interval), ..settings },
    }
}

/// How long to leave a remote alone after a failure that does not go away by itself. Others grow from ten seconds to an hour.
pub(super) fn patience(reason: Reason) -> Option<Duration> {
    let minutes = |n: u64| Some(Duration::from_secs(n * 60));
    match reason {
        // Somebody must log in, or let us in.
        Reason::AuthRequired | Reason::PolicyForbidden | Reason::Paused => minutes(15),
        Reason::ServerUnsupported => minutes(60),
        Reason::InvalidData | Reason::StorageFull => minutes(5),
        Reason::Unreachable | Reason::Busy | Reason::TimedOut | Reason::InternalError => None,
    }
}

/// The row of a role's worker: `push/<repository>/<remote>`.
pub(super) fn row_of(id: &LinkId, remote: &Remote, role: Role) -> String {
    // A remote without a name is called by its URL, which may hold a password.
    let name = if remote.name == remote.url {
        format!("url-{:08x}", digest(id) >> 32)
    } else {
        let fit = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        remote.name.chars().take(NAME_CHARS_MAX).map(fit).collect()
    };
    format!("{}/{}/{name}", role.name(), repository_of(&id.common_dir))
}

/// The row of the worker that pushes the repository with this git directory to `remote`.
pub fn push_row(common_dir: &Path, remote: &Remote) -> String {
    row_of(&LinkId { common_dir: common_dir.to_owned(), url: remote.key() }, remote, Role::Push)
}

/// What stands for a repository in the names of rows.
pub(super) fn repository_of(common_dir: &Path) -> String {
    let hash = Sha256::digest(common_dir.as_os_str().as_bytes());
    hash.iter().take(REPOSITORY_HEX / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a row of the board is one of a link of this repository.
pub(super) fn is_row_of(row: &str, repository: &str) -> bool {
    is_row(row) && row.split('/').nth(1) == Some(repository)
}

/// Whether a row of the board is one of a link.
pub(super) fn is_row(row: &str) -> bool {
    Role::ALL.iter().any(|role| row.strip_prefix(role.name()).is_some_and(|rest| rest.starts_with('/')))
}

/// Commands that push or fetch by themselves take the same ones.
fn lease_of(id: &LinkId, role: Role) -> String {
    match role {
        Role::Push => publish::lease_name(&id.common_dir, &id.url),
        Role::Radar => gather::lease_name(&id.common_dir, &id.url),
    }
}

fn digest(id: &LinkId) -> u64 {
    let lease = publish::lease_name(&id.common_dir, &id.url);
    lease.rsplit('/').next().and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, url: &str) -> (LinkId, Remote) {
        let id = LinkId { common_dir: "/repo/.git".into(), url: url.to_owned() };
        (id, Remote { name: name.to_owned(), url: url.to_owned(), reach: Reach::Network })
    }

    #[test]
    fn rows_are_told_from_others_and_name_repository_and_remote() {
        let (id, remote) = link("origin", "ssh://host/x");
        let row = row_of(&id, &remote, Role::Push);
        let repository = repository_of(&id.common_dir);
        assert_eq!(row, format!("push/{repository}/origin"));
        assert!(is_row_of(&row, &repository) && !is_row_of(&row, "other"));
        assert!(!is_row("code/5f3a09bc11de") && !is_row("pushed/x/y"));
    }

    #[test]
    fn a_row_shows_no_password_and_no_odd_characters() {
        let url = "https://me:secret@host/x";
        let (id, remote) = link(url, url);
        let row = row_of(&id, &remote, Role::Radar);
        assert!(row.starts_with("radar/") && !row.contains("secret") && row.contains("/url-"), "{row}");
        let (id, remote) = link("a/b \u{1b}[1m", "x");
        assert!(row_of(&id, &remote, Role::Push).ends_with("/a-b---1m"), "{}", row_of(&id, &remote, Role::Push));
    }

    #[test]
    fn both_roles_have_leases_of_their_own() {
        let (id, _) = link("origin", "ssh://host/x");
        assert!(lease_of(&id, Role::Push).starts_with("code-push/"));
        assert!(lease_of(&id, Role::Radar).starts_with("code-radar/"));
        assert_ne!(lease_of(&id, Role::Push), lease_of(&link("origin", "ssh://host/y").0, Role::Push));
    }

    #[test]
    fn a_battery_holds_back_network_work_for_as_long_as_it_is_low() {
        let (_, mut remote) = link("origin", "ssh://host/x");
        let wait =
            |remote: &Remote| settings(Role::Push, remote, &BTreeMap::new(), &Tuning::default()).battery_wait_max;
        assert_eq!(wait(&remote), Duration::MAX);
        remote.reach = Reach::Local;
        assert!(wait(&remote) < Duration::MAX);
    }
}
