//! `carry devices`: who else writes here, and whose work is trusted.

use carry_code::registry::KnownDevice;
use carry_exchange::store::status::LogStatus;
use clap::Subcommand;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::wire::Shell;

mod beside;
mod conflicts;
mod json;
mod list;
mod logs;
mod trust;
mod waiting;

pub(super) use logs::homes;
pub(super) use trust::tell_known;
pub(super) use waiting::{has_code, unapproved, unapproved_called, waiting, why_nothing_of, word};

/// Bytes of a key's SHA-256 that people compare.
const FINGERPRINT_BYTES: usize = 8;

/// List the devices, and say which are yours
///
/// Without a command: this device and all others that were seen, and inside a repository what each has of every branch,
/// beside what is here; then what each exchanges: how much it published, what of it is here and what is missing, how many conflicts
/// it has, if any, and who has what is this device's ("safe on"). It asks no remote; `carry sync --dry-run` and `carry exchange` do.
/// Only the work of approved devices is offered and taken over.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trust a device's work
    ///
    /// Shows its fingerprint, to be compared with the one that `carry devices` shows there at the top, and asks. Counts for what it
    /// exchanges and for what it publishes to Git remotes.
    Approve {
        /// Label, id or name of the device
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        device: Option<String>,
        /// Every device that is not approved yet
        #[arg(long)]
        all: bool,
    },
    /// Trust a device's work no more
    ///
    /// Counts for what it exchanges and for what it publishes to Git remotes, until it is approved again. What came of it before
    /// stays. Devices that were never approved by name and count since this one spoke for them are revoked with it, and named.
    Revoke {
        /// Label, id or name of the device
        device: String,
    },
    /// Give this device another label
    ///
    /// The id stays. Others see the label after the next push or exchange. With --device another device is named, on this one alone.
    Rename {
        /// The new label
        label: String,
        /// Another device, which is called so here from now on: 1 to 64 of a-z, 0-9 and -
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Let go of what an unapproved device has exchanged
    ///
    /// For 30 days nothing of it is taken in, unless it is approved by the id of its log.
    Forget {
        /// Label, id or name of the device
        device: String,
    },
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    match &args.command {
        None => list::list(shell),
        Some(Command::Approve { all: true, .. }) => trust::approve_all(shell),
        Some(Command::Approve { device, .. }) => trust::approve(shell, device.as_deref().unwrap_or_default()),
        Some(Command::Revoke { device }) => trust::revoke(shell, device),
        Some(Command::Rename { label, device: None }) => trust::rename(shell, label),
        Some(Command::Rename { label, device: Some(device) }) => trust::rename_other(shell, device, label),
        Some(Command::Forget { device }) => trust::forget(shell, device),
    }
}

/// Whether a device is trusted, in a word.
fn state(known: &KnownDevice) -> &'static str {
    match known.approved {
        _ if known.is_revoked => "revoked",
        Some(_) => "approved",
        None => "unknown",
    }
}

/// What people compare before they approve a device that exchanges, as a sentence.
pub(super) fn fingerprint_of(log: &LogStatus) -> String {
    match log.device_key() {
        Some(key) => format!("Its fingerprint: {}", fingerprint(&key)),
        None => format!("It does not say which device it is. Its log: {}", log.row.log),
    }
}

/// What people compare: the beginning of the key's SHA-256, in groups of four.
pub(super) fn fingerprint(key: &[u8; 32]) -> String {
    let hash = Sha256::digest(key);
    let groups = hash[..FINGERPRINT_BYTES].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]));
    groups.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_is_sixteen_hex_digits_in_groups() {
        // The SHA-256 of 32 zero bytes begins so.
        assert_eq!(fingerprint(&[0; 32]), "6668 7aad f862 bd77");
    }
}
