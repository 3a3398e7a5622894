//! Telling the user something on the desktop. Where there is none, nothing is told: everything is also in `carry status`.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::bus::{Bus, BusError};

#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod fixture;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

/// How long a desktop may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// Notices that may wait; further ones are dropped, since a desktop that shows so many is of no use.
const WAITING_MAX: usize = 16;
/// Longest title and body, in characters.
const TITLE_CHARS_MAX: usize = 100;
const BODY_CHARS_MAX: usize = 400;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    title: String,
    body: String,
}

impl Notice {
    /// Texts may come from other devices: what is not fit to be shown is replaced, and what is too long is cut.
    pub fn new(title: &str, body: &str) -> Self {
        Self { title: shown(title, TITLE_CHARS_MAX), body: shown(body, BODY_CHARS_MAX) }
    }

    /// What it is about.
    pub fn title(&self) -> &str {
        &self.title
    }
    /// What there is to say.
    pub fn body(&self) -> &str {
        &self.body
    }
}

fn shown(text: &str, chars_max: usize) -> String {
    let fit = |c: char| if carry_code::line::is_unfit_to_show(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut text: String = text.chars().map(fit).collect();
    if let Some((at, _)) = text.char_indices().nth(chars_max) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// The bus gave no answer, or there is none.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The program that shows it failed.
    #[error("the notice could not be shown")]
    Program(#[source] std::io::Error),
}

/// Shows a notice and waits until the desktop has taken it, a few seconds at the most.
///
/// # Errors
/// [`DesktopError`].
pub fn show(notice: &Notice) -> Result<(), DesktopError> {
    show_on(&Bus::Session, notice)
}

#[cfg(target_os = "linux")]
fn show_on(bus: &Bus, notice: &Notice) -> Result<(), DesktopError> {
    use std::collections::HashMap;
    use zbus::zvariant::Value;

    let notice = notice.clone();
    let question = move |connection: &zbus::blocking::Connection| {
        const NAME: &str = "org.freedesktop.Notifications";
        const PATH: &str = "/org/freedesktop/Notifications";
        let call = |method: &str| connection.call_method(Some(NAME), PATH, Some(NAME), method, &());
        let capabilities: Vec<String> = call("GetCapabilities")?.body().deserialize()?;
        let reads_markup = capabilities.iter().any(|capability| capability == "body-markup");
        let body = if reads_markup { escaped(&notice.body) } else { notice.body };
        let (actions, hints): (&[&str], HashMap<&str, Value<'_>>) = (&[], HashMap::new());
        // -1: as long as the desktop thinks fit.
        let arguments = ("Carry", 0_u32, "", notice.title.as_str(), body.as_str(), actions, hints, -1_i32);
        connection.call_method(Some(NAME), PATH, Some(NAME), "Notify", &arguments).map(drop)
    };
    Ok(crate::bus::ask(bus, WITHIN, question)?)
}

/// Text as it must stand where markup is read.
#[cfg(target_os = "linux")]
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The texts are arguments and never part of the script.
#[cfg(target_os = "macos")]
fn show_on(_: &Bus, notice: &Notice) -> Result<(), DesktopError> {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    const LOOK_EVERY: Duration = Duration::from_millis(50);
    let script = ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];
    let mut child = Command::new("/usr/bin/osascript")
        .args(script.iter().flat_map(|line| ["-e", *line]))
        .args([&notice.title, &notice.body])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(DesktopError::Program)?;
    let until = Instant::now() + WITHIN;
    loop {
        match child.try_wait().map_err(DesktopError::Program)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(DesktopError::Program(std::io::Error::other(status.to_string()))),
            None if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
            None => {
                // It may have ended this very moment.
                let _ = child.kill();
                let _ = child.wait();
                return Err(BusError::Silent { within: WITHIN }.into());
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn show_on(_: &Bus, _: &Notice) -> Result<(), DesktopError> {
    Err(BusError::Absent.into())
}

/// How a notice is shown: [`show`], outside tests.
pub(crate) type Show = Arc<dyn Fn(&Notice) -> Result<(), DesktopError> + Send + Sync>;

/// Shows notices from a thread of its own.
#[derive(Clone)]
pub(crate) struct Desktop(SyncSender<Notice>);

impl Desktop {
    /// Starts the thread, which ends when the last clone is dropped.
    pub(crate) fn start(show: Show) -> std::io::Result<Self> {
        let (sender, notices) = sync_channel::<Notice>(WAITING_MAX);
        let run = move || {
            let mut works = true;
            for notice in notices {
                match show(&notice) {
                    Ok(()) => works = true,
                    // Said once: servers have no desktop.
                    Err(error) if std::mem::take(&mut works) => {
                        tracing::info!("the desktop cannot be told: {}", crate::run::sentence(&error));
                    }
                    Err(error) => tracing::debug!(%error, "the desktop cannot be told"),
                }
            }
        };
        std::thread::Builder::new().name("carry-tell".to_owned()).spawn(run)?;
        Ok(Self(sender))
    }

    /// Tells it soon, without waiting.
    pub(crate) fn tell(&self, notice: Notice) {
        if let Err(TrySendError::Full(notice) | TrySendError::Disconnected(notice)) = self.0.try_send(notice) {
            tracing::debug!(title = notice.title, "a notice is dropped: too many wait");
        }
    }
}
