//! Making it: what is held here, what the remotes have, what a Git remote has; and taking over the line.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use carry_code::git;
use carry_code::handoff;
use carry_code::line::Branch;
use carry_code::stream::{self, CodeStrand, ForeignLine, NotTaken};
use carry_code::tips::{self, Tip, Trust, Writer};
use carry_daemon::exchange::settings::CODE;
use carry_daemon::exchange::{self, Ground, How};
use carry_exchange::name::LogId;
use carry_exchange::record::AttachmentId;
use carry_exchange::store::status;

use super::choice::Candidate;
use super::folder::{self, Made};
use super::{Args, Cloned, Taken};
use crate::cli::exchange::{Names, who};
use crate::cli::takeover;
use crate::failure::Failure;
use crate::links::Here;
use crate::progress::Spinner;
use crate::wire::Shell;
use crate::{prompt, take, text};

/// What answers the question.
const HINT: &str = "--yes fetches from there, --from URL from elsewhere, and --wait asks the other device for them.";

pub(super) fn make(
    shell: &Shell,
    args: &Args,
    candidate: &Candidate,
    line: &ForeignLine,
    folder: &Path,
) -> Result<Cloned, Failure> {
    let Some(Branch::Named(branch)) = &line.branch else {
        return Err(Failure::failed("work that is on no branch cannot be checked out"));
    };
    let mut made = Made::make(shell, folder, candidate, branch.as_ref())?;
    let ground = shell.ground()?;
    let mut from = None;
    let mut came = deliver(shell, &ground, line)?;
    let mut tip = tip_of(shell, &made, line)?;
    if tip.is_none() {
        // Nobody needed the packs before, so that they may still lie at a remote.
        ask_remotes(shell, &ground);
        came = deliver(shell, &ground, line)?;
        tip = tip_of(shell, &made, line)?;
    }
    if tip.is_none() {
        refused(shell, &made, line)?;
        // A Git remote does not have what another device brings; who names one may know better.
        if !args.wait && args.from.is_none() {
            not_taken(candidate, &came)?;
        }
        let url = args.from.clone().or_else(|| candidate.urls.first().map(|url| format!("https://{url}")));
        if let Some(url) = url.filter(|_| came.n_waiting > 0 && !args.wait) {
            fetch(shell, args, candidate, &made, &url)?;
            came = deliver(shell, &ground, line)?;
            tip = tip_of(shell, &made, line)?;
            from = Some(url);
        }
    }
    let root = made.tree()?.root.clone();
    let Some(tip) = tip else {
        if args.wait {
            made.keep();
            return Ok(Cloned { root, taken: None, from });
        }
        refused(shell, &made, line)?;
        not_taken(candidate, &came)?;
        let failure = match &from {
            Some(url) => {
                Failure::failed(format!("what {} needs is not on {} either", shown(candidate), text::line(url)))
            }
            None => Failure::failed(format!("not everything of {} has come yet", shown(candidate))),
        };
        return Err(whence(shell, line)?.into_iter().fold(failure, Failure::hint));
    };
    crate::writers::refuse_revoked(&tip)?;
    if !matches!(tip.trust, Trust::Approved | Trust::Own) {
        let id = text::line(&tip.writer.id());
        return Err(Failure::failed(format!("{id} is not approved, and nothing of it is taken over"))
            .hint(format!("`carry devices approve {id}` trusts it; then the same again.")));
    }
    let taken = take_over(shell, &mut made, &tip, line)?;
    if from.is_some() {
        follow(&made, branch.as_ref());
    }
    Ok(Cloned { root, taken: Some(taken), from })
}

/// Where what is missing of a line may come from: the device that wrote it, and, where files of it did not come, others that say they
/// hold all of it.
fn whence(shell: &Shell, line: &ForeignLine) -> Result<Vec<String>, Failure> {
    let whose = who(line);
    let mut hints = vec![format!(
        "It is the work of {whose}: `carry exchange` there and here, then the same again; --wait makes it now and asks {whose} for all."
    )];
    let (Some(status), Ok(code)) = (status::look(&shell.home)?, CODE.parse()) else { return Ok(hints) };
    let names = Names::of(&status);
    let has_all =
        status.log(line.log).and_then(|log| log.streams.get(&code)).is_none_or(|code| code.missing.is_empty());
    let holders = if has_all { Vec::new() } else { status.safe_on(line.log, &code) };
    let holders: Vec<String> = holders.into_iter().map(|other| names.show(other.row.log)).collect();
    if let Some((first, more)) = holders.split_first() {
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        hints.push(format!(
            "{first}{more} holds what {whose} has sent, too: `carry exchange verify --repair` there puts what a place lacks of it."
        ));
    }
    Ok(hints)
}

