//! The thread that looks up where trees publish to: opening a repository takes longer than the loop may wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel};

use carry_code::context::Context;
use carry_code::registry::Tree;
use carry_code::repo::Repo;

use super::event::Event;
use super::far::Far;
use super::results::{panic_message, sentence};

/// The thread. It ends when this is dropped.
pub(super) struct Finder(Sender<Tree>);

impl Finder {
    /// Starts it.
    pub(super) fn start(ctx: &Context, far: Arc<dyn Far>, events: &SyncSender<Event>) -> std::io::Result<Self> {
        let (sender, trees) = channel::<Tree>();
        let (ctx, events) = (ctx.clone(), events.clone());
        let run = move || {
            for tree in trees {
                let look = || Repo::open(&tree.root).and_then(|repo| far.remotes(&ctx, &repo));
                let found = match catch_unwind(AssertUnwindSafe(look)) {
                    Ok(found) => found.map_err(|error| sentence(&error)),
                    Err(payload) => Err(panic_message(&*payload)),
                };
                if events.send(Event::Remotes { tree: tree.id, found }).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("carry-find".to_owned()).spawn(run)?;
        Ok(Self(sender))
    }

    /// Looks up a tree's remotes; the answer comes as [`Event::Remotes`].
    pub(super) fn look(&self, tree: Tree) {
        // The thread ends only with this, or with the loop.
        let _ = self.0.send(tree);
    }
}
