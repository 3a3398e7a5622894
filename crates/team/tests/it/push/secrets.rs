//! Sessions full of secrets, and the search for what is left of them.

use std::collections::BTreeSet;

use carry_redact::{Confidence, Rules};
use carry_sessions::archive::{StoredMessage, StoredResult};
use carry_sessions::curation::Edit;
use carry_sessions::model::{
    Block, CallRef, Category, Facts, Image, NativeId, ProviderId, ResultEvent, ResultStatus, Role, ToolCall,
};
use carry_team::push::Depth;
use carry_testkit::postgres::{ADMIN, Options, PASSWORD, Server};
use carry_testkit::rng::Rng;
use carry_testkit::wire::{Proxy, Way};

use super::hooked::Hooked;
use super::rig::{Device, redactor};
use crate::fixture::{prompt, said};
use crate::rig::store_at;

/// Bytes of a secret that are looked for at a time.
const WINDOW: usize = 8;

/// The hash of a picture: made by whoever reads an agent's files, and no text.
const HASH: &str = "6a1f6a1f6a1f6a1f";

/// A word that stands beside the secrets and is none.
const MARK: &str = "haystackmark";

/// Refuses some rows, and says so with all that is in them.
const REFUSING: &str = "CREATE FUNCTION carry.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.ordinal > 100 THEN \
    RAISE EXCEPTION 'not this: %', NEW.json; END IF; RETURN NEW; END $$; \
    CREATE TRIGGER no BEFORE INSERT ON carry.messages FOR EACH ROW EXECUTE FUNCTION carry.no()";

#[test]
fn of_no_secret_is_anything_left_anywhere_whatever_fails() {
    let mut server = Server::start_with(&Options { is_unsafe: true, ..Options::default() });
    let (database, _) = store_at(&server);
    let proxy = Proxy::start(server.address());
    let mut device = Device::new(&server.url_at(proxy.port(), ADMIN, PASSWORD, &database));
    plant(&mut device, 0);
    let up = proxy.bytes(Way::Up);
    assert_eq!(device.push().unwrap().failed, []);
    let up = usize::try_from(proxy.bytes(Way::Up) - up).unwrap();
    let mut rng = Rng::new(7);
    // Cut.
    for seed in 1..4 {
        plant(&mut device, seed);
        proxy.cut_after(Way::Up, (up / 4 + rng.below(up / 2)) as u64);
        assert!(device.push().is_err());
        proxy.heal();
    }
    device.push().unwrap();
    // Killed.
    plant(&mut device, 4);
    {
        let mut commits = 0;
        let mut sink = Hooked::new(device.sink(), |name| {
            commits += usize::from(name == "commit");
            if commits == 5 {
                server.kill();
            }
        });
        assert!(device.run_on(&mut sink, Depth::Changed).is_err());
    }
    server.start();
    device.push().unwrap();
    // Refused, and what is refused is said in the server's log.
    server.admin(&database, REFUSING);
    plant(&mut device, 5);
    let report = device.push().unwrap();
    assert_eq!(report.failed.len(), 1);
    let said = format!("{report:?} {:?}", device.status()).to_ascii_lowercase();
    assert!(!needles().iter().any(|needle| said.contains(needle)), "{said}");
    assert!(server.log().contains("not this: {"));
    server.admin(&database, "DROP TRIGGER no ON carry.messages");
    device.now += 60_000;
    assert_eq!(device.push().unwrap().failed, []);
    drop(proxy);
    assert_none(&server, &database);
}

/// What every rule that is sure must find: a text, and the secret in it.
fn examples() -> Vec<(String, String)> {
    let sure = Rules::builtin().all().iter().filter(|rule| rule.confidence > Confidence::Guess);
    sure.map(|rule| (rule.example)()).collect()
}

/// Pieces of all secrets: from the beginning, the middle and the end of each, and in between.
fn needles() -> Vec<String> {
    let (mut needles, redactor) = (BTreeSet::new(), redactor());
    // What all secrets of a kind begin with may stand elsewhere as a name.
    let shown: Vec<String> = examples().iter().map(|(text, _)| redactor.text(text).text.into_owned()).collect();
    let shown = shown.concat().to_ascii_lowercase();
    for (_, secret) in examples() {
        let secret = secret.to_ascii_lowercase();
        let last = secret.len().saturating_sub(WINDOW);
        let windows = [0, last / 4, last / 2, last * 3 / 4, last].map(|at| secret.get(at..at + WINDOW));
        // What is escaped on the way is not looked for.
        let is_plain = |window: &&str| !window.contains(['"', '\\', '\n', '\r', '\t']) && !shown.contains(window);
        needles.extend(windows.into_iter().flatten().filter(is_plain).map(str::to_owned));
    }
    needles.into_iter().collect()
}

