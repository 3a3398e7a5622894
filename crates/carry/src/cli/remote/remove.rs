//! `carry remote remove`: forget a place.

use carry_kernel::config;

use carry_exchange::store::RoundRow;

use super::{RemoteJson, is_of, note_of, said_by_user, unknown_here};
use crate::failure::Failure;
use crate::text;
use crate::wire::{KEYS, Shell};

/// Forget a remote
///
/// Nothing is deleted there, and nothing that came from there is deleted here.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote
    name: String,
}

/// The lists that speak of remotes as `name=…`.
const NAMED: [&str; 4] = ["exchange.remotes", "exchange.token_files", "exchange.ca_files", "exchange.rates"];
/// The lists of names.
const NAMES: [&str; 2] = ["exchange.code", "exchange.private"];

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let settings = shell.exchange();
    let name = args.name.as_str();
    let is_of_it = |said: &String| is_of(name, said);
    let is_in_file = said_by_user(shell, "exchange.remotes").iter().any(is_of_it);
    let known = settings.remote(name);
    if !is_in_file {
        return Err(match known {
            None => unknown_here(shell, &settings, name, &format!("remove {}", text::line(name))),
            Some(_) => Failure::failed(format!("{name} is not in your configuration file"))
                .hint("`carry config show --origin` says where exchange.remotes was set."),
        });
    }
    let file = shell.home.config_file();
    for key in NAMED {
        for item in said_by_user(shell, key).into_iter().filter(is_of_it) {
            config::remove_user_list(KEYS, &file, key, &item)?;
        }
    }
    for key in NAMES {
        config::remove_user_list(KEYS, &file, key, name)?;
    }
    // A round that is under way is ended by that.
    shell.reload_daemon();
    if shell.home.database("exchange").exists()
        && let Some(busy) = note_of(shell, name, |store| store.forget_remote(name))?
    {
        shell.out.warn(format_args!(
            "{}; what was noted of {} here is forgotten when a remote of this name is added again",
            busy.in_one_line(),
            text::line(name)
        ));
    }
    if let Some(remote) = known.filter(|_| shell.out.is_json()) {
        return shell.out.json(&RemoteJson::new(remote, &RoundRow::default(), true));
    }
    shell.out.say(format_args!("Forgot the remote {name}. Nothing was deleted there."))
}
