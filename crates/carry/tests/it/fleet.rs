//! Several devices that share a Git remote: what one of them did, the others take over.

use carry_testkit::fleet::{Device, Fleet, Transport};
use serde_json::Value;

mod background;
mod clocks;
mod kills;
mod network;
mod pulsar;
mod round;
mod safety;
mod streams;

const CARRY: &str = env!("CARGO_BIN_EXE_carry");

/// Devices that know nothing of each other; each is registered and called by its name.
#[track_caller]
fn strangers(transport: Transport, n: usize) -> Fleet {
    let fleet = Fleet::new(CARRY, transport, n);
    for device in fleet.devices() {
        device.carry(["add"]);
        device.carry(["devices", "rename", &device.name]);
    }
    fleet
}

/// Devices that published once and approved each other.
#[track_caller]
fn friends(transport: Transport, n: usize) -> Fleet {
    let fleet = strangers(transport, n);
    for device in fleet.devices() {
        push(device);
    }
    for device in fleet.devices() {
        fetch(device);
        device.carry(["devices", "approve", "--all", "--yes"]);
    }
    fleet
}

/// Captures and publishes.
#[track_caller]
fn push(device: &Device) {
    device.carry(["now", "--push", "--yes"]);
}

/// Fetches what others published; changes nothing here.
#[track_caller]
fn fetch(device: &Device) {
    device.carry(["sync", "--dry-run"]);
}

/// Fetches and takes over.
#[track_caller]
fn sync(device: &Device) {
    device.carry(["sync", "--yes"]);
}

/// Whose newer work a device names, the first to take over first.
#[track_caller]
fn drift(device: &Device) -> Vec<String> {
    let status = device.carry(["status", "--json"]);
    let repository = objects(&status).into_iter().find(|object| object["drift"].is_array());
    let repository = repository.unwrap_or_else(|| panic!("no repository with drift in {status}"));
    let rows = repository["drift"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["device"]["label"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How the only remote stands, as `status --json` says it.
#[track_caller]
fn remote(device: &Device) -> Value {
    let status = device.carry(["status", "--json"]);
    let repository = objects(&status).into_iter().find(|object| object["remotes"].is_array());
    repository.unwrap_or_else(|| panic!("no repository with remotes in {status}"))["remotes"][0].clone()
}

/// The JSON objects that a command printed.
#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// The refs of a device that are neither ours nor what Git itself made when it was cloned.
fn foreign_refs(device: &Device) -> Vec<String> {
    let usual = ["refs/heads/main", "refs/remotes/origin/main", "refs/remotes/origin/HEAD"];
    let names = device.refs().into_iter().map(|(name, _)| name);
    names.filter(|name| !name.starts_with("refs/carry") && !usual.contains(&name.as_str())).collect()
}

/// What the user has besides files: HEAD, index, reflogs, configuration.
fn state(device: &Device) -> Vec<String> {
    [
        &["rev-parse", "HEAD"][..],
        &["ls-files", "-s"],
        &["symbolic-ref", "HEAD"],
        &["config", "--list", "--local"],
        &["reflog"],
    ]
    .iter()
    .map(|args| device.git(*args))
    .collect()
}
