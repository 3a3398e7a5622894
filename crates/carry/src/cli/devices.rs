//! `carry devices`: who else writes here, and whose work is trusted.

use std::collections::BTreeMap;

use carry_code::registry::{KnownDevice, LinkState, Registry};
use carry_code::repo::Repo;
use carry_code::seen::Relation;
use carry_code::stream::{self, ForeignLine};
use carry_code::time;
use carry_code::tips::{self, Tip, Trust, Writer};
use carry_daemon::exchange::settings::Settings;
use carry_exchange::store::LogState;
use carry_exchange::store::status::{self, LogStatus, Status};
use clap::Subcommand;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::push::branch_json;
use crate::failure::Failure;
use crate::links::Here;
use crate::output::style;
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{text, writers};

mod logs;
mod trust;

use logs::LogJson;
pub(super) use logs::waiting;
pub(super) use trust::tell_known;

/// Bytes of a key's SHA-256 that people compare.
const FINGERPRINT_BYTES: usize = 8;

/// List the devices, and say which are yours
///
/// Without a command: this device and all others that were seen, and inside a repository what each has of every branch,
/// beside what is here; then what each exchanges: how much it published, what of it is here and what is missing, and who has what is
/// this device's ("safe on"). It asks no remote; `carry sync --dry-run` and `carry exchange` do. Only the work of approved devices is
/// offered and taken over.
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
        None => list(shell),
        Some(Command::Approve { all: true, .. }) => trust::approve_all(shell),
        Some(Command::Approve { device, .. }) => trust::approve(shell, device.as_deref().unwrap_or_default()),
        Some(Command::Revoke { device }) => trust::revoke(shell, device),
        Some(Command::Rename { label, device: None }) => trust::rename(shell, label),
        Some(Command::Rename { label, device: Some(device) }) => trust::rename_other(shell, device, label),
        Some(Command::Forget { device }) => trust::forget(shell, device),
    }
}

/// One device with what it has here.
struct Listed {
    json: DeviceJson,
    key: Option<[u8; 32]>,
    state: &'static str,
    tips: Vec<Beside>,
    /// Whether it is another machine under an id that this device had.
    is_copy: bool,
}

/// A tip, and how it stands to what is here.
struct Beside {
    tip: Tip,
    relation: &'static str,
    known: String,
}

fn list(shell: &Shell) -> Result<(), Failure> {
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
    let status = status::look(&shell.home)?;
    if let Some(status) = &status {
        add_logs(&mut devices, status, &all_known, &this, &shell.exchange());
    }
    let print = fingerprint(&this.public_key());
    shell.out.note(format_args!(
        "The fingerprint of this device: {}. Compare it where another device shows it before you approve this one there.",
        shell.out.paint(style::ID, print)
    ));
    show(shell, &devices)?;
    warn_of_namesakes(shell, &devices);
    if let Some(status) = status.filter(|_| !shell.out.is_json()) {
        logs::show(shell, &status, &all_known)?;
    }
    Ok(())
}

