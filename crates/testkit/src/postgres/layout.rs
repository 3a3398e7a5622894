//! What lies on the disk before a server starts: its folders, certificates, database cluster and settings.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use super::{ADMIN, CERTIFIED, Options, PASSWORD, Server, processes};
use crate::git::succeed;
use crate::repo::write_file;

impl Server {
    /// Makes the folders, the database cluster and its settings.
    #[track_caller]
    pub(super) fn lay_out(&self, options: &Options) {
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
    pub(super) fn cluster(&self) -> PathBuf {
        self.data.join("cluster")
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
pub(super) fn binaries() -> PathBuf {
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
