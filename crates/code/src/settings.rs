//! The settings of code capture, and what they mean together.

use std::time::Duration;

use carry_kernel::config::{Config, Key, Kind, RepoRule};

const PRESETS: &[&str] = &["paranoid", "aggressive", "balanced", "lazy"];

/// Every setting of this strand. Git-pulsar's names are accepted; each doc says with which reading.
pub const KEYS: &[Key] = &[
    Key {
        name: "code.enabled",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::OffOnly,
        is_address: false,
        doc: "Whether working trees are captured at all. A repository may switch itself off.",
    },
    Key {
        name: "code.quiet",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"2s\"",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "How long a working tree must be quiet before it is captured.",
    },
    Key {
        name: "code.max_wait",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"10s\"",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "The longest a change waits for quiet.",
    },
    Key {
        name: "code.in_progress",
        aliases: &[],
        kind: Kind::Choice(&["capture", "wait"]),
        default: "\"capture\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "During a merge, rebase, cherry-pick, revert or bisect: capture and mark the snapshot, or wait until it is over.",
    },
    Key {
        name: "code.poll",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"30s\"",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "How often a working tree is scanned that cannot be watched (network file systems, watch limits).",
    },
    Key {
        name: "daemon.preset",
        aliases: &[],
        kind: Kind::Choice(PRESETS),
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Makes capture rarer: paranoid as when unset, aggressive every 10 minutes, balanced 15, lazy 60. An explicit interval in the same file or a nearer one wins.",
    },
    Key {
        name: "daemon.commit_interval",
        aliases: &[],
        kind: Kind::Duration,
        default: "",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "The least time between two captures of one working tree. Unset: only code.quiet and code.max_wait count.",
    },
    Key {
        name: "daemon.push_interval",
        aliases: &[],
        kind: Kind::Duration,
        default: "",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "The least time between two pushes of one repository to one Git remote. Unset: two minutes. A preset sets it too: paranoid 5 minutes, aggressive 10, balanced 60, lazy 240.",
    },
    Key {
        name: "daemon.radar_interval",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"15m\"",
        repo: RepoRule::Raise,
        is_address: false,
        doc: "How often the daemon asks a Git remote for other devices' work; at least a minute, and jittered.",
    },
    Key {
        name: "daemon.sync_enabled",
        aliases: &["code.radar"],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::OffOnly,
        is_address: false,
        doc: "Whether the daemon asks Git remotes for other devices' work and tells of it. `carry sync` does so either way.",
    },
    Key {
        name: "daemon.notify",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Whether the desktop is told of newer work on other devices and of pushes that are held back or refused.",
    },
    Key {
        name: "code.remotes",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Git remotes, by name or URL, that snapshots go to and come from. Unset: the branch's pushRemote, remote.pushDefault, the branch's upstream remote, origin, or the only one there is. A name that a repository does not have is passed over there.",
    },
    Key {
        name: "core.remote_name",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "One Git remote, as in git-pulsar; comes before those in code.remotes.",
    },
    Key {
        name: "code.publish",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::OffOnly,
        is_address: false,
        doc: "Whether snapshots may be pushed to Git remotes at all. Each repository and remote needs your consent besides (`carry publish`).",
    },
    Key {
        name: "code.exchange",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::OffOnly,
        is_address: false,
        doc: "Whether snapshots of a registered working tree may go through the exchange, to the remotes for which the stream code is switched on, and come from there. A repository may switch itself off.",
    },
    Key {
        name: "code.exchange_secrets",
        aliases: &[],
        kind: Kind::Choice(&["hold", "send"]),
        default: "\"hold\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "What becomes of a snapshot that would put a secret into the exchange which was not there before: it is held back and named, or sent all the same.",
    },
    Key {
        name: "code.namespace",
        aliases: &[],
        kind: Kind::Choice(&["carry", "pulsar"]),
        default: "\"carry\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "With pulsar, snapshots are also published in git-pulsar's layout (refs/heads/wip/pulsar/), so that machines that run it see them.",
    },
    Key {
        name: "core.backup_branch",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Accepted for git-pulsar's users, without effect: lines live below refs/carry/.",
    },
    Key {
        name: "limits.large_file",
        aliases: &["limits.large_file_threshold"],
        kind: Kind::Size,
        default: "\"100 MiB\"",
        repo: RepoRule::Lower,
        is_address: false,
        doc: "Files larger than this are skipped one by one, and named.",
    },
    Key {
        name: "files.ignore",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Append,
        is_address: false,
        doc: "Further patterns to leave out, in .gitignore's syntax, besides Git's own ignore rules. Tracked files are captured all the same.",
    },
    Key {
        name: "files.manage_gitignore",
        aliases: &[],
        kind: Kind::Bool,
        default: "false",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Accepted for git-pulsar's users, without effect: Carry never edits .gitignore.",
    },
    Key {
        name: "budget.repository",
        aliases: &[],
        kind: Kind::Size,
        default: "",
        repo: RepoRule::Lower,
        is_address: false,
        doc: "Most bytes the snapshots of one repository may take. Unset: the smaller of 2 GiB and 5 % of the free disk. A repository that sets less has less captured; what is thinned to make room is decided by your own setting alone.",
    },
    Key {
        name: "budget.total",
        aliases: &[],
        kind: Kind::Size,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Most bytes all snapshots on this device may take. Unset: the smaller of 2 GiB and 5 % of the free disk.",
    },
    Key {
        name: "retention.all",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"24h\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Every snapshot younger than this is kept. How long snapshots are kept is yours to say: a repository's own file has no say in it.",
    },
    Key {
        name: "retention.hourly",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"7d\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Up to this age one snapshot an hour is kept.",
    },
    Key {
        name: "retention.daily",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"30d\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Up to this age one snapshot a day is kept.",
    },
    Key {
        name: "retention.weekly",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"1y\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Up to this age one snapshot a week is kept; older ones go. The newest snapshot of a line never goes.",
    },
];

