//! A PostgreSQL server of our own: the machine's binaries with a data folder, a port and certificates made for the test.
//!
//! It serves the loopback interface, with TLS and without, and a socket folder. Passwords are checked (SCRAM), or certificates
//! of its own authority for the role [`CERTIFIED`]. All statements are in its log. PostgreSQL refuses to run as root; then it runs
//! as `postgres`.
//!
//! It ends with this process, however that ends: a shell beside it waits for the end of a pipe that only we hold, and then takes
//! it and its folder away.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use crate::git::{run, succeed};
use crate::patience;
use crate::repo::write_file;

mod certificates;
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

/// Tries to find a port that nobody takes meanwhile.
const TRIES: usize = 20;

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
        let bin = binaries();
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let authority = Authority::new();
        let mut server = Self { folder, data, bin, port: 0, authority, guard: None };
        server.lay_out(options);
        for _ in 0..TRIES {
            server.port = free_port();
            if server.try_start() {
                return server;
            }
        }
        panic!("PostgreSQL does not start:\n{}", server.log());
    }

    /// Makes the folders, the database cluster and its settings.
    #[track_caller]
    fn lay_out(&self, options: &Options) {
        let folder = self.folder.path();
        std::fs::create_dir_all(&self.data).expect("the data folder can be made");
        std::fs::create_dir(folder.join("socket")).expect("the folder is ours");
        let identity = self.authority.server(&["localhost", "127.0.0.1", "::1"]);
        for (name, text) in [
            ("password", PASSWORD),
            ("ca.pem", &self.authority.certificate()),
            ("server.pem", &identity.certificate),
            ("server.key", &identity.key),
        ] {
            write_file(&folder.join(name), text.as_bytes());
        }
        write_file(&folder.join("log"), b"");
        let only_ours = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.join("server.key"), only_ours).expect("the file is ours");
        if let Some((user, group)) = processes::other_user() {
            let paths =
                ["", "socket", "password", "ca.pem", "server.pem", "server.key", "log"].map(|name| folder.join(name));
            for path in paths.iter().chain([&self.data]) {
                chown(path, Some(user), Some(group)).expect("root may give files away");
            }
        }
        // A mount point holds more than the cluster may find in its folder.
        let mut initdb = processes::command(&self.bin.join("initdb"));
        initdb.arg("-D").arg(self.cluster()).args(["-U", ADMIN, "--pwfile"]).arg(folder.join("password"));
        initdb.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
        initdb.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
        if options.data.is_some() {
            initdb.arg("-X").arg(folder.join("wal"));
        }
        succeed(&mut initdb);
        let mut text = std::fs::read_to_string(self.cluster().join("postgresql.conf")).expect("initdb made it");
        for (name, value) in settings(folder, options) {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        // Written over, so that it keeps its owner.
        write_file(&self.cluster().join("postgresql.conf"), text.as_bytes());
        let access = format!(
            "hostssl all {CERTIFIED} all cert\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n\
             host replication all all reject\n"
        );
        write_file(&self.cluster().join("pg_hba.conf"), access.as_bytes());
    }

    /// The database cluster's own folder.
    fn cluster(&self) -> PathBuf {
        self.data.join("cluster")
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

/// What is set besides what initdb wrote.
fn settings(folder: &Path, options: &Options) -> Vec<(&'static str, String)> {
    let mut settings: Vec<(&'static str, String)> = [
        ("listen_addresses", "127.0.0.1"),
        ("max_connections", "100"),
        ("shared_buffers", "32MB"),
        ("log_statement", "all"),
        ("log_connections", "on"),
        ("log_line_prefix", "%m [%p] %q%u@%d %a "),
        ("logging_collector", "off"),
        ("password_encryption", "scram-sha-256"),
        ("timezone", "UTC"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    settings.push(("unix_socket_directories", folder.join("socket").display().to_string()));
    if options.is_unsafe {
        settings.extend([("fsync", "off".to_owned()), ("full_page_writes", "off".to_owned())]);
    }
    if !options.is_plain {
        settings.push(("ssl", "on".to_owned()));
        for (name, file) in [("ssl_ca_file", "ca.pem"), ("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")]
        {
            settings.push((name, folder.join(file).display().to_string()));
        }
    }
    settings.extend(options.settings.iter().cloned());
    settings
}

/// Where the newest server's programs are: Debian's folders, else the search path.
#[track_caller]
fn binaries() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = debian.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    if let Some(newest) = newest.max_by_key(|path| version(path)) {
        return newest.join("bin");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    found.expect("PostgreSQL's server is installed (Debian: postgresql)")
}

/// A port nobody listens on at the moment.
#[track_caller]
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface is there");
    listener.local_addr().expect("a listener has an address").port()
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
