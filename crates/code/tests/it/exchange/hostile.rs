//! What comes in a record or a pack may have been made to do harm.

use std::io::Write as _;

use carry_code::git::ObjectId;
use carry_code::line::LineName;
use carry_exchange::record::{AttachmentId, Flags};
use carry_exchange::strand::NewRecord;
use serde_json::Value;

use super::side::{NOW, Side};

/// A device that says whatever it wants: a real record of its is taken apart and put together otherwise.
struct Liar {
    side: Side,
    reader: Side,
    n: u64,
}

impl Liar {
    fn new() -> Self {
        let side = Side::new();
        let mut reader = Side::clone_of(&side);
        reader.trust(&side);
        Self { side, reader, n: 0 }
    }

    /// Says a record with this payload, as it would stand in an outbox.
    fn say(&mut self, key: &[u8], payload: &Value, wants: &[AttachmentId]) {
        self.n += 1;
        let nonce = carry_exchange::strand::Nonce([9; 16]);
        let record = NewRecord {
            id: self.n,
            flags: Flags::REPLACES,
            key: key.to_vec(),
            kind: 1,
            kind_version: 1,
            wants: wants.to_vec(),
            payload: serde_json::to_vec(payload).unwrap(),
        };
        self.side.store.append(&"code".parse().unwrap(), nonce, &[record], NOW).unwrap();
        self.side.seal();
    }

    fn attach(&mut self, ids: &[AttachmentId], mut bytes: &[u8]) {
        self.side.store.attach(&"code".parse().unwrap(), ids, &[], &mut bytes).unwrap();
    }

    /// What an honest device would say now, and what it wants.
    fn honest(&mut self, content: &str) -> (Vec<u8>, Value, Vec<AttachmentId>) {
        self.side.work(content);
        self.side.say();
        // A friend that stands where it was said reads it back.
        let mut friend = Side::clone_of(&self.side);
        friend.trust(&self.side);
        friend.pull(&self.side);
        let db = carry_kernel::db::rusqlite::Connection::open(friend.rig.ctx.home.database("code")).unwrap();
        let sql = "SELECT key, payload FROM came ORDER BY seq DESC LIMIT 1";
        let (key, payload): (Vec<u8>, Vec<u8>) = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let id = payload["repository"]["id"].as_str().unwrap().to_owned();
        let snapshots = payload["snapshots"].as_array().unwrap();
        let wants = snapshots.iter().map(|hex| format!("{id}.{}", hex.as_str().unwrap()).parse().unwrap());
        (key, payload.clone(), wants.collect())
    }

    /// Has the reader take what was said. Nothing of it may be there, and its repository must be whole.
    #[track_caller]
    fn refused(&mut self, line: &LineName) {
        self.reader.pull(&self.side);
        assert_eq!(self.reader.value(line), None);
        assert_eq!(self.reader.kept(), Vec::<String>::new());
        self.reader.rig.fsck();
        let left = std::fs::read_dir(self.reader.repo().objects_dir()).unwrap().flatten();
        let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp_objdir")).count();
        assert_eq!(left, 0);
    }
}

#[test]
fn records_that_are_no_lines_are_noted_and_passed_over() {
    let mut liar = Liar::new();
    let (key, good, wants) = liar.honest("one");
    liar.reader.pull(&liar.side);
    let value = liar.reader.value(&liar.side.line());
    let with = |member: &str, other: Value| {
        let mut payload = good.clone();
        payload[member] = other;
        payload
    };
    let bad = [
        serde_json::json!({}),
        with("line", "refs/heads/main".into()),
        with("line", "refs/carry/../../heads/main".into()),
        with("line", "refs/carry/desk-00000000/000000000000/x/../../../heads/main".into()),
        with("branch", "another".into()),
        with("seal", "tree 0\n".into()),
        with("seal", good["seal"].as_str().unwrap().replace("Carry-Count: 1", "Carry-Count: 2").into()),
        with("snapshots", Value::Array(vec![])),
        with("snapshots", vec!["0".repeat(40)].into()),
        with("snapshots", vec!["../../../../etc/passwd"].into()),
        with("repository", serde_json::json!({"id": "../../../..", "name": "", "hash": "sha1"})),
        with("repository", Value::Null),
    ];
    for payload in bad {
        liar.say(&key, &payload, &wants);
        liar.reader.pull(&liar.side);
        assert_eq!(liar.reader.value(&liar.side.line()), value, "{payload}");
        let line = liar.reader.foreign();
        assert!(line.problem.is_some() || !line.refused.is_empty() || line.is_phantom(), "{payload}: {line:?}");
    }
    liar.say(b"line/of-another", &good, &wants);
    liar.reader.pull(&liar.side);
    assert_eq!(liar.reader.standing().foreign.iter().filter(|line| line.problem.is_some()).count(), 2);
    // The last word is an honest one.
    liar.say(&key, &good, &wants);
    liar.reader.pull(&liar.side);
    assert_eq!(liar.reader.standing().foreign.iter().filter(|line| !line.here.is_empty()).count(), 1);
    liar.reader.rig.fsck();
}

