//! A folder over WebDAV as Apache serves it: `httpd` with `mod_dav`, a configuration, a password and a port of its own.
//!
//! A second implementation beside `dav`, with answers of its own to what the protocol leaves open.
//!
//! It ends with this process, however that ends: a shell beside it waits for the end of a pipe that only we hold.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::patience::comes;
use crate::port;

/// The user and the password that are let in, as they are said.
pub const LOGIN: &str = "ada:open sesame";
/// The same as Apache keeps them.
const USERS: &str = "ada:{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=\n";

/// Where distributions keep the modules.
const MODULES: [&str; 3] = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"];
/// Those that are needed. What is built in has no file.
const NEEDED: [&str; 10] = [
    "mpm_event",
    "unixd",
    "log_config",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "dav",
    "dav_fs",
];

/// Runs the server, and ends it once nothing can come through standard input any more. Ends when the server does, too.
const GUARD: &str = r#"
trap '' INT TERM HUP
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r end <&3; kill -KILL "$server" 2>/dev/null; } &
wait "$server"
kill -KILL "$!" 2>/dev/null
"#;
/// How long a server may take to say one thing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub struct Apache {
    // Before the folder: it ends first.
    _server: Guard,
    dir: TempDir,
    port: u16,
}

/// The shell beside the server. Both end when this value goes.
#[derive(Debug)]
struct Guard(Child);

impl Apache {
    /// Serves an empty folder.
    ///
    /// # Panics
    /// If Apache is not installed, or does not run.
    #[track_caller]
    pub fn start() -> Self {
        let modules = MODULES.map(Path::new).into_iter().find(|folder| folder.is_dir());
        let (program, modules) = program().zip(modules).expect("Apache is installed (Debian: apache2-bin)");
        let dir = TempDir::new().expect("a temporary folder");
        // A server that root starts works as somebody else.
        let served = dir.path().join("served");
        fs::create_dir(&served).expect("a folder");
        set_mode(dir.path(), 0o755);
        set_mode(&served, 0o777);
        write(&dir.path().join("users"), USERS.as_bytes());
        let started = port::start_at_one(|port| {
            write(&dir.path().join("config"), config(dir.path(), modules, port).as_bytes());
            let mut server = Command::new("sh");
            // One process, which ends when it is told to.
            server.args(["-c", GUARD, "guard"]).arg(&program).arg("-X").arg("-f").arg(dir.path().join("config"));
            let log = fs::File::create(dir.path().join("said")).expect("a file");
            server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
            let mut server = Guard(server.spawn().expect("a shell can be run"));
            answers(&mut server.0, port, &realm(dir.path())).then_some((server, port))
        });
        let Some((server, port)) = started else {
            let said = ["said", "log"].map(|file| fs::read_to_string(dir.path().join(file)).unwrap_or_default());
            panic!("Apache does not run: {}", said.join("\n"));
        };
        Self { _server: server, dir, port }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder that it serves.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("served")
    }

    /// Writes a file below it as others might, in folders that are made, so that the server may change all of it.
    pub fn plant(&self, path: &str, bytes: &[u8]) {
        let mut at = self.folder();
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            at.push(name);
            if names.peek().is_none() {
                write(&at, bytes);
                set_mode(&at, 0o666);
            } else if !at.is_dir() {
                fs::create_dir(&at).expect("a folder");
                set_mode(&at, 0o777);
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Where the program lies: administrators' programs may not be on the search path.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).collect();
    let files = ["apache2", "httpd"].into_iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// Connections are not kept: with few workers Apache closes those that wait at any moment, even one just written to.
fn config(dir: &Path, modules: &Path, port: u16) -> String {
    let (realm, dir, modules) = (realm(dir), dir.display(), modules.display());
    let load = |name: &str| {
        let file = format!("{modules}/mod_{name}.so");
        format!("<IfFile \"{file}\">\nLoadModule {name}_module \"{file}\"\n</IfFile>\n")
    };
    let loaded: String = NEEDED.into_iter().map(load).collect();
    format!(
        "ServerRoot \"{dir}\"\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile pid\nErrorLog log\nDefaultRuntimeDir .\n\
         KeepAlive Off\nDocumentRoot \"{dir}/served\"\n{loaded}User #65534\nGroup #65534\nDavLockDB \"{dir}/served/.locks\"\n\
         <Directory \"{dir}/served\">\nDav On\nAuthType Basic\nAuthName \"{realm}\"\nAuthUserFile \"{dir}/users\"\n\
         Require valid-user\n</Directory>\n"
    )
}

/// What this server alone says of itself.
fn realm(dir: &Path) -> String {
    dir.file_name().expect("a folder has a name").to_string_lossy().into_owned()
}

/// Waits until the server answers; says whether it does. Another's answer on the port is none.
fn answers(server: &mut Child, port: u16, realm: &str) -> bool {
    let (mut is_ours, mut has_ended) = (false, false);
    comes(|| {
        is_ours = ask(port).is_ok_and(|said| said.contains(&format!("realm=\"{realm}\"")));
        has_ended = !matches!(server.try_wait(), Ok(None));
        is_ours || has_ended
    });
    is_ours && !has_ended
}

/// What a server says to somebody whom it does not know.
fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut said = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn write(path: &Path, bytes: &[u8]) {
    fs::File::create(path).and_then(|mut file| file.write_all(bytes)).expect("room on the disk");
}

#[track_caller]
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_is_this_server_and_it_ends_with_its_guard() {
        let apache = Apache::start();
        let (port, realm) = (apache.port, realm(apache.dir.path()));
        assert!(ask(port).expect("it answers").contains(&realm));
        let mut other = Guard(
            Command::new("sh").args(["-c", GUARD, "guard", "cat"]).stdin(Stdio::piped()).spawn().expect("a shell"),
        );
        // Without input this one ends at once; the other's server on the port is not taken for it.
        assert!(!answers(&mut other.0, port, "another"));
        drop(apache);
        assert!(ask(port).is_err(), "nobody listens any more");
    }
}
