//! `carry exchange verify --repair`: what was healed, in which direction, and what nobody has.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use carry_daemon::exchange::settings::RemoteSettings;
use carry_daemon::exchange::{self, Done, Event, ExchangeError, Gone, Ground, Mended};
use carry_exchange::name::ObjectName;
use carry_exchange::round::{Problem, Repaired};
use serde::Serialize;

use super::names::Names;
use super::problem::{self, ProblemJson};
use super::{show_step, told, verify};
use crate::cli::remote;
use crate::failure::Failure;
use crate::output::style;
use crate::progress::Progress;
use crate::text;
use crate::wire::Shell;

/// Files, and things that were found, named one by one for people.
pub(super) const NAMED_MAX: usize = 20;
/// How often it is looked whether it is to end.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(shell: &Shell, args: &verify::Args) -> Result<(), Failure> {
    let ground = shell.ground()?;
    // What is kept here can be looked after without any.
    let remotes = match ground.settings.remotes.is_empty() && args.remote.is_none() {
        true => Vec::new(),
        false => remote::meant(&ground.settings, args.remote.as_deref())?,
    };
    let cancel = Arc::new(AtomicBool::new(false));
    exchange::cancel_on_signals(&cancel)?;
    let mended = heal(shell, &ground, &remotes, args.deep, &cancel)?;
    show(shell, &remotes, mended)
}

