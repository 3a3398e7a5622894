//! A message bus for one test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::object_server::Interface;

use crate::bus::Bus;

/// A bus of its own, which ends with this.
pub(crate) struct PrivateBus {
    daemon: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl PrivateBus {
    /// Starts one; `None`, with a message, where the program for it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("unix:path={}", dir.path().join("bus").display());
        let spawned = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address", "--address", &address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut daemon = match spawned {
            Ok(daemon) => daemon,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skipped();
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        // It says its address when it listens.
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let bus = Self { daemon, address: line.trim().to_owned(), _dir: dir };
        assert!(!bus.address.is_empty(), "dbus-daemon ended at once");
        Some(bus)
    }

    /// The way there.
    pub(crate) fn bus(&self) -> Bus {
        Bus::At(self.address.clone())
    }

    /// Lets `object` answer at `path` under `name` until the connection is dropped.
    pub(crate) fn serve(&self, name: &str, path: &str, object: impl Interface) -> zbus::Result<Connection> {
        Builder::address(self.address.as_str())?.serve_at(path, object)?.name(name)?.build()
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn skipped() {
    eprintln!("skipped: dbus-daemon is not installed");
}
