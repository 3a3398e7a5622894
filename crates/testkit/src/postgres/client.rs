//! What a test does with a running server: databases and roles of its own, statements, dumps, and looking through its files.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{ADMIN, PASSWORD, Server, search};
use crate::git::succeed;

impl Server {
    /// Makes an empty database with a name that no other has, and returns that.
    #[track_caller]
    pub fn database(&self) -> String {
        let name = unique("t");
        self.admin("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Makes a role that may log in, with a name that no other has, and returns that. Its password is [`PASSWORD`].
    #[track_caller]
    pub fn role(&self, attributes: &str) -> String {
        let name = unique("r");
        self.admin("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {attributes}"));
        name
    }

    /// The URL of a database for this user, over TCP.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        self.url_at(self.port, user, password, database)
    }

    /// The URL of a database for the superuser.
    pub fn admin_url(&self, database: &str) -> String {
        self.url(ADMIN, PASSWORD, database)
    }

    /// The same with another port: a [`crate::wire::Proxy`]'s.
    pub fn url_at(&self, port: u16, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{}:{}@127.0.0.1:{port}/{}", percent(user), percent(password), percent(database))
    }

    /// Runs statements as the superuser; returns what `psql` prints, unaligned and without headings.
    #[track_caller]
    pub fn admin(&self, database: &str, sql: &str) -> String {
        let output = self.psql(ADMIN, PASSWORD, database, sql);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs statements as some user, whatever comes of it.
    #[track_caller]
    pub fn psql(&self, user: &str, password: &str, database: &str, sql: &str) -> Output {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-f", "-"]);
        psql.arg("-h").arg(self.socket()).args(["-p", &self.port.to_string()]);
        psql.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        psql.env("PGPASSWORD", password).env("LC_ALL", "C.UTF-8").env("HOME", self.folder.path());
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = psql.spawn().expect("psql is where the server is");
        let mut stdin = child.stdin.take().expect("it is piped");
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(sql.as_bytes()));
        let output = child.wait_with_output().expect("psql ends");
        let _ = writer.join();
        output
    }

    /// Everything in a database as text, so that nothing is hidden by compression.
    #[track_caller]
    pub fn dump(&self, database: &str) -> String {
        let mut dump = Command::new(self.bin.join("pg_dump"));
        dump.args(["-w", "-U", ADMIN, "-d", database, "-p", &self.port.to_string(), "-h"]).arg(self.socket());
        dump.env("PGPASSWORD", PASSWORD);
        let text = String::from_utf8_lossy(&succeed(&mut dump)).into_owned();
        // Newer releases begin and end with a word that is another one each time.
        let is_kept = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect()
    }

    /// The files that hold `needle`: of the data, the log of transactions, and the log. What it still has in memory is written
    /// first. Values that PostgreSQL has compressed are not looked into: see [`Server::dump`].
    #[track_caller]
    pub fn grep(&self, needle: &str) -> Vec<PathBuf> {
        self.admin("postgres", "CHECKPOINT");
        search::files_with(&[&self.data, self.folder.path()], needle.as_bytes())
    }

    /// The files that hold one of `needles`, in upper or lower case, each with one that it holds. As [`Server::grep`] otherwise.
    #[track_caller]
    pub fn grep_any(&self, needles: &[String]) -> Vec<(PathBuf, String)> {
        self.admin("postgres", "CHECKPOINT");
        search::files_with_any(&[&self.data, self.folder.path()], needles)
    }
}

fn unique(kind: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{kind}{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// As URLs have what is neither letter nor digit.
fn percent(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