/// Heals, on a thread of its own: that it is to end is said at once, whatever it is at.
fn heal(
    shell: &Shell,
    ground: &Ground,
    remotes: &[RemoteSettings],
    is_deep: bool,
    cancel: &AtomicBool,
) -> Result<Mended, Failure> {
    let (teller, heard) = channel();
    let mut progress = Some(Progress::new(shell));
    let mut ends = false;
    let mended = std::thread::scope(|scope| {
        let work = scope.spawn(move || {
            // Whoever listens ends after this.
            exchange::repair(ground, remotes, is_deep, cancel, &mut |at, event| drop(teller.send((at, event))))
        });
        loop {
            let event = match heard.recv_timeout(TICK) {
                Ok((at, event)) => remotes.get(at).map(|remote| (remote, event)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if cancel.load(Ordering::Relaxed) && !std::mem::replace(&mut ends, true) {
                progress = None;
                shell.out.note("Ending this; Ctrl-C once more ends it at once, and does no harm.");
            }
            match event {
                Some((remote, Event::Waiting { pid, host })) => {
                    progress = None;
                    shell.out.note(format_args!(
                        "Waiting for process {pid} on {host}, which is exchanging with {} …",
                        remote.name
                    ));
                }
                Some((remote, Event::Step(step))) if !ends => {
                    show_step(progress.get_or_insert_with(|| Progress::new(shell)), remote, &step);
                }
                Some((_, Event::Step(_) | Event::Done(_))) | None => {}
            }
        }
        work.join()
    });
    Ok(mended.unwrap_or_else(|panic| resume_unwind(panic))?)
}

/// Says all of it; what could not be healed is the failure.
fn show(shell: &Shell, remotes: &[RemoteSettings], mended: Mended) -> Result<(), Failure> {
    if !mended.was_read {
        return Err(Failure::interrupted("interrupted before anything was healed"));
    }
    let names = Names::read(shell)?;
    let is_interrupted = mended.is_interrupted();
    verify::show(shell, &mended.found, Some(&mended.left), &names)?;
    if mended.found.is_empty() && !shell.out.is_json() {
        shell.out.line("Everything kept here is as it was written.")?;
        if remotes.is_empty() {
            shell
                .out
                .note("There is no remote that could have been looked at: `carry remote add NAME PLACE` adds one.");
        }
    }
    let is_healed = !is_interrupted
        && mended.left.is_empty()
        && mended.nowhere.is_empty()
        && mended.withheld.is_empty()
        && !mended.absent.iter().any(|gone| gone.is_lost);
    let (mut failures, mut n_well, mut has_problems) = (Vec::new(), 0, false);
    let (mut n_fetched, mut n_put) = (0, 0);
    let mut unfinished = Vec::new();
    for (remote, done) in remotes.iter().zip(mended.remotes) {
        let Done { mut repaired, error } = done;
        // Of a file of which some was good only the rest was fetched.
        repaired.fetched.append(&mut repaired.parts);
        n_fetched += text::len(&repaired.fetched);
        n_put += text::len(&repaired.put);
        let cut = error.as_ref().filter(|error| error.is_cancelled());
        let is_unfinished = cut.is_some();
        unfinished.extend(cut.map(|error| cut_words(&remote.name, error)));
        let failed = error.map(|error| (error.class(), failure_of(error)));
        if shell.out.is_json() {
            let error = failed.as_ref().map(|(class, failure)| (*class, failure.in_one_line()));
            shell.out.json(&RepairJson::new(remote, &repaired, error, &names))?;
        }
        // It may have healed something before it failed.
        if failed.is_none() || !repaired.fetched.is_empty() || !repaired.put.is_empty() {
            has_problems |= show_remote(shell, remote, repaired, is_healed, &names)?;
        }
        n_well += usize::from(failed.is_none());
        failures.extend(failed.filter(|_| !is_unfinished).map(|(_, failure)| (remote, failure)));
    }
    if is_interrupted {
        tell_failures(shell, &failures);
        if !unfinished.is_empty() {
            shell.out.note(format_args!("Not gone through: {}.", unfinished.join(", ")));
        }
        let left = match text::len(&mended.left) {
            0 => String::new(),
            n => format!(", and {} kept here {} left", text::count(n, "thing"), if n == 1 { "is" } else { "are" }),
        };
        return Err(Failure::interrupted(format!("interrupted; what was healed before stays{left}"))
            .hint("`carry exchange verify --repair` again goes on with the rest."));
    }
    for (kind, objects) in [("nowhere", &mended.nowhere), ("withheld", &mended.withheld)] {
        show_left(shell, kind, objects, &names)?;
    }
    for gone in &mended.absent {
        show_absent(shell, gone, &names)?;
    }
    tell_failures(shell, failures.get(usize::from(n_well == 0)..).unwrap_or_default());
    if n_well == 0 && !failures.is_empty() {
        let (remote, failure) = failures.swap_remove(0);
        if remotes.len() > 1 {
            shell.out.note(format_args!("The repair with {} did not come to its end:", remote.name));
        }
        return Err(if n_fetched + n_put > 0 { failure.into_partly() } else { failure });
    }
    if is_healed && failures.is_empty() && !has_problems {
        if n_fetched + n_put > 0 {
            let fetched = text::count(n_fetched, "file");
            shell.out.say(format_args!("Everything is healed: {fetched} fetched, {n_put} put."))?;
        }
        return Ok(());
    }
    let n_lost = mended.absent.iter().filter(|gone| gone.is_lost).count();
    let left = [mended.left.len(), mended.nowhere.len(), mended.withheld.len(), n_lost, failures.len()];
    let mut failure = Failure::partly(not_healed(left));
    if mended.nowhere.iter().any(|object| names.is_ours(object.log())) {
        failure = failure.hint(problem::LOST_ADVICE);
    }
    Err(match remotes.is_empty() {
        true => failure.hint("`carry remote add NAME PLACE` names a place that may have good copies."),
        false => {
            failure.hint("Any other device that has a good copy puts it with `carry exchange verify --repair --deep`.")
        }
    })
}

/// What is left: how many things here, files that nobody has, files that cannot be put, streams, and remotes.
fn not_healed(left: [usize; 5]) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("thing kept here is not as written", "things kept here are not as written"),
        ("file is nowhere", "files are nowhere"),
        ("file is missing at a remote", "files are missing at remotes"),
        ("stream is gone everywhere", "streams are gone everywhere"),
        ("remote was not gone through", "remotes were not gone through"),
    ];
    let words = left.into_iter().zip(WORDS).filter(|(n, _)| *n > 0);
    let said: Vec<String> =
        words.map(|(n, (one, several))| format!("{n} {}", if n == 1 { one } else { several })).collect();
    match said.is_empty() {
        true => "not everything could be healed".to_owned(),
        false => format!("not everything could be healed: {}", said.join(", ")),
    }
}

