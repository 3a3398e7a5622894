//! Taking packs in: looked through, unpacked in quarantine, whole with what is here, and kept by a ref until a line has them.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::path::Path;

use carry_exchange::limits::ATTACHMENT_BYTES_MAX;
use carry_exchange::name::LogId;
use carry_exchange::record::AttachmentId;
use carry_exchange::segment::Attachment;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::identity::Wanted;
use super::places::Place;
use super::run::{Input, run, text_of};
use super::{CodeStrand, StreamError, scan};
use crate::gather::{self, Move};
use crate::git::{self, ByteSlice as _, ObjectId};
use crate::history;
use crate::line::KEEP;
use crate::refs;
use crate::remote::Quarantine;
use crate::repo::{Repo, is_partial};
use crate::upkeep;

/// How Git says, before the object's id, that a tree or commit of a pack names one that is nowhere.
const EXPECTED: &str = "did not receive expected object ";

/// Where commits are kept that came and that no line has yet.
pub(super) fn keep_prefix(log: LogId) -> String {
    format!("{KEEP}exchange/{log}/")
}

/// Whether every repository that an attachment belongs to has what it brings. True where it belongs to none: then nobody
/// needs it, and its record is noted for when there is one.
pub(super) fn has(strand: &mut CodeStrand, log: LogId, id: &AttachmentId) -> Result<bool, StreamError> {
    let Some(wanted) = Wanted::parse(id) else { return Ok(false) };
    for place in strand.places_of_id(log, &wanted.id, wanted.hash)? {
        if !holds(strand, &place, &wanted)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a repository has a commit with all that it reaches, which is so when one of its refs reaches it.
fn holds(strand: &mut CodeStrand, place: &Place, wanted: &Wanted) -> Result<bool, StreamError> {
    let dir = place.common_dir();
    if !strand.held.contains_key(&dir) {
        let held = held(&place.repo.reopen()?)?;
        strand.held.insert(dir.clone(), held);
    }
    if strand.held.get(&dir).is_some_and(|held| held.iter().any(|commit| wanted.is(commit))) {
        return Ok(true);
    }
    let Some(commit) = wanted.find(&place.repo.reopen()?.gix()) else { return Ok(false) };
    let mut git = git::command(place.repo.root());
    git.args(["rev-list", "--max-count=1", &commit.to_string(), "--not", "--all"]);
    let mut out = Vec::new();
    // One whose history is in ruins is not there.
    let reached = run(&place.repo, "whether a commit is there", git, Input::Nothing, 4096, &mut out);
    Ok(reached.is_ok() && out.is_empty())
}

/// The commits that refs of ours hold: what is kept for a while, and the snapshots of all lines.
fn held(repo: &Repo) -> Result<HashSet<ObjectId>, StreamError> {
    let kept = refs::list(repo, &format!("{KEEP}exchange/"))?;
    let mut held: HashSet<ObjectId> = kept.into_iter().map(|(_, commit)| commit).collect();
    for line in history::lines(repo)? {
        held.extend(history::snapshots(repo, &line).map_while(Result::ok).map(|snapshot| snapshot.commit));
    }
    Ok(held)
}

/// See [`carry_exchange::strand::Strand::take_in`]. Passes the fault points `code.take.indexed`, `code.take.written`,
/// `code.take.kept`.
pub(super) fn take_in(
    strand: &mut CodeStrand,
    log: LogId,
    attachment: &Attachment,
    content: &mut dyn Read,
) -> Result<(), StreamError> {
    let shown = attachment.provides.first().map(ToString::to_string).unwrap_or_default();
    let bad = |problem: String| StreamError::Attachment { id: shown.clone(), problem };
    let wanted: Option<Vec<Wanted>> = attachment.provides.iter().map(Wanted::parse).collect();
    let wanted = wanted.ok_or_else(|| bad("it brings what is no commit".to_owned()))?;
    let Some(first) = wanted.first() else { return Err(bad("it brings nothing".to_owned())) };
    if wanted.iter().any(|other| (&other.id, other.hash) != (&first.id, first.hash)) {
        return Err(bad("it is of several repositories".to_owned()));
    }
    let places = strand.places_of_id(log, &first.id, first.hash)?;
    if places.is_empty() {
        return Err(bad("no repository here is the one that it is of".to_owned()));
    }
    let file = spool(strand.ctx.home.data_dir(), content)?;
    let again = || -> io::Result<File> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        Ok(file)
    };
    scan::pack(io::BufReader::new(again()?), first.hash).map_err(|e| bad(e.to_string()))?;
    let mut failed = Vec::new();
    for place in places {
        let mut has_all = true;
        for one in &wanted {
            has_all &= holds(strand, &place, one)?;
        }
        if has_all {
            continue;
        }
        // One repository that cannot take it stands in no other's way.
        if let Err(error) = into(strand, log, &place, &wanted, !attachment.needs.is_empty(), &again) {
            tracing::warn!(root = %place.repo.root().display(), id = shown, %error, "a pack is not taken");
            failed.push(error);
        }
    }
    match failed.len() {
        0 => Ok(()),
        1 => Err(failed.remove(0)),
        _ => Err(StreamError::Several(failed)),
    }
}

/// A partial clone has commits without all that they reach. What Git cannot unpack or join there since something is missing, a
/// pack that needs nothing may bring; whatever else fails, as where the disk is full, another pack does not help.
fn told_apart(error: StreamError, missing: impl FnOnce(&str) -> Result<Option<ObjectId>, StreamError>) -> StreamError {
    match error {
        StreamError::Git { what, repo, message } => match missing(&message) {
            Ok(Some(missing)) => StreamError::Incomplete { repo, missing, message },
            // What keeps Git from it may keep us from looking as well.
            Ok(None) | Err(_) => StreamError::Git { what, repo, message },
        },
        error => error,
    }
}

/// Into a file without a name: it is read once for each repository.
fn spool(dir: &Path, content: &mut dyn Read) -> Result<File, StreamError> {
    let mut file = tempfile::tempfile_in(dir)?;
    let n = io::copy(&mut content.take(ATTACHMENT_BYTES_MAX + 1), &mut file)?;
    if n > ATTACHMENT_BYTES_MAX {
        return Err(StreamError::TooLarge { what: "a pack".to_owned(), bytes_max: ATTACHMENT_BYTES_MAX });
    }
    file.flush()?;
    Ok(file)
}

fn into(
    strand: &mut CodeStrand,
    log: LogId,
    place: &Place,
    wanted: &[Wanted],
    has_needs: bool,
    pack: &dyn Fn() -> io::Result<File>,
) -> Result<(), StreamError> {
    // A handle knows of a few dozen packs that came since it was opened, and of no more.
    let repo = &place.repo.reopen()?;
    let failed = || DiskError::at("take a pack into", repo.root());
    Quarantine::remove_leftovers(repo);
    let quarantine = Quarantine::new(repo)?;
    let mut git = git::command(repo.root());
    quarantine.redirect(&mut git);
    // Large blobs are not held in memory, and one thread is enough for what nobody waits for.
    git.args(["-c", "core.bigFileThreshold=32m", "-c", "core.deltaBaseCacheLimit=64m", "-c", "pack.threads=1"]);
    git.args(["index-pack", "--stdin", "--fix-thin", "--strict"]);
    git.arg(format!("--max-input-size={ATTACHMENT_BYTES_MAX}"));
    let may_lack = has_needs && is_partial(&repo.gix());
    run(repo, "a pack that came", git, Input::File(pack()?), 1 << 20, &mut io::sink()).map_err(
        |error| match may_lack {
            true => told_apart(error, |said| missing_base(repo, pack()?, said)),
            false => error,
        },
    )?;
    fault::point("code.take.indexed").map_err(failed())?;
    let gix = quarantine.open(repo)?;
    let mut commits = Vec::new();
    for one in wanted {
        let commit = one.find(&gix).ok_or_else(|| StreamError::Attachment {
            id: format!("{}.{}", one.id, one.hex),
            problem: "the commit that it should bring is not in it".to_owned(),
        })?;
        commits.push(commit);
    }
    connected(repo, &quarantine, &commits).map_err(|error| match may_lack {
        true => told_apart(error, |_| missing_object(repo, &quarantine, &commits)),
        false => error,
    })?;
    let kept = gather::objects(repo, &quarantine, &gix, &mut strand.registry)?;
    fault::point("code.take.written").map_err(failed())?;
    for (commit, one) in commits.into_iter().zip(wanted) {
        let name = format!("{}{commit}", keep_prefix(log));
        // Another process may have taken the same in meanwhile.
        if refs::read(repo, &name)? == Some(commit) {
            continue;
        }
        let step = Move {
            shown: name.clone(),
            name: name.clone(),
            old: None,
            new: commit,
            needed: vec![commit],
            is_news: false,
        };
        let mut report = gather::Report::default();
        gather::move_ref(repo, &step, &mut report)?;
        // By now a line may have it.
        if let Some((id, problem)) = report.refused.into_iter().next()
            && refs::read(repo, &name)? != Some(commit)
            && !holds(strand, place, one)?
        {
            return Err(StreamError::Attachment { id, problem });
        }
    }
    drop(kept);
    fault::point("code.take.kept").map_err(failed())?;
    few_packs(strand, repo);
    Ok(())
}

/// So many packs would have Git collect when the user commits. Whatever comes of it: upkeep does the same later.
pub(super) fn few_packs(strand: &CodeStrand, repo: &Repo) {
    if let Err(error) = upkeep::fold_packs(&strand.ctx, repo) {
        tracing::warn!(root = %repo.root().display(), %error, "packs are not folded");
    }
}

/// That everything is there that the commits reach and no ref does.
fn connected(repo: &Repo, quarantine: &Quarantine, commits: &[ObjectId]) -> Result<(), StreamError> {
    let mut git = git::command(repo.root());
    quarantine.redirect(&mut git);
    git.args(["rev-list", "--objects", "--quiet", "--stdin", "--not", "--all"]);
    let input = commits.iter().map(|commit| format!("{commit}\n")).collect();
    run(repo, "whether a pack that came is whole", git, Input::Text(input), 1 << 20, &mut io::sink())
}

/// One that a pack has a delta of, or that Git said is named in it, and that is not here.
fn missing_base(repo: &Repo, pack: File, said: &str) -> Result<Option<ObjectId>, StreamError> {
    let gix = repo.gix();
    let named = said.split_once(EXPECTED).and_then(|(_, rest)| rest.split_whitespace().next());
    let named = named.and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok());
    let mut missing = named.filter(|id| !gix.has_object(*id));
    scan::with_bases(io::BufReader::new(pack), repo.hash(), &mut |base| {
        if missing.is_none() && !gix.has_object(base) {
            missing = Some(base);
        }
    })?;
    Ok(missing)
}

