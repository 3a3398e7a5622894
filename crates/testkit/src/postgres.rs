//! A PostgreSQL server of our own: the machine's binaries with a data folder, a port and certificates made for the test.
//!
//! It serves the loopback interface, with TLS and without, and a socket folder. Passwords are checked (SCRAM), or certificates
//! of its own authority for the role [`CERTIFIED`]. All statements are in its log. PostgreSQL refuses to run as root; then it runs
//! as `postgres`.
//!
//! It ends with this process, however that ends: a shell beside it waits for the end of a pipe that only we hold, and then takes
//! it and its folder away.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::git::run;
use crate::patience;
use crate::port;

mod certificates;
mod client;
mod layout;
mod processes;
mod search;
#[cfg(test)]
mod tests;

pub use certificates::{Authority, Identity};

/// The superuser.
pub const ADMIN: &str = "admin";
/// The superuser's password.
pub const PASSWORD: &str = "s3cret/word@1";
/// The role that gets in with a certificate in its name, and not otherwise. It exists once a test has made it.
pub const CERTIFIED: &str = "certified";

/// Ends the server once nothing can come through standard input any more. A line means that the folder is still needed.
const GUARD: &str = r#"
folder=$1; log=$2; shift 2
"$@" </dev/null >>"$log" 2>&1 &
server=$!
trap '' INT TERM HUP
echo "$server"
exec >/dev/null
keep=; read -r keep
kill -QUIT "$server" 2>/dev/null
wait "$server"
test -n "$keep" || rm -rf "$folder"
"#;

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the data lies, instead of a folder of its own: a small disk, for instance. The log of transactions stays elsewhere,
    /// so that a full disk is an error of a statement and not the end of the server.
    pub data: Option<PathBuf>,
    /// Whether it does without waiting for the disk. Quicker; and as safe, as long as the machine stays up.
    pub is_unsafe: bool,
    /// Whether it has no TLS.
    pub is_plain: bool,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(&'static str, String)>,
}

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    data: PathBuf,
    bin: PathBuf,
    port: u16,
    authority: Authority,
    guard: Option<Guard>,
}

/// The shell beside the server, and the server's process.
#[derive(Debug)]
struct Guard {
    shell: Child,
    server: u32,
}

/// The server that all tests of this process share. It does not wait for the disk.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start_with(&Options { is_unsafe: true, ..Options::default() }))
}

impl Server {
    /// Starts one.
    #[track_caller]
    pub fn new() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts one that is set up so.
    #[track_caller]
    pub fn start_with(options: &Options) -> Self {
        let folder = TempDir::with_prefix("carry-pg-").expect("a temporary folder can be made");
        let bin = layout::binaries();
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let authority = Authority::new();
        let mut server = Self { folder, data, bin, port: 0, authority, guard: None };
        server.lay_out(options);
        let started = port::start_at_one(|port| {
            server.port = port;
            server.try_start().then_some(())
        });
        assert!(started.is_some(), "PostgreSQL does not start:\n{}", server.log());
        server
    }

    /// Starts it again on its port, after [`Server::kill`] or [`Server::stop`]. Does nothing while it runs.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.guard.is_some() || self.try_start(), "PostgreSQL does not start again:\n{}", self.log());
    }

    fn try_start(&mut self) -> bool {
        let folder = self.folder.path();
        let mut shell = processes::command(Path::new("sh"))
            .args(["-c", GUARD, "guard"])
            .args([folder, &folder.join("log"), &self.bin.join("postgres")])
            .args([Path::new("-D"), &self.cluster(), Path::new("-p"), Path::new(&self.port.to_string())])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be run");
        let mut line = String::new();
        let said = shell.stdout.take().expect("it is piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(said), &mut line)
            .expect("the shell says what it started");
        let server = line.trim().parse().expect("a number of a process");
        self.guard = Some(Guard { shell, server });
        let mut is_ready = false;
        // It does not say when it is ready.
        patience::comes(|| {
            is_ready = self.is_ready();
            is_ready || !processes::is_running(server)
        });
        if is_ready {
            return true;
        }
        self.stop();
        false
    }

    fn is_ready(&self) -> bool {
        let mut probe = Command::new(self.bin.join("pg_isready"));
        probe.arg("-q").arg("-h").arg(self.socket()).args(["-p", &self.port.to_string()]);
        run(&mut probe).status.success()
    }

    /// Kills the server and all its processes at once, as a power cut would.
    #[track_caller]
    pub fn kill(&mut self) {
        if let Some(guard) = &self.guard {
            processes::kill_tree(guard.server);
        }
        self.stop();
    }

    /// Ends it, without a word to its clients.
    pub fn stop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        if let Some(mut stdin) = guard.shell.stdin.take() {
            let _ = stdin.write_all(b"keep\n");
        }
        let _ = guard.shell.wait();
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The folder that holds everything it keeps, but for the log of transactions if [`Options::data`] was given.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The authority that its certificate is from, and those of its clients.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The file with the authority's certificate, for `sslrootcert`.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
