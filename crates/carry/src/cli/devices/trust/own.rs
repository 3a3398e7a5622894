//! Names that mean this device, which nobody approves or revokes here.

use carry_code::registry::KnownDevice;
use carry_exchange::store::status::Status;

use super::{Act, PREFIX_MIN};
use crate::cli::devices::fingerprint;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Fails when `name` means this device: its id, the name or the id of its log, the beginning of either; or its label, where no other
/// device has that. `may_be_other` says that one which is not here may be meant by anything less than the whole.
pub(super) fn refuse(
    shell: &Shell,
    status: Option<&Status>,
    devices: &[KnownDevice],
    name: &str,
    act: Act,
    may_be_other: bool,
) -> Result<(), Failure> {
    let Some(ctx) = shell.existing_context()? else { return Ok(()) };
    let device = ctx.device.get();
    let logs = || status.iter().flat_map(|status| &status.logs);
    let others = || logs().filter(|log| !log.is_ours());
    let begins = |text: &str| name.len() >= PREFIX_MIN && text.starts_with(name);
    let is_exact = device.id().as_str() == name
        || logs().any(|log| log.is_ours() && (log.row.alias == name || log.row.log.to_string() == name));
    let is_label = !may_be_other
        && device.label() == name
        && devices.iter().all(|known| known.label != name)
        && others().all(|log| log.label() != Some(name) && log.row.alias != name);
    let is_beginning = !may_be_other
        && (begins(device.id().as_str()) || logs().any(|log| log.is_ours() && begins(&log.row.log.to_string())))
        && devices.iter().all(|known| known.label != name && !known.id.starts_with(name))
        && others().all(|log| {
            let names = [Some(log.row.alias.as_str()), log.label(), log.device.as_ref().map(|device| device.as_str())];
            let ids = [Some(log.row.log.to_string()), log.device.as_ref().map(ToString::to_string)];
            !names.contains(&Some(name)) && !ids.iter().flatten().any(|id| id.starts_with(name))
        });
    if !(is_exact || is_label || is_beginning) {
        return Ok(());
    }
    let id = device.id();
    let failure = Failure::failed(format!("{} is this device", text::line(name)));
    Err(match act {
        Act::Approve => failure.hint(format!(
            "Its own work counts here anyway. To have it approved elsewhere, run `carry devices approve {id}` there and compare \
             the fingerprint: {}.",
            fingerprint(&device.public_key())
        )),
        Act::Revoke | Act::Forget => failure.hint(format!(
            "To stop trusting it, run `carry devices revoke {id}` on the others. `carry remote remove NAME` ends what it exchanges."
        )),
        Act::Rename => failure.hint("`carry devices rename LABEL`, without --device, renames it."),
    })
}
