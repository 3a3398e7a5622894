//! Who wrote what: finding a device by what a person calls it, and naming it to them.

use carry_code::git::BString;
use carry_code::line::Branch;
use carry_code::registry::{KnownDevice, Registry};
use carry_code::tips::{self, Tip, Trust, Writer};
use carry_kernel::id::DeviceId;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// What to run to see who there is.
const LISTED: &str = "`carry devices` lists them.";
/// What is said of another machine that writes under an id this device had.
pub(crate) const COPY: &str = "(a copy of this device)";

/// The tip that `name` means, of those of one branch; `None` where it means none. A device with several working trees gives the one
/// that no other of its has seen.
pub(crate) fn find<'a>(tips: &'a [Tip], name: &str) -> Result<Option<&'a Tip>, Failure> {
    let mut meant: Vec<&Tip> = tips.iter().filter(|tip| tips::is_meant(&tip.writer, name)).collect();
    if meant.iter().any(|tip| tip.writer.id() == name) {
        meant.retain(|tip| tip.writer.id() == name);
    }
    let Some(first) = meant.first() else { return Ok(None) };
    if meant.iter().any(|tip| tip.writer.id() != first.writer.id()) {
        return Err(ambiguous(name, meant.iter().map(|tip| tip.writer.id())));
    }
    let is_behind = |tip: &Tip| meant.iter().any(|other| other.seen != tip.seen && other.seen.has_seen(&tip.seen));
    let latest = meant.iter().filter(|tip| !is_behind(tip)).max_by_key(|tip| tip.time);
    Ok(Some(latest.unwrap_or(first)))
}

/// The known device that `name` means: its id, its label, or the beginning of its id.
pub(crate) fn find_device(registry: &Registry, name: &str) -> Result<KnownDevice, Failure> {
    let devices = registry.devices()?;
    let ways: [&dyn Fn(&KnownDevice) -> bool; 4] = [
        &|device| device.id == name,
        &|device| device.label == name,
        &|device| device.id.strip_prefix("pulsar/") == Some(name),
        &|device| name.len() >= 4 && device.id.starts_with(name),
    ];
    for way in ways {
        let mut meant = devices.iter().filter(|device| way(device));
        match (meant.next(), meant.next()) {
            (Some(device), None) => return Ok(device.clone()),
            (Some(_), Some(_)) => {
                return Err(ambiguous(name, devices.iter().filter(|device| way(device)).map(|d| d.id.clone())));
            }
            (None, _) => {}
        }
    }
    Err(Failure::failed(format!("no device called {name} was ever seen"))
        .hint(LISTED)
        .hint("`carry sync --dry-run` in a repository asks its remotes for new ones."))
}

/// What people call the device with this id: its label, where it is known and no other has it.
pub(crate) fn label_of(shell: &Shell, id: &str) -> Result<String, Failure> {
    let devices = shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let label = devices.iter().find(|device| device.id == id).map(|device| device.label.as_str());
    let is_one = |label: &&str| devices.iter().filter(|device| device.label == **label).count() == 1;
    Ok(label.filter(is_one).unwrap_or(id).to_owned())
}

/// The id of the one device that is known by the label `name`, this one among them; else the name as it is.
pub(crate) fn device_labelled(shell: &Shell, name: &str) -> Result<String, Failure> {
    let own = shell.existing_context()?.map(|ctx| ctx.device.get());
    let own = own.filter(|device| device.label() == name).map(|device| device.id().as_str().to_owned());
    let known = shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let known = known.into_iter().filter(|device| device.label == name).map(|device| device.id);
    let mut ids = own.into_iter().chain(known);
    Ok(match (ids.next(), ids.next()) {
        (Some(id), None) => id,
        _ => name.to_owned(),
    })
}

fn ambiguous(name: &str, ids: impl Iterator<Item = String>) -> Failure {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids.dedup();
    Failure::failed(format!("{name} may be {}", ids.join(" or "))).hint("Give the whole id.")
}

