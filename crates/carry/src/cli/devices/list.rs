//! The table of all devices: this one, those that Git remotes showed, and those that exchange.

use std::collections::BTreeMap;

use carry_code::registry::KnownDevice;
use carry_code::repo::Repo;
use carry_code::time;
use carry_code::tips::Trust;
use carry_daemon::exchange::settings::Settings;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};

use super::beside::{Beside, branches, tips_of};
use super::conflicts::Conflicts;
use super::json::{DeviceJson, LineJson};
use super::{fingerprint, logs, state};
use crate::failure::Failure;
use crate::links::Here;
use crate::output::style;
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{text, writers};

/// One device with what it has here.
struct Listed {
    json: DeviceJson,
    key: Option<[u8; 32]>,
    state: &'static str,
    tips: Vec<Beside>,
    /// Whether it is another machine under an id that this device had.
    is_copy: bool,
}

pub(super) fn list(shell: &Shell) -> Result<(), Failure> {
    let registry = shell.registry()?;
    let here = match targets::place(Some(&registry), &shell.cwd)? {
        Place::Registered(tree) => Some(Here::new(shell, Repo::open(&tree.root)?, tree)?),
        Place::Unregistered(_) | Place::Outside => None,
    };
    let mut beside = match &here {
        Some(here) => tips_of(shell, &registry, here)?,
        None => BTreeMap::new(),
    };
    let this = shell.context()?.device.get();
    let mut devices = vec![Listed {
        json: DeviceJson::this(&this),
        key: Some(this.public_key()),
        state: "this device",
        tips: beside.remove(this.id().as_str()).unwrap_or_default(),
        is_copy: false,
    }];
    let all_known = registry.devices()?;
    for known in &all_known {
        let tips = beside.remove(&known.id).unwrap_or_default();
        let is_impostor = tips.iter().any(|beside| beside.tip.trust == Trust::Impostor);
        let state = if is_impostor { "impostor" } else { state(known) };
        // Whoever has this device's key or a former one of it.
        let is_copy =
            this.former().iter().any(|former| former.id.as_str() == known.id) || known.key == Some(this.public_key());
        devices.push(Listed { json: DeviceJson::known(known), key: known.key, state, tips, is_copy });
        registry_shows(shell, known)?;
    }
    // What lies here without ever having come through a fetch of ours, as git-pulsar's own streams.
    for (id, tips) in beside {
        let Some(first) = tips.first() else { continue };
        devices.push(Listed {
            json: DeviceJson::of(&first.tip, &id),
            key: None,
            state: writers::trust(first.tip.trust),
            is_copy: writers::is_copy(&first.tip, this.id()),
            tips,
        });
    }
    let mut status = status::look(&shell.home)?;
    let conflicts = status.as_ref().map(|status| Conflicts::count(shell, status));
    if let (Some(status), Some(conflicts)) = (&mut status, &conflicts) {
        conflicts.add_streams(status);
        add_logs(&mut devices, status, conflicts, &all_known, &this, &shell.exchange());
    }
    let print = fingerprint(&this.public_key());
    shell.out.note(format_args!(
        "The fingerprint of this device: {}. Compare it where another device shows it before you approve this one there.",
        shell.out.paint(style::ID, print)
    ));
    show(shell, &devices)?;
    warn_of_namesakes(shell, &devices);
    if let (Some(status), Some(conflicts), false) = (&status, &conflicts, shell.out.is_json()) {
        logs::show(shell, status, conflicts, &all_known)?;
    }
    Ok(())
}

/// Adds what is exchanged to the devices that it is of, and those that are known from there alone.
fn add_logs(
    devices: &mut Vec<Listed>,
    status: &Status,
    conflicts: &Conflicts,
    known: &[KnownDevice],
    this: &carry_kernel::device::Device,
    settings: &Settings,
) {
    for log in &status.logs {
        let json = logs::LogJson::new(log, status, conflicts, known, settings);
        let key = log.device_key();
        // Whoever calls itself as this device is not it for that.
        let others = devices.iter_mut().skip(1);
        let place = match log.is_ours() {
            true => devices.first_mut(),
            false => others.into_iter().find(|listed| key.is_some() && listed.key == key),
        };
        match place {
            Some(listed) => {
                // One home of several that write under its key was parted with, or the device as a whole.
                let counts = |other: &LogStatus| other.row.state == LogState::Approved && other.device_key() == key;
                let is_revoked = log.row.state == LogState::Revoked
                    && log.row.revoked_by.is_none()
                    && !status.logs.iter().any(counts);
                if is_revoked && matches!(listed.state, "approved" | "unknown") {
                    listed.state = "revoked";
                }
                listed.json.exchange.push(json);
            }
            None => devices.push(Listed {
                state: logs::state(log, known),
                json: DeviceJson::of_log(log, json, known),
                key,
                tips: Vec::new(),
                is_copy: key.is_some_and(|key| {
                    key == this.public_key() || this.former().iter().any(|former| former.public_key == key)
                }),
            }),
        }
    }
}

/// An unknown device is told of once; from now on the user has seen it.
fn registry_shows(shell: &Shell, known: &KnownDevice) -> Result<(), Failure> {
    if !known.shown {
        shell.registry()?.show_device(&known.id)?;
    }
    Ok(())
}

fn show(shell: &Shell, devices: &[Listed]) -> Result<(), Failure> {
    if shell.out.is_json() {
        for listed in devices {
            let mut json = listed.json.clone();
            json.state = listed.state;
            json.lines = listed.tips.iter().map(LineJson::new).collect();
            shell.out.json(&json)?;
        }
        return Ok(());
    }
    let mut table = shell.out.table(&["DEVICE", "STATE", "BRANCH", "CAPTURED", "BESIDE HERE", "KNOWN BY", "ID"]);
    for listed in devices {
        let mut label = text::line(&listed.json.label);
        if listed.is_copy {
            label = format!("{label} {}", writers::COPY);
        }
        let id = text::line(&listed.json.id);
        if listed.tips.is_empty() {
            table.add_row([&label, listed.state, "-", "-", "-", "-", &id]);
        }
        for (beside, branch) in listed.tips.iter().zip(branches(&listed.tips)) {
            let age = time::age(beside.tip.time, shell.now());
            table.add_row([&label, listed.state, &branch, &age, beside.relation, &beside.known, &id]);
        }
    }
    shell.out.line(table.trim_fmt())?;
    if devices.iter().any(|listed| listed.state == "unknown") {
        shell.out.note("Work of unknown devices is not offered by itself; `carry devices approve NAME` trusts one.");
    }
    for listed in devices.iter().filter(|listed| listed.state == "impostor") {
        shell.out.warn(format_args!(
            "somebody writes as {} under another key; nothing of that is taken",
            text::line(&listed.json.label)
        ));
    }
    Ok(())
}

/// Two devices of one name are easily taken for each other.
fn warn_of_namesakes(shell: &Shell, devices: &[Listed]) {
    let mut names: Vec<&str> = devices.iter().map(|listed| listed.json.label.as_str()).collect();
    names.sort_unstable();
    let mut told = None;
    for pair in names.windows(2) {
        if pair[0] == pair[1] && told != Some(pair[0]) {
            told = Some(pair[0]);
            shell.out.warn(format_args!(
                "several devices are called {}; `carry devices rename LABEL` on one of them tells them apart",
                text::line(pair[0])
            ));
        }
    }
}
