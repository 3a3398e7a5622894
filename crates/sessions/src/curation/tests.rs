use carry_kernel::home::Home;

use super::*;
use crate::archive::WriterLimits;
use crate::model::{Agent, Block, Message, NativeId, Role};
use crate::source::{Mode, Op, ReadEnd, Sink as _, Stamp, Unit};

const DEVICE: &str = "desk-00000000";

struct Rig {
    archive: Archive,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(&Home::at(dir.path()), DEVICE).unwrap();
        Self { archive, _dir: dir }
    }

    /// Archives a file of one session with one message.
    fn write(&mut self, native: &str, text: &str) -> SessionId {
        let native = NativeId(native.to_owned());
        let unit = Unit { path: format!("/sessions/{native}").into(), stamp: Stamp::default() };
        let mut writer = self.archive.writer(at(1), WriterLimits::default());
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
        SessionId::new(DEVICE, Agent::Claude, &native)
    }

    fn edit(&mut self, session: &SessionId, edit: &Edit) -> bool {
        self.archive.curate(session, edit, DEVICE, at(1)).unwrap()
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

#[test]
fn edits_are_shown_and_can_be_taken_back() {
    let mut rig = Rig::new();
    let id = rig.write("one", "hello");
    for edit in
        [Edit::Star(true), Edit::Rename(Some("Mine".into())), Edit::Label("later".into(), true), Edit::Trash(true)]
    {
        assert!(rig.edit(&id, &edit));
        assert!(!rig.edit(&id, &edit), "the same again changes nothing");
    }
    let row = rig.archive.find(id.as_str()).unwrap();
    assert!(row.is_starred && row.is_trashed && row.is_renamed);
    assert_eq!((row.name.as_deref(), row.labels), (Some("Mine"), vec!["later".to_owned()]));
    for edit in [Edit::Star(false), Edit::Rename(None), Edit::Label("later".into(), false), Edit::Trash(false)] {
        assert!(rig.edit(&id, &edit));
    }
    let row = rig.archive.find(id.as_str()).unwrap();
    assert!(!row.is_starred && !row.is_trashed && !row.is_renamed && row.labels.is_empty());
    assert_eq!(rig.archive.registers(Some(&id)).unwrap().len(), 4, "that it was taken back is kept");
}

#[test]
fn pins_have_notes_and_an_order() {
    let mut rig = Rig::new();
    let id = rig.write("one", "hello");
    rig.edit(&id, &Edit::Pin("b".into(), Some("first".into())));
    rig.edit(&id, &Edit::Pin("a".into(), Some(String::new())));
    let pins = rig.archive.pins(&id).unwrap();
    assert_eq!(
        pins.iter().map(|pin| (pin.message.as_str(), pin.note.as_str())).collect::<Vec<_>>(),
        [("b", "first"), ("a", "")]
    );
    rig.edit(&id, &Edit::Pin("b".into(), None));
    assert_eq!(rig.archive.pins(&id).unwrap().len(), 1);
}

#[test]
fn a_clock_that_goes_back_does_not_make_an_edit_lose() {
    let mut rig = Rig::new();
    let id = rig.write("one", "hello");
    rig.archive.curate(&id, &Edit::Star(true), DEVICE, at(1_000_000)).unwrap();
    rig.archive.curate(&id, &Edit::Star(false), DEVICE, at(5)).unwrap();
    assert!(!rig.archive.find(id.as_str()).unwrap().is_starred);
}

#[test]
fn what_was_deleted_for_good_never_returns() {
    let mut rig = Rig::new();
    let id = rig.write("one", "hello secret");
    let other = rig.write("two", "hello");
    rig.edit(&id, &Edit::Star(true));
    assert!(rig.archive.delete_for_good(&id, DEVICE, at(2)).unwrap());
    assert!(rig.archive.find(id.as_str()).is_err());
    let count = |table: &str| -> i64 {
        rig.archive.db.conn().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("messages"), count("raw"), count("sessions")), (1, 1, 1));
    let left: Vec<i64> = {
        let mut query = rig.archive.db.conn().prepare("SELECT rowid FROM words WHERE words MATCH 'secret'").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(left.is_empty(), "its words are gone");
    rig.write("one", "hello again, and longer");
    assert!(rig.archive.find(id.as_str()).is_err(), "also when its file changes");
    let raw: i64 = rig.archive.db.conn().query_row("SELECT count(*) FROM raw", [], |row| row.get(0)).unwrap();
    assert_eq!(raw, 1, "nor are its bytes kept again");
    assert!(rig.archive.find(other.as_str()).is_ok());
    assert!(rig.archive.verify(&mut |_, _| {}).unwrap().is_empty());
}
