//! What the user is told on the desktop, each thing once.

use carry_code::drift::Drift;
use carry_code::git::ObjectId;
use carry_code::publish::LineState;
use carry_code::registry::{KnownDevice, Registry, Tree};
use carry_code::time::age;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use sha2::{Digest as _, Sha256};

use super::exchange::Exchange;
use super::results::sentence;
use crate::desktop::Notice;

/// Most notices of one kind at a time; of more only their number is told.
const NOTICES_MAX: usize = 3;

/// Newer work of other devices, once a tip.
pub(super) fn of_drift(registry: &mut Registry, tree: &Tree, drift: &[Drift], now: Timestamp) -> Vec<Notice> {
    let mut notices = Vec::new();
    for one in drift {
        let tip = &one.tip;
        if is_news(registry.tell_once(&tree.id, &tip.writer.source().to_string(), tip.commit)) {
            let title = format!("Newer work on {}", tip.writer.name());
            let (branch, age) = (tip.branch.display(), age(tip.time, now));
            let body = format!("{}, branch {branch}: {age}. `carry sync` takes it over.", name_of(tree));
            notices.push(Notice::new(&title, &body));
        }
    }
    bounded(notices, |n| {
        let body = format!("{}: from {n} devices. `carry devices` lists them.", name_of(tree));
        Notice::new("Newer work on other devices", &body)
    })
}

/// Devices that nobody approved, each once.
pub(super) fn of_devices(registry: &mut Registry) -> Vec<Notice> {
    let unknown: Vec<KnownDevice> = match registry.devices() {
        Ok(devices) => devices
            .into_iter()
            .filter(|device| device.approved.is_none() && !device.is_revoked && !device.shown)
            .collect(),
        Err(error) => {
            tracing::warn!("the known devices cannot be read: {}", sentence(&error));
            return Vec::new();
        }
    };
    let mut notices = Vec::new();
    for device in unknown {
        // What cannot be noted would be told again and again.
        if let Err(error) = registry.show_device(&device.id) {
            tracing::warn!("that a device was told of cannot be noted: {}", sentence(&error));
            continue;
        }
        // Its id: a label may be anything, also what a shell would obey.
        let body = format!("{} is not approved: `carry devices approve {}`.", device.label, device.id);
        notices.push(Notice::new("An unknown device", &body));
    }
    bounded(notices, |n| Notice::new("Unknown devices", &format!("{n} are not approved: `carry devices`.")))
}

/// Lines that a push left behind, once for each cause.
pub(super) fn of_push(registry: &mut Registry, tree: &Tree, work: &Exchange) -> Vec<Notice> {
    let published = match registry.published(&work.link.common_dir, &work.link.url) {
        Ok(published) => published,
        Err(error) => {
            tracing::warn!("what was published cannot be read: {}", sentence(&error));
            return Vec::new();
        }
    };
    let mut notices = Vec::new();
    for one in published.into_iter().filter(|one| one.line.tree == tree.id) {
        let place = format!("{}, branch {}", name_of(tree), one.branch.display());
        let remote = work.remote.shown_name();
        let (title, body) = match &one.state {
            LineState::Published | LineState::Pending => continue,
            LineState::Held { findings } => (
                "Not published: secrets",
                format!("{place}: {}. `carry now --push` says what to do, and asks.", findings.join(", ")),
            ),
            LineState::Refused { message } => ("Not published: refused", format!("{place}: {remote}: {message}")),
            LineState::Diverged => {
                ("Not published: somebody else wrote there", format!("{place}: {remote} is asked again soon."))
            }
        };
        let cause = fingerprint(&format!("{title}\n{body}"));
        let key = format!("{}/{}", work.held.name, one.line.component);
        if is_news(registry.tell_once(&tree.id, &key, cause)) {
            notices.push(Notice::new(title, &body));
        }
    }
    bounded(notices, |n| {
        let body = format!("{}: {n} branches. `carry status` says why.", name_of(tree));
        Notice::new("Not published", &body)
    })
}

/// Another machine wrote as this device.
pub(super) fn of_renewal(label: &str) -> Notice {
    let body = "Another machine wrote under this device's identity, as after copying a home. This one goes on under a new one.";
    Notice::new(&format!("{label} has a new identity"), body)
}

/// Whether it was not told before. What cannot be noted is not told: it would be told again and again.
fn is_news(told: Result<bool, DbError>) -> bool {
    told.unwrap_or_else(|error| {
        tracing::warn!("what was told cannot be noted: {}", sentence(&error));
        false
    })
}

fn bounded(notices: Vec<Notice>, all: impl FnOnce(usize) -> Notice) -> Vec<Notice> {
    if notices.len() <= NOTICES_MAX { notices } else { vec![all(notices.len())] }
}

/// What people call a working tree.
fn name_of(tree: &Tree) -> String {
    tree.root.file_name().unwrap_or(tree.root.as_os_str()).to_string_lossy().into_owned()
}

/// Stands for a text where an id is wanted.
fn fingerprint(text: &str) -> ObjectId {
    let mut id = [0; 20];
    id.copy_from_slice(&Sha256::digest(text)[..20]);
    ObjectId::from(id)
}
