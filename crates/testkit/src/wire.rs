//! A stretch of wire that can be watched and cut: a proxy on the loopback interface.
//!
//! It counts bytes both ways, how often the talk turned ([`Proxy::turns`]), and the messages of PostgreSQL's protocol as long as
//! they are not encrypted. It can cut connections after so many bytes, hold everything back, and refuse.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

mod frames;
#[cfg(test)]
mod tests;

pub use frames::Frames;

/// Says that no cut is armed.
const NEVER: u64 = u64::MAX;
/// So much is passed on at once.
const CHUNK: usize = 16 << 10;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

/// A running proxy. Connections are cut when this value goes.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    target: Option<SocketAddr>,
    stopping: AtomicBool,
    refusing: AtomicBool,
    /// What went through, up and down.
    bytes: [AtomicU64; 2],
    /// What may still go through before connections are cut.
    left: [AtomicU64; 2],
    /// Who spoke last: 0 nobody, 1 the client, 2 the server.
    last: AtomicU8,
    turns: AtomicU64,
    accepted: AtomicU64,
    is_stalled: Mutex<bool>,
    moved_on: Condvar,
    streams: Mutex<Vec<TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    frames: Mutex<BTreeMap<u8, u64>>,
}

impl Proxy {
    /// Passes everything on to `target`.
    #[track_caller]
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface is there");
        let port = listener.local_addr().expect("a listener has an address").port();
        let left = [AtomicU64::new(NEVER), AtomicU64::new(NEVER)];
        let shared = Arc::new(Shared { target: Some(target), left, ..Shared::default() });
        let of_thread = shared.clone();
        let listener = Some(std::thread::spawn(move || listen(&listener, &of_thread)));
        Self { port, shared, listener }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that went this way.
    pub fn bytes(&self, way: Way) -> u64 {
        self.shared.bytes[way as usize].load(Ordering::SeqCst)
    }

    /// How often the client spoke after the server, or first: the round trips, where one waits for the other.
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many messages of each type clients sent, by PostgreSQL's letters (`Q` query, `P` parse, `E` execute, `d` copied data).
    /// Encrypted ones cannot be seen.
    pub fn frames(&self) -> BTreeMap<char, u64> {
        lock(&self.shared.frames).iter().map(|(kind, count)| (char::from(*kind), *count)).collect()
    }

    /// Cuts every connection, on both sides, once `bytes` more went this way, and each later one at once, until [`Proxy::heal`].
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.shared.left[way as usize].store(bytes, Ordering::SeqCst);
    }

    /// Lets nothing through, either way, and cuts nothing.
    pub fn stall(&self) {
        *lock(&self.shared.is_stalled) = true;
    }

    /// Closes new connections at once.
    pub fn refuse(&self) {
        self.shared.refusing.store(true, Ordering::SeqCst);
    }

    /// Neither cuts, stalls nor refuses any longer.
    pub fn heal(&self) {
        self.shared.left.iter().for_each(|left| left.store(NEVER, Ordering::SeqCst));
        self.shared.refusing.store(false, Ordering::SeqCst);
        *lock(&self.shared.is_stalled) = false;
        self.shared.moved_on.notify_all();
    }

    /// Cuts what is connected now.
    pub fn cut(&self) {
        self.shared.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.heal();
        // The listener waits for a connection; this one wakes it.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        self.shared.cut();
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(client), Some(target)) = (client, shared.target) else { continue };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        if shared.refusing.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(server) = TcpStream::connect(target) else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let clones = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
        let (Ok(client_kept), Ok(server_kept), Ok(client_out), Ok(server_out)) = clones else { continue };
        lock(&shared.streams).extend([client_kept, server_kept]);
        for (way, from, to) in [(Way::Up, client, server_out), (Way::Down, server, client_out)] {
            let of_thread = shared.clone();
            let thread = std::thread::spawn(move || pass_on(&of_thread, way, from, to));
            lock(&shared.threads).push(thread);
        }
    }
}

fn pass_on(shared: &Shared, way: Way, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; CHUNK];
    let mut frames = Frames::default();
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        shared.wait();
        let passing = shared.take(way, read);
        shared.note(way, passing);
        if way == Way::Up {
            frames.add(&buffer[..passing], &mut lock(&shared.frames));
        }
        if to.write_all(&buffer[..passing]).is_err() {
            break;
        }
        if passing < read {
            shared.cut();
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl Shared {
    fn wait(&self) {
        let mut is_stalled = lock(&self.is_stalled);
        while *is_stalled {
            is_stalled = self.moved_on.wait(is_stalled).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes `wanted` bytes off what may still pass; returns how many of them do.
    fn take(&self, way: Way, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let take = |left: u64| if left == NEVER { Some(NEVER) } else { Some(left.saturating_sub(wanted)) };
        let left = self.left[way as usize].fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap_or(NEVER);
        usize::try_from(wanted.min(left)).expect("not more than was asked for")
    }

    fn note(&self, way: Way, bytes: usize) {
        self.bytes[way as usize].fetch_add(bytes as u64, Ordering::SeqCst);
        let speaker = way as u8 + 1;
        if self.last.swap(speaker, Ordering::SeqCst) != speaker && way == Way::Up {
            self.turns.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn cut(&self) {
        for stream in lock(&self.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
