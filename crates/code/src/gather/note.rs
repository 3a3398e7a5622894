//! Writing down what a fetch found.

use super::known::Known;
use super::verify::Judged;
use super::{Fetched, Report};
use crate::context::Context;
use crate::publish::{LineState, Published};
use crate::registry::Registry;
use crate::remote::{Listing, Remote, RemoteError};
use crate::repo::Repo;

/// Own lines that are not there any more: they are published again.
pub(super) fn lost(
    known: &Known,
    listing: &Listing,
    repo: &Repo,
    remote: &Remote,
    registry: &mut Registry,
    report: &mut Report,
) -> Result<(), RemoteError> {
    for (name, row) in &known.published {
        if row.seal.is_none() || !known.is_own(&row.line) || listing.get(name).is_some() {
            continue;
        }
        let row = Published { seal: None, snapshot: None, state: LineState::Pending, ..row.clone() };
        registry.note_published(repo.common_dir(), &remote.key(), &row)?;
        // What is not there has nothing left out.
        registry.set_left_out(&remote.key(), &row.line, &std::collections::HashSet::new())?;
        report.lost.push(row.line);
    }
    Ok(())
}

/// Own lines as they lie there.
pub(super) fn own(
    fetched: &Fetched<'_>,
    judged: &Judged,
    registry: &mut Registry,
    report: &mut Report,
) -> Result<(), RemoteError> {
    for state in &judged.own {
        let before = fetched.known.published.get(&state.name.ref_name());
        let branch = state.branch.clone().or_else(|| before.map(|row| row.branch.clone()));
        let Some(branch) = branch else { continue };
        if let Some((raw, count)) = &state.seal {
            registry.note_seal(&fetched.remote.key(), &state.name, raw, *count)?;
        }
        let row = Published {
            line: state.name.clone(),
            branch,
            seal: Some(state.value),
            // What was left out beneath an older one is not known; all of it is looked at again.
            snapshot: state.snapshot.filter(|_| state.is_newest),
            pushed: before.and_then(|row| row.pushed),
            state: if state.is_newest { LineState::Published } else { LineState::Pending },
        };
        registry.note_published(fetched.repo.common_dir(), &fetched.remote.key(), &row)?;
        if state.is_lost {
            report.lost.push(state.name.clone());
        }
    }
    Ok(())
}

/// Devices that were met.
pub(super) fn devices(
    ctx: &Context,
    judged: &Judged,
    registry: &mut Registry,
    report: &mut Report,
) -> Result<(), RemoteError> {
    let own = ctx.device.id();
    for met in &judged.met {
        if met.id == own.as_str() {
            continue;
        }
        if registry.note_device(&met.id, met.key, &met.label, ctx.clock.now())? {
            report.new_devices.push(met.id.clone());
        }
    }
    Ok(())
}