/// A writer as people call it. Another working tree of this device is named by its folder, and another machine that writes
/// under an id this device had is told apart.
pub(crate) fn name(shell: &Shell, tip: &Tip) -> String {
    let device = shell.existing_context().ok().flatten().map(|ctx| ctx.device.id());
    if device.is_some_and(|device| is_copy(tip, &device)) {
        return format!("{} {COPY}", text::line(tip.writer.name()));
    }
    if let (Trust::Own, Writer::Carry { line, .. }) = (tip.trust, &tip.writer) {
        let trees = shell.registry_to_read().ok().flatten().and_then(|registry| registry.trees().ok());
        let tree = trees.unwrap_or_default().into_iter().find(|tree| tree.id == line.tree);
        let place = tree.map_or(line.tree.to_string(), |tree| shell.folder(&tree.root));
        return format!("{place} on this device");
    }
    text::line(tip.writer.name())
}

/// One line of a device, among others that people are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose, on which branch, for people.
    pub(crate) line: (String, String),
    /// The id of its working tree.
    pub(crate) tree: String,
    /// The folder of the tree, or what its repository is called, where that is known.
    pub(crate) name: Option<String>,
}

/// What tells those apart that are of one device and one branch, and of several working trees: the name of each where no other has
/// it, else the id of its tree. Nothing of one that is alone.
pub(crate) fn apart(places: &[Place]) -> Vec<Option<&str>> {
    // Whether the name is its own; nothing where there is no other.
    let is_named = |place: &Place| {
        let mut others = places.iter().filter(|other| other.line == place.line && other.tree != place.tree).peekable();
        others.peek()?;
        Some(others.all(|other| other.name != place.name))
    };
    places
        .iter()
        .map(|place| match (is_named(place)?, &place.name) {
            (true, Some(name)) => Some(name.as_str()),
            _ => Some(place.tree.as_str()),
        })
        .collect()
}

/// Whether another machine wrote it under an id that this one, `device`, had before, as after its home was copied. What this
/// device wrote itself has no seal here, unless it came from another clone, which goes on under the new id.
pub(crate) fn is_copy(tip: &Tip, device: &DeviceId) -> bool {
    let is_foreign =
        |writer: &Writer| matches!(writer, Writer::Carry { line, key: Some(_), .. } if line.device != *device);
    tip.trust == Trust::Own && is_foreign(&tip.writer)
}

/// A way to call the writer that a shell takes and that means no other.
pub(crate) fn word(tip: &Tip) -> String {
    let name = tip.writer.name();
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_plain && !name.starts_with('-') { name.to_owned() } else { tip.writer.id() }
}

/// How far it is trusted, in a word.
pub(crate) fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Own => "own",
        Trust::Approved => "approved",
        Trust::Unknown => "unknown",
        Trust::Revoked => "revoked",
        Trust::Impostor => "impostor",
    }
}

/// Fails when the writer of `tip` was revoked: nobody wants anything of it before it is approved by name.
pub(crate) fn refuse_revoked(tip: &Tip) -> Result<(), Failure> {
    if tip.trust != Trust::Revoked {
        return Ok(());
    }
    Err(Failure::failed(format!("{} ({}) was revoked", text::line(tip.writer.name()), text::line(&tip.writer.id())))
        .hint(format!("Nothing of it is taken over. `carry devices approve {}` trusts it again.", word(tip))))
}

/// A branch as it was typed.
pub(crate) fn branch(name: &str) -> Branch {
    Branch::Named(BString::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_device_and_branch_are_told_apart_by_their_trees() {
        let place = |branch: &str, tree: &str, name: Option<&str>| Place {
            line: ("laptop".to_owned(), branch.to_owned()),
            tree: tree.to_owned(),
            name: name.map(ToOwned::to_owned),
        };
        let said =
            |places: &[Place]| apart(places).iter().map(|word| word.unwrap_or("-").to_owned()).collect::<Vec<_>>();
        assert_eq!(said(&[place("main", "1", Some("a")), place("other", "2", Some("b"))]), ["-", "-"]);
        assert_eq!(said(&[place("main", "1", Some("a")), place("main", "2", Some("b"))]), ["a", "b"]);
        // One name for two trees tells nothing, nor does none.
        assert_eq!(said(&[place("main", "1", Some("a")), place("main", "2", Some("a"))]), ["1", "2"]);
        assert_eq!(said(&[place("main", "1", None), place("main", "2", Some("b"))]), ["1", "b"]);
    }
}
