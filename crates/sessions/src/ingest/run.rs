//! Running a pass.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use super::discover::Discovery;
use super::listen::Listener;
use super::plan::{Plan, Reader, Reading, plan};
use super::turns::Turns;
use super::{Mode, Pass, Progress, Report};
use crate::archive::{Archive, ArchiveError, Cut, UnitRow, Writer};
use crate::source::{ReadEnd, ReadError, SinkError, Source, Unit};

/// So many units that failed, or are unfinished, are told one by one.
const TOLD_MAX: usize = 1000;

/// What became of one reading.
enum Done {
    Read(ReadEnd),
    Failed(String),
    /// The unit vanished since it was found; the next look says so.
    Vanished,
    Stopped,
}

impl Pass<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// [`ArchiveError`]: the archive failed. What is wrong with a source or a unit stands in the report.
    pub fn run(&self, archive: &mut Archive) -> Result<Report, ArchiveError> {
        // Where nobody is exchanged with any more, what was to be deleted goes here.
        archive.finish_deletions(None, self.now)?;
        let readers: Vec<Reader<'_>> = self.sources.iter().map(|source| reader(source.as_ref())).collect();
        let discovery = Discovery::of(self);
        let mut report = Report { found: discovery.counts(&readers), ..Report::default() };
        if (self.should_stop)() {
            // What was found may be only a part.
            report.was_stopped = true;
            return Ok(report);
        }
        let known = known(archive, &discovery)?;
        let plan = plan(&discovery.units, &known, &readers, &|row| discovery.covers(row, &readers));
        report.unlisted = discovery.unlisted(known.iter());
        drop(known);
        (report.unchanged, report.missing) = (plan.unchanged as u64, plan.missing.len() as u64);
        if plan.read.is_empty() && plan.missing.is_empty() {
            return Ok(report);
        }
        let mut turns = Turns::new(self.now);
        let mut writer = archive.writer(self.now, self.limits);
        self.carry_out(plan, &readers, &mut writer, &mut turns, &mut report)?;
        report.written = writer.finish()?;
        report.turns_ended = turns.resolve(archive)?;
        Ok(report)
    }

    fn carry_out(
        &self,
        plan: Plan,
        readers: &[Reader<'_>],
        writer: &mut Writer<'_>,
        turns: &mut Turns,
        report: &mut Report,
    ) -> Result<(), ArchiveError> {
        for id in plan.missing {
            writer.unit_missing(id)?;
        }
        for (id, path) in plan.moved {
            writer.move_unit(id, &path)?;
        }
        let mut progress = Progress::default();
        progress.units.1 = plan.read.len() as u64;
        progress.bytes.1 = plan.read.iter().map(bytes_to_read).fold(0, u64::saturating_add);
        for reading in plan.read {
            (self.progress)(progress.clone());
            if (self.should_stop)() {
                report.was_stopped = true;
                return Ok(());
            }
            let told = |bytes: u64| {
                let bytes = bytes.min(bytes_to_read(&reading));
                let bytes = (progress.bytes.0 + bytes, progress.bytes.1);
                (self.progress)(Progress { bytes, ..progress.clone() });
            };
            match self.read(&reading, &readers[reading.source], writer, turns, &told)? {
                Done::Read(end) => {
                    if end.is_unfinished && report.unfinished.len() < TOLD_MAX {
                        report.unfinished.push(reading.unit.path.clone());
                    }
                    turns.close();
                    let cut = writer.end_unit(end)?;
                    report.read += 1;
                    // Rows of a database that were not read again are no loss.
                    let is_loss = |cut: &Cut| cut.after < cut.before || cut.should_only_grow;
                    if let Some(cut) = cut.filter(is_loss)
                        && !readers[reading.source].is_container
                        && report.cut.len() < TOLD_MAX
                    {
                        report.cut.push((reading.unit.path.clone(), cut));
                    }
                }
                Done::Failed(reason) => {
                    turns.forget();
                    writer.fail_unit(&reason)?;
                    tracing::warn!(source = readers[reading.source].name, "a unit cannot be read: {reason}");
                    if report.failed.len() < TOLD_MAX {
                        report.failed.push((reading.unit.path.clone(), reason));
                    }
                }
                Done::Vanished => {
                    turns.forget();
                    writer.fail_unit("it vanished while it was to be read")?;
                }
                Done::Stopped => {
                    writer.interrupt_unit()?;
                    report.was_stopped = true;
                    return Ok(());
                }
            }
            progress.units.0 += 1;
            progress.bytes.0 = progress.bytes.0.saturating_add(bytes_to_read(&reading)).min(progress.bytes.1);
        }
        (self.progress)(progress);
        Ok(())
    }

    /// Reads one unit, as a whole if what was appended cannot be understood by itself.
    fn read(
        &self,
        reading: &Reading,
        reader: &Reader<'_>,
        writer: &mut Writer<'_>,
        turns: &mut Turns,
        told: &dyn Fn(u64),
    ) -> Result<Done, ArchiveError> {
        match self.read_as(reading, &reading.mode, reader, writer, turns, told)? {
            Err(ReadError::NeedsWhole { .. }) if reading.mode != Mode::Whole => {
                turns.forget();
                writer.interrupt_unit()?;
                self.read_as(reading, &Mode::Whole, reader, writer, turns, told)?
            }
            done => done,
        }
        .map_or_else(ended_badly, |end| Ok(Done::Read(end)))
    }

    fn read_as(
        &self,
        reading: &Reading,
        mode: &Mode,
        reader: &Reader<'_>,
        writer: &mut Writer<'_>,
        turns: &mut Turns,
        told: &dyn Fn(u64),
    ) -> Result<Result<ReadEnd, ReadError>, ArchiveError> {
        let source = &self.sources[reading.source];
        writer.begin_unit(reader.name, source.agent(), reader.version, &reading.unit, mode)?;
        let mut listener = Listener::new(writer, turns, source.agent(), self.should_stop, told);
        let done = catch_unwind(AssertUnwindSafe(|| source.read(&reading.unit, mode, &mut listener)));
        tracing::trace!(source = reader.name, bytes = listener.bytes(), "a unit was read");
        match done {
            Ok(done) => Ok(done),
            // The writer's own state is unknown then.
            Err(payload) if listener.is_inside => resume_unwind(payload),
            Err(payload) => Ok(Err(ReadError::Io {
                path: reading.unit.path.clone(),
                source: std::io::Error::other(format!("the reader panicked: {}", panic_message(&*payload))),
            })),
        }
    }
}