#[test]
fn a_line_under_the_name_of_another_device_or_of_the_reader_is_refused() {
    let mut liar = Liar::new();
    let (_, good, wants) = liar.honest("one");
    let own = liar.reader.work("mine");
    for name in [liar.reader.line().ref_name(), "refs/carry/desk-00000000/0123456789ab/main".to_owned()] {
        let mut payload = good.clone();
        payload["line"] = name.as_str().into();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(name.as_bytes());
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        liar.say(format!("line/{hex}").as_bytes(), &payload, &wants);
    }
    liar.reader.pull(&liar.side);
    assert_eq!(liar.reader.snapshots(&liar.reader.line()), [own.commit]);
    let refused: Vec<String> =
        liar.reader.standing().foreign.into_iter().flat_map(|line| line.refused).map(|one| one.why).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    liar.reader.rig.fsck();
}

/// A pack of these objects, as Git makes it in a repository of its own: kind and bytes.
fn pack_of(objects: &[(&str, Vec<u8>)]) -> (Vec<ObjectId>, Vec<u8>) {
    let other = carry_testkit::repo::TestRepo::new();
    let mut ids = Vec::new();
    for (kind, bytes) in objects {
        let path = other.base().join("object");
        carry_kernel::disk::write_cache(&path, bytes.as_ref()).unwrap();
        let id = other.git(["hash-object", "-t", kind, "-w", "--literally", path.to_str().unwrap()]);
        ids.push(ObjectId::from_hex(id.trim().as_bytes()).unwrap());
    }
    let mut child = other
        .command()
        .args(["pack-objects", "--stdout", "-q"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    (ids, child.wait_with_output().unwrap().stdout)
}

fn id_of(kind: &str, bytes: &[u8]) -> String {
    pack_of(&[(kind, bytes.to_vec())]).0[0].to_string()
}

fn raw(hex: &str) -> Vec<u8> {
    ObjectId::from_hex(hex.as_bytes()).unwrap().as_slice().to_vec()
}

#[test]
fn packs_that_would_do_harm_are_not_taken() {
    let who = "a <a@b> 1 +0000";
    let commit = |tree: &str| format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n").into_bytes();
    let blob = id_of("blob", b"x");
    let tree_with = |name: &str| [b"100644 ", name.as_bytes(), b"\0", &raw(&blob)[..]].concat();
    let mut packs = Vec::new();
    for name in ["..", ".git", ".", "a/b"] {
        let tree = tree_with(name);
        let top = commit(&id_of("tree", &tree));
        packs.push((name.to_owned(), pack_of(&[("commit", top), ("tree", tree), ("blob", b"x".to_vec())])));
    }
    // What it should bring is not in it; or all that it rests on is not.
    packs.push(("another commit".to_owned(), {
        let (_, bytes) = pack_of(&[("blob", b"x".to_vec())]);
        (vec![ObjectId::from_hex("1".repeat(40).as_bytes()).unwrap()], bytes)
    }));
    packs.push(("a commit without its tree".to_owned(), pack_of(&[("commit", commit(&"2".repeat(40)))])));
    let (ids, good) = pack_of(&[
        ("commit", commit(&id_of("tree", &tree_with("f")))),
        ("tree", tree_with("f")),
        ("blob", b"x".to_vec()),
    ]);
    packs.push(("no pack at all".to_owned(), (ids.clone(), b"not a pack".to_vec())));
    packs.push(("a pack cut short".to_owned(), (ids.clone(), good[..good.len() - 7].to_vec())));
    packs.push(("a pack with something after it".to_owned(), (ids.clone(), [&good[..], b"more"].concat())));
    let mut more = good.clone();
    more[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    packs.push(("a pack of four billion objects".to_owned(), (ids, more)));
    for (what, (ids, bytes)) in packs {
        let mut liar = Liar::new();
        let (key, mut payload, _) = liar.honest("one");
        let repository = payload["repository"]["id"].as_str().unwrap().to_owned();
        payload["snapshots"] = vec![ids[0].to_string()].into();
        let wants: Vec<AttachmentId> = vec![format!("{repository}.{}", ids[0]).parse().unwrap()];
        // Under a log that said nothing else.
        let mut liar = Liar { side: Side::over(super::side::copy_of(&liar.side.rig.git)), reader: liar.reader, n: 0 };
        liar.reader.trust(&liar.side);
        liar.attach(&wants, &bytes);
        liar.say(&key, &payload, &wants);
        let line = liar.side.line();
        liar.refused(&line);
        assert_eq!(liar.reader.standing().foreign.len(), 0, "{what}: it waits");
    }
}

#[test]
fn a_bomb_is_found_before_git_sees_it() {
    let mut liar = Liar::new();
    let (key, mut payload, _) = liar.honest("one");
    let repository = payload["repository"]["id"].as_str().unwrap().to_owned();
    let id = "3".repeat(40);
    payload["snapshots"] = vec![id.clone()].into();
    let wants: Vec<AttachmentId> = vec![format!("{repository}.{id}").parse().unwrap()];
    // A commit that says it has 300 million bytes.
    let mut pack = [&b"PACK"[..], &2u32.to_be_bytes(), &1u32.to_be_bytes()].concat();
    let mut size = 300_000_000u64;
    let mut byte = 0x10 | u8::try_from(size & 15).unwrap();
    size >>= 4;
    while size > 0 {
        pack.push(byte | 0x80);
        byte = u8::try_from(size & 127).unwrap();
        size >>= 7;
    }
    pack.push(byte);
    pack.extend([0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]);
    liar.attach(&wants, &pack);
    liar.say(&key, &payload, &wants);
    liar.reader.pull(&liar.side);
    assert_eq!(liar.reader.kept(), Vec::<String>::new());
    liar.reader.rig.fsck();
}
