//! A dry run: what would move, as far as it can be known without a write here or there. What strands have not handed over yet
//! is not counted, as only handing it over shows it.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;

use super::put::count;
use super::{Collect, Moved, Problem, Round, RoundError};
use crate::head::{Segments, SignedHead, segments};
use crate::limits::{HEAD_BYTES_MAX, LIST_BYTES_MAX};
use crate::list::List;
use crate::name::{LogId, ObjectName};
use crate::plan::{Closure, Known, Source, Whose, plan_pull, plan_push};
use crate::remote::{Part, RemoteError, RemoteFile};
use crate::store::Store;

impl Round<'_> {
    /// Plans a round on what is known and what can be read.
    pub(super) fn rehearse(
        &mut self,
        store: &mut Store,
        does_pull: bool,
        does_push: bool,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        if does_pull {
            self.rehearse_pull(store, now)?;
        }
        if does_push {
            self.rehearse_push(store)?;
            if self.options.collect != Collect::Nothing {
                for (path, bytes) in self.collect(store, now)?.removed {
                    if let Some(object) = super::put::is_ours(&path) {
                        count(&mut self.report.collected, &object, bytes);
                    }
                }
            }
        }
        Ok(())
    }

    fn rehearse_pull(&mut self, store: &Store, now: Timestamp) -> Result<(), RoundError> {
        let mut sources: BTreeMap<(LogId, u32), (SignedHead, Segments)> = BTreeMap::new();
        for followed in store.followed()? {
            if let Some(segments) = followed.segments {
                sources.insert((followed.log, followed.track), (followed.head, segments));
            }
        }
        let mut pulled = Moved::default();
        for (log, names) in self.unknown(store, now)? {
            if store.state(log)?.is_none() {
                self.report.new_logs.push(log);
            }
            if log == store.log() {
                self.problem(Problem::Forked(log));
            }
            for name in names {
                let Some((head, bytes)) = self.peek(&name)? else { continue };
                pulled.n_heads += 1;
                pulled.bytes += bytes;
                let is_newer = sources.get(&(log, 0)).is_none_or(|(known, _)| known.head().n < head.head().n);
                if !is_newer {
                    continue;
                }
                let list = match head.head().list {
                    None => None,
                    Some(list) if list.bytes > LIST_BYTES_MAX => continue,
                    Some(list) => {
                        let file = RemoteFile::object(&ObjectName::list(log, list.digest));
                        let Some(bytes) = self.glance(&file, list.bytes)? else { continue };
                        pulled.n_objects += 1;
                        pulled.bytes += bytes.len() as u64;
                        let Ok(list) = List::read(&bytes, log, &list) else { continue };
                        Some(list)
                    }
                };
                if let Ok(segments) = segments(head.head(), list.as_ref()) {
                    sources.insert((log, 0), (head, segments));
                }
                break;
            }
        }
        for ((log, track), (head, mut segments)) in sources {
            segments.retain(|stream, _| self.takes_of_others(stream));
            let held = store.held(log, track)?;
            let held = held.into_iter().map(|(stream, held)| ((log, stream), held)).collect();
            let known = Known { held, streams: self.known.clone(), ..Known::default() };
            let source = Source { head: head.head(), segments: &segments };
            let plan = plan_pull(&[source], &known, &self.options.budget);
            pulled.n_objects += plan.fetches.len();
            pulled.bytes += plan.fetches.iter().map(|fetch| fetch.bytes).sum::<u64>();
            self.report.has_more |= plan.n_left > 0;
        }
        self.report.pulled = pulled;
        Ok(())
    }

    /// A head that is new, verified and not kept.
    fn peek(&self, name: &ObjectName) -> Result<Option<(SignedHead, u64)>, RoundError> {
        for candidate in self.heads.candidates(name) {
            let file = RemoteFile::new(name.folder(), &candidate.name)?;
            let Some(bytes) = self.glance(&file, HEAD_BYTES_MAX)? else { continue };
            if let Ok(head) = SignedHead::read(name, &bytes) {
                return Ok(Some((head, bytes.len() as u64)));
            }
        }
        Ok(None)
    }

    /// A small file's bytes; `None` when it cannot be had now.
    fn glance(&self, file: &RemoteFile, bytes_max: u64) -> Result<Option<Vec<u8>>, RoundError> {
        match self.read(file, Part::Whole { bytes_max }) {
            Ok((bytes, _)) => Ok(Some(bytes)),
            Err(error @ (RemoteError::Cancelled { .. } | RemoteError::NoMarker { .. })) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn rehearse_push(&mut self, store: &Store) -> Result<(), RoundError> {
        if let Some((signed, segments)) = store.signed_segments()? {
            let closure = self.closure(Closure::of(&signed, &segments, Whose::Author, &self.known), Whose::Author);
            self.rehearse_closure(store, &closure, Whose::Author)?;
        }
        for followed in store.followed()? {
            let (Some(whose), Some(segments)) = (self.whose(followed.state), &followed.segments) else { continue };
            let closure = self.closure(Closure::of(&followed.head, segments, whose, &self.known), whose);
            let is_there = self.heads.has(&closure.head.name, closure.head.bytes);
            if !is_there && !self.lacks(store, &closure)?.iter().any(|object| self.holds_up(&object.name)) {
                self.rehearse_closure(store, &closure, whose)?;
            }
        }
        Ok(())
    }

    fn rehearse_closure(&mut self, store: &Store, closure: &Closure, whose: Whose) -> Result<(), RoundError> {
        let shown = self.shown(store, closure.head.name.log(), closure)?;
        let plan = plan_push(closure, &shown, 0, whose);
        for put in plan.before.iter().chain(&plan.head).chain(&plan.after) {
            let moved = if whose == Whose::Author { &mut self.report.pushed } else { &mut self.report.relayed };
            count(moved, &put.object.name, put.object.bytes);
        }
        for blocked in plan.blocked {
            self.problem(Problem::Blocked(blocked.name));
        }
        Ok(())
    }
}
