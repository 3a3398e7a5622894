//! The message bus of a desktop or of the system (D-Bus), asked in a way that one that hangs holds up nobody.
//!
//! There is no bus on macOS, in containers and on servers. That is an answer like any other.

#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Which bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bus {
    /// The user's.
    Session,
    /// The machine's.
    System,
    /// The one at this address.
    #[cfg(test)]
    At(String),
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It said no, or there is none.
    #[cfg(target_os = "linux")]
    #[error("the message bus did not do what it was asked")]
    Refused(#[source] Box<zbus::Error>),
    /// It said nothing.
    #[error("the message bus did not answer within {} s", within.as_secs())]
    Silent {
        /// How long we waited.
        within: Duration,
    },
    /// It did not answer earlier questions; no more are asked before it does.
    #[error("the message bus still owes answers to earlier questions")]
    Hangs,
    /// No thread could be started to ask.
    #[error("no thread to ask the message bus")]
    Thread(#[source] std::io::Error),
    /// This system has none.
    #[error("there is no message bus on this system")]
    Absent,
}

/// Questions that may be without an answer at a time: each keeps a thread.
#[cfg(target_os = "linux")]
const OPEN_MAX: usize = 8;

#[cfg(target_os = "linux")]
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// One of the questions that may be open, given back when dropped.
#[cfg(target_os = "linux")]
struct Question;

#[cfg(target_os = "linux")]
impl Question {
    fn take() -> Option<Self> {
        let question = Self;
        (OPEN.fetch_add(1, Ordering::AcqRel) < OPEN_MAX).then_some(question)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Question {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Connects to `bus`, asks, and hangs up. After `within` the question is left to itself.
///
/// # Errors
/// [`BusError`].
#[cfg(target_os = "linux")]
pub(crate) fn ask<T: Send + 'static>(
    bus: &Bus,
    within: Duration,
    question: impl FnOnce(&zbus::blocking::Connection) -> zbus::Result<T> + Send + 'static,
) -> Result<T, BusError> {
    use zbus::blocking::connection::Builder;
    let open = Question::take().ok_or(BusError::Hangs)?;
    let bus = bus.clone();
    let (answer, answers) = std::sync::mpsc::channel();
    let run = move || {
        let connect = || -> zbus::Result<_> {
            match &bus {
                Bus::Session => Builder::session(),
                Bus::System => Builder::system(),
                #[cfg(test)]
                Bus::At(address) => Builder::address(address.as_str()),
            }?
            .method_timeout(within)
            .build()
        };
        let answered = connect().and_then(|connection| question(&connection));
        drop(open);
        // Whoever asked may have given up.
        let _ = answer.send(answered);
    };
    std::thread::Builder::new().name("carry-bus".to_owned()).spawn(run).map_err(BusError::Thread)?;
    match answers.recv_timeout(within) {
        Ok(answered) => answered.map_err(|error| BusError::Refused(Box::new(error))),
        Err(_) => Err(BusError::Silent { within }),
    }
}
