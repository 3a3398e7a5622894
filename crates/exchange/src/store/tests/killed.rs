//! Processes that die at each step.

use std::process::Command;

use super::*;

/// What the process does: from the outbox to a merged, signed log, and another's log taken in. Each part once.
fn work(root: &Path) {
    let mut device = Device::at(&root.join("device"));
    let author = Device::at(&root.join("author"));
    for n in 0..9 {
        let (text, id) = (format!("text {n}"), format!("c{n}"));
        let said: bool = {
            let sql = "SELECT EXISTS (SELECT 1 FROM facts WHERE payload = ?1)
                           OR EXISTS (SELECT 1 FROM outbox WHERE payload = ?2)";
            device.facts.db.conn().query_row(sql, (&text, text.as_bytes()), |row| row.get(0)).unwrap()
        };
        if !said {
            let wants: &[&str] = if n == 3 { &[&id] } else { &[] };
            if n == 3 {
                device.store.attach(&stream("notes"), &[id.parse().unwrap()], &[], &mut &b"pack"[..]).unwrap();
            }
            device.facts.say_as(&format!("key {}", n % 2), &text, Flags::REPLACES, 1, wants);
        }
        device.publish();
    }
    device.store.compact(&[], NOW).unwrap();
    device.publish();
    device.trust(&author.store);
    device.pull(&author.store);
    device.publish();
}

#[test]
fn a_process_of_its_own() {
    let Ok(root) = std::env::var("CARRY_TEST_STORE") else { return };
    work(Path::new(&root));
}

fn child(root: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "store::tests::killed::a_process_of_its_own", "--test-threads=1"]);
    child.env("CARRY_TEST_STORE", root);
    child
}

fn scene() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut author = Device::at(&dir.path().join("author"));
    author.say_all(&["of another"]);
    author.publish();
    dir
}

#[test]
fn whatever_step_it_dies_at_the_next_one_ends_the_work() {
    let dir = scene();
    let trace = dir.path().join("trace");
    assert!(child(dir.path()).env("CARRY_FAULT_TRACE", &trace).status().unwrap().success());
    let mut passed: BTreeMap<String, u32> = BTreeMap::new();
    for name in std::fs::read_to_string(&trace).unwrap().lines() {
        *passed.entry(name.to_owned()).or_default() += 1;
    }
    let ours = passed.keys().filter(|name| name.starts_with("exchange.")).count();
    assert!(ours >= 12, "{passed:?}");
    for (name, n) in passed.iter().filter(|(name, _)| name.starts_with("exchange.") || *name == "db.write.done") {
        // The first and the last passage, and some between where there are many.
        for nth in BTreeSet::from([1, *n, n.div_ceil(2), n / 3 + 1]) {
            let dir = scene();
            let died = child(dir.path()).env("CARRY_FAULT", format!("{name}#{nth}=kill")).output().unwrap();
            assert!(!died.status.success(), "{name} was not passed {nth} times");
            let ended = child(dir.path()).output().unwrap();
            assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stdout));
            let device = Device::at(&dir.path().join("device"));
            device.check();
            let shown = texts(&["text 7", "text 8", "of another"]);
            assert_eq!(device.facts.shown(), shown, "{name}, passage {nth}");
            let mut reader = Device::new();
            reader.trust(&device.store);
            reader.pull(&device.store);
            assert_eq!(reader.facts.shown(), texts(&["text 7", "text 8"]), "{name}, passage {nth}");
            let held = device.store.held(device.store.log(), 0).unwrap();
            assert_eq!(held[&stream("notes")], Ranges::of(1, 9), "{name}: nothing is there twice");
        }
    }
}
