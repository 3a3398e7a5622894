//! How the configuration is read. No warning repeats a place that may hold a secret.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use carry_exchange::location::Location;
use carry_kernel::config::{Config, parse_size};

use super::{RemoteSettings, Token, is_remote_name, token_variable};

/// A slower line looks like one that hangs.
const RATE_MIN: u64 = 16 * 1024;

/// Reading under way.
pub(super) struct Reading<'c> {
    pub(super) config: &'c Config,
    pub(super) home: Option<&'c Path>,
    pub(super) variable: &'c dyn Fn(&str) -> Option<OsString>,
    pub(super) warnings: Vec<String>,
}

impl Reading<'_> {
    /// The remotes that are understood.
    pub(super) fn remotes(&mut self) -> Vec<RemoteSettings> {
        let mut remotes: Vec<RemoteSettings> = Vec::new();
        for (at, said) in self.config.list("exchange.remotes").iter().enumerate() {
            match self.remote(said, &remotes) {
                Ok(remote) => remotes.push(remote),
                Err(why) => self.warnings.push(format!("`exchange.remotes`, entry {}: {why}.", at + 1)),
            }
        }
        for key in ["exchange.code", "exchange.private"] {
            for name in self.config.list(key) {
                match remotes.iter_mut().find(|remote| remote.name == name.trim()) {
                    Some(remote) if key == "exchange.code" => remote.has_code = true,
                    Some(remote) => remote.is_private = true,
                    None => self.warnings.push(format!(
                        "`{key}` names {:?}, which is no remote; `carry remote list` lists them.",
                        name.trim()
                    )),
                }
            }
        }
        self.files("exchange.token_files", &mut remotes, &|remote, path| {
            remote.token.get_or_insert(Token::File(path));
        });
        self.files("exchange.ca_files", &mut remotes, &|remote, path| remote.ca_file = Some(path));
        self.rates(&mut remotes);
        remotes
    }

    fn remote(&self, said: &str, others: &[RemoteSettings]) -> Result<RemoteSettings, String> {
        let form = "it is not \"name=place\" with a name of 1 to 32 of a-z, 0-9 and -";
        let (name, place) = said.split_once('=').ok_or(form)?;
        let (name, place) = (name.trim(), place.trim());
        if !is_remote_name(name) {
            return Err(form.to_owned());
        }
        if others.iter().any(|other| other.name == name) {
            return Err(format!("there is a remote named {name} already"));
        }
        let location = self.location(place).map_err(|why| format!("the remote {name}: {why}"))?;
        if let Some(other) = others.iter().find(|other| other.location == location) {
            return Err(format!("the remote {name} is the same place as {}", other.name));
        }
        let is_peer = matches!(location, Location::Peer { .. });
        let takes_files = takes_files(&location);
        let said = (self.variable)(&token_variable(name)).and_then(|token| token.into_string().ok());
        let token = said.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty() && takes_files);
        Ok(RemoteSettings {
            name: name.to_owned(),
            location,
            has_code: false,
            is_private: is_peer,
            token: token.map(Token::Said),
            ca_file: None,
            rate: None,
        })
    }

    /// A place as the file names it: it counts from nowhere, so that a folder begins at the root or with `~/`.
    fn location(&self, place: &str) -> Result<Location, String> {
        let expanded = match place.strip_prefix("~/") {
            Some(rest) => self.home.ok_or("nobody says where ~ is")?.join(rest).display().to_string(),
            None => place.to_owned(),
        };
        if !expanded.starts_with('/') && !expanded.contains("://") {
            return Err("a folder is named from / or ~/ on".to_owned());
        }
        Location::parse(&expanded, Path::new("/")).map_err(|error| error.to_string())
    }

    /// How fast each may be.
    fn rates(&mut self, remotes: &mut [RemoteSettings]) {
        for (at, said) in self.config.list("exchange.rates").iter().enumerate() {
            let mut warn = |why: &str| self.warnings.push(format!("`exchange.rates`, entry {}: {why}.", at + 1));
            let Some((name, size)) = said.split_once('=').map(|(name, size)| (name.trim(), size.trim())) else {
                warn("it is not \"name=size\"");
                continue;
            };
            let rate = match parse_size(size) {
                Ok(bytes) => NonZeroU64::new(bytes).filter(|rate| rate.get() >= RATE_MIN),
                Err(why) => {
                    warn(&why);
                    continue;
                }
            };
            match (remotes.iter_mut().find(|remote| remote.name == name), rate) {
                (Some(_), None) => {
                    warn("less than 16 KiB a second is too slow; without an entry it goes as fast as it can")
                }
                (Some(remote), rate) => remote.rate = rate,
                (None, _) => warn("there is no remote of that name"),
            }
        }
    }

    /// The files that `key` gives to remotes at an `https://` or `dav+https://` address.
    fn files(&mut self, key: &str, remotes: &mut [RemoteSettings], give: &dyn Fn(&mut RemoteSettings, PathBuf)) {
        for (at, said) in self.config.list(key).iter().enumerate() {
            let mut warn = |why: &str| self.warnings.push(format!("`{key}`, entry {}: {why}.", at + 1));
            let Some((name, path)) = said.split_once('=').map(|(name, path)| (name.trim(), path.trim())) else {
                warn("it is not \"name=path\"");
                continue;
            };
            let path = match path.strip_prefix("~/") {
                Some(rest) => self.home.map(|home| home.join(rest)),
                None => Some(PathBuf::from(path)),
            };
            let Some(path) = path.filter(|path| path.is_absolute()) else {
                warn("a file is named from / or ~/ on");
                continue;
            };
            match remotes.iter_mut().find(|remote| remote.name == name) {
                Some(remote) if !takes_files(&remote.location) => {
                    warn("only a remote at an https:// or dav+https:// address has one");
                }
                Some(remote) => give(remote, path),
                None => warn("there is no remote of that name"),
            }
        }
    }
}

/// Whether a place is opened with a token or a login, and may have certificates of its own.
pub(super) fn takes_files(location: &Location) -> bool {
    matches!(location, Location::Peer { .. } | Location::WebDav { .. })
}
