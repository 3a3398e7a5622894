//! Registers of a strand that is nobody's: notes with a title and tags, in a file of their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use carry_kernel::db::{Db, Schema};
use carry_kernel::home::Home;

use super::*;
use crate::fixture::stream;
use crate::hash::Digest;
use crate::head::Relay;
use crate::plan::Budget;
use crate::remote::{Deadline, MemoryRemote, Remote as _};
use crate::round::{Collect, Direction, Options, Side, exchange};
use crate::store::{Setup, Statement, Store, StoreError};
use crate::strand::outbox;
use carry_kernel::clock::ManualClock;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// Beside the registers a strand has tables of its own; here the text of notes.
const SCHEMA: Schema = Schema {
    application_id: 9,
    migrations: &[
        outbox::SQL,
        SQL,
        "CREATE TABLE texts (note TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
                   CREATE TABLE titles (note TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT;",
    ],
};

#[derive(Debug)]
struct Notes;

impl Meaning for Notes {
    fn shows(&self, field: &str) -> bool {
        matches!(field, "title" | "tag")
    }

    fn shown(&self, conn: &Connection, name: &Name, value: Option<&str>) -> rusqlite::Result<()> {
        match (&*name.field, value) {
            ("title", Some(title)) => {
                conn.execute("REPLACE INTO titles VALUES (?1, ?2)", (&name.target, title)).map(drop)
            }
            ("title", None) => conn.execute("DELETE FROM titles WHERE note = ?1", [&name.target]).map(drop),
            _ => Ok(()),
        }
    }

    fn erase(&self, conn: &Connection, note: &str) -> rusqlite::Result<()> {
        conn.execute("DELETE FROM texts WHERE note = ?1", [note])?;
        conn.execute("DELETE FROM titles WHERE note = ?1", [note]).map(drop)
    }
}

struct Device {
    name: &'static str,
    root: PathBuf,
    store: Store,
    strand: RegisterStrand<Db>,
    clock: ManualClock,
    _dir: tempfile::TempDir,
}

fn registers() -> Registers {
    Registers::new(stream("notes"), &Notes)
}

impl Device {
    fn new(name: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let mut n = 0_u64;
        let store = Store::open(Setup {
            home: Home::at(&root),
            device: format!("{name}-3f9a1c00").parse().unwrap(),
            fingerprint: Digest::of(&[name.as_bytes()]),
            entropy: Box::new(move |bytes: &mut [u8]| {
                for chunk in bytes.chunks_mut(32) {
                    n += 1;
                    chunk.copy_from_slice(&Digest::of(&[name.as_bytes(), &n.to_le_bytes()]).as_bytes()[..chunk.len()]);
                }
                Ok(())
            }),
            now: NOW,
        });
        let strand = Self::strand(name, &root);
        Self { name, store: store.unwrap(), strand, clock: ManualClock::new(NOW), root, _dir: dir }
    }

    fn strand(name: &str, root: &std::path::Path) -> RegisterStrand<Db> {
        let db = Db::open(&root.join("notes.db"), SCHEMA).unwrap();
        RegisterStrand::new(db, registers(), name, Box::new(|text| text.replace("secret", "*")))
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection, &'static str) -> Result<T, RegisterError>) -> T {
        let name = self.name;
        let failed = |error| StoreError::Strand(Box::new(error));
        self.strand.keeper_mut().write(|tx| work(tx, name).map_err(failed)).unwrap()
    }

    /// Sets a register, some milliseconds after the tests begin.
    fn set(&mut self, (target, field, item): (&str, &str, &str), value: Option<&str>, ms: u64) -> bool {
        let now = NOW.after(Duration::from_millis(ms));
        self.write(|tx, device| registers().set(tx, &Set { target, field, item, value }, device, now))
    }

    fn shown(&self, (target, field, item): (&str, &str, &str)) -> Option<String> {
        self.check_titles();
        let sql = "SELECT value FROM registers WHERE target = ?1 AND field = ?2 AND item = ?3";
        let mut rows = self.strand.keeper().conn().prepare(sql).unwrap();
        rows.query_row((target, field, item), |row| row.get(0)).optional().unwrap().flatten()
    }

    /// What the meaning was told is what is shown.
    fn check_titles(&self) {
        let all = |sql| -> Vec<String> {
            let mut rows = self.strand.keeper().conn().prepare(sql).unwrap();
            rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let shown =
            "SELECT target || ': ' || value FROM registers WHERE field = 'title' AND value IS NOT NULL ORDER BY 1";
        assert_eq!(all("SELECT note || ': ' || title FROM titles ORDER BY 1"), all(shown));
    }

    fn conflicts(&self) -> Vec<Vec<Option<String>>> {
        let found = registers().conflicts(self.strand.keeper().conn(), None).unwrap();
        assert_eq!(conflict_count(self.strand.keeper().conn()).unwrap(), found.len() as u64);
        found.into_iter().map(|one| one.values.into_iter().map(|said| said.value).collect()).collect()
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.strand.keeper().conn().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn round(&mut self, remote: &MemoryRemote) -> usize {
        let options = Options {
            remote: "r".to_owned(),
            direction: Direction::Both,
            streams: None,
            is_private: false,
            statement: Statement { relay: BTreeMap::from([(stream("notes"), Relay::Any)]), ..Statement::default() },
            budget: Budget { has_ranges: true, ..Budget::default() },
            collect: Collect::AfterGrace,
            is_dry_run: false,
        };
        let mut side = Side { store: &mut self.store, strands: vec![&mut self.strand], clock: &self.clock };
        let report = exchange(&mut side, remote, &options, &Deadline::NONE, &mut |_| {}).unwrap();
        assert_eq!(report.problems, []);
        report.said.values().sum()
    }
}

/// Two devices that trust each other, and a place between them.
fn two() -> (Device, Device, MemoryRemote) {
    let (mut a, mut b) = (Device::new("a"), Device::new("b"));
    a.store.approve(b.store.log(), NOW).unwrap();
    b.store.approve(a.store.log(), NOW).unwrap();
    let remote = MemoryRemote::new("memory");
    remote.init(&Deadline::NONE).unwrap();
    (a, b, remote)
}

fn meet(a: &mut Device, b: &mut Device, remote: &MemoryRemote) {
    for _ in 0..2 {
        a.round(remote);
        b.round(remote);
    }
    a.round(remote);
}

const TITLE: (&str, &str, &str) = ("n1", "title", "");

#[test]
fn devices_have_the_same_and_both_values_where_neither_had_seen_the_other() {
    let (mut a, mut b, remote) = two();
    assert!(a.set(TITLE, Some("of a"), 1));
    assert!(!a.set(TITLE, Some("of a"), 2), "it has that already");
    assert!(b.set(TITLE, Some("of b"), 3));
    assert!(a.set(("n1", "tag", "rust"), Some(SET), 4));
    assert!(b.set(("n1", "tag", "go"), Some(SET), 5));
    meet(&mut a, &mut b, &remote);
    for device in [&a, &b] {
        assert_eq!(device.shown(TITLE).as_deref(), Some("of b"));
        assert_eq!(device.conflicts(), [[Some("of b".to_owned()), Some("of a".to_owned())]]);
        assert_eq!(device.shown(("n1", "tag", "rust")).as_deref(), Some(SET));
        assert_eq!(device.shown(("n1", "tag", "go")).as_deref(), Some(SET));
    }
    // Settled by an edit that has seen both, here by what is shown.
    assert!(a.set(TITLE, Some("of b"), 6));
    assert!(b.set(("n1", "tag", "rust"), None, 7));
    meet(&mut a, &mut b, &remote);
    for device in [&a, &b] {
        assert_eq!((device.shown(TITLE).as_deref(), device.conflicts()), (Some("of b"), vec![]));
        assert_eq!(device.shown(("n1", "tag", "rust")), None);
    }
    assert_eq!((a.round(&remote), b.round(&remote)), (0, 0), "nothing is left to say");
}

#[test]
fn text_leaves_masked_and_is_shown_here_as_it_was_written() {
    let (mut a, mut b, remote) = two();
    a.set(TITLE, Some("a secret"), 1);
    a.set(("n1", "tag", "secret"), Some(SET), 2);
    meet(&mut a, &mut b, &remote);
    assert_eq!((a.shown(TITLE).as_deref(), b.shown(TITLE).as_deref()), (Some("a secret"), Some("a *")));
    assert_eq!(b.shown(("n1", "tag", "*")).as_deref(), Some(SET));
    assert_eq!(a.shown(("n1", "tag", "*")), None, "here it is one tag, under its own name");
    for (path, bytes) in remote.files() {
        let found = bytes.windows(6).any(|window| window == b"secret");
        assert!(!found, "{path}");
    }
}

#[test]
fn what_is_deleted_goes_with_all_that_its_host_has_of_it_everywhere() {
    let (mut a, mut b, remote) = two();
    a.set(TITLE, Some("one"), 1);
    meet(&mut a, &mut b, &remote);
    for device in [&mut a, &mut b] {
        device.write(|tx, _| Ok(tx.execute("INSERT INTO texts VALUES ('n1', 'long'), ('n2', 'kept')", [])?));
    }
    let window = Duration::from_secs(60);
    let said = b.write(|tx, device| registers().delete(tx, "n1", window, device, NOW));
    assert_eq!(said, Deletion::Pending(NOW.after(window)));
    meet(&mut a, &mut b, &remote);
    assert_eq!((a.count("texts"), b.count("texts")), (2, 2), "the window is not over");
    b.clock.advance(window);
    // Once others were listened to after that.
    meet(&mut a, &mut b, &remote);
    meet(&mut a, &mut b, &remote);
    for device in [&mut a, &mut b] {
        assert_eq!((device.count("texts"), device.shown(TITLE)), (1, None), "{}", device.name);
        let found = deletions(device.strand.keeper().conn()).unwrap();
        assert_eq!(
            found.iter().map(|one| (&*one.target, one.how)).collect::<Vec<_>>(),
            [("n1", DeletedHow::Everywhere)]
        );
        // And it does not come back by an edit.
        device.set(TITLE, Some("again"), 100_000);
        assert_eq!(device.shown(TITLE), None);
    }
    assert_eq!((a.round(&remote), b.round(&remote)), (0, 0));
}

#[test]
fn fields_that_the_host_does_not_know_are_kept_for_a_later_version() {
    let (mut a, mut b, remote) = two();
    let colour = ("n1", "colour", "");
    a.set(colour, Some("red"), 1);
    meet(&mut a, &mut b, &remote);
    assert_eq!((b.shown(colour), b.count("register_edits")), (None, 1));
    let name = Name::new("n1", "colour", "");
    let conn = b.strand.keeper().conn();
    let state = registers().state(conn, &name).unwrap();
    assert_eq!(state.live(conn).unwrap()[0].value, "red");
}

#[test]
fn a_file_that_was_lost_is_made_anew_from_what_is_held() {
    let (mut a, mut b, remote) = two();
    a.set(TITLE, Some("of a"), 1);
    a.set(("n2", "title", ""), Some("two"), 2);
    meet(&mut a, &mut b, &remote);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(a.root.join(format!("notes.db{end}")));
    }
    a.strand = Device::strand(a.name, &a.root);
    assert_eq!(a.shown(TITLE), None);
    // Something old comes back before anything that was said is folded again, and all is before anything is said.
    let (n1, old) = (Set { target: "n1", field: "title", item: "", value: Some("older") }, "1789000000000-0000");
    a.write(|tx, device| Ok(registers().set_at(tx, &n1, old.parse().unwrap(), device)?));
    a.store.deliver(&mut a.strand).unwrap();
    assert_eq!(a.round(&remote), 0, "nothing is said again");
    assert_eq!(a.shown(TITLE).as_deref(), Some("of a"));
    assert_eq!(a.shown(("n2", "title", "")).as_deref(), Some("two"));
    assert!(a.set(TITLE, Some("goes on"), 3));
    meet(&mut a, &mut b, &remote);
    assert_eq!((b.shown(TITLE).as_deref(), b.conflicts()), (Some("goes on"), vec![]));
}

#[test]
fn what_a_copy_of_the_home_said_first_takes_nothing_from_what_waits_here() {
    // One home, copied before it ever exchanged anything: both have its key.
    let (mut original, mut copy) = (Device::new("a"), Device::new("a"));
    assert_eq!(original.store.log(), copy.store.log());
    let (_, _, remote) = two();
    original.set(TITLE, Some("of the original"), 1);
    original.set(("n2", "title", ""), Some("same"), 1);
    copy.set(TITLE, Some("of the copy"), 5);
    copy.set(("n2", "title", ""), Some("same"), 5);
    copy.round(&remote);
    meet(&mut original, &mut copy, &remote);
    assert_ne!(original.store.log(), copy.store.log());
    for device in [&original, &copy] {
        let found = device.conflicts();
        assert_eq!(found, [[Some("of the copy".to_owned()), Some("of the original".to_owned())]]);
    }
}

#[test]
fn what_waits_of_a_target_that_was_deleted_is_not_said_wherever_it_waits() {
    let (mut a, mut b, remote) = two();
    meet(&mut a, &mut b, &remote);
    a.set(TITLE, Some("unspeakable one"), 1);
    let own = a.store.log();
    assert!(!a.strand.gather(own, u64::MAX).unwrap());
    // The first stands in the outbox, the second takes its place among those that wait.
    a.set(TITLE, Some("unspeakable two"), 2);
    a.write(|tx, device| registers().delete_at_once(tx, "n1", device, NOW));
    assert_eq!((a.round(&remote), a.count("outbox"), a.count("register_pending")), (1, 0, 0));
    b.round(&remote);
    assert_eq!((b.count("register_edits"), b.count("register_deletions")), (0, 1));
}

#[test]
fn what_could_not_be_exchanged_is_refused_and_holds_up_nothing() {
    let (mut a, mut b, remote) = two();
    let (long, tag, huge) = ("x".repeat(129), "x".repeat(4097), "\n".repeat(40_000));
    let conn = a.strand.keeper().conn();
    let set = |target, field, item, value| {
        registers().set(conn, &Set { target, field, item, value: Some(value) }, "a", NOW).unwrap_err().to_string()
    };
    assert_eq!(set(&long, "title", "", "v"), "the name of a target has 1 to 128 bytes, this has 129");
    assert_eq!(set("", "title", "", "v"), "the name of a target has 1 to 128 bytes, this has 0");
    assert_eq!(set("n1", "", "", "v"), "the name of a field has 1 to 64 bytes, this has 0");
    assert_eq!(set("n1", "tag", &tag, "v"), "the name of an item has 1 to 4096 bytes, this has 4097");
    assert_eq!(set("n1", "title", "", &huge), "a value has at most 65536 bytes as JSON, this has 80002");
    assert_eq!(set("n1", "deleted", "", "1"), "`deleted` is a name that deletions use");
    assert!(registers().delete(conn, &long, Duration::ZERO, "a", NOW).is_err());
    assert_eq!((a.count("registers"), a.count("register_deletions")), (0, 0));
    // One that is there all the same, as another program may have written it.
    meet(&mut a, &mut b, &remote);
    let sql = format!(
        "INSERT INTO register_deletions (op, id, target, at, is_own, device, waits)
         VALUES (2, 'd', '{long}', '1790000000000-0000', 1, 'a', 1)"
    );
    a.write(|tx, _| Ok(tx.execute(&sql, [])?));
    a.set(TITLE, Some("goes"), 1);
    meet(&mut a, &mut b, &remote);
    assert_eq!(b.shown(TITLE).as_deref(), Some("goes"));
}

#[test]
fn of_one_register_the_last_edit_of_a_log_is_read_however_many_there_were() {
    let (mut a, mut b, remote) = two();
    for n in 0..20 {
        a.set(TITLE, Some(&format!("title {n}")), n);
        a.round(&remote);
    }
    b.round(&remote);
    b.set(TITLE, Some("of b"), 100);
    b.round(&remote);
    a.round(&remote);
    assert_eq!(a.count("register_edits"), 21);
    let name = Name::new("n1", "title", "");
    let state = registers().state(a.strand.keeper().conn(), &name).unwrap();
    assert_eq!(state.seen().len(), 2, "the newest of each");
    assert_eq!(a.shown(TITLE).as_deref(), Some("of b"));
    // What is taken back shows what was before it.
    let origin = crate::strand::Origin { log: a.store.log(), track: 0, stream: stream("notes") };
    let theirs = crate::strand::Origin { log: b.store.log(), ..origin.clone() };
    use crate::strand::Strand as _;
    b.strand.retract(&theirs, 0).unwrap();
    b.strand.retract(&origin, 5).unwrap();
    assert_eq!(b.shown(TITLE).as_deref(), Some("title 4"));
}

#[test]
fn no_statement_looks_at_more_rows_than_it_needs() {
    let device = Device::new("a");
    let conn = device.strand.keeper().conn();
    let plan = |sql: &str| -> Vec<String> {
        let mut rows = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        rows.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    };
    for sql in [
        "SELECT max(hlc) FROM registers WHERE device = 'a'",
        "SELECT value, hlc, device FROM registers WHERE target = 't' AND field = 'f' AND item = ''",
        "SELECT n FROM register_deletions WHERE op = 0 AND is_own AND target = 't'",
        "SELECT n FROM register_deletions WHERE op = 0 AND is_own",
        "SELECT n FROM register_deletions WHERE waits",
        "SELECT max(at) FROM register_deletions",
        "SELECT DISTINCT target, field, item FROM register_edits WHERE log = 'l'",
    ] {
        for step in plan(sql) {
            assert!(step.contains("INDEX") || step.contains("TEMP B-TREE"), "{sql}: {step}");
        }
    }
}