/// Says with which remotes there was no repair, and why.
fn tell_failures(shell: &Shell, failures: &[(&RemoteSettings, Failure)]) {
    for (remote, failure) in failures {
        shell.out.warn(format_args!("{}: {}", remote.name, failure.in_one_line()));
        failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
    }
}

/// A remote that was not gone through since all was to end, and why where it was waited for in vain.
fn cut_words(name: &str, error: &ExchangeError) -> String {
    match error {
        ExchangeError::Left { .. } => format!("{name} ({error})"),
        _ => name.to_owned(),
    }
}

/// Why there was no repair with a remote, in words of its own where an exchange has others.
fn failure_of(error: ExchangeError) -> Failure {
    match &error {
        ExchangeError::Busy { .. } => {
            Failure::failed(error.to_string()).hint("Nothing was healed there: try again when that process has ended.")
        }
        ExchangeError::Silent { .. } => Failure::failed(error.to_string())
            .hint("What else is damaged or missing there is not known.")
            .hint("Is its disk mounted? Named alone, as in `carry exchange verify --repair NAME`, it is waited for."),
        _ => error.into(),
    }
}

/// What was healed with one remote. `is_healed` says that nothing is left to heal anywhere. Says whether something else went
/// wrong.
fn show_remote(
    shell: &Shell,
    remote: &RemoteSettings,
    done: Repaired,
    is_healed: bool,
    names: &Names,
) -> Result<bool, Failure> {
    let has_failed = done.report.problems.iter().any(|problem| !is_told(problem) && problem::is_failure(problem));
    if shell.out.is_json() {
        return Ok(has_failed);
    }
    let name = &remote.name;
    let files = |files: &[(ObjectName, u64)]| {
        let bytes = files.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        format!("{}, {}", text::count(text::len(files), "file"), text::size(bytes))
    };
    if !done.fetched.is_empty() {
        shell.out.say(format_args!("{name}: fetched what was damaged or missing here: {}.", files(&done.fetched)))?;
    }
    if !done.put.is_empty() {
        shell.out.say(format_args!("{name}: put what was damaged or missing there: {}.", files(&done.put)))?;
    }
    if done.fetched.is_empty() && done.put.is_empty() {
        let what = if is_healed { "nothing had to be healed" } else { "nothing was healed" };
        shell.out.say(format_args!("{name}: {what}."))?;
    }
    let (fetched, put) = (done.fetched.iter().map(|file| ("from", file)), done.put.iter().map(|file| ("to", file)));
    for (way, (object, bytes)) in fetched.chain(put).take(NAMED_MAX) {
        let (held, whose) = (problem::held_in(object), names.whose(object.log()));
        shell.out.say(format_args!("  {way} {name}: {held} of {whose} ({})", text::size(*bytes)))?;
    }
    let n_named = done.fetched.len() + done.put.len();
    if n_named > NAMED_MAX {
        shell.out.say(format_args!("  and {} more", n_named - NAMED_MAX))?;
    }
    let mut report = done.report;
    report.problems.retain(|problem| !is_told(problem));
    for problem in &report.problems {
        if let Problem::Lost(object, why) = problem {
            shell.out.warn(problem::lost(object, why, names, Some(&done.damaged)));
        }
    }
    // What that means is said at the end, once all remotes were asked.
    report.problems.retain(|problem| !matches!(problem, Problem::Lost(..)));
    told::show_problems(shell, &report, names);
    Ok(has_failed)
}

/// Whether a problem is how something stood before it was healed; what is left of it is named at the end.
fn is_told(problem: &Problem) -> bool {
    matches!(problem, Problem::Missing(_) | Problem::Damaged(_) | Problem::Arriving(_))
}

