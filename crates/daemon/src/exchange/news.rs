//! Hearing of news at a remote: a folder is watched, a peer asked to say when there is something.
//!
//! What is heard is a hint. Nothing is decided by it but when to look, and who hears nothing asks now and then.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carry_exchange::remote::{Deadline, News, Pause, Remote, SystemPause};
use carry_kernel::backoff::{Backoff, Policy};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Waits after failures.
pub(super) const POLICY: Policy = Policy {
    first: std::time::Duration::from_secs(2),
    max: std::time::Duration::from_secs(300),
    factor: 2.0,
    jitter: 0.2,
    ceiling: 8,
};

/// Is told when there may be news. Called on other threads.
pub type Tell = Arc<dyn Fn() + Send + Sync>;

/// Hears of news at one remote. Dropping it ends what it started.
pub struct Newsman {
    tell: Tell,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    asks: bool,
    ended: Arc<AtomicBool>,
}

impl std::fmt::Debug for Newsman {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Newsman").field("watched", &self.watched).field("asks", &self.asks).finish_non_exhaustive()
    }
}

impl Drop for Newsman {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Newsman {
    /// One that hears nothing yet.
    pub fn new(tell: Tell) -> Self {
        Self { tell, watcher: None, watched: BTreeSet::new(), asks: false, ended: Arc::default() }
    }

