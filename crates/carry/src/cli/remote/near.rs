//! An exchange that lies beside a place that is none yet: whoever moves a folder may name the one above or below it.

use std::path::{Path, PathBuf};

use carry_daemon::exchange::settings::Settings;
use carry_exchange::location::Location;

/// Entries of a folder that are looked at: on a slow drive each takes its time.
const ENTRIES_MAX: usize = 1000;

/// Exchanges right above or below a folder, found by their markers, that are no remote of this device.
pub(super) fn exchanges(settings: &Settings, folder: &Path) -> Vec<PathBuf> {
    let Ok(folder) = folder.canonicalize() else { return Vec::new() };
    let known: Vec<PathBuf> = settings.remotes.iter().filter_map(|remote| place_of(&remote.location)).collect();
    let below = std::fs::read_dir(&folder).into_iter().flatten().take(ENTRIES_MAX).flatten().map(|entry| entry.path());
    let beside = folder.parent().map(Path::to_owned).into_iter().chain(below);
    let mut found: Vec<PathBuf> =
        beside.filter(|place| place.join("carry/format.json").is_file() && !known.contains(place)).collect();
    found.sort();
    found
}

/// The folder that a remote is, as it is.
fn place_of(location: &Location) -> Option<PathBuf> {
    match location {
        Location::Folder(folder) => folder.canonicalize().ok(),
        Location::Bucket(_) | Location::WebDav { .. } | Location::Peer { .. } => None,
    }
}