/// The units that are known: all, or, when a few paths were looked at, those there.
fn known(archive: &Archive, discovery: &Discovery) -> Result<Vec<UnitRow>, ArchiveError> {
    if let Some(paths) = discovery.only() {
        let known = archive.units_at(paths.iter().map(PathBuf::as_path))?;
        // One that is new may have lain elsewhere.
        let is_known = |unit: &Unit| known.iter().any(|row| row.path == unit.path);
        if known.len() == paths.len() || discovery.units.iter().all(|(_, unit)| is_known(unit)) {
            return Ok(known);
        }
    }
    archive.units()
}

fn reader(source: &dyn Source) -> Reader<'_> {
    Reader { name: source.name(), version: source.version(), is_container: source.is_container() }
}

fn bytes_to_read(reading: &Reading) -> u64 {
    match &reading.mode {
        Mode::Whole => reading.unit.stamp.size,
        Mode::From(checkpoint) => reading.unit.stamp.size.saturating_sub(checkpoint.offset),
    }
}

/// What a reading came to that did not reach its end.
fn ended_badly(error: ReadError) -> Result<Done, ArchiveError> {
    match error {
        ReadError::Sink(SinkError::Archive(error)) => Err(error),
        ReadError::Sink(SinkError::Stopped) => Ok(Done::Stopped),
        ReadError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Ok(Done::Vanished),
        other => Ok(Done::Failed(sentence(&other))),
    }
}

/// An error with its causes.
pub(super) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
