//! A Git server over ssh on the loopback interface: OpenSSH's `sshd` with a configuration, keys and a port of its own.
//!
//! Whoever holds the key made here gets in as the user who runs the tests, and is in nobody else's `known_hosts`.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::git::succeed;
use crate::patience;
use crate::port;
use crate::repo::write_file;

/// Where it is on Debian, whose search path for users does not hold it.
const PROGRAM: &str = "/usr/sbin/sshd";

/// A running server. It is stopped when this value goes.
#[derive(Debug)]
pub struct SshGit {
    dir: TempDir,
    server: Child,
    port: u16,
    user: String,
}

impl SshGit {
    /// Starts one.
    #[track_caller]
    pub fn start() -> Self {
        let dir = TempDir::new().expect("a temporary folder can be made");
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(dir.path().join(key));
            succeed(&mut keygen);
        }
        // Run as root it insists on this folder, and packages make it only when the service starts.
        let _ = std::fs::create_dir_all("/run/sshd");
        let user = String::from_utf8_lossy(&succeed(Command::new("id").arg("-un"))).trim().to_owned();
        let program = if Path::new(PROGRAM).exists() { PROGRAM } else { "sshd" };
        let started = port::start_at_one(|port| {
            write_file(&dir.path().join("config"), config(dir.path(), port).as_bytes());
            let mut server = Command::new(program)
                .args(["-D", "-e", "-f"])
                .arg(dir.path().join("config"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(dir.path().join("log")).expect("the folder is ours"))
                .spawn()
                .unwrap_or_else(|error| panic!("cannot run {program} (Debian: openssh-server): {error}"));
            if answers(&mut server, port) {
                return Some((server, port));
            }
            let _ = server.kill();
            let _ = server.wait();
            None
        });
        let Some((server, port)) = started else {
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            panic!("sshd does not start: {log}");
        };
        let key = std::fs::read_to_string(dir.path().join("host.pub")).expect("ssh-keygen made it");
        write_file(&dir.path().join("known_hosts"), format!("[127.0.0.1]:{port} {key}").as_bytes());
        Self { dir, server, port, user }
    }

    /// The URL of a repository at an absolute path.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// What `core.sshCommand` must be for Git to get in; without it, it does not.
    pub fn ssh_command(&self) -> String {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null \
             -o StrictHostKeyChecking=yes -o BatchMode=yes",
            file("user"),
            file("known_hosts")
        )
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log, for a test that fails.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Drop for SshGit {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn config(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let path = std::env::var("PATH").unwrap_or_default();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/user.pub\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
         UseDNS no\nPrintMotd no\nMaxStartups 100\nSetEnv PATH={path} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\n"
    )
}

/// Waits until it listens; `false` when it ended instead.
fn answers(server: &mut Child, port: u16) -> bool {
    let mut runs = true;
    // It does not say when it is ready.
    let answers = patience::comes(|| {
        let answers = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        runs = server.try_wait().is_ok_and(|ended| ended.is_none());
        answers || !runs
    });
    answers && runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::TestRepo;

    #[test]
    fn git_gets_in_with_the_key_and_not_without() {
        let server = SshGit::start();
        let repo = TestRepo::new();
        repo.write("a.txt", "one\n").commit_all("first");
        let bare = repo.base().join("a.git");
        repo.git(["init", "--quiet", "--bare", &bare.display().to_string()]);
        repo.git(["config", "core.sshCommand", "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no"]);
        assert!(!repo.try_git(["push", &server.url(&bare), "main"]).status.success());
        repo.git(["config", "core.sshCommand", &server.ssh_command()]);
        let pushed = repo.try_git(["push", &server.url(&bare), "main"]);
        let log = || std::fs::read_to_string(server.log()).unwrap_or_default();
        assert!(pushed.status.success(), "{}\n{}", String::from_utf8_lossy(&pushed.stderr), log());
        assert!(repo.git(["ls-remote", &server.url(&bare), "refs/heads/main"]).starts_with(&repo.id("HEAD")));
    }
}