    /// Watches the folders in which news shows, as soon as they are there. To be called before an exchange, so that nothing
    /// that comes after its listing is missed. May hang where the folder's disk does.
    pub fn watch_folders(&mut self, place: &dyn Remote) {
        let folders: Vec<PathBuf> = place.watched().into_iter().filter(|dir| !self.watched.contains(dir)).collect();
        if folders.is_empty() {
            return;
        }
        if self.watcher.is_none() {
            let tell = self.tell.clone();
            let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Our own reading is no news.
                if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                    tell();
                }
            });
            // Without a watcher it is asked now and then.
            self.watcher = made.inspect_err(|error| tracing::debug!(%error, "folders cannot be watched")).ok();
        }
        let Some(watcher) = &mut self.watcher else { return };
        for folder in folders {
            if watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder);
            }
        }
    }

    /// Lets the remote say when there is news, in a thread that ends where the remote cannot tell. A second time nothing is done.
    /// That it does not answer any more is news, too, once until it answers again: whoever is told finds out what is wrong.
    pub fn ask(&mut self, place: Box<dyn Remote>) {
        self.ask_with(place, SystemPause);
    }

    /// The same, with time as it is given.
    fn ask_with(&mut self, place: Box<dyn Remote>, pause: impl Pause + 'static) {
        if std::mem::replace(&mut self.asks, true) {
            return;
        }
        let (ended, tell) = (Arc::clone(&self.ended), self.tell.clone());
        let work = move || {
            let deadline = Deadline::NONE.on(&ended);
            let mut backoff = Backoff::new(POLICY, u64::from(std::process::id()));
            let mut cursor = None;
            let mut is_silent = false;
            while deadline.passed().is_none() {
                match place.wait(cursor.as_ref(), &deadline) {
                    Ok(News::CannotTell) => return,
                    Ok(News::Nothing(next)) => cursor = Some(next),
                    Ok(News::Changed(next)) => {
                        // The first answer says where we are.
                        if cursor.replace(next).is_some() {
                            tell();
                        }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut is_silent, true) && deadline.passed().is_none() {
                            tell();
                        }
                        pause.pause(backoff.fail(error.retry_after()), &deadline);
                        continue;
                    }
                }
                is_silent = false;
                backoff.succeed();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("carry-news".to_owned()).spawn(work) {
            tracing::debug!(%error, "no thread to wait for news in");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;
    use std::ops::ControlFlow;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use carry_exchange::name::Folder;
    use carry_exchange::remote::{Cursor, Got, Init, Listed, Listing, Part, Put, RemoteError, RemoteFile, Source};

    use super::*;

    /// What is heard of a place, in order.
    #[derive(Debug, PartialEq, Eq)]
    enum Heard {
        /// It was told that there may be news.
        Told,
        /// Time passed after a failure.
        Paused,
        /// It was asked, with this cursor.
        Asked(Option<String>),
        /// Nobody asks it any more.
        Over,
    }

    /// A place that can only be waited at, and answers as was written down.
    #[derive(Debug)]
    struct Scripted(Mutex<VecDeque<Result<News, ()>>>, Sender<Heard>);

    impl Drop for Scripted {
        fn drop(&mut self) {
            self.1.send(Heard::Over).unwrap();
        }
    }

    /// Time that passes at once.
    #[derive(Debug)]
    struct AtOnce(Sender<Heard>);

    impl Pause for AtOnce {
        fn pause(&self, wait: Duration, _: &Deadline<'_>) {
            assert!(wait > Duration::ZERO);
            self.0.send(Heard::Paused).unwrap();
        }
    }

    fn gone<T>() -> Result<T, RemoteError> {
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        Err(RemoteError::Unreachable { place: "scripted".to_owned(), source: Box::new(source) })
    }

    impl Remote for Scripted {
        fn place(&self) -> &str {
            "scripted"
        }

        fn check(&self, _: &Deadline<'_>) -> Result<(), RemoteError> {
            gone()
        }

        fn init(&self, _: &Deadline<'_>) -> Result<Init, RemoteError> {
            gone()
        }

        fn list(
            &self,
            _: Folder,
            _: &Deadline<'_>,
            _: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
        ) -> Result<Listed, RemoteError> {
            gone()
        }

        fn get(&self, _: &RemoteFile, _: Part, _: &mut dyn Write, _: &Deadline<'_>) -> Result<Got, RemoteError> {
            gone()
        }

        fn put(&self, _: &RemoteFile, _: Source<'_>, _: &Deadline<'_>) -> Result<Put, RemoteError> {
            gone()
        }

        fn delete(&self, _: &RemoteFile, _: &Deadline<'_>) -> Result<bool, RemoteError> {
            gone()
        }

        fn wait(&self, after: Option<&Cursor>, _: &Deadline<'_>) -> Result<News, RemoteError> {
            self.1.send(Heard::Asked(after.map(|cursor| cursor.0.clone()))).unwrap();
            match self.0.lock().unwrap().pop_front() {
                Some(Ok(news)) => Ok(news),
                Some(Err(())) => gone(),
                None => Ok(News::CannotTell),
            }
        }
    }

    #[test]
    fn that_a_place_does_not_answer_any_more_is_told_at_once_and_once() {
        use Heard::{Asked, Over, Paused, Told};
        let at = |cursor: &str| Cursor(cursor.to_owned());
        let after = |cursor: &str| Asked(Some(cursor.to_owned()));
        let script =
            [Ok(News::Nothing(at("a"))), Err(()), Err(()), Err(()), Ok(News::Nothing(at("b"))), Err(()), Err(())];
        let (sender, heard) = channel();
        let (tells, pauses) = (sender.clone(), sender.clone());
        let mut newsman = Newsman::new(Arc::new(move || tells.send(Told).unwrap()));
        newsman.ask_with(Box::new(Scripted(Mutex::new(script.into()), sender)), AtOnce(pauses));
        // The last answer is that it cannot tell, which ends it.
        let heard: Vec<Heard> = heard.iter().take_while(|heard| *heard != Over).collect();
        let fails_first = |cursor: &str| [after(cursor), Told, Paused];
        let fails_again = |cursor: &str| [after(cursor), Paused];
        let mut expected = vec![Asked(None)];
        expected.extend(fails_first("a").into_iter().chain(fails_again("a")).chain(fails_again("a")));
        // It answered in between: that it fails anew is news.
        expected.push(after("a"));
        expected.extend(fails_first("b").into_iter().chain(fails_again("b")));
        expected.push(after("b"));
        assert_eq!(heard, expected);
    }
}
