//! `carry serve token`: credentials of devices.

use std::path::PathBuf;

use carry_hub::credential;
use serde::Serialize;

use crate::failure::Failure;
use crate::wire::Shell;

/// Make a credential for a device, or list who has one
///
/// The credential is printed once, and only its digest is kept. A running server takes what changed within a second.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to call the device
    name: Option<String>,
    /// Make a new one; the one it had is not taken any more
    #[arg(long, requires = "name", conflicts_with = "remove")]
    replace: bool,
    /// Take away the one it has
    #[arg(long, requires = "name")]
    remove: bool,
    /// The file with the devices' credentials
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A device's credential, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "serve-token")]
struct TokenJson<'a> {
    name: &'a str,
    token: Option<&'a str>,
    removed: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (out, file) = (&shell.out, super::token_file(shell, args.token_file.as_deref()));
    let Some(name) = &args.name else {
        let names = credential::names(&file)?;
        if names.is_empty() && !out.is_json() {
            out.note("No device has a credential; `carry serve token NAME` makes one.");
        }
        return names.iter().try_for_each(|name| {
            if out.is_json() { out.json(&TokenJson { name, token: None, removed: false }) } else { out.line(name) }
        });
    };
    if args.remove {
        credential::revoke(&file, name)?;
        return if out.is_json() {
            out.json(&TokenJson { name, token: None, removed: true })
        } else {
            out.say(format_args!("Took away the credential of {name}."))
        };
    }
    let token = credential::issue(&file, name, &super::random()?, args.replace)?;
    if out.is_json() {
        return out.json(&TokenJson { name, token: Some(&token), removed: false });
    }
    out.line(&token)?;
    out.note("This is shown once. Give it to the device and to nobody else.");
    Ok(())
}