fn shown(candidate: &Candidate) -> String {
    text::line(&candidate.name)
}

/// What came of handing over what is held here.
struct Came {
    /// Records of code that wait for a file, of whichever repository.
    n_waiting: usize,
    /// What came, is needed for the line, and was not taken in.
    not_taken: Vec<NotTaken>,
}

/// Hands over what is held here.
fn deliver(shell: &Shell, ground: &Ground, line: &ForeignLine) -> Result<Came, Failure> {
    let _spinner = Spinner::new(shell, "reading what came");
    let mut strand = CodeStrand::open(ground.ctx.clone()).map_err(Failure::from_error)?;
    let mut store = ground.store()?;
    let n_waiting = store.deliver(&mut strand)?.n_waiting;
    let needed = store.needed_for(line.log, &line.wants)?;
    Ok(Came { n_waiting, not_taken: of_line(strand.not_taken(), line.log, &needed) })
}

/// What was not taken in and is needed for a line. Of the same repository other lines may have come as well.
fn of_line(all: &[NotTaken], log: LogId, needed: &BTreeSet<AttachmentId>) -> Vec<NotTaken> {
    let is_needed = |one: &&NotTaken| one.log == log && one.brings.iter().any(|id| needed.contains(id));
    all.iter().filter(is_needed).cloned().collect()
}

/// Fails when a file that the line needs came and was not taken in: one that is broken, or one for which something is amiss here.
fn not_taken(candidate: &Candidate, came: &Came) -> Result<(), Failure> {
    let Some(first) = came.not_taken.iter().find(|one| !one.is_broken).or(came.not_taken.first()) else {
        return Ok(());
    };
    let n = came.not_taken.iter().filter(|one| one.is_broken == first.is_broken).count();
    let files = if n == 1 { "a file".to_owned() } else { format!("{n} files") };
    let (what, hint) = match first.is_broken {
        true => (
            format!("{files} of it that came {} broken", if n == 1 { "is" } else { "are" }),
            "It is as its device made it, and is tried again; new work there may bring a good one.",
        ),
        false => (
            format!("{files} of it that came could not be taken in"),
            "Nothing is lost: the same again tries it again. Where it was made so, new work there may bring a good one.",
        ),
    };
    Err(Failure::failed(format!("{} cannot be made: {what}: {}", shown(candidate), text::line(&first.why))).hint(hint))
}

/// Exchanges with those remotes that have code. One that fails is worth a warning: another may have it.
fn ask_remotes(shell: &Shell, ground: &Ground) {
    for remote in ground.settings.remotes.iter().filter(|remote| remote.has_code) {
        let spinner = Spinner::new(shell, &format!("exchanging with {}", remote.name));
        let done = exchange::once(ground, remote, &How::default(), &AtomicBool::new(false), &mut |_| {});
        drop(spinner);
        if let Err(error) = done {
            shell.out.warn(format_args!("{}: {}", remote.name, Failure::from(error).in_one_line()));
        }
    }
}

/// The line, where it came to.
fn tip_of(shell: &Shell, made: &Made<'_>, line: &ForeignLine) -> Result<Option<Tip>, Failure> {
    let Some(branch) = &line.branch else { return Ok(None) };
    let others = tips::others(&shell.context()?, &made.repo()?, &made.tree()?.id, branch)?;
    let is_it = |tip: &Tip| matches!(&tip.writer, Writer::Carry { line: name, .. } if name.ref_name() == line.ref_name);
    Ok(others.into_iter().find(is_it))
}

/// Fails when the line came and is none that can be taken.
fn refused(shell: &Shell, made: &Made<'_>, line: &ForeignLine) -> Result<(), Failure> {
    let standing = stream::standing(&shell.context()?)?;
    let same = |other: &&ForeignLine| other.log == line.log && other.ref_name == line.ref_name;
    let common_dir = &made.tree()?.common_dir;
    let mut refused = standing.foreign.iter().filter(same).flat_map(|line| &line.refused);
    match refused.find(|refusal| refusal.common_dir == *common_dir) {
        Some(refusal) => Err(Failure::failed(format!("what came is not taken: {}", text::line(&refusal.why)))
            .hint("`carry exchange stats` shows how it stands.")),
        None => Ok(()),
    }
}

