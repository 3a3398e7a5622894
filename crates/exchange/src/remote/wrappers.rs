//! Wrappers of a place pass on what they have no answer of their own to.

use std::collections::BTreeSet;
use std::io::Write;
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use carry_kernel::clock::{ManualClock, Timestamp};

use super::*;

/// A place that notes what it is asked.
#[derive(Debug, Default)]
struct Asked(Mutex<BTreeSet<&'static str>>);

impl Asked {
    fn note<T>(&self, call: &'static str, answer: T) -> T {
        self.0.lock().unwrap().insert(call);
        answer
    }
}

impl Remote for Asked {
    fn place(&self) -> &str {
        self.note("place", "asked")
    }
    fn check(&self, _: &Deadline<'_>) -> Result<(), RemoteError> {
        self.note("check", Ok(()))
    }
    fn init(&self, _: &Deadline<'_>) -> Result<Init, RemoteError> {
        self.note("init", Ok(Init::Already))
    }
    fn list(
        &self,
        _: Folder,
        _: &Deadline<'_>,
        _: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        self.note("list", Ok(Listed::Whole))
    }
    fn get(&self, _: &RemoteFile, _: Part, _: &mut dyn Write, _: &Deadline<'_>) -> Result<Got, RemoteError> {
        self.note("get", Ok(Got { bytes: 0, size: 0, version: Version(String::new()) }))
    }
    fn put(&self, _: &RemoteFile, _: Source<'_>, _: &Deadline<'_>) -> Result<Put, RemoteError> {
        self.note("put", Ok(Put::Created))
    }
    fn delete(&self, _: &RemoteFile, _: &Deadline<'_>) -> Result<bool, RemoteError> {
        self.note("delete", Ok(true))
    }
    fn sweep(&self, _: &[LogId], _: Timestamp, _: &Deadline<'_>) -> Result<u64, RemoteError> {
        self.note("sweep", Ok(7))
    }
    fn wait(&self, _: Option<&Cursor>, _: &Deadline<'_>) -> Result<News, RemoteError> {
        self.note("wait", Ok(News::Changed(Cursor(String::new()))))
    }
    fn watched(&self) -> Vec<PathBuf> {
        self.note("watched", vec![PathBuf::from("/asked")])
    }
}

#[track_caller]
fn check<R: Remote>(wrap: impl FnOnce(Arc<Asked>) -> R) {
    let asked = Arc::new(Asked::default());
    let place = wrap(Arc::clone(&asked));
    let none = &Deadline::NONE;
    let log = LogId::of_key(&[1; 32]);
    let file = RemoteFile::object(&crate::name::ObjectName::head(log, 1, crate::hash::Digest::of(&[b"a head"])));
    assert_eq!(place.place(), "asked");
    place.check(none).unwrap();
    place.init(none).unwrap();
    place.list(Folder::Heads, none, &mut |_| ControlFlow::Continue(())).unwrap();
    place.get(&file, Part::Whole { bytes_max: 1 }, &mut Vec::new(), none).unwrap();
    place.put(&file, Source::Bytes(b"x"), none).unwrap();
    assert!(place.delete(&file, none).unwrap());
    assert_eq!(place.sweep(&[log], Timestamp::EPOCH, none).unwrap(), 7);
    assert_eq!(place.wait(None, none).unwrap(), News::Changed(Cursor(String::new())));
    assert_eq!(place.watched(), [PathBuf::from("/asked")]);
    let all = ["check", "delete", "get", "init", "list", "place", "put", "sweep", "wait", "watched"];
    assert_eq!(*asked.0.lock().unwrap(), all.into());
}

#[test]
fn every_wrapper_passes_on_every_call() {
    let clock = || Arc::new(ManualClock::new(Timestamp::EPOCH));
    check(|place| Throttled::new(place, NonZeroU64::MAX, clock()));
    check(|place| Retrying::new(place, Retry::default(), 1));
    check(|place| Faulty::new(place, 1, Faults::default()));
    check(Box::new);
}
