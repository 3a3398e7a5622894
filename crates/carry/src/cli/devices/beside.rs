//! What each device has of a repository's branches, beside what is here.

use std::collections::BTreeMap;

use carry_code::registry::{LinkState, Registry};
use carry_code::seen::Relation;
use carry_code::stream::{self, ForeignLine};
use carry_code::time;
use carry_code::tips::{self, Tip, Trust, Writer};

use crate::failure::Failure;
use crate::links::Here;
use crate::wire::Shell;
use crate::writers::Place;
use crate::{text, writers};

/// A tip, and how it stands to what is here.
pub(super) struct Beside {
    pub(super) tip: Tip,
    pub(super) relation: &'static str,
    pub(super) known: String,
    /// Its folder, or what its repository is called there, where that is known.
    pub(super) place: Option<String>,
}

/// All tips by the id of their writer.
pub(super) fn tips_of(
    shell: &Shell,
    registry: &Registry,
    here: &Here,
) -> Result<BTreeMap<String, Vec<Beside>>, Failure> {
    let links = registry.links(&here.tree.common_dir)?;
    let exchanged = exchanged(shell, here)?;
    let trees = registry.trees()?;
    let mut by_writer: BTreeMap<String, Vec<Beside>> = BTreeMap::new();
    for tip in tips::all(&here.ctx, &here.repo)? {
        let ours = tips::own(&here.ctx, &here.repo, &here.tree.id, &tip.branch)?;
        let relation = relation(&tip, ours.as_ref(), here);
        let is_ours = tip.trust == Trust::Own && !writers::is_copy(&tip, &here.ctx.device.id());
        let known = match exchanged.iter().any(|line| !is_ours && is_of(line, &tip)) {
            true => by_exchange(shell),
            false => how_known(shell, &links, &tip, is_ours),
        };
        let place = match &tip.writer {
            Writer::Carry { line, .. } if is_ours => {
                trees.iter().find(|tree| tree.id == line.tree).map(|tree| shell.folder(&tree.root))
            }
            Writer::Carry { line, .. } => {
                let of_line = exchanged.iter().find(|exchanged| exchanged.ref_name == line.ref_name());
                of_line.map(|exchanged| text::line(&exchanged.name))
            }
            Writer::Pulsar { .. } => None,
        };
        by_writer.entry(tip.writer.id()).or_default().push(Beside { relation, known, place, tip });
    }
    Ok(by_writer)
}

/// The branch of each, with the working tree where the device has the branch in several.
pub(super) fn branches(tips: &[Beside]) -> Vec<String> {
    let place = |beside: &Beside| Place {
        line: (String::new(), beside.tip.branch.display()),
        tree: match &beside.tip.writer {
            Writer::Carry { line, .. } => line.tree.to_string(),
            Writer::Pulsar { slug } => text::line(slug),
        },
        name: beside.place.clone(),
    };
    let places: Vec<Place> = tips.iter().map(place).collect();
    let apart = writers::apart(&places).into_iter().zip(&places);
    apart.map(|(word, place)| word.map_or(place.line.1.clone(), |word| format!("{} in {word}", place.line.1))).collect()
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
