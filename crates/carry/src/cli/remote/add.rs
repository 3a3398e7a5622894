//! `carry remote add`: set a place up, and remember it.

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use carry_daemon::exchange::apart::{self, Ground as Apart};
use carry_daemon::exchange::settings::{RemoteSettings, Settings, is_remote_name, token_variable};
use carry_exchange::location::Location;
use carry_exchange::name::{Folder, LogId};
use carry_exchange::remote::{Class, Deadline, Init, Remote};
use carry_exchange::store::{RoundRow, Store};
use carry_kernel::{config, gate};

use super::{RemoteJson, is_of, near, note_of, place, place_word, said_by_user, set_code};
use crate::failure::Failure;
use crate::output::style;
use crate::wire::{KEYS, Shell};
use crate::{paths, prompt, text};

/// Set a place up as an exchange, and remember it
///
/// Shows what will be written there, and asks. Only this command makes a place an exchange: where a disk is not mounted, nothing is
/// ever written to its empty mount point. Every device adds the same place; running it again does no harm.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote on this device: 1 to 32 of a-z, 0-9 and -
    pub(super) name: String,
    /// A folder, s3://bucket/prefix?endpoint=https://..., dav+https://host/path, or https://host/path
    pub(super) place: String,
    /// Exchange uncommitted code there, too. It goes there as it is
    #[arg(long, conflicts_with = "no_code")]
    pub(super) code: bool,
    /// Exchange no code there, and do not ask
    #[arg(long)]
    pub(super) no_code: bool,
    #[command(flatten)]
    pub(super) files: Files,
}

/// The files that may belong to a remote.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Files {
    /// File for you alone (0600) with the token for an https:// address, or user:password for a dav+https:// one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File (PEM) with the certificate that an https:// or dav+https:// address signs its own with
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Files {
    /// Whether none was named.
    pub(super) fn is_empty(&self) -> bool {
        self.token_file.is_none() && self.ca_file.is_none()
    }

    /// The setting that names each, and the entry.
    pub(super) fn entries(&self, shell: &Shell, name: &str) -> Vec<(&'static str, String)> {
        let files = [("exchange.token_files", &self.token_file), ("exchange.ca_files", &self.ca_file)];
        let entry = |path: &PathBuf| format!("{name}={}", shell.cwd.join(path).display());
        files.into_iter().filter_map(|(key, path)| Some((key, entry(path.as_ref()?)))).collect()
    }
}

/// Names that `carry exchange` means otherwise.
const TAKEN: [&str; 3] = ["verify", "gc", "stats"];
/// What to answer where nobody can be asked.
pub(super) const CONSENT: &str = "--yes agrees; --code exchanges uncommitted code there, too.";
/// Folders in which disks are mounted.
const MOUNTS: [&str; 4] = ["/mnt", "/media", "/run/media", "/Volumes"];

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let name = args.name.as_str();
    if !is_remote_name(name) || TAKEN.contains(&name) {
        return Err(Failure::usage(format!("{:?} cannot be the name of a remote", text::line(name)))
            .hint("A name has 1 to 32 of a-z, 0-9 and -, and is none of verify, gc and stats."));
    }
    let location = location(shell, &args.place)?;
    let settings = shell.exchange();
    let known = settings.remote(name);
    if let Some(known) = known.filter(|known| known.location != location) {
        return Err(Failure::failed(format!("{name} is {} already", place(shell, &known.location))).hint(format!(
            "Give another name, or change its address: `carry remote set-url {name} {}`.",
            place_word(&location)
        )));
    }
    check(shell, &settings, name, &location, &args.place)?;
    let files = args.files.entries(shell, name);
    check_files(&files, &location)?;
    let ground = shell.ground()?;
    let mut store = ground.store()?;
    let mut overrides = vec![("exchange.remotes", quoted(&[format!("{name}={}", args.place)]))];
    overrides.extend(files.iter().map(|(key, entry)| (*key, quoted(std::slice::from_ref(entry)))));
    let named = shell.exchange_with(&overrides).remote(name).cloned();
    let remote = RemoteSettings {
        name: name.to_owned(),
        location,
        has_code: false,
        is_private: false,
        token: named.as_ref().and_then(|remote| remote.token.clone()),
        rate: named.as_ref().and_then(|remote| remote.rate),
        ca_file: named.and_then(|remote| remote.ca_file),
    };
    let connected = ground.connect(&remote, store.log())?;
    let is_marked = is_marked(&*connected, &remote.location)?;
    // One that is known and lost its marker may be another disk, or none.
    if known.is_none() || !is_marked {
        ask(shell, &settings, "add", &remote, is_marked)?;
    }
    let has_code = match (args.code, args.no_code, known) {
        (true, ..) => true,
        (_, true, _) => false,
        (false, false, Some(known)) => known.has_code,
        (false, false, None) => ask_for_code(shell, name, &place_word(&remote.location))?,
    };
    let made = connected.init(&Deadline::NONE)?;
    if known.is_none() {
        // Under this name another place may have been known.
        if let Some(busy) = note_of(shell, name, |store| store.forget_remote(name))? {
            return Err(busy);
        }
        let item = format!("{name}={}", remote.location);
        config::append_user_list(KEYS, &shell.home.config_file(), "exchange.remotes", &item)?;
    }
    let mut has_new_files = false;
    for (key, entry) in &files {
        has_new_files |= name_file(shell, name, key, entry)?;
    }
    let is_switched = set_code(shell, name, has_code)?;
    if is_switched && known.is_some() {
        store.look_again(name)?;
    }
    let changed = is_switched || has_new_files || known.is_none() || made == Init::Created;
    shell.reload_daemon();
    let remote = RemoteSettings { has_code, ..remote };
    if shell.out.is_json() {
        return shell.out.json(&RemoteJson::new(&remote, &RoundRow::default(), changed));
    }
    if changed && known.is_some() && made == Init::Already {
        if has_new_files {
            shell.out.say(format_args!("The remote {name} goes by the file that was named from now on."))?;
        }
        if is_switched {
            shell.out.say(format_args!("The remote {name} exchanges {} from now on.", what_of(has_code)))?;
        }
        return Ok(());
    }
    let is_used = changed && is_marked && has_others(&*connected, &store)?;
    said(shell, &remote, is_used, changed)
}

