//! A home directory of its own, an archive, and passes over the one into the other.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use carry_kernel::clock::Timestamp;
use carry_kernel::home::Home;
use carry_sessions::archive::{Archive, ArchiveError, SessionRow, WriterLimits};
use carry_sessions::git_links::GitLink;
use carry_sessions::ingest::{Pass, Report};
use carry_sessions::list::Filter;
use carry_sessions::model::{Agent, Message, NativeId, ResultEvent};
use carry_sessions::source::{self, Places};
use serde_json::Value;

/// What the clock of every pass shows.
pub(crate) const NOW: i64 = 1_780_000_000;

/// More messages than any session of a test has.
pub(crate) const ALL: usize = 1_000_000;

/// The folder of the fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// One of the files beside them, as JSON.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(fixtures().join(name)).unwrap()).unwrap()
}

/// Short names by agent and the agent's own id.
pub(crate) fn short_names() -> BTreeMap<(String, String), String> {
    let ids = json("ids.json");
    let of_agent = |(agent, names): (&String, &Value)| {
        let pair = |(short, id): (&String, &Value)| ((agent.clone(), id.as_str().unwrap().to_owned()), short.clone());
        names.as_object().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    ids.as_object().unwrap().iter().flat_map(of_agent).collect()
}

/// A session with everything that can be read of it, but for what differs from archive to archive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) row: SessionRow,
    pub(crate) messages: Vec<(Message, Vec<(u32, ResultEvent)>)>,
    pub(crate) links: Vec<GitLink>,
}

impl Seen {
    /// Without what says how it came into the archive, not what it is.
    pub(crate) fn content(&self) -> Self {
        let row = SessionRow { revision: 0, path: None, missing: None, malformed: 0, ..self.row.clone() };
        Self { row, ..self.clone() }
    }
}

pub(crate) struct Rig {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) archive: Archive,
}

impl Rig {
    /// An empty home.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(&Home::at(dir.path().join("carry")), "here").unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, archive }
    }

    /// A copy of the fixtures' home.
    pub(crate) fn of_fixtures() -> Self {
        Self::over(&fixtures().join("home"))
    }

    /// A copy of `home`.
    pub(crate) fn over(home: &Path) -> Self {
        let rig = Self::new();
        copy(home, &rig.home());
        rig
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn pass(&mut self) -> Report {
        let home = self.home();
        pass_over(&mut self.archive, &home, WriterLimits::default()).unwrap()
    }

    /// A pass in which nothing went wrong.
    pub(crate) fn good_pass(&mut self) -> Report {
        let report = self.pass();
        assert_eq!((&report.failed, &report.unlisted), (&Vec::new(), &Vec::new()));
        report
    }

    /// Writes a file of the home and the folders above it.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    /// The session of this short name.
    pub(crate) fn session(&self, short: &str) -> SessionRow {
        let names = short_names();
        let ((agent, native), _) = names.into_iter().find(|(_, known)| known == short).unwrap();
        self.by_native(Agent::named(&agent), &native).unwrap_or_else(|| panic!("no session {short}"))
    }

    pub(crate) fn by_native(&self, agent: Agent, native: &str) -> Option<SessionRow> {
        self.archive.by_native(agent, &NativeId(native.to_owned())).unwrap()
    }

    /// The file that the session of this short name came from.
    pub(crate) fn file(&self, short: &str) -> PathBuf {
        let id = self.id(short);
        let mut found = Vec::new();
        files(&self.home(), &mut found);
        // Gemini CLI's files are named by the beginning of the id.
        let is_named = |path: &PathBuf| {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            stem.ends_with(&id) || stem.ends_with(&id[..8])
        };
        found.into_iter().find(is_named).unwrap()
    }

    /// The agent's own id of the session of this short name.
    pub(crate) fn id(&self, short: &str) -> String {
        short_names().into_iter().find(|(_, known)| known == short).unwrap().0.1
    }

    pub(crate) fn seen(&self, row: SessionRow) -> Seen {
        let messages = self.archive.messages(row.n, 0, ALL).unwrap().into_iter();
        let plain = |stored: carry_sessions::archive::StoredMessage| {
            let results = stored.results.into_iter().map(|result| (result.event, result.result)).collect();
            (stored.message, results)
        };
        let messages = messages.map(plain).collect();
        let links = self.archive.links_of(row.n).unwrap();
        Seen { row: SessionRow { n: 0, ..row }, messages, links }
    }

    /// Every session, by the qualified id.
    pub(crate) fn everything(&self) -> BTreeMap<String, Seen> {
        let listed = self.archive.list(&Filter { all: true, ..Filter::default() }).unwrap();
        let seen = |row: SessionRow| (row.agent.qualified(&row.native), self.seen(row));
        listed.sessions.into_iter().map(seen).collect()
    }

    /// The content of every session, by the qualified id.
    pub(crate) fn contents(&self) -> BTreeMap<String, Seen> {
        self.everything().into_iter().map(|(id, seen)| (id, seen.content())).collect()
    }

    /// Checks the archive against its own digests.
    pub(crate) fn verify(&self) {
        assert_eq!(self.archive.verify(&mut |_, _| {}).unwrap(), Vec::<String>::new());
    }
}

/// A pass over everything below `home`.
pub(crate) fn pass_over(archive: &mut Archive, home: &Path, limits: WriterLimits) -> Result<Report, ArchiveError> {
    let places = Places { home: home.to_owned(), ..Places::default() };
    let pass = Pass {
        sources: &source::all(),
        places: &places,
        only: None,
        now: Timestamp::from_secs(NOW),
        limits,
        progress: &|_| {},
        should_stop: &|| false,
    };
    pass.run(archive)
}

/// Compares two archives' contents, session by session, so that a difference can be read.
pub(crate) fn assert_same(ours: &BTreeMap<String, Seen>, theirs: &BTreeMap<String, Seen>) {
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (id, seen) in ours {
        let other = &theirs[id];
        for (a, b) in seen.messages.iter().zip(&other.messages) {
            assert_eq!(a, b, "{id}");
        }
        assert_eq!(seen.messages.len(), other.messages.len(), "{id}");
        assert_eq!(seen.links, other.links, "{id}");
        assert_eq!(seen.row, other.row, "{id}");
    }
}

/// Copies a folder with times and links.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

/// Runs the generator of sessions.
pub(crate) fn generate(out: &Path, arguments: &[&str]) {
    let script = fixtures().join("generate_sessions.py");
    let output = Command::new("python3").arg(script).arg("--out").arg(out).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every file below a folder, sorted.
pub(crate) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}