/// Fetches from a Git remote, if the user agrees.
fn fetch(shell: &Shell, args: &Args, candidate: &Candidate, made: &Made<'_>, url: &str) -> Result<(), Failure> {
    let shown_url = text::line(url);
    if args.from.is_none() {
        shell.out.note(format_args!(
            "{} stands on commits that its Git remote has, and that were not exchanged.",
            shown(candidate)
        ));
        let hint = format!("They are on {shown_url}. {HINT}");
        if !prompt::confirm(shell, &format!("Fetch them from {shown_url}?"), &hint)? {
            return Err(
                prompt::cancelled().hint("--from URL fetches from elsewhere; --wait asks the other device for them.")
            );
        }
    }
    let root = &made.tree()?.root;
    let git = |arguments: &[&str]| {
        let mut git = git::command(root);
        if prompt::can_ask(shell) {
            git.env("GIT_TERMINAL_PROMPT", "1");
        }
        git.args(["-c", "protocol.ext.allow=never"]).args(arguments);
        git
    };
    folder::run(git(&["remote", "add", "--", "origin", url]), "add the Git remote")?;
    let _spinner = Spinner::new(shell, &format!("fetching from {shown_url}"));
    let fetch = git(&["fetch", "--quiet", "--no-recurse-submodules", "--no-auto-maintenance", "origin"]);
    folder::run(fetch, &format!("fetch from {shown_url}")).map_err(|failure| {
        failure.hint("--from URL fetches from elsewhere; --wait asks the other device for all of it.")
    })
}

/// Brings files, index and HEAD to what the line has. From here on it stays, whatever happens: it can be gone on with.
fn take_over(shell: &Shell, made: &mut Made<'_>, tip: &Tip, line: &ForeignLine) -> Result<Taken, Failure> {
    let here = Here::new(shell, made.repo()?, made.tree()?.clone())?;
    let current = take::one_even_empty(shell, &here.tree)?;
    let mut handoff = handoff::plan(&here.ctx, &here.repo, &here.tree, &current, tip, None)?;
    let files = handoff::files(&here.repo, &mut handoff, &[])?;
    made.keep();
    let what = format!("clone of {}", text::line(&line.name));
    let carried = takeover::carry_out(shell, &here, &handoff, &files, &what)?;
    let done = &carried.done;
    for path in &handoff.not_captured {
        shell.out.note(format_args!("{} was not captured there.", text::path(path.as_ref())));
    }
    Ok(Taken {
        commit: tip.commit,
        head: tip.head,
        staged: tip.staged.is_some() && done.staged.is_none(),
        n_files: text::len(&done.files.written),
        problem: takeover::trouble(shell, done).err(),
    })
}

/// Lets the branch follow the one of the Git remote, as after `git clone`. Where there is none, it follows nothing.
fn follow(made: &Made<'_>, branch: &git::BStr) {
    use git::ByteSlice as _;
    let Ok(tree) = made.tree() else { return };
    let mut git = git::command(&tree.root);
    let upstream = format!("--set-upstream-to=origin/{}", branch.to_str_lossy());
    git.args(["branch", "--quiet", &upstream]);
    if let Err(failure) = folder::run(git, "set the upstream") {
        tracing::debug!(error = failure.in_one_line(), "the branch follows none");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_line_needs_says_nothing_of_this_one() {
        let (log, other) = (LogId::of_key(&[1; 32]), LogId::of_key(&[2; 32]));
        let id = |text: &str| -> AttachmentId { text.parse().unwrap_or_else(|e| panic!("{e}")) };
        let one = |log, brings: &[&str]| NotTaken {
            log,
            repository: "r".to_owned(),
            brings: brings.iter().map(|text| id(text)).collect(),
            why: brings.join(" "),
            is_broken: true,
        };
        let all = [one(log, &["r.1"]), one(log, &["r.2", "r.3"]), one(other, &["r.3"]), one(log, &["r.4"])];
        let needed = [id("r.3"), id("r.4"), id("r.5")].into();
        let whys: Vec<String> = of_line(&all, log, &needed).into_iter().map(|one| one.why).collect();
        assert_eq!(whys, ["r.2 r.3", "r.4"]);
    }
}
