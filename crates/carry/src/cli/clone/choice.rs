//! Which repositories there are elsewhere, and which one is meant.

use std::collections::BTreeMap;

use carry_code::git::HashKind;
use carry_code::line::Branch;
use carry_code::stream::{self, ForeignLine};

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

/// All there are, by name. Lines of several devices are of one repository where these call it the same in their logs.
pub(super) fn candidates(shell: &Shell) -> Result<Vec<Candidate>, Failure> {
    let Some(ctx) = shell.existing_context()? else { return Ok(Vec::new()) };
    let mut by_id: BTreeMap<(String, String), Candidate> = BTreeMap::new();
    for line in stream::standing(&ctx)?.foreign.into_iter().filter(ForeignLine::is_phantom) {
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
    Ok(all)
}

/// The one that is meant by `NAME`, by `DEVICE:NAME`, or by what it is called in logs.
pub(super) fn find(all: &[Candidate], typed: &str) -> Result<Candidate, Failure> {
    let is_called = |candidate: &Candidate, name: &str| candidate.name == name || candidate.repository == name;
    let mut meant: Vec<Candidate> = all.iter().filter(|one| is_called(one, typed)).cloned().collect();
    if meant.is_empty()
        && let Some((device, name)) = typed.split_once(':')
    {
        meant = all.iter().filter(|one| is_called(one, name)).filter_map(|one| one.of(device)).collect();
    }
    match &meant[..] {
        [one] => Ok(one.clone()),
        [] => {
            Err(Failure::failed(format!("no other device has a repository {:?} that is not here", text::line(typed)))
                .hint("`carry clone` lists those that there are, `carry exchange` asks for new ones."))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.repository.as_str()).collect();
            Err(Failure::failed(format!("{} is the name of several repositories", text::line(typed)))
                .hint(format!("Give the id of the one that you mean: {}.", ids.join(", "))))
        }
    }
}

impl Candidate {
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
