//! The settings used here are the tests' own, so that they change only with the tests.

use super::*;

mod address;
mod edit;
mod files;
mod layers;
mod merge;
mod values;

const fn key(name: &'static str, kind: Kind, default: &'static str, repo: RepoRule) -> Key {
    Key { name, aliases: &[], kind, default, repo, is_address: false, doc: "What it does, and why this default." }
}

const TEST_KEYS: &[Key] = &[
    key("code.enabled", Kind::Bool, "true", RepoRule::OffOnly),
    key("code.quiet", Kind::Duration, "\"2s\"", RepoRule::Raise),
    key("code.interval", Kind::Duration, "", RepoRule::Raise),
    key("code.mode", Kind::Choice(&["capture", "wait"]), "\"capture\"", RepoRule::Ignored),
    key("core.remote", Kind::Text, "", RepoRule::Ignored),
    key("daemon.top_load", Kind::Integer { min: 1, max: 1000 }, "4", RepoRule::Lower),
    key("files.ignore", Kind::List, "[]", RepoRule::Append),
    key("limits.budget", Kind::Size, "", RepoRule::Lower),
    Key {
        aliases: &["limits.large_file_threshold", "limits.big"],
        ..key("limits.large_file", Kind::Size, "\"100 MiB\"", RepoRule::Lower)
    },
];
const TABLES: &[&[Key]] = &[TEST_KEYS];

/// A user's file and a repository in a folder of their own.
struct Place {
    dir: tempfile::TempDir,
    sources: Sources,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            user: Some(dir.path().join("config.toml")),
            repository: Some(dir.path().join("repository")),
            ..Sources::default()
        };
        Self { dir, sources }
    }
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        crate::disk::write_cache(&path, text.as_ref()).unwrap();
        path
    }
    fn user(self, text: &str) -> Self {
        self.write("config.toml", text);
        self
    }
    fn repository(self, text: &str) -> Self {
        self.write("repository/carry.toml", text);
        self
    }
    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }
    fn flag(mut self, name: &str, value: &str) -> Self {
        self.sources.flags.push((name.to_owned(), value.to_owned()));
        self
    }
    fn load(&self) -> Config {
        self.load_of(TABLES)
    }
    fn load_of(&self, tables: &[&'static [Key]]) -> Config {
        Config::load(tables, &self.sources)
    }
}

/// The warnings as people see them, with the folder cut off.
fn warnings(place: &Place, config: &Config) -> Vec<String> {
    let folder = format!("{}/", place.dir.path().display());
    config.warnings().iter().map(|w| w.to_string().replace(&folder, "")).collect()
}
