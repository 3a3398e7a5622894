//! Other devices: who is not approved, who goes by whose name, who is not who they say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, sentence, shown};
use crate::context::Context;
use crate::git::ByteSlice as _;
use crate::line::quote::printable;
use crate::registry::{KnownDevice, Registry};
use crate::repo::Repo;
use crate::tips::{self, Trust, Writer};

/// How many devices a finding names.
const NAMED_MAX: usize = 5;

/// What concerns all repositories.
pub(super) fn examine(ctx: &Context, registry: &Registry, findings: &mut Vec<Finding>) {
    if let Some(former) = ctx.device.get().former().last() {
        let problem = format!(
            "Another machine wrote snapshots as this device ({}), so this one goes on as {}.",
            former.id,
            ctx.device.id()
        );
        let advice = "That happens when a home directory is copied to a second machine. Nothing was lost, and nothing needs to be done here. The other devices see a new one, which has to be approved there.";
        findings.push(Finding::new("identity-forked", Severity::Note, problem, advice));
    }
    let devices = match registry.devices() {
        Ok(devices) => devices,
        Err(error) => {
            let advice = "Which devices are approved is not known. None is trusted meanwhile.";
            findings.push(Finding::new("registry-unreadable", Severity::Error, sentence(&error), advice));
            return;
        }
    };
    let unapproved: Vec<String> =
        devices.iter().filter(|device| device.approved.is_none() && !device.is_revoked).map(named).collect();
    if !unapproved.is_empty() {
        let (shown, more) = unapproved.split_at(unapproved.len().min(NAMED_MAX));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let problem = format!("Not approved yet: {}{more}.", shown.join(", "));
        let advice = "Their work is kept but not told of, since anybody who can write to a remote can put it there. If they are yours, approve them: `carry devices approve NAME`.";
        findings.push(Finding::new("devices-unapproved", Severity::Note, problem, advice));
    }
}

/// What concerns one repository.
pub(super) fn of_repository(ctx: &Context, repo: &Repo, findings: &mut Vec<Finding>) {
    let root = shown(repo.root());
    let tips = match tips::all(ctx, repo) {
        Ok(tips) => tips,
        Err(error) => {
            let advice = "Which devices have work there is not known. See what `git for-each-ref refs/carry` says.";
            findings.push(Finding::new("devices-unreadable", Severity::Warning, sentence(&error), advice));
            return;
        }
    };
    let impostors: BTreeSet<String> =
        tips.iter().filter(|tip| tip.trust == Trust::Impostor).map(|tip| tip.writer.id()).collect();
    for id in impostors {
        let id = printable(id.as_bytes().as_bstr());
        let problem = format!("In {root} somebody writes as {id} under another key than that device has.");
        let advice = "None of it is taken for that device's. Find out who can write to the remote. If the device was set up anew under its old name, that one has to be approved by itself.";
        findings.push(Finding::new("device-impostor", Severity::Error, problem, advice));
    }
    let mut by_label = BTreeMap::<String, BTreeSet<String>>::new();
    let own = ctx.device.get();
    by_label.entry(own.label().to_owned()).or_default().insert(own.id().to_string());
    for tip in tips.iter().filter(|tip| tip.trust != Trust::Impostor) {
        if let Writer::Carry { line, label, .. } = &tip.writer
            // What this device was before goes by its name with every right.
            && own.public_key_of(&line.device).is_none()
        {
            by_label.entry(label.clone()).or_default().insert(line.device.to_string());
        }
    }
    for (label, ids) in by_label.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let label = printable(label.as_bytes().as_bstr());
        let ids: Vec<String> = ids.into_iter().take(NAMED_MAX).collect();
        let problem = format!("In {root} several devices are called {label}: {}.", ids.join(", "));
        let advice = "They are told apart by their ids. Give one of them another name: `carry devices rename NAME` on that device.";
        findings.push(Finding::new("label-shared", Severity::Note, problem, advice));
    }
}

fn named(device: &KnownDevice) -> String {
    let label = printable(device.label.as_bytes().as_bstr());
    let id = printable(device.id.as_bytes().as_bstr());
    if label == id { id } else { format!("{label} ({id})") }
}
