//! Devices for machines.

use carry_code::registry::KnownDevice;
use carry_code::tips::{Tip, Writer};
use carry_exchange::store::status::LogStatus;
use serde::Serialize;

use super::beside::Beside;
use super::logs::{self, LogJson};
use super::{fingerprint, state};
use crate::cli::push::branch_json;
use crate::writers;

/// One device, for machines.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename = "device")]
pub(super) struct DeviceJson {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
    pub(super) fingerprint: Option<String>,
    pub(super) first_seen: Option<String>,
    pub(super) approved: Option<String>,
    pub(super) lines: Vec<LineJson>,
    pub(super) exchange: Vec<LogJson>,
}

/// What a device has of a branch, for machines.
#[derive(Clone, Serialize)]
pub(super) struct LineJson {
    branch: Option<String>,
    repository: Option<String>,
    snapshot: String,
    time: String,
    relation: &'static str,
    finished: bool,
    known_by: String,
}

impl DeviceJson {
    pub(super) fn this(device: &carry_kernel::device::Device) -> Self {
        Self {
            id: device.id().as_str().to_owned(),
            label: device.label().to_owned(),
            kind: "carry",
            state: "this device",
            fingerprint: Some(fingerprint(&device.public_key())),
            first_seen: None,
            approved: None,
            lines: Vec::new(),
            exchange: Vec::new(),
        }
    }

    pub(super) fn known(device: &KnownDevice) -> Self {
        Self {
            id: device.id.clone(),
            label: device.label.clone(),
            kind: if device.id.starts_with("pulsar/") { "git-pulsar" } else { "carry" },
            state: state(device),
            fingerprint: device.key.as_ref().map(fingerprint),
            first_seen: Some(device.first_seen.to_rfc3339()),
            approved: device.approved.map(|at| at.to_rfc3339()),
            lines: Vec::new(),
            exchange: Vec::new(),
        }
    }

    /// One that is known from the exchange alone.
    pub(super) fn of_log(log: &LogStatus, json: LogJson, known: &[KnownDevice]) -> Self {
        let name = log.device.as_ref().map_or(log.row.alias.as_str(), |device| device.as_str());
        Self {
            id: name.to_owned(),
            label: log.label().unwrap_or(name).to_owned(),
            kind: "carry",
            state: logs::state(log, known),
            fingerprint: log.device_key().as_ref().map(fingerprint),
            first_seen: Some(log.row.since.to_rfc3339()),
            approved: None,
            lines: Vec::new(),
            exchange: vec![json],
        }
    }

    /// One that nobody noted.
    pub(super) fn of(tip: &Tip, id: &str) -> Self {
        let (kind, key) = match &tip.writer {
            Writer::Carry { key, .. } => ("carry", key.as_ref()),
            Writer::Pulsar { .. } => ("git-pulsar", None),
        };
        Self {
            id: id.to_owned(),
            label: tip.writer.name().to_owned(),
            kind,
            state: writers::trust(tip.trust),
            fingerprint: key.map(fingerprint),
            first_seen: None,
            approved: None,
            lines: Vec::new(),
            exchange: Vec::new(),
        }
    }
}

impl LineJson {
    pub(super) fn new(beside: &Beside) -> Self {
        Self {
            branch: branch_json(&beside.tip.branch),
            repository: match &beside.tip.writer {
                Writer::Carry { line, .. } => Some(line.tree.to_string()),
                Writer::Pulsar { .. } => None,
            },
            snapshot: beside.tip.commit.to_string(),
            time: beside.tip.time.to_rfc3339(),
            relation: beside.relation,
            finished: beside.tip.finished,
            known_by: beside.known.clone(),
        }
    }
}