/// One that the commits reach and no ref does, and that is neither here nor came.
fn missing_object(repo: &Repo, quarantine: &Quarantine, commits: &[ObjectId]) -> Result<Option<ObjectId>, StreamError> {
    let mut git = git::command(repo.root());
    quarantine.redirect(&mut git);
    git.args(["rev-list", "--objects", "--quiet", "--missing=print", "--stdin", "--not", "--all"]);
    let input = commits.iter().map(|commit| format!("{commit}\n")).collect();
    let listed = text_of(repo, "what is missing", git, Input::Text(input))?;
    let gix = quarantine.open(repo)?;
    let mut named = listed.lines().filter_map(|line| ObjectId::from_hex(line.strip_prefix(b"?")?).ok());
    // One that is there in ruins is not missing.
    Ok(named.find(|id| !gix.has_object(*id)))
}

/// Lets go of what was kept for a log: lines have it now, or nobody will.
pub(super) fn let_go(repo: &Repo, log: LogId) -> Result<(), StreamError> {
    for (name, commit) in refs::list(repo, &keep_prefix(log))? {
        match refs::delete(repo, &name, commit) {
            Ok(()) | Err(refs::RefError::Moved { .. }) => {}
            // It keeps a little too much until the next time.
            Err(error) => tracing::warn!(name, %error, "a ref of ours stays"),
        }
    }
    Ok(())
}
