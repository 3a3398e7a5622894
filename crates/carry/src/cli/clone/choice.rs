//! Which repositories there are elsewhere, and which one is meant.

use std::collections::BTreeMap;

use carry_code::git::HashKind;
use carry_code::line::Branch;
use carry_code::stream::{self, ForeignLine};

use super::absent;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// A repository that others' lines belong to and that is not here.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// What people call it.
    pub(super) name: String,
    /// What it is called in logs.
    pub(super) repository: String,
    /// How it names objects.
    pub(super) hash: HashKind,
    /// Its Git remotes, `host/path`.
    pub(super) urls: Vec<String>,
    /// Its lines, the newest first; at least one.
    lines: Vec<ForeignLine>,
}

/// All there are.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Those that can be made here, by name.
    pub(super) all: Vec<Candidate>,
    /// Lines of devices that were revoked: none is offered or taken.
    revoked: Vec<ForeignLine>,
}

/// Looks what there is. Lines of several devices are of one repository where these call it the same in their logs.
pub(super) fn candidates(shell: &Shell) -> Result<Candidates, Failure> {
    let Some(ctx) = shell.existing_context()? else { return Ok(Candidates::default()) };
    let is_revoked = crate::cli::exchange::revoked(shell)?;
    let (revoked, offered): (Vec<_>, Vec<_>) =
        stream::standing(&ctx)?.foreign.into_iter().filter(ForeignLine::is_phantom).partition(is_revoked);
    let mut by_id: BTreeMap<(String, String), Candidate> = BTreeMap::new();
    for line in offered {
        let Some(hash) = line.hash else { continue };
        let candidate = by_id.entry((line.repository.clone(), format!("{hash:?}"))).or_insert_with(|| Candidate {
            name: String::new(),
            repository: line.repository.clone(),
            hash,
            urls: Vec::new(),
            lines: Vec::new(),
        });
        candidate.lines.push(line);
    }
    let mut all: Vec<Candidate> = by_id.into_values().collect();
    for candidate in &mut all {
        candidate.lines.sort_by(|a, b| (b.time, &b.ref_name).cmp(&(a.time, &a.ref_name)));
        // What the newest says holds.
        if let Some(first) = candidate.lines.first() {
            (candidate.name, candidate.urls) = (first.name.clone(), first.urls.clone());
        }
    }
    all.sort_by(|a, b| (&a.name, &a.repository).cmp(&(&b.name, &b.repository)));
    Ok(Candidates { all, revoked })
}

/// The one that is meant by `NAME`, by `DEVICE:NAME`, or by what it is called in logs.
pub(super) fn find(shell: &Shell, candidates: &Candidates, typed: &str) -> Result<Candidate, Failure> {
    let all = &candidates.all;
    let mut meant: Vec<Candidate> = called(all, typed).cloned().collect();
    if meant.is_empty()
        && let Some((device, name)) = typed.split_once(':')
    {
        meant = all.iter().filter(|one| one.is_called(name)).filter_map(|one| one.of(device)).collect();
    }
    match &meant[..] {
        [one] => Ok(one.clone()),
        [] => {
            candidates.refuse_revoked(typed)?;
            Err(absent::unknown(shell, all, typed)?)
        }
        several => {
            let failure = Failure::failed(format!("{} is the name of several repositories", text::line(typed)))
                .hint("Give the id of the one that you mean:");
            Err(several.iter().fold(failure, |failure, one| {
                let whose = one.lines.first().map(crate::cli::exchange::who).unwrap_or_default();
                let url = one.urls.first().map(|url| format!(", {}", text::line(url))).unwrap_or_default();
                failure.hint(format!("`carry clone {}`: the one of {whose}{url}", one.repository))
            }))
        }
    }
}

/// Those that are listed under a name; else those that some device calls so.
fn called<'c>(all: &'c [Candidate], typed: &'c str) -> impl Iterator<Item = &'c Candidate> {
    let is_listed = move |one: &Candidate| one.name == typed || one.repository == typed;
    let has_listed = all.iter().any(is_listed);
    all.iter().filter(move |one| if has_listed { is_listed(one) } else { one.is_called(typed) })
}

impl Candidates {
    /// Fails when a device that was revoked has what is meant.
    fn refuse_revoked(&self, typed: &str) -> Result<(), Failure> {
        let is_called = |line: &ForeignLine, name: &str| line.name == name || line.repository == name;
        let is_of = |line: &ForeignLine, device: &str| {
            [&line.label, &line.device, &line.alias].iter().any(|name| *name == device)
        };
        let is_meant = |line: &&ForeignLine| {
            is_called(line, typed)
                || typed.split_once(':').is_some_and(|(device, name)| is_of(line, device) && is_called(line, name))
        };
        let Some(line) = self.revoked.iter().find(is_meant) else { return Ok(()) };
        let device = text::line(&line.device);
        Err(Failure::failed(format!("{} is of {device}, which was revoked", text::line(&line.name)))
            .hint(format!("Nothing of it is taken over. `carry devices approve {device}` trusts it again.")))
    }
}

impl Candidate {
    /// Whether a name means it: what people call it on any of the devices, or what it is called in logs.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.repository == name || self.lines.iter().any(|line| line.name == name)
    }

    /// Its lines, the newest first.
    pub(super) fn lines(&self) -> impl Iterator<Item = &ForeignLine> {
        self.lines.iter()
    }

    /// The same with one device's lines alone; `None` when it has none.
    fn of(&self, device: &str) -> Option<Self> {
        let is_meant =
            |line: &&ForeignLine| [&line.label, &line.device, &line.alias].iter().any(|name| *name == device);
        let lines: Vec<ForeignLine> = self.lines.iter().filter(is_meant).cloned().collect();
        (!lines.is_empty()).then(|| Self { lines, ..self.clone() })
    }

    /// The newest line, of `branch` where one is asked for. One without a branch cannot be checked out.
    pub(super) fn line(&self, branch: Option<&str>) -> Result<&ForeignLine, Failure> {
        let is_meant = |line: &&ForeignLine| match &line.branch {
            Some(Branch::Named(name)) => branch.is_none_or(|branch| name == branch),
            _ => false,
        };
        self.lines.iter().find(is_meant).ok_or_else(|| {
            let name = text::line(&self.name);
            match branch {
                Some(branch) => Failure::failed(format!("no device has work on {} of {name}", text::line(branch))),
                None => Failure::failed(format!("all work on {name} is on no branch")),
            }
            .hint("`carry clone` lists the branches that there are.")
        })
    }
}
