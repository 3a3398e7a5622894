//! `carry remote set-url`: the same remote at another place.

use std::path::Path;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_exchange::location::Location;
use carry_exchange::remote::Deadline;
use carry_exchange::store::RoundRow;
use carry_kernel::config;

use super::add::{self, Files};
use super::{RemoteJson, is_of, note_of, place, place_word, said_by_user, unknown_here};
use crate::failure::Failure;
use crate::text;
use crate::wire::{KEYS, Shell};

/// Change the address of a remote
///
/// The name stays. Nothing is taken to be at the new place for having been at the old one: the next exchange looks, and puts all that
/// is missing there. What lies at the old place stays there. Uncommitted code, the token and what else was said of the old place
/// does not go along by itself.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote
    name: String,
    /// A folder, s3://bucket/prefix?endpoint=https://..., dav+https://host/path, or https://host/path
    place: String,
    /// Exchange uncommitted code there, too. It goes there as it is
    #[arg(long, conflicts_with = "no_code")]
    code: bool,
    /// Exchange no code there, and do not ask
    #[arg(long)]
    no_code: bool,
    #[command(flatten)]
    files: Files,
}

impl Args {
    /// What says the same of a remote that is there already.
    fn to_add(&self) -> add::Args {
        let (name, place, files) = (self.name.clone(), self.place.clone(), self.files.clone());
        add::Args { name, place, code: self.code, no_code: self.no_code, files }
    }
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (settings, name) = (shell.exchange(), args.name.as_str());
    let Some(known) = settings.remote(name) else {
        let command = format!("set-url {} {}", text::line(name), text::line(&args.place));
        return Err(unknown_here(shell, &settings, name, &command));
    };
    let said = said_by_user(shell, "exchange.remotes").into_iter().find(|item| is_of(name, item));
    let Some(said) = said else {
        return Err(Failure::failed(format!("{name} is not in your configuration file"))
            .hint("`carry config show --origin` says where exchange.remotes was set."));
    };
    let location = add::location(shell, &args.place)?;
    if known.location == location && (args.code || args.no_code || !args.files.is_empty()) {
        // What is said of it besides counts all the same.
        return add::run(shell, &args.to_add());
    }
    if known.location == location {
        shell.out.say(format_args!("The remote {name} is {} already.", place(shell, &location)))?;
        return if shell.out.is_json() {
            shell.out.json(&RemoteJson::new(known, &RoundRow::default(), false))
        } else {
            Ok(())
        };
    }
    add::check(shell, &settings, name, &location, &args.place)?;
    let files = args.files.entries(shell, name);
    add::check_files(&files, &location)?;
    let keeps_files = is_same_server(&known.location, &location);
    let new = New { name, said: &said, location: &location, files: &files, keeps_files };
    let remote = new.remote(shell)?;

    let ground = shell.ground()?;
    let connected = ground.connect(&remote, ground.store()?.log())?;
    let is_marked = add::is_marked(&*connected, &remote.location)?;
    add::ask(shell, &settings, "set-url", &remote, is_marked)?;
    let has_code = match (args.code, args.no_code) {
        (true, _) => true,
        (false, false) if known.has_code => ask_for_code(shell, &remote)?,
        _ => false,
    };
    connected.init(&Deadline::NONE)?;
    let is_private = known.is_private && !matches!(known.location, Location::Peer { .. });
    // In one step, so that neither token nor code goes to a place that it was not said of.
    let dropped = shell.edit_config(|file| {
        config::remove_user_list(KEYS, file, "exchange.private", name)?;
        match has_code {
            true => config::append_user_list(KEYS, file, "exchange.code", name)?,
            false => config::remove_user_list(KEYS, file, "exchange.code", name)?,
        };
        new.write(shell, file)
    })?;
    // A round that is under way with the old place is ended by that.
    shell.reload_daemon();
    if let Some(busy) = note_of(shell, name, |store| store.note_place(name, &location.to_string()).map(drop))? {
        shell.out.warn(format_args!(
            "{}; what was noted of the old place is forgotten with the next exchange",
            busy.in_one_line()
        ));
    }
    let remote = RemoteSettings { has_code, ..remote };
    if shell.out.is_json() {
        return shell.out.json(&RemoteJson::new(&remote, &RoundRow::default(), true));
    }
    let shown = place(shell, &remote.location);
    shell.out.say(format_args!("The remote {name} is {shown} from now on: {}.", add::what_of(has_code)))?;
    if is_marked && add::has_others(&*connected, &ground.store()?)? {
        shell.out.note("Others exchange through it already, or did.");
    }
    for key in dropped {
        shell.out.note(format_args!(
            "What {key} named for the old address was for that server, and is not used for this one. --token-file and --ca-file of \
             `carry remote add {name} {}` name others.",
            place_word(&remote.location)
        ));
    }
    if is_private {
        shell.out.note(format_args!(
            "exchange.private named {name} for the old place and does not do so any more: if only your devices can read the new one, \
             add {name} to it again."
        ));
    }
    shell.out.note(format_args!(
        "What lies at {} stays there. `carry exchange` puts here what is missing; your other devices find it once they have the same \
         address.",
        place(shell, &known.location)
    ));
    Ok(())
}

