//! What could not be read in an earlier round is still not read, though no round names it again.

use super::*;

/// Exchanges three times, and says how often strands were told that others were listened to.
fn n_heard(device: &mut Device, remote: &Counted<MemoryRemote>) -> usize {
    for _ in 0..3 {
        device.round(remote);
        device.advance(MINUTE);
    }
    std::mem::take(&mut device.notes.heard).len()
}

#[test]
fn a_newer_head_that_cannot_be_followed_keeps_from_having_listened_until_one_can() {
    type Put = fn(&mut Author, &MemoryRemote);
    let kinds: [(&str, Put); 3] = [
        ("later", |author, remote| author.later_head(remote)),
        ("wrong", |author, remote| drop(author.head_as(remote, &|_, state| state.chain = Digest::of(&[b"another"])))),
        ("damaged", |author, remote| {
            let path = author.head(remote).name().path();
            let mut bytes = remote.files()[&path].clone();
            bytes[10] ^= 1;
            remote.plant(&path, &bytes);
        }),
    ];
    for (what, put) in kinds {
        for is_trusted in [true, false] {
            let (remote, mut author, mut device) = (memory(), Author::new(9), Device::new());
            if is_trusted {
                device.trust(author.log);
            }
            author.seal(&remote.inner, "one");
            author.head(&remote.inner);
            assert_eq!(n_heard(&mut device, &remote), 3, "{what}");
            put(&mut author, &remote.inner);
            assert_eq!(n_heard(&mut device, &remote), if is_trusted { 0 } else { 3 }, "{what}, {is_trusted}");
            author.head(&remote.inner);
            assert_eq!(n_heard(&mut device, &remote), 3, "{what}");
        }
    }
}

#[test]
fn what_is_held_and_not_folded_keeps_from_having_listened() {
    for (kind, wants) in [(2, None), (1, Some("pack"))] {
        let remote = memory();
        let mut devices = fleet(2);
        let out = Outgoing {
            flags: Flags::default(),
            key: b"k".to_vec(),
            kind,
            kind_version: 1,
            wants: wants.iter().map(|id| id.parse().unwrap()).collect(),
            payload: b"put off".to_vec(),
        };
        devices[0].notes.db.write(|tx| outbox::push(tx, &stream("notes"), &out)).unwrap();
        devices[0].curation.say("a label");
        devices[0].round(&remote);
        assert_eq!(n_heard(&mut devices[1], &remote), 0, "{kind}");
        assert_eq!(devices[1].curation.heard.len(), 3, "another stream is another matter");
    }
}

#[test]
fn what_is_damaged_here_before_it_is_folded_keeps_from_having_listened_until_it_came_again() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("hello");
    devices[0].round(&remote);
    devices[1].notes.is_broken = true;
    devices[1].round(&remote);
    let dir = devices[1].root.join("data/exchange").join(devices[0].store.log().to_string());
    let path = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    carry_kernel::disk::write_atomic(&path, &bytes).unwrap();
    devices[1].notes.is_broken = false;
    devices[1].round(&remote);
    assert_eq!((devices[1].shown(), devices[1].notes.heard.len()), (texts(&[]), 0));
    devices[1].round(&remote);
    assert_eq!((devices[1].shown(), devices[1].notes.heard.len()), (texts(&["hello"]), 1));
}