/// How lines go to Git remotes and come from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// See `code.publish`.
    pub publish: bool,
    /// See `daemon.sync_enabled`.
    pub radar: bool,
    /// Least time between two pushes, from `daemon.push_interval` and `daemon.preset`.
    pub push_interval: Duration,
    /// See `daemon.radar_interval`.
    pub radar_interval: Duration,
    /// Whether lines are published in git-pulsar's layout too (`code.namespace`).
    pub pulsar: bool,
}

/// Between two pushes, unless the user says otherwise: a machine that is lost takes no more than this with it.
const PUSH_INTERVAL: Duration = Duration::from_secs(120);
/// A remote is not asked more often than this.
const RADAR_INTERVAL_MIN: Duration = Duration::from_secs(60);

impl LinkSettings {
    /// Reads them off a configuration loaded with [`KEYS`].
    pub fn new(config: &Config) -> Self {
        let preset = |name: &str| match name {
            "paranoid" => 300,
            "aggressive" => 600,
            "balanced" => 3600,
            _ => 14_400,
        };
        Self {
            publish: config.bool("code.publish"),
            radar: config.bool("daemon.sync_enabled"),
            push_interval: nearer(config, "daemon.push_interval", preset).unwrap_or(PUSH_INTERVAL),
            radar_interval: config
                .duration("daemon.radar_interval")
                .expect("declared with a default")
                .max(RADAR_INTERVAL_MIN),
            pulsar: config.text("code.namespace") == Some("pulsar"),
        }
    }
}

/// What to do while Git is in the middle of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InProgress {
    /// Capture and mark.
    Capture,
    /// Wait until it is over.
    Wait,
}

/// The settings that one capture obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// See `code.enabled`.
    pub enabled: bool,
    /// See `code.quiet`.
    pub quiet: Duration,
    /// See `code.max_wait`.
    pub max_wait: Duration,
    /// Least time between two captures, from `daemon.commit_interval` and `daemon.preset`.
    pub min_interval: Duration,
    /// See `code.poll`.
    pub poll: Duration,
    /// See `code.in_progress`.
    pub in_progress: InProgress,
    /// See `limits.large_file`, in bytes.
    pub large_file: u64,
    /// See `files.ignore`.
    pub ignore: Vec<String>,
}

impl Settings {
    /// Reads them off a configuration loaded with [`KEYS`].
    pub fn new(config: &Config) -> Self {
        let duration = |name| config.duration(name).expect("declared with a default");
        Self {
            enabled: config.bool("code.enabled"),
            quiet: duration("code.quiet"),
            max_wait: duration("code.max_wait"),
            min_interval: min_interval(config),
            poll: duration("code.poll"),
            in_progress: match config.text("code.in_progress") {
                Some("wait") => InProgress::Wait,
                _ => InProgress::Capture,
            },
            large_file: config.size("limits.large_file").expect("declared with a default"),
            ignore: config.list("files.ignore").to_vec(),
        }
    }
}

/// Least time between two captures.
fn min_interval(config: &Config) -> Duration {
    let preset = |name: &str| match name {
        "aggressive" => 600,
        "balanced" => 900,
        "lazy" => 3600,
        _ => 0,
    };
    nearer(config, "daemon.commit_interval", preset).unwrap_or(Duration::ZERO)
}

/// The nearer of preset and explicit interval; on the same layer the explicit one.
fn nearer(config: &Config, explicit: &str, preset: impl Fn(&str) -> u64) -> Option<Duration> {
    let preset = config.text("daemon.preset").map(|name| Duration::from_secs(preset(name)));
    match (preset, config.duration(explicit)) {
        (Some(p), Some(_)) if config.layer("daemon.preset") > config.layer(explicit) => Some(p),
        (_, Some(e)) => Some(e),
        (preset, None) => preset,
    }
}
