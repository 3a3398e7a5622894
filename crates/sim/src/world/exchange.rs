//! One exchange of one device, with whatever is armed to fail in it, and what is looked at right after it.

use carry_exchange::round::{Options, Problem, Report, RoundError};
use carry_exchange::store::Compacted;
use carry_kernel::fault::{self, Failure};

use super::{Judged, World, Wrong, in_words, unexpected};
use crate::check;
use crate::reached::Event;

impl World {
    /// Lets a device exchange with the place of one of its ways. `armed` says after how many points it fails.
    pub(crate) fn exchange(
        &mut self,
        device: usize,
        way: usize,
        armed: Option<(u32, Failure)>,
    ) -> Judged<Option<Report>> {
        let Some(&way) = self.devices[device].ways.get(way) else { return Ok(None) };
        let place = self.places[way.place].clone();
        place.sync();
        let options = Options { remote: place.name().to_owned(), ..self.devices[device].options.clone() };
        let view = place.view(way.tree, device);
        *place.state().books.n_rounds.entry(device).or_default() += 1;
        let writes_before = place.state().books.n_writes;
        fault::arm(armed);
        let done = self.devices[device].exchange(&view, &options);
        let is_left = fault::arm(None);
        if armed.is_some() && !is_left {
            self.reached.crashed(fault::failed_at());
        }
        let what = format!("device {device} exchanges with {}", place.name());
        match &done {
            Ok(report) => {
                let line = format!("{what}: {}", in_short(report));
                self.note(&line);
            }
            Err(error) => {
                let line = format!("{what}: {} {}", class(error), at(error));
                self.note(&line);
            }
        }
        if options.is_dry_run && place.state().books.n_writes != writes_before {
            return Err(Wrong(format!("{what}: a dry run wrote")));
        }
        let report = match done {
            Ok(report) => Some(report),
            Err(RoundError::Remote(error)) if armed.is_some() && !is_left => {
                self.note(&format!("device {device} dies: {}", in_words(&error).len().min(1)));
                self.devices[device].stop();
                None
            }
            Err(RoundError::Remote(_)) => {
                self.reached.note(Event::CallFailed);
                None
            }
            Err(RoundError::Store(error)) if armed.is_some() && !is_left => {
                if !Self::was_armed(&error) {
                    return Err(Wrong(format!("{what}: after an armed failure: {}", in_words(&error))));
                }
                self.devices[device].stop();
                None
            }
            Err(RoundError::Store(error)) => return Err(Wrong(format!("{what}: {}", in_words(&error)))),
        };
        // A failure that a round coped with may have left a strand or store half done: the program dies then, too.
        if armed.is_some() && !is_left {
            self.devices[device].stop();
        }
        self.devices[device].start().map_err(unexpected(&format!("device {device} starts again")))?;
        if self.devices[device].note_log() {
            let family = self.devices[device].family;
            self.model.troubled.insert(family);
            self.reached.note(Event::Renewed);
            self.note(&format!("device {device} goes on in a new log"));
        }
        if let Some(report) = &report {
            if self.devices[device].counts() {
                self.count(device, report);
            }
            self.devices[device].reports.insert(way.place, report.clone());
        }
        check::book_unnamed(self, way.place, way.tree, device)?;
        check::removals(self, way.place)?;
        place.sync();
        Ok(report)
    }
}

impl World {
    /// Notes what a round reached. What goes wrong again and again is counted once.
    fn count(&mut self, device: usize, report: &Report) {
        self.merged(&report.merged);
        let reached = &mut self.reached;
        reached.add(Event::Relay, report.relayed.n_heads as u64);
        for done in report.delivered.values() {
            reached.add(Event::LaterKind, u64::from(done.n_deferred > 0));
            reached.add(Event::Waited, u64::from(done.n_waiting > 0));
            reached.add(Event::Retracted, u64::from(done.n_retracted > 0));
        }
        for problem in &report.problems {
            let event = match problem {
                Problem::Arriving(_) => Event::Arriving,
                Problem::Damaged(_) => Event::Damaged,
                Problem::Missing(_) => Event::Missing,
                Problem::Wrong(..) | Problem::StillWrong(..) => Event::Wrong,
                Problem::Shrunk(_) => Event::RolledBack,
                Problem::Forked(_) => Event::Fork,
                Problem::NeedsUpgrade(_) => Event::LaterHead,
                Problem::Quota(..) => Event::Quota,
                Problem::Blocked(_) => Event::Blocked,
                Problem::Unreachable(..)
                | Problem::Lost(..)
                | Problem::NoHead(_)
                | Problem::Strand(..)
                | Problem::Cut(_) => continue,
            };
            if self.met.insert((device, format!("{problem:?}"))) {
                reached.note(event);
                let is_bomb = matches!(problem, Problem::Wrong(_, why) if why.contains("its size is another"));
                reached.add(Event::Bomb, u64::from(is_bomb));
            }
        }
    }

    /// Notes merges.
    pub(super) fn merged(&mut self, merged: &[Compacted]) {
        for one in merged {
            self.reached.note(Event::Merge);
            self.reached.add(Event::Stub, one.n_dropped as u64);
            self.reached.add(Event::Run, one.n_runs as u64);
            self.reached.add(Event::AttachmentDropped, one.n_attachments_dropped as u64);
        }
    }
}

/// What an error is, without paths and other words that differ between runs.
fn class(error: &RoundError) -> String {
    match error {
        RoundError::Remote(error) => format!("remote {}", error.class().as_str()),
        RoundError::Store(_) => "store".to_owned(),
    }
}

/// The armed point that an error comes from.
fn at(error: &RoundError) -> String {
    let text = in_words(error);
    ["fault armed at ", "disk full at "]
        .iter()
        .find_map(|mark| text.split_once(mark))
        .map(|(_, rest)| rest.split([' ', ':']).next().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// A report in one line, without what is zero.
pub(crate) fn in_short(report: &Report) -> String {
    let mut parts = Vec::new();
    for (name, moved) in [
        ("pulled", report.pulled),
        ("pushed", report.pushed),
        ("relayed", report.relayed),
        ("collected", report.collected),
    ] {
        if moved.n_heads + moved.n_objects > 0 {
            parts.push(format!("{name} {}h+{}o", moved.n_heads, moved.n_objects));
        }
    }
    let records: u64 = report.records.values().sum();
    if records > 0 {
        parts.push(format!("{records} records"));
    }
    let said: usize = report.said.values().sum();
    if said > 0 {
        parts.push(format!("said {said}"));
    }
    for (stream, done) in &report.delivered {
        if *done != carry_exchange::store::Delivered::default() {
            parts.push(format!(
                "{stream} f{} d{} w{} r{} x{}",
                done.n_folded, done.n_deferred, done.n_waiting, done.n_retracted, done.n_damaged
            ));
        }
    }
    parts.extend(report.published.map(|n| format!("head {n}")));
    parts.extend(report.renewed.map(|log| format!("renewed {}", short(&log.to_string()))));
    parts.extend(report.problems.iter().map(|problem| format!("{problem:?}")));
    if report.has_more {
        parts.push("more".to_owned());
    }
    parts.join(", ")
}

fn short(text: &str) -> &str {
    &text[..text.len().min(8)]
}