/// The remote as it is to be.
struct New<'a> {
    name: &'a str,
    /// How it stands in the list of remotes.
    said: &'a str,
    location: &'a Location,
    /// The files that were named now.
    files: &'a [(&'static str, String)],
    /// Whether those that were named before go on being used.
    keeps_files: bool,
}

impl New<'_> {
    /// As it would be read, with the token and certificates that it has there; without what is asked for separately.
    fn remote(&self, shell: &Shell) -> Result<RemoteSettings, Failure> {
        let config = shell.config_if(|file| self.write(shell, file).map(drop))?;
        let settings = shell.exchange_of(&config);
        let named = settings.remote(self.name);
        let is_private = matches!(self.location, Location::Peer { .. });
        Ok(RemoteSettings {
            name: self.name.to_owned(),
            location: self.location.clone(),
            has_code: false,
            is_private,
            token: named.and_then(|named| named.token.clone()),
            ca_file: named.and_then(|named| named.ca_file.clone()),
            rate: named.and_then(|named| named.rate),
        })
    }

    /// Writes it to a configuration file: what was for the old place alone goes first. Gives the settings that named something
    /// which is not used any more.
    fn write(&self, shell: &Shell, file: &Path) -> Result<Vec<&'static str>, config::ConfigEditError> {
        let mut dropped = Vec::new();
        for key in ["exchange.token_files", "exchange.ca_files"] {
            let is_named = self.files.iter().any(|(named, _)| *named == key);
            if self.keeps_files && !is_named {
                continue;
            }
            for item in said_by_user(shell, key).into_iter().filter(|item| is_of(self.name, item)) {
                config::remove_user_list(KEYS, file, key, &item)?;
                dropped.extend((!is_named).then_some(key));
            }
        }
        let item = format!("{}={}", self.name, self.location);
        config::replace_user_list(KEYS, file, "exchange.remotes", self.said, &item)?;
        for (key, entry) in self.files {
            config::append_user_list(KEYS, file, key, entry)?;
        }
        Ok(dropped)
    }
}

/// Whether both are at one server, so that what opens the one may open the other.
fn is_same_server(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::Peer { origin: one, .. }, Location::Peer { origin: other, .. })
        | (Location::WebDav { origin: one, .. }, Location::WebDav { origin: other, .. }) => one == other,
        _ => false,
    }
}

/// Code went to the old place; whether it goes to this one is another question.
fn ask_for_code(shell: &Shell, remote: &RemoteSettings) -> Result<bool, Failure> {
    add::ask_for_code(shell, &remote.name, &place_word(&remote.location))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_opens_a_server_is_for_that_server() {
        let at = |place: &str| Location::parse(place, Path::new("/")).unwrap_or_else(|e| panic!("{e}"));
        for (one, other, is_same) in [
            ("https://hub.example.org", "https://hub.example.org/more", true),
            ("https://hub.example.org", "https://hub.example.org:8443", false),
            ("https://hub.example.org", "https://hub.example.com", false),
            ("https://hub.example.org", "dav+https://hub.example.org", false),
            ("dav+https://cloud.example.org/a", "dav+https://cloud.example.org/b", true),
            ("/mnt/a", "/mnt/b", false),
        ] {
            assert_eq!(is_same_server(&at(one), &at(other)), is_same, "{one} {other}");
        }
    }
}
