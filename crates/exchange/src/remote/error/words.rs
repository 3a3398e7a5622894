//! What failures are called where they happen: a folder is mounted, a bucket has an address, a server runs.

use super::PlaceKind;

/// The version of the exchange's format that this program writes.
const FORMAT: u64 = 1;

impl PlaceKind {
    /// What kind of place people call so: a folder by its path, others by their address.
    pub fn of(place: &str) -> Self {
        match place {
            _ if place.starts_with('/') => Self::Folder,
            _ if place.starts_with("s3://") => Self::Bucket,
            _ if place.starts_with("dav+") => Self::WebDav,
            _ if place.starts_with("https://") || place.starts_with("http://") => Self::Server,
            _ => Self::Other,
        }
    }
}

pub(super) fn no_marker(place: &str) -> String {
    let what = format!("{place} is not an exchange of Carry: it has no carry/format.json");
    match PlaceKind::of(place) {
        PlaceKind::Folder => format!(
            "{what}. Check that the right disk is mounted and that the sync tool has finished; if this is a new place, add it \
             with `carry remote add`"
        ),
        PlaceKind::Bucket => format!(
            "{what}. Check bucket and prefix in the address; if this is a new place, add it with `carry remote add`"
        ),
        PlaceKind::Server => format!(
            "the folder that {place} serves is not an exchange of Carry: it has no carry/format.json. Check on the server that \
             its disk is mounted; if the folder is new, `carry serve --init` there marks it"
        ),
        PlaceKind::WebDav => format!(
            "{what}. Check the path in the address, and that the server serves the folder; if this is a new place, add it with \
             `carry remote add`"
        ),
        PlaceKind::Other => {
            format!("{what}. Check the address; if this is a new place, add it with `carry remote add`")
        }
    }
}

pub(super) fn wrong_format(place: &str, version: Option<u64>) -> String {
    let kind = PlaceKind::of(place);
    match (version, kind) {
        (Some(version), PlaceKind::Server) if version < FORMAT => format!(
            "the server {place} is too old: its exchange has the format {version}, and this program needs {FORMAT}. Update Carry \
             on the server"
        ),
        (Some(version), _) => format!(
            "{place} has the exchange format {version}, and this program knows {FORMAT}: use the version of Carry that wrote it"
        ),
        (None, PlaceKind::Folder) => format!(
            "{place} has a carry/format.json that is not Carry's, or is damaged: wait until the sync tool has finished; if \
             nothing else owns that file, delete it and run `carry remote add` again"
        ),
        (None, PlaceKind::Server) => format!(
            "what answers at {place} is not an exchange of Carry: check the address, and that `carry serve` is what runs there"
        ),
        (None, PlaceKind::WebDav) => format!(
            "the WebDAV server {place} has a carry/format.json that is not Carry's, or is damaged: check the address; if nothing \
             else owns that file, delete it and run `carry remote add` again"
        ),
        (None, PlaceKind::Bucket) => format!(
            "{place} has a carry/format.json that is not Carry's, or is damaged: check the address; if nothing else owns that \
             file, delete it and run `carry remote add` again"
        ),
        (None, PlaceKind::Other) => format!(
            "{place} has a carry/format.json that is not Carry's, or is damaged: if nothing else owns that file, delete it and \
             run `carry remote add` again"
        ),
    }
}

pub(super) fn unreachable(place: &str) -> String {
    match PlaceKind::of(place) {
        PlaceKind::Folder => format!(
            "cannot reach the folder {place}: check that its disk or network drive is mounted, and that the sync tool keeps it on \
             this machine"
        ),
        PlaceKind::Bucket => {
            format!("cannot reach the bucket {place}: check its address, and that this machine is online")
        }
        PlaceKind::Server => format!(
            "cannot reach the server {place}: check the address, that `carry serve` runs there, and that this machine is online"
        ),
        PlaceKind::WebDav => {
            format!("cannot reach the WebDAV server {place}: check its address, and that this machine is online")
        }
        PlaceKind::Other => format!("cannot reach {place}: check its address, and that this machine is online"),
    }
}

pub(super) fn denied(place: &str) -> String {
    match PlaceKind::of(place) {
        PlaceKind::Folder => format!(
            "the folder {place} may not be read or written by this user: check its permissions and those of what lies below carry \
             in it, and that its disk is not mounted read-only"
        ),
        PlaceKind::Bucket => format!("the bucket {place} refuses this device"),
        PlaceKind::Server => format!("the server {place} refuses this device"),
        PlaceKind::WebDav => format!(
            "the WebDAV server {place} refuses this device: check user and password, and what they may do there"
        ),
        PlaceKind::Other => format!("{place} refuses this device: check the credentials it was added with"),
    }
}

pub(super) fn full(place: &str) -> String {
    let gc = "or run `carry exchange gc`";
    match PlaceKind::of(place) {
        PlaceKind::Folder => format!("the disk of the folder {place} is full: make room there, {gc}"),
        PlaceKind::Bucket => format!("the bucket {place} is full: raise its quota, {gc}"),
        PlaceKind::Server => format!(
            "the server {place} has no room left for this device: make room or raise its quota (`serve.quota`) there, {gc}"
        ),
        PlaceKind::WebDav => format!("the WebDAV server {place} has no room left: make room there, {gc}"),
        PlaceKind::Other => format!("{place} is full: make room there, {gc}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_place_has_words_of_its_own() {
        let of_folders = ["disk", "mount", "sync tool", "folder"];
        for say in [no_marker, unreachable, denied, full, |place: &str| wrong_format(place, None)] {
            let places = [
                "/mnt/nas",
                "s3://b/p?endpoint=https://e",
                "https://hub.example.org",
                "dav+https://c.example.org/x",
                "memory",
            ];
            let all = places.map(|place| say(place).replace(place, "PLACE"));
            for (at, one) in all.iter().enumerate() {
                assert!(all[at + 1..].iter().all(|other| other != one), "{all:?}");
            }
            assert!(of_folders.iter().any(|word| all[0].contains(word)), "{}", all[0]);
            assert!(!of_folders.iter().any(|word| all[1].contains(word)), "{}", all[1]);
            // A server serves a folder, but the one who asks has none.
            assert!(!all[2].contains("sync tool"), "{}", all[2]);
        }
        assert!(wrong_format("https://hub.example.org", Some(0)).contains("too old"));
        assert!(!wrong_format("https://hub.example.org", Some(2)).contains("too old"));
    }
}
