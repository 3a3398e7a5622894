//! Signals become events.

use std::io;
use std::sync::mpsc::SyncSender;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::event::{Event, Signal};

/// Starts a thread that passes signals on until nobody takes them.
pub(super) fn forward(events: &SyncSender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let events = events.clone();
    let run = move || {
        for signal in signals.forever() {
            let meaning = if signal == SIGHUP { Signal::Reload } else { Signal::Stop };
            if events.send(Event::Signal(meaning)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("carry-signals".to_owned()).spawn(run).map(drop)
}
