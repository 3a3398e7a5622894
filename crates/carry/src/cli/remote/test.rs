//! `carry remote test`: ask a place whether it can be used.

use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use carry_daemon::exchange::Ground;
use carry_daemon::exchange::settings::RemoteSettings;
use carry_exchange::location::Location;
use carry_exchange::name::Folder;
use carry_exchange::remote::{Deadline, Part, RemoteFile};
use carry_kernel::gate;
use serde::Serialize;

use super::{meant, place};
use crate::failure::Failure;
use crate::output::style;
use crate::progress::Spinner;
use crate::text;
use crate::wire::Shell;

/// A place that says nothing for so long is taken for one that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ask the remotes whether they can be used
///
/// Looks whether a remote can be reached and is an exchange, lists its heads, reads the newest head of this device back where there
/// is one, and says how long that took and how much room there is. Writes nothing and deletes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote; all by default
    name: Option<String>,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    /// How long the question took.
    millis: u64,
    n_heads: u64,
    n_logs: u64,
    /// Whether the newest head of this device is there as it was put; `None` when none was put.
    own_head: Option<bool>,
    free: Option<u64>,
    may_write: Option<bool>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let ground = shell.ground()?;
    let remotes = meant(&ground.settings, args.name.as_deref())?;
    let mut failures = Vec::new();
    for remote in &remotes {
        let tested = {
            let _spinner = Spinner::new(shell, &format!("asking {}", remote.name));
            patiently(&ground, remote)
        };
        match tested {
            Ok(found) => {
                show(shell, remote, &found)?;
                if found.own_head == Some(false) {
                    failures.push((
                        remote,
                        Failure::failed("the newest head of this device is not there as it was put")
                            .hint("`carry exchange` puts it again."),
                    ));
                } else if found.may_write == Some(false) {
                    failures.push((remote, Failure::failed(format!("{} cannot be written to", place(shell, &remote.location)))
                        .hint("Its folder carry must be yours to write; `ls -ld` says whose it is, and a disk may be mounted read-only.")));
                }
            }
            Err(failure) => {
                if shell.out.is_json() {
                    shell.out.json(&TestJson::new(remote, &Found::default(), Some(failure.in_one_line())))?;
                }
                failures.push((remote, failure));
            }
        }
    }
    let (n_failed, all) = (failures.len(), remotes.len());
    let Some((last, failure)) = failures.pop() else { return Ok(()) };
    for (remote, failure) in &failures {
        shell.out.warn(format_args!("{}: {}", remote.name, failure.in_one_line()));
        failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
    }
    if all > 1 {
        shell.out.note(format_args!("{} cannot be used as it is:", last.name));
    }
    Err(if n_failed < all { failure.into_partly() } else { failure })
}

/// Tests in a thread of its own: a call to a drive that is gone does not come back.
fn patiently(ground: &Ground, remote: &RemoteSettings) -> Result<Found, Failure> {
    let (tell, heard) = channel();
    let (theirs, remote_of_it) = (ground.clone(), remote.clone());
    let work = move || {
        // Whoever asked may have given up.
        let _ = tell.send(test(&theirs, &remote_of_it));
    };
    std::thread::Builder::new().name("carry-test".to_owned()).spawn(work)?;
    match heard.recv_timeout(PATIENCE) {
        Ok(tested) => tested,
        Err(RecvTimeoutError::Timeout) => {
            Err(Failure::failed(format!("{} has not answered for {} s", remote.location, PATIENCE.as_secs()))
                .hint("A network drive whose server is gone hangs like that. Unmount it, or bring the server back."))
        }
        Err(RecvTimeoutError::Disconnected) => Err(Failure::failed("the test ended by a mistake in Carry")),
    }
}

fn test(ground: &Ground, remote: &RemoteSettings) -> Result<Found, Failure> {
    let clock = &ground.ctx.clock;
    let since = clock.steady();
    let store = ground.store()?;
    let connected = ground.connect(remote, store.log())?;
    let deadline = Deadline::NONE.at(&**clock, since.after(PATIENCE));
    connected.check(&deadline)?;
    let mut found = Found::default();
    let mut logs = std::collections::BTreeSet::new();
    connected.list(Folder::Heads, &deadline, &mut |page| {
        for file in page {
            if let Some((log, _)) = file.name.split_once('-')
                && file.name.ends_with(".head")
            {
                found.n_heads += 1;
                logs.insert(log.to_owned());
            }
        }
        ControlFlow::Continue(())
    })?;
    found.n_logs = text::len(&logs.into_iter().collect::<Vec<_>>());
    if let Some(head) = store.newest_signed()?
        && store.published(&remote.name, store.log())? == Some(head.head().n)
    {
        let mut bytes = Vec::new();
        let file = RemoteFile::object(&head.name());
        let size = u64::try_from(head.bytes().len()).unwrap_or(u64::MAX);
        let got = connected.get(&file, Part::Whole { bytes_max: size }, &mut bytes, &deadline);
        found.own_head = Some(got.is_ok() && bytes == head.bytes());
    }
    if let Location::Folder(folder) = &remote.location {
        found.free = gate::disk_space(folder).ok().map(|space| space.free);
        let may = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        found.may_write = Some(rustix::fs::access(folder.join("carry"), may).is_ok());
    }
    found.millis = u64::try_from(clock.steady().since(since).as_millis()).unwrap_or(u64::MAX);
    Ok(found)
}

fn show(shell: &Shell, remote: &RemoteSettings, found: &Found) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&TestJson::new(remote, found, None));
    }
    let free = found.free.map(|free| format!(", {} free", text::size(free))).unwrap_or_default();
    shell.out.line(format_args!(
        "{}: {} answers in {} ms, {} of {}{free}",
        remote.name,
        place(shell, &remote.location),
        found.millis,
        text::count(found.n_heads, "head"),
        text::count(found.n_logs, "log"),
    ))
}

/// A test, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "remote-test")]
struct TestJson<'a> {
    name: &'a str,
    ok: bool,
    millis: u64,
    heads: u64,
    logs: u64,
    own_head: Option<bool>,
    writable: Option<bool>,
    free: Option<u64>,
    error: Option<String>,
}

impl<'a> TestJson<'a> {
    fn new(remote: &'a RemoteSettings, found: &Found, error: Option<String>) -> Self {
        Self {
            name: &remote.name,
            ok: error.is_none() && found.own_head != Some(false) && found.may_write != Some(false),
            millis: found.millis,
            heads: found.n_heads,
            logs: found.n_logs,
            own_head: found.own_head,
            writable: found.may_write,
            free: found.free,
            error,
        }
    }
}
