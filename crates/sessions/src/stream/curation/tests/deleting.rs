//! Deletion for good between devices.

use super::*;
use crate::archive::WriterLimits;
use crate::curation::{DeletedHow, Deletion as Outcome, Undeletion};
use crate::list::Filter;
use crate::model::{Agent, Block, Message, NativeId, Role};
use crate::source::{Mode, Op, ReadEnd, Sink as _, Stamp, Unit};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Archives a file of one session with one message; the session's id is that of one archived at `a`.
pub(super) fn write(device: &mut Device, native: &str, text: &str) -> SessionId {
    let native = NativeId(native.to_owned());
    let unit = Unit { path: format!("/sessions/{native}").into(), stamp: Stamp::default() };
    let mut writer = device.strand.keeper_mut().writer(at(0), WriterLimits::default());
    writer.begin_unit("claude", Agent::Claude, 1, &unit, &Mode::Whole).unwrap();
    writer.op(Op::Session { agent: None, native: native.clone(), relation: None }).unwrap();
    let message = Message {
        ordinal: 0,
        key: Some("key".to_owned()),
        role: Role::User,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks: vec![Block::Text(text.to_owned())],
    };
    writer.op(Op::Message(Box::new(message))).unwrap();
    writer.raw(text.as_bytes()).unwrap();
    writer.end_unit(ReadEnd::default()).unwrap();
    writer.finish().unwrap();
    SessionId::new("a", Agent::Claude, &native)
}

/// Two devices that have one session, archived as if both had it from `a`.
fn two() -> (Device, Device, SessionId) {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    let id = write(&mut a, "one", "hello secret");
    b.strand.keeper_mut().origin = "a".to_owned();
    assert_eq!(write(&mut b, "one", "hello secret"), id);
    a.rename_of(&id, "Mine", 0);
    a.round(&[], 0);
    b.round(&[&a], 1);
    a.round(&[&b], 2);
    (a, b, id)
}

impl Device {
    fn rename_of(&mut self, id: &SessionId, to: &str, ms: i64) {
        self.strand.keeper_mut().curate(id, &UserEdit::Rename(Some(to.to_owned())), self.name, at(ms)).unwrap();
    }

    fn delete(&mut self, id: &SessionId, ms: i64) -> Outcome {
        self.strand.keeper_mut().delete(id, WEEK, self.name, at(ms)).unwrap()
    }

    fn undelete(&mut self, id: &SessionId, ms: i64) -> Undeletion {
        self.strand.keeper_mut().undelete(id, self.name, at(ms)).unwrap()
    }

    fn has(&self, id: &SessionId) -> bool {
        self.strand.keeper().find(id.as_str()).is_ok()
    }

    fn lists(&self) -> usize {
        let all = Filter { all: true, ..Filter::default() };
        let trashed = Filter { is_trashed: true, ..Filter::default() };
        let count = |filter: &Filter| self.strand.keeper().list(filter).unwrap().sessions.len();
        count(&all) + count(&trashed)
    }

    fn hows(&self) -> Vec<DeletedHow> {
        self.strand.keeper().deletions().unwrap().into_iter().map(|one| one.how).collect()
    }

    fn text_rows(&self) -> i64 {
        self.count(
            "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM raw) + (SELECT count(*) FROM sessions)",
        )
    }
}

#[test]
fn where_nothing_is_exchanged_it_is_gone_at_once() {
    let mut a = Device::new("a");
    let id = write(&mut a, "one", "hello");
    assert_eq!(a.delete(&id, 1), Outcome::Done);
    assert_eq!((a.has(&id), a.text_rows()), (false, 0));
    assert_eq!(a.hows(), [DeletedHow::Here]);
    assert_eq!(a.delete(&id, 2), Outcome::WasDone);
    assert_eq!(a.publish(3), 0, "and nobody else is told");
}