/// Puts sessions into a home with every secret somewhere, and one in every text that a session has. What is said besides is another
/// thing with another `seed`.
fn plant(device: &mut Device, seed: usize) {
    let examples = examples();
    let mut at = seed;
    let mut next = || {
        at += 1;
        examples[at % examples.len()].0.clone()
    };
    let sessions = examples.len().div_ceil(40);
    for (n, (label, _)) in examples.iter().enumerate().take(sessions) {
        let native = format!("planted-{n}");
        let facts = Facts {
            cwd: Some("/nowhere/orchard".to_owned()),
            branch: Some(next()),
            name: Some(next()),
            entrypoint: Some(next()),
            kind: Some(next()),
            label: Some(next()),
            version: Some(next()),
            resume: Some(next()),
            start_commit: Some(next()),
            remote: Some(next()),
            project: Some(next()),
            ..Facts::default()
        };
        let mut messages = vec![prompt(0, &format!("{MARK} of {seed}: {}", next()))];
        messages.push(full(1, Role::Assistant, &mut next));
        messages.push(full(2, Role::User, &mut next));
        // Cut off where lists cut prompts.
        if n % 2 == 1 {
            messages[0] = prompt(0, &format!("{}{}", "so ".repeat(95), next()));
        }
        device.fixture.put_with(&native, facts, &messages);
        device.edit(&native, &Edit::Rename(Some(format!("{} {seed}", next()))));
        device.edit(&native, &Edit::Label(label.clone(), true));
    }
    // All of them, one to a message.
    let messages: Vec<StoredMessage> =
        (0..).zip(&examples).map(|(n, (text, _))| prompt(n, &format!("{MARK} {seed}\n{text}"))).collect();
    device.fixture.put("planted-all", &messages);
    // Pins bear the time of the edit, which must be the same in each turn.
    let pinned = device.id("planted-all");
    if device.fixture.archive.pins(&pinned).unwrap().is_empty() {
        device.edit("planted-all", &Edit::Pin(examples[0].0.clone(), Some(examples[1].0.clone())));
    }
}

/// A message with a secret in every text.
fn full(ordinal: u32, role: Role, next: &mut dyn FnMut() -> String) -> StoredMessage {
    let call = ToolCall {
        index: 0,
        id: next(),
        name: next(),
        category: Category::Bash,
        input: serde_json::json!({ "command": next(), "more": [next()] }).to_string(),
        skill: Some(next()),
        subagent: Some(NativeId(next())),
        file: Some(next()),
    };
    let blocks = vec![
        Block::Text(next()),
        Block::Thinking(next()),
        Block::Call(call),
        Block::Image(Image { media: next(), bytes: 3, hash: HASH.to_owned() }),
        Block::Other { kind: next(), json: serde_json::json!({ "x": next() }).to_string() },
    ];
    let mut stored = said(ordinal, role, blocks);
    stored.message.key = Some(next());
    stored.message.subtype = Some(next());
    stored.message.model = Some(next());
    stored.message.effort = Some(next());
    stored.message.provider_id = Some(ProviderId { message: next(), request: next() });
    let result = ResultEvent {
        call: CallRef::At { ordinal, index: 0 },
        source: next(),
        status: ResultStatus::Completed,
        at: None,
        content: next(),
        images: vec![Image { media: next(), bytes: 3, hash: HASH.to_owned() }],
        content_bytes: 12,
        subagent: Some(NativeId(next())),
    };
    stored.results.push(StoredResult { n: 0, event: 0, result });
    stored
}

/// Nothing of any secret stands in the database, its files, its log of transactions, or the server's log.
#[track_caller]
fn assert_none(server: &Server, database: &str) {
    let mut needles = needles();
    assert!(needles.len() > 100, "{} needles", needles.len());
    let dump = server.dump(database).to_ascii_lowercase();
    assert!(dump.contains(MARK));
    let mut table = "";
    for line in dump.lines() {
        table = line.strip_prefix("copy ").unwrap_or(table);
        let left: Vec<&String> = needles.iter().filter(|needle| line.contains(needle.as_str())).collect();
        assert!(left.is_empty(), "{left:?} in {line} of {table}");
    }
    needles.push(MARK.to_owned());
    let found = server.grep_any(&needles);
    // What was handed in stands in all of these: so would a secret.
    for part in ["/base/", "/pg_wal/", "log"] {
        let is_in = |path: &std::path::Path| path.to_string_lossy().contains(part);
        assert!(found.iter().any(|(path, needle)| is_in(path) && needle == MARK), "{part} was not looked into");
    }
    // The server's own keys look like such.
    let is_own = |path: &std::path::Path| path.extension().is_some_and(|kind| kind == "pem" || kind == "key");
    let left: Vec<_> = found.iter().filter(|(path, needle)| needle != MARK && !is_own(path)).collect();
    assert!(left.is_empty(), "in files: {left:?}");
}