/// Names what could not be healed.
fn show_left(shell: &Shell, kind: &'static str, objects: &[ObjectName], names: &Names) -> Result<(), Failure> {
    if shell.out.is_json() {
        for object in objects {
            let (object, log) = (Some(object.to_string()), object.log().to_string());
            shell.out.json(&LeftJson { kind, object, log, stream: None, files: None })?;
        }
        return Ok(());
    }
    for object in objects.iter().take(NAMED_MAX) {
        let (whose, held) = (names.whose(object.log()), problem::held_in(object));
        shell.out.warn(match kind {
            "nowhere" => format!("nobody that was asked has a good copy of a file of {whose}: {held}"),
            _ => format!("a file of {whose} is missing at a remote, and can only be put by another device: {held}"),
        });
    }
    if objects.len() > NAMED_MAX {
        shell.out.warn(format_args!("and {} more like these", objects.len() - NAMED_MAX));
    }
    Ok(())
}

/// Names a stream of which there is nothing.
fn show_absent(shell: &Shell, gone: &Gone, names: &Names) -> Result<(), Failure> {
    let stream = gone.stream.as_str();
    if shell.out.is_json() {
        let (kind, log) = (if gone.is_lost { "lost" } else { "absent" }, gone.log.to_string());
        return shell.out.json(&LeftJson {
            kind,
            object: None,
            log,
            stream: Some(stream),
            files: Some(gone.n_objects),
        });
    }
    let (files, whose) = (text::count(u64::try_from(gone.n_objects).unwrap_or(u64::MAX), "file"), names.show(gone.log));
    let what = format!("nothing of {stream} of {whose} is at any remote that was asked, nor here: {files}");
    match gone.is_lost {
        true => shell.out.warn(what),
        false => shell.out.note(format_args!(
            "{}{}. It may be that it is not sent there.",
            what[..1].to_uppercase(),
            &what[1..]
        )),
    }
    Ok(())
}

/// A repair with one remote, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-repair")]
struct RepairJson<'a> {
    remote: &'a str,
    ok: bool,
    class: Option<&'static str>,
    error: Option<String>,
    fetched: Vec<FileJson>,
    put: Vec<FileJson>,
    damaged: Vec<String>,
    read: usize,
    problems: Vec<ProblemJson>,
}

/// A file that moved.
#[derive(Serialize)]
struct FileJson {
    object: String,
    bytes: u64,
}

/// What could not be healed, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-left")]
struct LeftJson<'a> {
    kind: &'static str,
    object: Option<String>,
    log: String,
    stream: Option<&'a str>,
    files: Option<usize>,
}

impl<'a> RepairJson<'a> {
    fn new(remote: &'a RemoteSettings, done: &Repaired, error: Option<(&'static str, String)>, names: &Names) -> Self {
        let files = |files: &[(ObjectName, u64)]| {
            files.iter().map(|(object, bytes)| FileJson { object: object.to_string(), bytes: *bytes }).collect()
        };
        let problems = done.report.problems.iter().filter(|problem| !is_told(problem));
        Self {
            remote: &remote.name,
            ok: error.is_none(),
            class: error.as_ref().map(|(class, _)| *class),
            error: error.map(|(_, said)| said),
            fetched: files(&done.fetched),
            put: files(&done.put),
            damaged: done.damaged.clone(),
            read: done.n_read,
            problems: problems.map(|problem| problem::json_of_repair(problem, names)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_left_is_named_with_the_reason() {
        let left = ExchangeError::Left { after: Duration::from_secs(30) };
        assert_eq!(
            cut_words("nas", &left),
            "nas (it did not answer for 30 seconds after all was to end, and was left)"
        );
        assert_eq!((left.class(), left.is_cancelled()), ("cancelled", true));
    }

    #[test]
    fn what_is_left_is_counted() {
        assert_eq!(not_healed([0; 5]), "not everything could be healed");
        assert_eq!(
            not_healed([1, 0, 2, 1, 1]),
            "not everything could be healed: 1 thing kept here is not as written, 2 files are missing at remotes, \
             1 stream is gone everywhere, 1 remote was not gone through"
        );
    }
}
