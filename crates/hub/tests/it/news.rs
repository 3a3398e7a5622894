//! Who waits hears of what comes, from wherever it comes.

use carry_exchange::remote::{Cursor, Deadline, FolderRemote, News, PeerRemote, Remote as _, Source};

use crate::hub::{Hub, log, peer_at, published};

/// Where we are now.
fn now(peer: &PeerRemote) -> Cursor {
    match peer.wait(None, &Deadline::NONE).unwrap() {
        News::Nothing(cursor) => cursor,
        news => panic!("nothing was asked about: {news:?}"),
    }
}

/// Waits until there is news while `happen` makes some.
fn waits(peer: &PeerRemote, happen: impl FnOnce() + Send) -> News {
    let before = now(peer);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                match peer.wait(Some(&before), &Deadline::NONE).unwrap() {
                    News::Nothing(_) => {}
                    news => return news,
                }
            }
        });
        happen();
        waiting.join().unwrap()
    })
}

#[test]
fn a_wait_ends_when_another_device_puts_a_head() {
    let hub = Hub::new();
    let (laptop, desktop) = (hub.peer("laptop"), hub.peer("desktop"));
    let [.., head] = published(1, 1, 10);
    let news = waits(&laptop, || {
        desktop.put(&head.file(), Source::Bytes(&head.bytes), &Deadline::NONE).unwrap();
    });
    assert_eq!(news, News::Changed(now(&laptop)));
}

#[test]
fn a_wait_ends_when_a_file_comes_into_the_folder() {
    let hub = Hub::new();
    let laptop = hub.peer("laptop");
    let [.., head] = published(1, 1, 10);
    let here = FolderRemote::new(hub.folder(), log(9), 5);
    let news = waits(&laptop, || {
        here.put(&head.file(), Source::Bytes(&head.bytes), &Deadline::NONE).unwrap();
    });
    assert!(matches!(news, News::Changed(_)));
    // One that a tool replaces is news, too.
    let path = hub.folder().join(head.name.path());
    let news = waits(&laptop, || carry_kernel::disk::write_cache(&path, b"other bytes").unwrap());
    assert!(matches!(news, News::Changed(_)));
}

#[test]
fn a_cursor_holds_across_a_restart_and_who_has_an_old_one_hears_at_once() {
    let mut hub = Hub::new();
    let token = hub.token("laptop");
    let peer = peer_at(hub.address(), &token);
    let old = now(&peer);
    let [.., head] = published(1, 1, 10);
    peer.put(&head.file(), Source::Bytes(&head.bytes), &Deadline::NONE).unwrap();
    let new = now(&peer);
    assert_ne!(old, new);
    hub.stop();
    hub.start();
    let peer = peer_at(hub.address(), &token);
    assert_eq!(now(&peer), new);
    assert_eq!(peer.wait(Some(&old), &Deadline::NONE).unwrap(), News::Changed(new.clone()));
    for foreign in ["", "x", "\u{1F600} &wait=0#", "../.."] {
        assert_eq!(peer.wait(Some(&Cursor(foreign.to_owned())), &Deadline::NONE).unwrap(), News::Changed(new.clone()));
    }
}

#[test]
fn a_server_that_stops_answers_who_waits() {
    let mut hub = Hub::new();
    let laptop = hub.peer("laptop");
    let before = now(&laptop);
    std::thread::scope(|scope| {
        // If the wait comes first it is answered; if the stop does, nobody is there any more.
        let waiting = scope.spawn(|| laptop.wait(Some(&before), &Deadline::NONE));
        hub.stop();
        match waiting.join().unwrap() {
            Ok(news) => assert_eq!(news, News::Nothing(before.clone())),
            Err(error) => assert!(error.class().is_transient(), "{error:?}"),
        }
    });
}
