//! How the configuration is read. No warning shows an address or a password.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use carry_kernel::config::Config;

use super::{Address, DEFAULT_STORE, Password, Secret, StoreSettings, is_schema_name, is_store_name};
use crate::share::{Rule, Shares};

/// Longer names of people are none.
const PERSON_CHARS_MAX: usize = 128;

/// The layer of the user's file (see [`Config::layer`]).
const USER_FILE: u8 = 1;

/// Reading under way.
pub(super) struct Reading<'c> {
    pub(super) config: &'c Config,
    pub(super) home: Option<&'c Path>,
    pub(super) variable: &'c dyn Fn(&str) -> Option<OsString>,
    pub(super) warnings: Vec<String>,
}

impl Reading<'_> {
    /// The stores, the default one first.
    pub(super) fn stores(&mut self) -> Vec<StoreSettings> {
        let mut addresses: Vec<(String, Address)> = Vec::new();
        addresses.extend(self.default_address().map(|address| (DEFAULT_STORE.to_owned(), address)));
        for (at, said) in self.config.list("team.stores").iter().enumerate() {
            match self.further(said, &addresses) {
                Ok(store) => addresses.push(store),
                Err(why) => self.warnings.push(format!("`team.stores`, entry {}: {why}.", at + 1)),
            }
        }
        let names: Vec<&str> = addresses.iter().map(|(name, _)| name.as_str()).collect();
        let rules = self.rules(&names);
        let schema = self.config.text("team.schema").unwrap_or_default().trim();
        if !is_schema_name(schema) {
            self.warnings.push(format!(
                "`team.schema` is {schema:?}, which is not 1 to 63 of a-z, 0-9 and _ without a digit at its beginning, or one of \
                 PostgreSQL's own (public, pg_…); nothing is shared until it is."
            ));
            return Vec::new();
        }
        let allow_insecure = self.config.bool("team.allow_insecure");
        let store = |(name, address): (String, Address)| StoreSettings {
            password: self.password(&name),
            schema: schema.to_owned(),
            allow_insecure,
            shares: Shares::parse(&rules, &name, self.home).0,
            address,
            name,
        };
        addresses.into_iter().map(store).collect()
    }

    /// The rules; says which mean nothing.
    fn rules(&mut self, stores: &[&str]) -> Vec<String> {
        let said = self.config.list("team.share").to_vec();
        self.warnings.extend(Shares::parse(&said, DEFAULT_STORE, self.home).1);
        let rules = said.iter().filter_map(|said| Rule::parse(said, self.home).ok());
        // Before there is any store, rules wait for one.
        for rule in rules.filter(|rule| !stores.is_empty() && !stores.contains(&rule.store.as_str())) {
            let hint = if rule.store == DEFAULT_STORE { " (team.url)" } else { "" };
            self.warnings.push(format!(
                "`team.share` shares {:?} with the store {}{hint}, which is not set up.",
                rule.pattern, rule.store
            ));
        }
        said
    }

    /// The address of the default store.
    fn default_address(&mut self) -> Option<Address> {
        let url = self.config.text("team.url").map(str::trim).filter(|url| !url.is_empty());
        let file = self.config.text("team.url_file").map(str::trim).filter(|file| !file.is_empty());
        let (url_layer, file_layer) = (self.config.layer("team.url"), self.config.layer("team.url_file"));
        if url.is_some() && file.is_some() && url_layer == file_layer {
            self.warnings.push("`team.url` and `team.url_file` are both set: the file counts.".to_owned());
        }
        // What was said nearer to the user counts.
        if let Some(url) = url.filter(|_| file.is_none() || url_layer > file_layer) {
            return match address(url, url_layer) {
                Ok(address) => Some(address),
                Err(why) => {
                    self.warnings.push(format!("`team.url`: {why}."));
                    None
                }
            };
        }
        self.path("team.url_file").map(Address::File)
    }

    /// A further store.
    fn further(&self, said: &str, others: &[(String, Address)]) -> Result<(String, Address), String> {
        let form = "it is not \"name=url\" or \"name=file:path\" with a name of 1 to 32 of a-z, 0-9 and -";
        let (name, at) = said.split_once('=').ok_or(form)?;
        let (name, at) = (name.trim(), at.trim());
        if !is_store_name(name) {
            return Err(form.to_owned());
        }
        if name == DEFAULT_STORE {
            return Err("the store named default is set by team.url".to_owned());
        }
        if others.iter().any(|(other, _)| other == name) {
            return Err(format!("there is a store named {name} already"));
        }
        let address = match at.strip_prefix("file:") {
            Some(path) => self.expanded(path).map(Address::File).ok_or("a file is named from / or ~/ on".to_owned()),
            None => address(at, self.config.layer("team.stores")),
        };
        address.map(|address| (name.to_owned(), address)).map_err(|why| format!("the store {name}: {why}"))
    }

    fn password(&mut self, store: &str) -> Password {
        let by_host = (self.variable)("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        let by_host = by_host.or_else(|| self.home.map(|home| home.join(".pgpass"))).filter(|path| path.is_absolute());
        if store != DEFAULT_STORE {
            return Password { by_host, ..Password::default() };
        }
        let command = self.config.text("team.password_command").map(str::trim).filter(|command| !command.is_empty());
        let environment = (self.variable)("PGPASSWORD").and_then(|password| password.into_string().ok());
        Password {
            file: self.path("team.password_file"),
            command: command.map(str::to_owned),
            environment: environment.filter(|password| !password.is_empty()).map(Secret),
            by_host,
        }
    }

    /// The person's name; empty when nobody says.
    pub(super) fn person(&mut self) -> String {
        let person = self.config.text("team.person").unwrap_or_default().trim();
        if person.chars().any(char::is_control) || person.chars().nth(PERSON_CHARS_MAX).is_some() {
            self.warnings.push(format!(
                "`team.person` holds control characters or is longer than {PERSON_CHARS_MAX} characters; it is not used."
            ));
            return String::new();
        }
        person.to_owned()
    }

    /// A setting that names a file.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let said = self.config.text(key).map(str::trim).filter(|said| !said.is_empty())?;
        let path = self.expanded(said);
        if path.is_none() {
            self.warnings.push(format!("`{key}` is {said:?}, but a file is named from / or ~/ on."));
        }
        path
    }

    /// A file, where `~/` is the home directory; `None` for one that is not named from the root on.
    fn expanded(&self, said: &str) -> Option<PathBuf> {
        let path = match said.trim().strip_prefix("~/") {
            Some(rest) => self.home?.join(rest),
            None => PathBuf::from(said.trim()),
        };
        path.is_absolute().then_some(path)
    }
}

/// An address that is a URL of PostgreSQL. One in a file must not hold a password: files are shown, copied and shared.
fn address(url: &str, layer: u8) -> Result<Address, String> {
    let rest = ["postgres://", "postgresql://"].into_iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("it is not postgres://user@host/database")?;
    // A password may hold a slash, a user may not.
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let has_password = user.contains(':') || url.contains("password=");
    if has_password && layer <= USER_FILE {
        return Err("it holds a password, which has no place in the configuration file; \
                    put the URL into a file of your own (0600) and name that (team.url_file, or name=file:path)"
            .to_owned());
    }
    Ok(Address::Url(url.to_owned()))
}
