use std::collections::HashMap;
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Instant;

use zbus::zvariant::OwnedValue;

use super::fixture::PrivateBus;
use super::*;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// A desktop that writes down what it is shown.
struct Server {
    capabilities: Vec<String>,
    shown: Arc<Mutex<Vec<(String, String)>>>,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    fn get_capabilities(&self) -> Vec<String> {
        self.capabilities.clone()
    }

    #[expect(clippy::too_many_arguments, reason = "the interface is given")]
    fn notify(
        &self,
        _app: String,
        _replaces: u32,
        _icon: String,
        title: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        self.shown.lock().unwrap().push((title, body));
        1
    }
}

#[track_caller]
fn shown_by(capabilities: &[&str], notice: &Notice) -> Option<(String, String)> {
    let bus = PrivateBus::start()?;
    let shown = Arc::new(Mutex::new(Vec::new()));
    let capabilities = capabilities.iter().map(|one| (*one).to_owned()).collect();
    let _server = bus.serve(NAME, PATH, Server { capabilities, shown: shown.clone() }).unwrap();
    show_on(&bus.bus(), notice).unwrap();
    let mut shown = shown.lock().unwrap();
    assert_eq!(shown.len(), 1);
    shown.pop()
}

#[test]
fn a_notice_is_shown_as_it_was_written() {
    let notice = Notice::new("Newer work on laptop", "repo, branch <main> & more");
    let Some(shown) = shown_by(&["body"], &notice) else { return };
    assert_eq!(shown, (notice.title.clone(), notice.body.clone()));
}

#[test]
fn another_device_cannot_put_markup_into_a_notice() {
    let notice = Notice::new("t", "<a href=\"http://example.org\">x</a> & y");
    let Some((_, body)) = shown_by(&["body", "body-markup"], &notice) else { return };
    assert_eq!(body, "&lt;a href=\"http://example.org\"&gt;x&lt;/a&gt; &amp; y");
}

#[test]
fn texts_are_made_fit_and_cut() {
    let notice = Notice::new("a\nb\u{202e}c", &"é".repeat(1000));
    assert_eq!(notice.title(), "a\u{fffd}b\u{fffd}c");
    assert_eq!(notice.body().chars().count(), BODY_CHARS_MAX + 1);
}

#[test]
fn a_bus_without_a_desktop_or_none_at_all_is_an_ordinary_error() {
    let notice = Notice::new("t", "b");
    assert!(show_on(&Bus::At("unix:path=/nonexistent/bus".to_owned()), &notice).is_err());
    let Some(bus) = PrivateBus::start() else { return };
    let error = show_on(&bus.bus(), &notice).unwrap_err();
    assert!(matches!(error, DesktopError::Bus(BusError::Refused(_))), "{error:?}");
}

#[test]
fn a_bus_that_says_nothing_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bus");
    // It lets others connect, and that is all.
    let _listener = UnixListener::bind(&path).unwrap();
    let within = Duration::from_millis(200);
    let started = Instant::now();
    let bus = Bus::At(format!("unix:path={}", path.display()));
    let answer = crate::bus::ask(&bus, within, |_| Ok(()));
    assert!(matches!(answer, Err(BusError::Silent { .. })), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn telling_does_not_wait_for_the_desktop_and_goes_on_after_a_failure() {
    let (said, says) = channel();
    let said = Mutex::new(said);
    let show = move |notice: &Notice| {
        said.lock().unwrap().send(notice.title().to_owned()).unwrap();
        Err(BusError::Absent.into())
    };
    let desktop = Desktop::start(Arc::new(show)).unwrap();
    for title in ["one", "two"] {
        desktop.tell(Notice::new(title, ""));
    }
    let soon = Duration::from_secs(30);
    assert_eq!([says.recv_timeout(soon), says.recv_timeout(soon)], [Ok("one".to_owned()), Ok("two".to_owned())]);
}