#[test]
fn it_is_hidden_at_once_and_gone_everywhere_when_the_window_is_over() {
    let (mut a, mut b, id) = two();
    assert_eq!((a.lists(), b.lists()), (1, 1));
    let due = at(10 + 7 * DAY_MS);
    assert_eq!(a.delete(&id, 10), Outcome::Pending(due));
    assert_eq!(a.delete(&id, 11), Outcome::Pending(due), "once");
    assert_eq!((a.lists(), a.has(&id), a.strand.keeper().total().unwrap()), (0, true, 0));
    a.round(&[&b], 20);
    b.round(&[&a], 21);
    assert_eq!(b.lists(), 1, "others wait for what is final");
    assert_eq!(b.hows(), [DeletedHow::Pending(Some(due))]);
    a.round(&[&b], 7 * DAY_MS);
    assert!(a.has(&id), "not a moment too soon");
    a.round(&[&b], 11 + 7 * DAY_MS);
    assert_eq!((a.has(&id), a.text_rows()), (false, 0));
    b.round(&[&a], 12 + 7 * DAY_MS);
    assert_eq!((b.has(&id), b.text_rows()), (false, 0));
    for device in [&a, &b] {
        let all = device.strand.keeper().deletions().unwrap();
        let [deleted] = &all[..] else { panic!("{all:?}") };
        assert_eq!((&deleted.session, deleted.how), (&id, DeletedHow::Everywhere));
        let (log, seq) = deleted.record.unwrap();
        assert_eq!((log, deleted.is_own), (a.store.log(), device.name == "a"));
        assert!(seq > 1);
    }
    assert_eq!(a.strand.keeper().deletions().unwrap()[0].device, "a");
    // Never again, in whatever generation, and what is said of it goes nowhere.
    write(&mut b, "one", "hello again, and longer");
    assert!(!b.has(&id) && b.count("SELECT count(*) FROM raw") == 0);
    assert_eq!(b.count("SELECT count(*) FROM register_edits") + a.count("SELECT count(*) FROM register_edits"), 0);
    b.rename_of(&id, "late", 8 * DAY_MS);
    assert_eq!((b.publish(8 * DAY_MS), b.all_shown().len()), (0, 1));
}

#[test]
fn an_undo_before_the_end_cancels_wherever_it_is_said() {
    for by_author in [true, false] {
        let (mut a, mut b, id) = two();
        a.delete(&id, 10);
        a.round(&[&b], 20);
        b.round(&[&a], 21);
        let who = if by_author { &mut a } else { &mut b };
        assert_eq!(who.undelete(&id, 30), Undeletion::Done);
        assert_eq!(who.undelete(&id, 31), Undeletion::NotPending);
        b.round(&[&a], 40);
        a.round(&[&b], 41);
        b.round(&[&a], 42);
        assert_eq!((a.lists(), b.lists()), (1, 1));
        a.round(&[&b], 30 * DAY_MS);
        b.round(&[&a], 30 * DAY_MS);
        assert!(a.has(&id) && b.has(&id));
        assert_eq!((a.hows(), b.hows()), (vec![DeletedHow::Undone], vec![DeletedHow::Undone]));
        // It can be said again.
        let again = 31 * DAY_MS;
        a.delete(&id, again);
        a.round(&[&b], again + 8 * DAY_MS);
        assert!(!a.has(&id));
    }
}

#[test]
fn a_device_that_was_off_listens_before_it_ends_a_window() {
    let (mut a, mut b, id) = two();
    a.delete(&id, 10);
    a.round(&[&b], 20);
    b.round(&[&a], 21);
    b.undelete(&id, 30);
    b.round(&[&a], 40);
    // Days after the window: the undo lies there since long.
    a.round(&[&b], 9 * DAY_MS);
    a.round(&[&b], 9 * DAY_MS + 1);
    assert!(a.has(&id));
    assert_eq!(a.hows(), [DeletedHow::Undone]);
}

#[test]
fn without_news_a_due_window_ends_a_day_later() {
    let (mut a, _, id) = two();
    a.delete(&id, 10);
    for (ms, is_there) in [(8 * DAY_MS, true), (8 * DAY_MS + 1000, true), (9 * DAY_MS + 1000, false)] {
        a.strand = Device::strand(&a.root, "a");
        a.publish(ms);
        assert_eq!(a.has(&id), is_there, "{ms}");
    }
}

#[test]
fn what_is_only_sent_is_not_listening() {
    let (mut a, mut b, id) = two();
    a.delete(&id, 10);
    a.round(&[&b], 20);
    b.round(&[&a], 21);
    assert_eq!(b.undelete(&id, 30), Undeletion::Done);
    b.publish(31);
    // The window is over; rounds that only send, and look at what is held, end nothing.
    for ms in [8 * DAY_MS, 8 * DAY_MS + 1000, 8 * DAY_MS + 2000] {
        a.publish(ms);
        a.deliver();
        assert!(a.has(&id), "{ms}");
    }
    a.round(&[&b], 8 * DAY_MS + 3000);
    assert!(a.has(&id));
    assert_eq!(a.hows(), [DeletedHow::Undone]);
}

