//! The thread that adds and removes watches: walking a large tree takes longer than the loop may wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};

use carry_code::context::Context;
use carry_code::repo::Repo;
use carry_code::watch::{self, Watcher};
use carry_kernel::id::TreeId;

use super::event::Event;
use super::results::sentence;

enum Command {
    Add { tree: TreeId, attempt: u64, root: PathBuf, patterns: Vec<String> },
    Remove(TreeId),
    CheckRules(TreeId),
    Sync(u64),
    Count,
}

/// The watcher behind its thread. Dropping it ends both.
pub(super) struct Watching {
    commands: Sender<Command>,
    watches: Arc<AtomicUsize>,
}

impl Watching {
    /// Starts the thread. A watcher that cannot be started makes every tree one that must be polled.
    pub(super) fn start(ctx: &Context, events: &SyncSender<Event>) -> std::io::Result<Self> {
        let (said, says) = channel::<watch::Event>();
        let forward = events.clone();
        let pass_on = move || {
            while let Ok(event) = says.recv() {
                if forward.send(Event::Watch(event)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("carry-hear".to_owned()).spawn(pass_on)?;
        let (commands, inbox) = channel();
        let watches = Arc::new(AtomicUsize::new(0));
        let (count, events) = (watches.clone(), events.clone());
        let cookies = ctx.home.state_dir().join("cookies");
        let run = move || {
            let watcher = Watcher::start(said, &cookies).map_err(|error| sentence(&error));
            if let Err(error) = &watcher {
                tracing::error!(error, "nothing can be watched; all working trees are polled");
            }
            serve(watcher, &inbox, &events, &count);
        };
        std::thread::Builder::new().name("carry-add".to_owned()).spawn(run)?;
        Ok(Self { commands, watches })
    }

    /// Watches the tree at `root`; the answer comes as [`Event::Watching`].
    pub(super) fn add(&self, tree: &TreeId, attempt: u64, root: PathBuf, patterns: Vec<String>) {
        self.tell(Command::Add { tree: tree.clone(), attempt, root, patterns });
    }

    pub(super) fn remove(&self, tree: &TreeId) {
        self.tell(Command::Remove(tree.clone()));
    }

    /// After a look at everything: what is watched must follow rules that changed unheard.
    pub(super) fn check_rules(&self, tree: &TreeId) {
        self.tell(Command::CheckRules(tree.clone()));
    }

    /// Asks for [`watch::Event::Synced`].
    pub(super) fn sync(&self, number: u64) {
        self.tell(Command::Sync(number));
    }

    /// Folders watched, as far as counted last.
    pub(super) fn watches(&self) -> usize {
        self.tell(Command::Count);
        self.watches.load(Ordering::Relaxed)
    }

    fn tell(&self, command: Command) {
        // The thread ends only with this.
        let _ = self.commands.send(command);
    }
}

fn serve(
    mut watcher: Result<Watcher, String>,
    inbox: &Receiver<Command>,
    events: &SyncSender<Event>,
    count: &AtomicUsize,
) {
    while let Ok(command) = inbox.recv() {
        let answer = match (command, &mut watcher) {
            (Command::Add { tree, attempt, root, patterns }, watcher) => {
                let outcome = match watcher {
                    Ok(watcher) => add(watcher, &tree, &root, &patterns),
                    Err(why) => Err(why.clone()),
                };
                Some(Event::Watching { tree, attempt, outcome })
            }
            (Command::Remove(tree), Ok(watcher)) => {
                watcher.remove(&tree);
                None
            }
            (Command::CheckRules(tree), Ok(watcher)) => {
                watcher.check_rules(&tree);
                None
            }
            (Command::Sync(number), Ok(watcher)) => {
                watcher.sync(number);
                None
            }
            (Command::Sync(number), Err(_)) => Some(Event::Watch(watch::Event::Synced(number))),
            (Command::Remove(_) | Command::CheckRules(_), Err(_)) | (Command::Count, _) => None,
        };
        count.store(watcher.as_ref().map_or(0, Watcher::watches), Ordering::Relaxed);
        if answer.is_some_and(|answer| events.send(answer).is_err()) {
            return;
        }
    }
}

fn add(watcher: &mut Watcher, tree: &TreeId, root: &std::path::Path, patterns: &[String]) -> Result<(), String> {
    let repo = match Repo::open(root) {
        Ok(repo) => repo,
        Err(error) => {
            watcher.remove(tree);
            return Err(sentence(&error));
        }
    };
    watcher.add(tree, &repo, patterns).map_err(|error| sentence(&error))
}