/// Whether another device has put a head there. A place that cannot be listed says so when it is exchanged with.
pub(super) fn has_others(connected: &dyn Remote, store: &Store) -> Result<bool, Failure> {
    let ours: Vec<LogId> = store.status()?.logs.iter().filter(|log| log.is_ours()).map(|log| log.row.log).collect();
    let mut has_others = false;
    let listed = connected.list(Folder::Heads, &Deadline::NONE, &mut |page| {
        has_others |= page.iter().any(|file| {
            let log = file.name.split_once('-').and_then(|(log, _)| log.parse::<LogId>().ok());
            file.name.ends_with(".head") && log.is_some_and(|log| !ours.contains(&log))
        });
        if has_others { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    Ok(listed.is_ok() && has_others)
}

/// The place that was named.
pub(super) fn location(shell: &Shell, place: &str) -> Result<Location, Failure> {
    Ok(match Location::parse(place, &shell.cwd)? {
        // As it is, whatever it was called. What is not there is named by `check`.
        Location::Folder(folder) if place.contains("..") => Location::Folder(folder.canonicalize().unwrap_or(folder)),
        location => location,
    })
}

/// Whether the remote `name` can be at a place, which was `said` so.
pub(super) fn check(
    shell: &Shell,
    settings: &Settings,
    name: &str,
    location: &Location,
    said: &str,
) -> Result<(), Failure> {
    if let Some(other) = settings.remotes.iter().find(|other| other.name != name && is_same(&other.location, location))
    {
        return Err(Failure::failed(format!("{} is that place already", other.name))
            .hint("One place has one name; under two everything would be moved twice."));
    }
    if !is_text(location) {
        return Err(Failure::failed("the folder's path is not UTF-8, so that no setting can name it")
            .hint("Make a link to it with a plain name, and add that."));
    }
    match location {
        Location::Folder(folder) => check_folder(shell, folder, said.starts_with('/') || said.starts_with("file:")),
        Location::Bucket(_) | Location::WebDav { .. } | Location::Peer { .. } => Ok(()),
    }
}

/// Whether files can belong to a place.
pub(super) fn check_files(files: &[(&'static str, String)], location: &Location) -> Result<(), Failure> {
    match files.first() {
        Some((key, _)) if !matches!(location, Location::Peer { .. } | Location::WebDav { .. }) => {
            let key = key.trim_start_matches("exchange.");
            Err(Failure::usage(format!("{key} belongs to an https:// or dav+https:// address")))
        }
        _ => Ok(()),
    }
}

/// Whether a place that can be reached is an exchange already.
pub(super) fn is_marked(connected: &dyn Remote, location: &Location) -> Result<bool, Failure> {
    match connected.check(&Deadline::NONE) {
        Ok(()) => Ok(true),
        // The other device marks its own.
        Err(error) if error.class() == Class::NoMarker && !matches!(location, Location::Peer { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Names a file that belongs to the remote, in the stead of one that was named before; says whether that changed anything.
fn name_file(shell: &Shell, name: &str, key: &str, entry: &str) -> Result<bool, Failure> {
    let file = shell.home.config_file();
    let mut has_changed = config::append_user_list(KEYS, &file, key, entry)?;
    for item in said_by_user(shell, key).into_iter().filter(|item| is_of(name, item) && item != entry) {
        has_changed |= config::remove_user_list(KEYS, &file, key, &item)?;
    }
    Ok(has_changed)
}

/// As TOML takes it.
fn quoted(items: &[String]) -> String {
    serde_json::json!(items).to_string()
}

fn is_text(location: &Location) -> bool {
    match location {
        Location::Folder(path) => path.to_str().is_some(),
        Location::Bucket(_) | Location::WebDav { .. } | Location::Peer { .. } => true,
    }
}

/// Whether two names mean one place. Folders may be reached in several ways.
fn is_same(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::Folder(one), Location::Folder(other)) => {
            one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
        }
        _ => one == other,
    }
}

/// A folder must be there, apart from what Carry captures and keeps, and hold nothing of somebody else's under our name.
fn check_folder(shell: &Shell, folder: &Path, is_absolute: bool) -> Result<(), Failure> {
    let shown = shell.folder(&paths::without_dots(folder));
    let resolved = folder.canonicalize().map_err(|error| missing(&shown, &error, is_absolute))?;
    if !resolved.is_dir() {
        return Err(Failure::failed(format!("{shown} is not a folder"))
            .hint("Give the folder itself: one that a sync tool carries, on a network drive or a stick."));
    }
    let mut grounds = grounds(shell)?;
    // The folder that `carry serve` serves lies there, and is a place like any other.
    if resolved == shell.home.data_dir().join("exchange").join("hub").canonicalize().unwrap_or_default() {
        grounds.retain(|ground| !matches!(ground, Apart::Home(_)));
    }
    if let Some(found) = apart::overlap(&resolved, &grounds) {
        let (what, hint) = match found {
            Apart::Home(_) => ("where Carry keeps its things", "Choose a folder that a sync tool carries, elsewhere."),
            Apart::Tree(_) => {
                ("a captured working tree", "Choose a folder outside of it: what lies there would be captured.")
            }
            Apart::Agent(_) => ("where a coding agent keeps its sessions", "Choose a folder outside of it."),
        };
        let failure = Failure::failed(format!("{shown} would mix with {}, {what}", shell.folder(found.path())));
        return Err(failure.hint(hint));
    }
    let carry = resolved.join("carry");
    let is_foreign = carry.is_dir()
        && !carry.join("format.json").exists()
        && std::fs::read_dir(&carry).is_ok_and(|mut entries| entries.next().is_some());
    if is_foreign {
        return Err(Failure::failed(format!("{shown} has a folder carry that is not an exchange's")).hint(
            "If a sync tool is still bringing it, wait until it has finished. If it is something else, choose another folder, \
             for example an empty one inside.",
        ));
    }
    Ok(())
}

/// The folder is not there, or cannot be looked at.
fn missing(shown: &str, error: &std::io::Error, is_absolute: bool) -> Failure {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Failure::failed(format!("{shown} cannot be looked at: {error}"));
    }
    let failure = Failure::failed(format!("there is no folder {shown}")).hint(
        "Mount the disk or start the sync tool first. If this is to be a new folder, make it with mkdir: Carry makes none, since where \
         a disk is not mounted it would be the wrong one.",
    );
    match is_absolute {
        true => failure,
        false => failure.hint(
            "A path that does not begin with / counts from the folder you are in; an address begins with s3://, dav+https:// or https://.",
        ),
    }
}

/// What a place must stay apart from, links resolved.
fn grounds(shell: &Shell) -> Result<Vec<Apart>, Failure> {
    let resolve = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let home = &shell.home;
    let mut grounds: Vec<Apart> =
        [home.config_dir(), home.data_dir(), home.state_dir()].map(|path| Apart::Home(resolve(path))).into();
    if let Some(root) = &shell.carry_home {
        grounds.push(Apart::Home(resolve(root)));
    }
    if let Some(registry) = shell.registry_to_read()? {
        grounds.extend(registry.trees()?.into_iter().map(|tree| Apart::Tree(resolve(&tree.root))));
    }
    // Without a home directory there is nowhere to look for agents.
    if let Ok(settings) = shell.sessions() {
        let roots = settings.sources().into_iter().flat_map(|source| source.roots(&settings.places));
        grounds.extend(roots.map(|root| Apart::Agent(resolve(&root.path))));
    }
    Ok(grounds)
}

/// Shows what will be written, and asks. `command` is the one of `carry remote` that does it.
pub(super) fn ask(
    shell: &Shell,
    settings: &Settings,
    command: &str,
    remote: &RemoteSettings,
    is_marked: bool,
) -> Result<(), Failure> {
    let shown = place(shell, &remote.location);
    let mut consent = CONSENT;
    match is_marked {
        true => shell.out.note(format_args!("{shown} is an exchange of Carry already: nothing is written but what is exchanged.")),
        false => shell.out.note(format_args!(
            "{shown} becomes an exchange of Carry: a file carry/format.json is written there, and below carry/ what is exchanged."
        )),
    }
    if let Location::Folder(folder) = &remote.location {
        let n_others =
            std::fs::read_dir(folder)?.filter_map(Result::ok).filter(|entry| entry.file_name() != "carry").count();
        if n_others > 0 && !is_marked {
            let n = text::count(u64::try_from(n_others).unwrap_or(u64::MAX), "other file or folder");
            let n = if n_others == 1 { n } else { format!("{n_others} other files and folders") };
            shell.out.note(format_args!("It holds {n}, which are left alone."));
        }
        if let Ok(space) = gate::disk_space(folder) {
            shell.out.note(format_args!("{} are free there.", text::size(space.free)));
        }
        if is_mount_point_without_disk(folder) {
            shell.out.warn(format_args!("no disk seems to be mounted at {shown}: it lies on the same one as /"));
        }
        let near = if is_marked { Vec::new() } else { near::exchanges(settings, folder) };
        if let Some(first) = near.first() {
            let more = if near.len() > 1 { format!(" and {} more", near.len() - 1) } else { String::new() };
            let (there, word) = (shell.folder(first), place_word(&Location::Folder(first.clone())));
            shell.out.warn(format_args!("an exchange lies in {there}{more}; in {shown} a new, empty one begins"));
            let hint = format!("If you mean that one: `carry remote {command} {} {word}`.", remote.name);
            shell.out.problem(style::HINT, "Hint", &hint);
            consent = "--yes begins a new one all the same; --code exchanges uncommitted code there, too.";
        }
    }
    shell.out.note("Conversations are masked before they leave; whoever can read the place can read the rest of them.");
    if prompt::confirm(shell, &format!("Exchange through {shown}?"), consent)? {
        Ok(())
    } else {
        Err(prompt::cancelled())
    }
}

/// A folder where disks are mounted, with no other disk than the system's below.
fn is_mount_point_without_disk(folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|data| data.dev()).ok();
    MOUNTS.iter().any(|mount| folder.starts_with(mount) && folder != Path::new(mount))
        && device(folder).is_some()
        && device(folder) == device(Path::new("/"))
}

/// Uncommitted code goes nowhere without an answer of its own. `place` is a word of a command.
pub(super) fn ask_for_code(shell: &Shell, name: &str, place: &str) -> Result<bool, Failure> {
    if shell.options.yes || !prompt::can_ask(shell) {
        shell.out.note(format_args!(
            "Uncommitted code does not go there; `carry remote add {name} {place} --code` lets it."
        ));
        return Ok(false);
    }
    shell.out.note("Uncommitted code goes there as it is: what is secret in it is not masked.");
    prompt::confirm(shell, "Should uncommitted code go there, too?", CONSENT)
}

/// What goes to a remote.
pub(super) fn what_of(has_code: bool) -> &'static str {
    if has_code { "conversations and uncommitted code" } else { "conversations, but no code" }
}

fn said(shell: &Shell, remote: &RemoteSettings, is_used: bool, changed: bool) -> Result<(), Failure> {
    let (name, shown) = (&remote.name, place(shell, &remote.location));
    if !changed {
        return shell.out.say(format_args!("The remote {name} is {shown} already."));
    }
    shell.out.say(format_args!("Added the remote {name}, {shown}: {}.", what_of(remote.has_code)))?;
    if is_used {
        shell.out.note("Others exchange through it already, or did.");
    }
    if let Location::Peer { .. } = remote.location
        && remote.token.is_none()
    {
        let variable = token_variable(name);
        shell.out.note(format_args!("It has no token yet: set {variable}, or name a file in exchange.token_files."));
    }
    shell.out.note(
        "`carry exchange` exchanges with it now. Add the same place on your other devices, and approve each other with \
         `carry devices approve`.",
    );
    Ok(())
}