#[test]
fn an_undo_after_what_is_final_comes_too_late() {
    let (mut a, mut b, id) = two();
    a.delete(&id, 10);
    a.round(&[&b], 20);
    b.round(&[&a], 21);
    a.round(&[&b], 8 * DAY_MS);
    // Concurrent with the final: b has not heard of it.
    assert_eq!(b.undelete(&id, 8 * DAY_MS), Undeletion::Done);
    b.round(&[], 8 * DAY_MS + 1);
    a.round(&[&b], 8 * DAY_MS + 2);
    b.round(&[&a], 8 * DAY_MS + 3);
    for device in [&mut a, &mut b] {
        assert!(!device.has(&id));
        assert_eq!(device.hows(), [DeletedHow::Everywhere]);
        assert_eq!(device.undelete(&id, 9 * DAY_MS), Undeletion::TooLate);
    }
    // In whatever order a third one hears of it.
    for others in [[&a, &b], [&b, &a]] {
        let mut c = Device::new("c");
        c.strand.keeper_mut().origin = "a".to_owned();
        write(&mut c, "one", "hello secret");
        for other in others {
            c.pull(other);
        }
        assert!(!c.has(&id));
        assert_eq!(c.hows(), [DeletedHow::Everywhere]);
    }
}

#[test]
fn now_means_now() {
    let (mut a, mut b, id) = two();
    a.delete(&id, 10);
    assert_eq!(a.strand.keeper_mut().delete(&id, Duration::ZERO, "a", at(11)).unwrap(), Outcome::Done);
    assert!(!a.has(&id));
    a.round(&[&b], 20);
    b.round(&[&a], 21);
    assert!(!b.has(&id));
}

#[test]
fn what_is_gone_here_is_told_to_the_others_whatever_comes_between() {
    let (mut a, mut b, id) = two();
    assert_eq!(a.strand.keeper_mut().delete(&id, Duration::ZERO, "a", at(10)).unwrap(), Outcome::Done);
    // The rows and the word of it went in one step: the program ends, and starts days later.
    a.strand = Device::strand(&a.root, "a");
    assert!(!a.has(&id));
    assert_eq!(
        a.strand.keeper_mut().delete(&id, Duration::ZERO, "a", at(20)).unwrap(),
        Outcome::WasDone,
        "and once is enough"
    );
    assert_eq!(a.publish(3 * DAY_MS), 1);
    b.pull(&a);
    assert!(!b.has(&id));
}

#[test]
fn what_waited_to_be_said_of_a_deleted_session_is_not_said() {
    let (mut a, b, id) = two();
    a.rename_of(&id, "unsaid", 10);
    a.strand.gather(a.store.log(), u64::MAX).unwrap();
    assert_eq!(a.count("SELECT count(*) FROM outbox"), 1);
    a.strand.keeper_mut().delete(&id, Duration::ZERO, "a", at(11)).unwrap();
    assert_eq!(a.count("SELECT count(*) FROM outbox"), 0);
    a.round(&[&b], 12);
    assert_eq!(a.count("SELECT count(*) FROM curation"), 1);
}

#[test]
fn an_archive_made_anew_knows_what_was_deleted_and_what_was_to_be() {
    let (mut a, mut b, id) = two();
    let other = write(&mut a, "two", "to go");
    a.strand.keeper_mut().delete(&id, Duration::ZERO, "a", at(10)).unwrap();
    a.delete(&other, 11);
    a.round(&[&b], 12);
    let before = a.strand.keeper().deletions().unwrap();
    a.lose_archive();
    a.round(&[&b], 20);
    assert_eq!(a.strand.keeper().deletions().unwrap(), before);
    write(&mut a, "one", "from the file, again");
    write(&mut a, "two", "to go");
    assert!(!a.has(&id) && a.has(&other));
    assert_eq!(a.lists(), 0);
    a.round(&[&b], 8 * DAY_MS);
    assert!(!a.has(&other));
    b.round(&[&a], 8 * DAY_MS + 1);
    assert!(!b.has(&id));
}

#[test]
fn what_a_revoked_device_deleted_may_be_taken_in_again() {
    let (mut a, mut b, id) = two();
    b.strand.keeper_mut().delete(&id, Duration::ZERO, "b", at(10)).unwrap();
    b.publish(11);
    a.pull(&b);
    assert!(!a.has(&id));
    a.store.revoke(b.store.log(), &BTreeMap::new(), at(20)).unwrap();
    a.deliver();
    a.deliver();
    write(&mut a, "one", "from the file, again");
    assert!(a.has(&id));
    assert_eq!(a.strand.keeper().find(id.as_str()).unwrap().name.as_deref(), Some("Mine"), "with what was said of it");
    assert_eq!(a.hows(), []);
}
