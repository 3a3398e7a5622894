//! The settings of the session archive.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use carry_kernel::config::{Config, Key, Kind, RepoRule};

use crate::archive::WriterLimits;
use crate::model::Agent;
use crate::source::{self, Places, Source};

/// Environment variables that say where agents keep their sessions.
pub const VARIABLES: &[&str] = &[
    "CLAUDE_PROJECTS_DIR",
    "CLAUDE_CONFIG_DIR",
    "CODEX_SESSIONS_DIR",
    "CODEX_HOME",
    "GEMINI_DIR",
    "COPILOT_DIR",
    "COPILOT_HOME",
    "OPENCODE_DIR",
    "MIMOCODE_DIR",
    "KILO_DIR",
    "ICODEMATE_DIR",
    "CURSOR_PROJECTS_DIR",
    "CURSOR_IDE_DIR",
    "AMP_DIR",
    "AGENTSVIEW_DATA_DIR",
    "AGENT_VIEWER_DATA_DIR",
    "AGENTSVIEW_DB_PATH",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
];

/// Text and raw bytes that the writer holds back at most.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Larger pictures are kept by hash only.
const BLOB_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Every setting of this strand.
pub const KEYS: &[Key] = &[
    Key {
        name: "sessions.enabled",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Whether conversations with coding agents are archived by the daemon and by `up`.",
    },
    Key {
        name: "sessions.roots",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Further folders with sessions, each as \"agent=path\"; they come on top of each agent's own.",
    },
    Key {
        name: "sessions.disabled",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Sources that are not read, by name (claude, codex, gemini, copilot, opencode, cursor, amp, agentsview).",
    },
    Key {
        name: "sessions.keep_reads",
        aliases: &[],
        kind: Kind::Bool,
        default: "true",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Whether what agents' tools read from files is kept and searched; false keeps only its length and digest. The raw bytes are kept either way.",
    },
    Key {
        name: "sessions.allow",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "What is not masked on the way out: a fingerprint as placeholders show it (\"1f3a09be\"), \"rule:NAME\", or \"value:TEXT\".",
    },
    Key {
        name: "sessions.undo_window",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"7d\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How long a session that is deleted for good on devices that exchange can be taken back; 0 deletes at once. Where nothing is exchanged it goes at once.",
    },
];

/// What a pass needs to know, read from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether sessions are archived without being asked to.
    pub enabled: bool,
    /// Where agents may keep their sessions.
    pub places: Places,
    /// Sources that are not read, by name.
    pub disabled: Vec<String>,
    /// Limits of the writer.
    pub limits: WriterLimits,
    /// Settings that mean nothing, each a full sentence.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads them. `variable` looks up the environment, `home` is the user's home directory.
    pub fn new(config: &Config, home: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut warnings = Vec::new();
        let mut extra = Vec::new();
        for said in config.list("sessions.roots") {
            match root(said, home) {
                Some(root) => extra.push(root),
                None => {
                    warnings.push(format!("`sessions.roots` holds {said:?}, which is not \"agent=/absolute/path\"."))
                }
            }
        }
        let disabled = config.list("sessions.disabled").to_vec();
        let names: Vec<&str> = source::all().iter().map(|source| source.name()).collect();
        for name in disabled.iter().filter(|name| !names.contains(&name.as_str())) {
            warnings.push(format!("`sessions.disabled` holds {name:?}, but the sources are {}.", names.join(", ")));
        }
        let set = |name: &&str| Some(((*name).to_owned(), PathBuf::from(variable(name).filter(|v| !v.is_empty())?)));
        let environment = VARIABLES.iter().filter_map(set).collect();
        Self {
            enabled: config.bool("sessions.enabled"),
            places: Places { home: home.to_owned(), environment, extra },
            disabled,
            limits: WriterLimits {
                batch_bytes: BATCH_BYTES,
                blob_bytes_max: BLOB_BYTES_MAX,
                keeps_reads: config.bool("sessions.keep_reads"),
            },
            warnings,
        }
    }

    /// The sources that are read.
    pub fn sources(&self) -> Vec<Box<dyn Source>> {
        source::all().into_iter().filter(|source| !self.disabled.iter().any(|name| name == source.name())).collect()
    }
}

/// A folder that the configuration adds: `agent=path`, where a path may begin with `~/`.
fn root(said: &str, home: &Path) -> Option<(Agent, PathBuf)> {
    let (name, path) = said.split_once('=')?;
    let agent = Agent::ALL.into_iter().find(|agent| agent.as_str() == name.trim())?;
    let path = path.trim();
    let path = path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest));
    path.is_absolute().then_some((agent, path))
}

#[cfg(test)]
mod tests {
    use carry_kernel::config::Sources;

    use super::*;

    fn settings(flags: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = Config::load(&[KEYS], &Sources { flags, ..Sources::default() });
        let variable = |name: &str| (name == "CODEX_HOME").then(|| OsString::from("/codex"));
        Settings::new(&config, Path::new("/home/me"), &variable)
    }

    #[test]
    fn roots_are_read_and_nonsense_is_said() {
        let settings =
            settings(&[("sessions.roots", r#"["claude=~/old", "codex=/srv/x", "nobody=/x", "claude=here"]"#)]);
        let extra = [(Agent::Claude, PathBuf::from("/home/me/old")), (Agent::Codex, PathBuf::from("/srv/x"))];
        assert_eq!(settings.places.extra, extra);
        assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
        assert_eq!(settings.places.variable("CODEX_HOME"), Some(Path::new("/codex")));
        assert!(settings.enabled && settings.limits.keeps_reads);
    }

    #[test]
    fn a_disabled_source_is_left_out_and_an_unknown_one_is_said() {
        let settings = settings(&[("sessions.disabled", r#"["codex", "vim"]"#)]);
        let sources = settings.sources();
        assert!(sources.iter().all(|source| source.name() != "codex") && sources.len() + 1 == source::all().len());
        assert!(settings.warnings.len() == 1 && settings.warnings[0].contains("vim"), "{:?}", settings.warnings);
    }
}
