//! Puts what the own log's newest head rests on, and the head.

use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::put::Done;
use super::{Round, RoundError};
use crate::name::{Form, LogId, ObjectName};
use crate::plan::{Closure, Copy, Object, Shown, Whose, plan_push};
use crate::remote::RemoteFile;
use crate::store::{Store, StoreError};
use crate::wait::is_over;

/// How often what a head names is compared with what is there although the head is there: cleaners remove files.
pub(super) const COMPARE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

impl Round<'_> {
    /// Puts what is missing of the own log. Looks into its folder once a day, and when the newest head that was put is not there:
    /// between these what was put before is taken to be there, and what was lost to be lost unless the copy kept here changes.
    pub(super) fn push_own(&mut self, store: &mut Store, now: Timestamp) -> Result<(), RoundError> {
        let at_once = store.snapshot()?;
        let Some((signed, segments)) = store.signed_segments()? else { return Ok(()) };
        let (log, n) = (signed.head().log(), signed.head().n);
        let closure = self.closure(Closure::of(&signed, &segments, Whose::Author, &self.known), Whose::Author);
        let remote = self.options.remote.clone();
        // Of what came back here the folder says whether it is there: that it was put once says nothing of it.
        let is_due = self.is_compare_due(store, log, now)? || store.may_have_come_back(&remote, log)?;
        let is_there = self.heads.has(&closure.head.name, closure.head.bytes)
            && store.published(&remote, log)? >= Some(n)
            && !is_due;
        drop(at_once);
        if is_there {
            self.report.published = Some(n);
            return self.note_placed(store, log);
        }
        if is_due {
            self.read_own_head(store, &closure.head, now)?;
        }
        let noted = if is_due || self.logs.contains_key(&log) { None } else { self.noted(store, log, &closure)? };
        let is_compared = noted.is_none();
        let shown = match noted {
            Some(shown) => shown,
            None => self.shown(store, log, &closure)?,
        };
        let plan = plan_push(&closure, &shown, 0, Whose::Author);
        let done = self.put_own(store, log, &plan, is_compared, now)?;
        // What is lost here does not come by asking again, and costs nothing until the next comparison or a good copy comes.
        if done <= Done::AllButLost {
            if store.published(&remote, log)? < Some(n) {
                store.note_published(&remote, log, n)?;
            }
            if is_compared {
                store.note_compared(&remote, log, now)?;
            }
            self.note_placed(store, log)?;
        } else {
            self.report.placed.remove(&log);
        }
        if self.heads.has(&closure.head.name, closure.head.bytes) {
            store.note_heard(&closure.head.name)?;
            self.report.published = Some(n);
        }
        Ok(())
    }

    /// Notes that all of the own log is there but what is noted as lost.
    fn note_placed(&mut self, store: &Store, log: LogId) -> Result<(), RoundError> {
        let lost = store.lost_of(&self.options.remote, log)?;
        self.report.placed.insert(log, lost.into_iter().map(|row| row.object).collect());
        Ok(())
    }

    /// Reads what is there under the names of a head of this device's, and notes what is damaged. Of a damaged head nobody else
    /// can say that it ever was one, so nobody asks for it.
    pub(super) fn read_own_head(&mut self, store: &mut Store, head: &Object, now: Timestamp) -> Result<(), RoundError> {
        let Some(place) = store.find_object(&head.name)? else { return Ok(()) };
        for candidate in self.heads.candidates(&head.name).to_vec() {
            let path = format!("{}/{}", head.name.folder(), candidate.name);
            let known = store.rejected(&self.options.remote, &path)?;
            if candidate.bytes != head.bytes || known.is_some_and(|known| known.stamp == candidate.stamp) {
                continue;
            }
            let file = RemoteFile::new(head.name.folder(), &candidate.name)?;
            match self.is_same(store, &head.name, &file, head.bytes, &place, now) {
                Ok(_) => {}
                // The next round sees.
                Err(RoundError::Remote(error)) => self.survive_unread(store, &head.name, &file, error, now)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Without the streams that do not go to this remote.
    pub(super) fn closure(&self, mut closure: Closure, whose: Whose) -> Closure {
        closure.objects.retain(|object| match &object.name {
            ObjectName::Segment { stream, .. } if whose == Whose::Author => self.takes(stream),
            ObjectName::Segment { stream, .. } => self.takes_of_others(stream),
            ObjectName::Head { .. } | ObjectName::List { .. } => true,
        });
        closure
    }

    /// What is there of a log: its folder, and its head.
    pub(super) fn shown(&mut self, store: &Store, log: LogId, closure: &Closure) -> Result<Shown, RoundError> {
        let remote = self.options.remote.clone();
        let mut shown = Shown::new();
        self.shelf(log)?.shown(store, &remote, &mut shown)?;
        self.heads.shown_of(store, &remote, &closure.head.name, &mut shown)?;
        Ok(shown)
    }

    /// What is taken to be there of the own log, by what was put and not removed. `None` when its folder must be looked at: the
    /// newest head that was put is not there, so that more may be gone, or a file that was put is known to be damaged.
    fn noted(&self, store: &Store, log: LogId, closure: &Closure) -> Result<Option<Shown>, RoundError> {
        let remote = &self.options.remote;
        let Some(last) = store.published(remote, log)? else { return Ok(None) };
        let Some(last) = store.signed_name(log, last)? else { return Ok(None) };
        let is_there = store.put_bytes(remote, &last.path())?.is_some_and(|bytes| self.heads.has(&last, bytes));
        if !is_there {
            return Ok(None);
        }
        let mut shown = Shown::new();
        for object in &closure.objects {
            let path = object.name.path();
            if store.rejected(remote, &path)?.is_some() {
                return Ok(None);
            }
            if let Some(bytes) = store.put_bytes(remote, &path)? {
                shown.insert(object.name.clone(), vec![Copy { form: Form::Itself, bytes, is_damaged: false }]);
            }
        }
        self.heads.shown_of(store, remote, &closure.head.name, &mut shown)?;
        Ok(Some(shown))
    }

    /// Whether what a log's head names was not compared with what is there for a day.
    pub(super) fn is_compare_due(&self, store: &Store, log: LogId, now: Timestamp) -> Result<bool, StoreError> {
        let last = store.compared(&self.options.remote, log)?;
        Ok(last.is_none_or(|last| is_over(last, COMPARE_EVERY, now)))
    }
}
