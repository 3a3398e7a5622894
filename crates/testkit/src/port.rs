//! Ports of the loopback interface, for servers that must be told theirs before they start.

use std::net::{Ipv4Addr, TcpListener};

/// Tries to find a port that nobody takes meanwhile.
const TRIES: usize = 20;

/// Starts a server with one port after the other until it runs; `None` when it never does. `start` says whether it does: another
/// process may take a port between the moment it was found free and that.
#[track_caller]
pub(crate) fn start_at_one<T>(start: impl FnMut(u16) -> Option<T>) -> Option<T> {
    std::iter::repeat_with(free).take(TRIES).find_map(start)
}

/// A port nobody listens on at the moment.
#[track_caller]
fn free() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface is there");
    listener.local_addr().expect("a listener has an address").port()
}
