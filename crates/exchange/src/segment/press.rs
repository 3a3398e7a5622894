//! Packs blocks of records on threads, and gives them back in the order in which they came: packing takes longer than all else
//! that makes a segment. What a block becomes depends on nothing but its bytes, so that a segment has the same bytes as if one
//! thread had made it.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::block::Packer;
use crate::hash::Digest;

/// Threads. With more the disk and whoever hands over the records would be waited for.
const WORKERS: usize = 2;
/// Blocks that are under way at most: for each thread one that it packs, and one that waits. A constant, so that what a writer
/// knows of the bytes so far depends on no thread's speed.
const UNDER_WAY_MAX: usize = 2 * WORKERS;

/// A packed block.
pub(super) struct Pressed {
    pub(super) stored: Vec<u8>,
    pub(super) digest: Digest,
}

/// Takes blocks and gives them back packed. Its threads end with it.
#[derive(Default)]
pub(super) struct Press {
    under_way: VecDeque<Slot>,
    /// Whose turn it is.
    next: usize,
    /// Begun with the second block that is under way: one alone is packed where it is asked for.
    workers: Vec<Worker>,
    /// For what no thread packs.
    packer: Option<Packer>,
}

/// Where a block is.
enum Slot {
    /// Not packed yet.
    Here(Vec<u8>),
    /// With this thread.
    At(usize),
}

struct Worker {
    to: Option<SyncSender<Vec<u8>>>,
    from: Receiver<io::Result<Pressed>>,
    thread: Option<JoinHandle<()>>,
}

impl Press {
    /// Whether the oldest block is to be taken out before another is handed over.
    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= UNDER_WAY_MAX
    }

    /// Takes a block.
    pub(super) fn push(&mut self, plain: Vec<u8>) {
        self.under_way.push_back(Slot::Here(plain));
        if self.under_way.len() < 2 {
            return;
        }
        if self.workers.is_empty() {
            // Where there can be no thread, blocks are packed as they are asked for.
            self.workers = (0..WORKERS).map_while(|_| Worker::begin().ok()).collect();
        }
        if self.workers.is_empty() {
            return;
        }
        for slot in &mut self.under_way {
            let at = self.next % self.workers.len();
            if let Slot::Here(plain) = slot
                && self.workers[at].give(plain)
            {
                (*slot, self.next) = (Slot::At(at), self.next + 1);
            }
        }
    }

    /// Gives the oldest block; `None` when none is under way.
    pub(super) fn pop(&mut self) -> Option<io::Result<Pressed>> {
        Some(match self.under_way.pop_front()? {
            Slot::Here(plain) => self.pack(&plain),
            // Each thread gives in the order in which it takes.
            Slot::At(worker) => match self.workers[worker].from.recv() {
                Ok(pressed) => pressed,
                Err(_) => Err(io::Error::other("what packs blocks has ended")),
            },
        })
    }

    fn pack(&mut self, plain: &[u8]) -> io::Result<Pressed> {
        let packer = match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(Packer::new()?),
        };
        press(packer, plain)
    }
}

impl Worker {
    fn begin() -> io::Result<Self> {
        let (to, blocks) = sync_channel::<Vec<u8>>(UNDER_WAY_MAX);
        let (send, from) = sync_channel(UNDER_WAY_MAX);
        let work = move || {
            let mut packer = None;
            while let Ok(plain) = blocks.recv() {
                let pressed = match &mut packer {
                    Some(packer) => press(packer, &plain),
                    none => Packer::new().and_then(|new| press(none.insert(new), &plain)),
                };
                if send.send(pressed).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("carry-packing".to_owned()).spawn(work)?;
        Ok(Self { to: Some(to), from, thread: Some(thread) })
    }

    /// Hands a block over. Says whether it went.
    fn give(&self, plain: &mut Vec<u8>) -> bool {
        let Some(to) = &self.to else { return false };
        match to.send(std::mem::take(plain)) {
            Ok(()) => true,
            Err(refused) => {
                *plain = refused.0;
                false
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // No other block comes: the thread ends after those that it has.
        self.to = None;
        if let Some(thread) = self.thread.take() {
            // What it panicked on was told as an error where the block was asked for.
            let _ = thread.join();
        }
    }
}

fn press(packer: &mut Packer, plain: &[u8]) -> io::Result<Pressed> {
    let stored = packer.pack(plain)?;
    let digest = Digest::of(&[&stored]);
    Ok(Pressed { stored, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(n: usize) -> Vec<u8> {
        // Of sizes that take one thread longer than the other.
        let words = if n.is_multiple_of(3) { 40_000 } else { 500 };
        (0..words).flat_map(|at| format!("{} ", (n * 7919 + at * at) % 9973).into_bytes()).collect()
    }

    #[test]
    fn blocks_come_back_in_order_and_as_one_thread_packs_them() {
        let mut packer = Packer::new().unwrap();
        let (mut press_, mut stored) = (Press::default(), Vec::new());
        for n in 0..17 {
            if press_.is_full() {
                stored.push(press_.pop().unwrap().unwrap());
            }
            press_.push(block(n));
            assert!(press_.under_way.len() <= UNDER_WAY_MAX);
        }
        assert_eq!(press_.workers.len(), WORKERS);
        while let Some(pressed) = press_.pop() {
            stored.push(pressed.unwrap());
        }
        assert_eq!(stored.len(), 17);
        for (n, pressed) in stored.iter().enumerate() {
            let alone = press(&mut packer, &block(n)).unwrap();
            assert!(pressed.stored == alone.stored && pressed.digest == alone.digest, "block {n}");
        }
    }

    #[test]
    fn one_block_alone_needs_no_thread() {
        let mut press = Press::default();
        for n in 0..3 {
            press.push(block(n));
            press.pop().unwrap().unwrap();
        }
        assert!(press.workers.is_empty() && press.pop().is_none());
    }

    #[test]
    fn what_a_thread_that_ended_was_given_is_an_error() {
        let mut press = Press::default();
        press.push(block(1));
        press.push(block(2));
        // As after a panic: nothing comes from it any more.
        let (_, from) = sync_channel(1);
        press.workers[1].from = from;
        assert!(press.pop().unwrap().is_ok());
        assert!(press.pop().unwrap().is_err());
    }
}