/// Adds what is exchanged to the devices that it is of, and those that are known from there alone.
fn add_logs(
    devices: &mut Vec<Listed>,
    status: &Status,
    known: &[KnownDevice],
    this: &carry_kernel::device::Device,
    settings: &Settings,
) {
    for log in &status.logs {
        let json = logs::LogJson::new(log, status, known, settings);
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

/// All tips by the id of their writer.
fn tips_of(shell: &Shell, registry: &Registry, here: &Here) -> Result<BTreeMap<String, Vec<Beside>>, Failure> {
    let links = registry.links(&here.tree.common_dir)?;
    let exchanged = exchanged(shell, here)?;
    let mut by_writer: BTreeMap<String, Vec<Beside>> = BTreeMap::new();
    for tip in tips::all(&here.ctx, &here.repo)? {
        let ours = tips::own(&here.ctx, &here.repo, &here.tree.id, &tip.branch)?;
        let relation = relation(&tip, ours.as_ref(), here);
        let is_ours = tip.trust == Trust::Own && !writers::is_copy(&tip, &here.ctx.device.id());
        let known = match exchanged.iter().any(|line| !is_ours && is_of(line, &tip)) {
            true => by_exchange(shell),
            false => how_known(shell, &links, &tip, is_ours),
        };
        by_writer.entry(tip.writer.id()).or_default().push(Beside { relation, known, tip });
    }
    Ok(by_writer)
}

/// The lines that the exchange brought into the repository.
fn exchanged(shell: &Shell, here: &Here) -> Result<Vec<ForeignLine>, Failure> {
    let Some(ctx) = shell.existing_context()? else { return Ok(Vec::new()) };
    let mut lines = stream::standing(&ctx)?.foreign;
    lines.retain(|line| line.here.contains(&here.tree.common_dir));
    Ok(lines)
}

/// Whether a tip is what a line of the exchange brought last. What a Git remote brought since is newer.
fn is_of(exchanged: &ForeignLine, tip: &Tip) -> bool {
    let Writer::Carry { line, .. } = &tip.writer else { return false };
    // A line of the exchange knows the time of its commit, which has whole seconds.
    exchanged.ref_name == line.ref_name() && exchanged.time.as_secs() == tip.time.as_secs()
}

/// That work came by the exchange, and through which place where that is sure.
fn by_exchange(shell: &Shell) -> String {
    let settings = shell.exchange();
    let mut with_code = settings.remotes.iter().filter(|remote| remote.has_code);
    match (with_code.next(), with_code.next()) {
        (Some(remote), None) => format!("exchange ({})", remote.name),
        _ => "exchange".to_owned(),
    }
}

fn relation(tip: &Tip, ours: Option<&Tip>, here: &Here) -> &'static str {
    if let Writer::Carry { line, .. } = &tip.writer
        && line.tree == here.tree.id
        && tip.trust == Trust::Own
        && !writers::is_copy(tip, &here.ctx.device.id())
    {
        return "here";
    }
    if tip.finished {
        return "finished";
    }
    let Some(ours) = ours else { return "ahead" };
    // What cannot be looked at stands as the vectors say.
    let looked = carry_code::drift::relation(&here.ctx, &here.repo, ours, tip);
    match looked.unwrap_or_else(|_| tip.seen.compare(&ours.seen)) {
        Relation::Same => "same",
        Relation::Older => "behind",
        Relation::Newer => "ahead",
        Relation::Diverged => "diverged",
    }
}

fn how_known(shell: &Shell, links: &[LinkState], tip: &Tip, is_ours: bool) -> String {
    let newest = |of: fn(&LinkState) -> Option<carry_kernel::clock::Timestamp>| {
        links.iter().filter_map(|link| Some((of(link)?, text::line(&link.remote)))).max()
    };
    match (is_ours, &tip.writer) {
        (true, _) => match newest(|link| link.pushed) {
            Some((at, _)) => format!("this device, pushed {}", time::age(at, shell.now())),
            None => "this device".to_owned(),
        },
        (false, writer) => {
            let of_pulsar = matches!(writer, Writer::Pulsar { .. });
            match newest(|link| link.fetched) {
                Some((at, remote)) if !of_pulsar => format!("fetched from {remote} {}", time::age(at, shell.now())),
                Some((at, remote)) => format!("git-pulsar, fetched from {remote} {}", time::age(at, shell.now())),
                None if of_pulsar => "git-pulsar".to_owned(),
                None => "what is here".to_owned(),
            }
        }
    }
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
        for beside in &listed.tips {
            let age = time::age(beside.tip.time, shell.now());
            let branch = beside.tip.branch.display();
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

/// One device, for machines.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename = "device")]
struct DeviceJson {
    id: String,
    label: String,
    kind: &'static str,
    state: &'static str,
    fingerprint: Option<String>,
    first_seen: Option<String>,
    approved: Option<String>,
    lines: Vec<LineJson>,
    exchange: Vec<LogJson>,
}

/// What a device has of a branch, for machines.
#[derive(Clone, Serialize)]
struct LineJson {
    branch: Option<String>,
    repository: Option<String>,
    snapshot: String,
    time: String,
    relation: &'static str,
    finished: bool,
    known_by: String,
}

impl DeviceJson {
    fn this(device: &carry_kernel::device::Device) -> Self {
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

    fn known(device: &KnownDevice) -> Self {
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
    fn of_log(log: &LogStatus, json: LogJson, known: &[KnownDevice]) -> Self {
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
    fn of(tip: &Tip, id: &str) -> Self {
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
    fn new(beside: &Beside) -> Self {
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

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_is_sixteen_hex_digits_in_groups() {
        // The SHA-256 of 32 zero bytes begins so.
        assert_eq!(fingerprint(&[0; 32]), "6668 7aad f862 bd77");
    }
}
