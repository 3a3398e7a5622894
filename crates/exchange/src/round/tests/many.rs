//! More heads of one log at a place than are remembered.

use super::*;
/// Heads that are planted of one log.
const HEADS: usize = 1_100;

type Put = fn(&mut Author, &MemoryRemote);

/// Exchanges while there is more; says how often.
fn exchange_all(device: &mut Device, remote: &Counted<MemoryRemote>) -> usize {
    (1..=HEADS).find(|_| !device.round(remote).has_more).expect("it never ends")
}

#[test]
fn heads_that_are_older_than_is_remembered_are_read_once() {
    let kinds: [(&str, Put); 3] = [
        ("old", |author, remote| drop(author.head(remote))),
        ("later", |author, remote| author.later_head(remote)),
        ("wrong", |author, remote| drop(author.head_as(remote, &|_, state| state.chain = Digest::of(&[b"another"])))),
    ];
    for (what, put) in kinds {
        let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
        device.trust(author.log);
        author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        device.round(&remote);
        for _ in 0..HEADS {
            put(&mut author, &remote.inner);
        }
        exchange_all(&mut device, &remote);
        remote.take();
        let report = device.round(&remote);
        assert_eq!((remote.take().gets, report.has_more), (0, false), "{what}");
        assert_eq!(device.shown(), texts(&["one"]), "{what}");
    }
}

#[test]
fn where_nothing_more_can_be_noted_old_heads_are_no_reason_for_another_round() {
    let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
    device.trust(author.log);
    author.seal(&remote.inner, "one");
    for _ in 0..HEADS {
        author.head(&remote.inner);
    }
    let mut db = Db::open(&Home::at(&device.root).database("exchange"), crate::store::SCHEMA).unwrap();
    let sql = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
               INSERT INTO rejects (remote, name, stamp, why, first_ms, last_ms) SELECT 'r', 'l/' || n, '', '', 0, 0 FROM n";
    assert_eq!(db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, ())?)).unwrap(), 10_000);
    device.round(&remote);
    for _ in 0..2 {
        assert!(!device.round(&remote).has_more);
    }
    assert_eq!(device.store.all_rejected().unwrap().len(), 10_000, "nothing was forgotten for old heads");
    db.write(|tx| Ok::<_, StoreError>(tx.execute("DELETE FROM rejects", ())?)).unwrap();
    exchange_all(&mut device, &remote);
    remote.take();
    device.round(&remote);
    assert_eq!(remote.take().gets, 0);
}
