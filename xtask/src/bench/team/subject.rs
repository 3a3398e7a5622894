//! The two programs that push, each with a copy of the set that it has archived.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::beside::Counts;
use super::super::sessions::{self, measured};
use super::server::{Server, Work};
use crate::Outcome;
use crate::docs::write_file;
use crate::run::captured;

/// What a push cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// The program itself.
    pub(super) process: sessions::Cost,
    /// The server.
    pub(super) work: Work,
    /// How large its database is afterwards, in bytes.
    pub(super) size: u64,
}

/// One program.
#[derive(Debug)]
pub(super) struct Subject {
    program: PathBuf,
    archive: &'static [&'static str],
    push: &'static [&'static str],
    /// What makes the tables, where that is not a part of the first push.
    init: Option<&'static [&'static str]>,
    /// Its own folder: the user's home, and what it makes.
    folder: PathBuf,
    /// The folder as it was when the set was archived.
    fresh: PathBuf,
    /// The file that holds its archive.
    sqlite: PathBuf,
    database: &'static str,
    schema: &'static str,
    url: String,
}

impl Subject {
    pub(super) fn carry(folder: &Path, program: &Path, set: &Path, server: &Server) -> Outcome<Self> {
        let subject = Self {
            program: program.to_owned(),
            archive: &["sessions", "index"],
            push: &["team", "push"],
            init: Some(&["team", "init"]),
            folder: folder.join("now"),
            fresh: folder.join("fresh"),
            sqlite: folder.join("now/carry/data/sessions.db"),
            database: "carry_bench",
            schema: "carry",
            url: server.url("carry_bench"),
        };
        subject.lay_out(set)?;
        let config = subject.folder.join("carry/config");
        std::fs::create_dir_all(&config)?;
        let url = config.join("url");
        write_file(&url, &subject.url)?;
        std::fs::set_permissions(&url, std::fs::Permissions::from_mode(0o600))?;
        let text = format!("[team]\nurl_file = {url:?}\nperson = \"Someone\"\nshare = [\"*=full\"]\n");
        write_file(&config.join("config.toml"), &text)?;
        subject.keep()
    }

    pub(super) fn agentsview(folder: &Path, program: &Path, set: &Path, server: &Server) -> Outcome<Self> {
        let subject = Self {
            program: program.to_owned(),
            archive: &["sync"],
            push: &["pg", "push"],
            init: None,
            folder: folder.join("now"),
            fresh: folder.join("fresh"),
            sqlite: folder.join("now/home/.agentsview/sessions.db"),
            database: "agentsview_bench",
            schema: "agentsview",
            url: server.url("agentsview_bench"),
        };
        subject.lay_out(set)?;
        subject.keep()
    }

    fn lay_out(&self, set: &Path) -> Outcome {
        std::fs::create_dir_all(&self.folder)?;
        // Times are kept: a copy is as old as what it is of.
        captured(Command::new("cp").arg("-a").arg(set).arg(self.folder.join("home"))).map(drop)
    }

    /// Archives the set and keeps the folder as it is then.
    fn keep(self) -> Outcome<Self> {
        self.archive()?;
        captured(Command::new("cp").arg("-a").arg(&self.folder).arg(&self.fresh))?;
        Ok(self)
    }

    /// As if it had never pushed: an empty database, and the folder as it was then.
    pub(super) fn begin_anew(&self, server: &Server) -> Outcome {
        server.make_anew(self.database);
        std::fs::remove_dir_all(&self.folder)?;
        captured(Command::new("cp").arg("-a").arg(&self.fresh).arg(&self.folder))?;
        // A copy has other inodes; whoever goes by these looks at the files once more now.
        self.archive()
    }

    /// Lets the first session go on by a turn, and archives that.
    pub(super) fn append(&self, generator: &mut Command) -> Outcome {
        let home = self.folder.join("home");
        captured(generator.args(["--append-to", "0", "--append-turns", "1", "--out"]).arg(home))?;
        self.archive()
    }

    /// Pushes what is new. What makes the tables belongs to the first push: of one program it is a part.
    pub(super) fn push(&self, server: &Server, is_first: bool) -> Outcome<Cost> {
        server.settle();
        let before = server.work(self.database)?;
        let mut process = sessions::Cost { wall: 0.0, cpu: 0.0, rss: 0, written: 0 };
        for arguments in self.init.filter(|_| is_first).into_iter().chain([self.push]) {
            let cost = measured(self.command().args(arguments), &self.folder)?;
            process = sessions::Cost {
                wall: process.wall + cost.wall,
                cpu: process.cpu + cost.cpu,
                rss: process.rss.max(cost.rss),
                written: process.written + cost.written,
            };
        }
        let work = server.work(self.database)? - before;
        Ok(Cost { process, work, size: server.size(self.database)? })
    }

    fn archive(&self) -> Outcome {
        captured(self.command().args(self.archive)).map(drop)
    }

    /// What masking and shaping all of the set costs, without a connection.
    pub(super) fn preview(&self) -> Outcome<sessions::Cost> {
        measured(self.command().args(["team", "preview"]), &self.folder)
    }

    /// What it has archived and what lies in the database.
    pub(super) fn counts(&self, server: &Server) -> Outcome<Counts> {
        Ok(Counts { here: sessions::counts_in(&self.sqlite)?, there: server.counts(self.database, self.schema)? })
    }

    fn command(&self) -> Command {
        let (mut command, home) = (Command::new(&self.program), self.folder.join("home"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &home).env("CARRY_HOME", self.folder.join("carry")).current_dir(&home);
        command.env("AGENTSVIEW_NO_DAEMON", "1").env("AGENTSVIEW_TELEMETRY_ENABLED", "0");
        command.env("AGENTSVIEW_DISABLE_UPDATE_CHECK", "1").env("AGENTSVIEW_PG_URL", &self.url);
        command.env("AGENTSVIEW_PG_MACHINE", "bench");
        command
    }
}
