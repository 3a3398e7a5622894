use carry_kernel::id::DeviceId;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::git::ByteSlice as _;

const KEEPER: &str = "89abcdef0123456789abcdef0123456789abcdef";
const TIME: Timestamp = Timestamp::from_millis(1_795_171_200_999);

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).unwrap()
}

/// A tree, as well as the id that readers are given: seals do not know theirs.
fn other() -> ObjectId {
    id(&"1".repeat(40))
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn seal() -> Seal {
    let key = signer().verifying_key().to_bytes();
    let branch = Branch::Named("feature/x".into());
    let device = DeviceId::new("laptop", &key);
    Seal {
        line: LineName::new(&device, &"0123456789ab".parse().unwrap(), &branch),
        branch,
        keeper: id(KEEPER),
        label: "Anna's laptop".to_owned(),
        key,
        count: 12,
        finished: true,
    }
}

fn raw(seal: &Seal) -> Vec<u8> {
    seal.to_commit(other(), TIME, &|bytes| signer().sign(bytes).to_bytes())
}

/// A commit with this message, signed or not as it is.
fn with_message(message: &[u8]) -> Vec<u8> {
    [encode::header(other(), id(KEEPER), TIME.as_secs()).as_bytes(), message].concat()
}

/// A seal whose message `change` was made to before it was signed.
fn signed_after(change: impl Fn(&str) -> String) -> Vec<u8> {
    let message = change(&encode::message(&seal()));
    let signature = signer().sign(&encode::signed_bytes(id(KEEPER), message.as_bytes())).to_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    with_message(format!("{message}Carry-Signature: {hex}\n").as_bytes())
}

fn read(raw: &[u8]) -> Result<Seal, String> {
    Seal::from_commit(other(), raw).map_err(|error| error.problem)
}

#[test]
fn a_seal_reads_as_documented() {
    let expected = "tree 1111111111111111111111111111111111111111\n\
        parent 89abcdef0123456789abcdef0123456789abcdef\n\
        author Carry <carry@localhost> 1795171200 +0000\n\
        committer Carry <carry@localhost> 1795171200 +0000\n\
        \n\
        carry seal\n\
        \n\
        Carry-Device: laptop-fe812c12\n\
        Carry-Tree: 0123456789ab\n\
        Carry-Branch: feature/x\n\
        Carry-Label: Anna's laptop\n\
        Carry-Key: ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c\n\
        Carry-Count: 12\n\
        Carry-Finished: yes\n\
        Carry-Signature: 18ca59c9f1000f8752093e93dca9bd15fcdfa834c43e1dd84336e1fde4501ad8724607dc3bd20502e4c614addfaac54fd5490500d6b5d982d5fea92e9a01820c\n";
    assert_eq!(String::from_utf8(raw(&seal())).unwrap(), expected);
    assert_eq!(read(expected.as_bytes()), Ok(seal()));
}

#[test]
fn every_flipped_byte_of_message_or_parent_is_refused() {
    let raw = raw(&seal());
    let parent = raw.find(b"parent ").unwrap();
    let message = raw.find(b"carry seal").unwrap();
    for at in (parent..parent + 48).chain(message..raw.len()) {
        for bit in [0x01, 0x20, 0x80] {
            let mut bad = raw.clone();
            bad[at] ^= bit;
            assert!(read(&bad).is_err(), "byte {at} ({:?}) flipped by {bit:#x}", char::from(raw[at]));
        }
    }
}

#[test]
fn a_message_cut_or_gone_on_with_is_refused() {
    let raw = raw(&seal());
    for end in 0..raw.len() {
        assert!(read(&raw[..end]).is_err(), "cut at {end}");
    }
    for more in ["\n", "Carry-Count: 13\n", "x"] {
        assert!(read(&[&raw[..], more.as_bytes()].concat()).is_err(), "{more:?}");
    }
}

#[test]
fn nothing_unsigned_stands_beside_the_message() {
    let good = String::from_utf8(raw(&seal())).unwrap();
    for (from, to) in [
        ("author Carry", "author Evil"),
        ("committer Carry", "committer Evil"),
        ("+0000\n\n", "+0000\nencoding UTF-8\n\n"),
        ("+0000\n\n", "+0100\n\n"),
        ("author", "parent 2222222222222222222222222222222222222222\nauthor"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(read(bad.as_bytes()).is_err(), "{to:?}");
    }
    let orphan = good.replace(&format!("parent {KEEPER}\n"), "");
    assert_eq!(read(orphan.as_bytes()), Err("it has 0 parents".to_owned()));
}

#[test]
fn another_devices_key_cannot_sign_for_it() {
    let thief = SigningKey::from_bytes(&[8; 32]);
    let sign = |bytes: &[u8]| thief.sign(bytes).to_bytes();
    let mut stolen = seal();
    assert_eq!(read(&stolen.to_commit(other(), TIME, &sign)), Err("its signature is wrong".to_owned()));
    stolen.key = thief.verifying_key().to_bytes();
    let error = read(&stolen.to_commit(other(), TIME, &sign)).unwrap_err();
    assert!(error.starts_with("its key is not that of laptop-"), "{error}");
}

#[test]
fn a_seal_of_another_keeper_is_refused() {
    let moved = String::from_utf8(raw(&seal())).unwrap().replace(KEEPER, &"2".repeat(40));
    assert_eq!(read(moved.as_bytes()), Err("its signature is wrong".to_owned()));
}

#[test]
fn what_a_newer_carry_says_is_ignored_but_signed() {
    let newer = signed_after(|message| format!("{message}Carry-Shiny: new\nno trailer\n\n"));
    assert_eq!(read(&newer), Ok(seal()));
    let bad = String::from_utf8(newer).unwrap().replace("Shiny: new", "Shiny: old");
    assert_eq!(read(bad.as_bytes()), Err("its signature is wrong".to_owned()));
}

#[test]
fn signed_nonsense_is_nonsense() {
    for (from, to) in [
        ("Carry-Tree: 0123456789ab\n", ""),
        ("Carry-Tree: 0123456789ab", "Carry-Tree: ../../etc"),
        ("Carry-Branch: feature/x", "Carry-Branch: feature%X"),
        ("Carry-Branch: feature/x", "Carry-Branch: "),
        ("Carry-Count: 12", "Carry-Count: +12"),
        ("Carry-Count: 12", "Carry-Count: 18446744073709551616"),
        ("Carry-Count: 12", "Carry-Count: 12\nCarry-Count: 13"),
        ("Carry-Finished: yes", "Carry-Finished: no"),
        ("Carry-Label: Anna's laptop\n", ""),
        ("carry seal\n\n", "carry seal\n"),
        ("carry seal\n", "carry keeper\n"),
    ] {
        let bad = signed_after(|message| {
            assert!(message.contains(from));
            message.replacen(from, to, 1)
        });
        assert!(read(&bad).is_err(), "{to:?}");
    }
    let long = signed_after(|message| format!("{message}Carry-Shiny: {}\n", "x".repeat(MESSAGE_BYTES_MAX)));
    assert!(read(&long).unwrap_err().ends_with("bytes long"));
}

#[test]
fn a_label_cannot_play_with_the_terminal() {
    let evil = Seal { label: format!("\u{1b}[31m\u{202e}{}", "x".repeat(500)), ..seal() };
    let label = read(&raw(&evil)).unwrap().label;
    assert!(label.starts_with("\u{fffd}[31m\u{fffd}xx"), "{label}");
    assert_eq!(label.chars().count(), LABEL_CHARS_MAX);
}

#[test]
fn a_weak_key_signs_nothing() {
    // The identity point: under loose rules a signature of zeros would hold for it, whatever was signed.
    let mut key = [0; 32];
    key[0] = 1;
    let mut weak = Seal { key, ..seal() };
    weak.line.device = DeviceId::new("laptop", &key);
    let mut signature = [0; 64];
    signature[0] = 1;
    assert_eq!(read(&weak.to_commit(other(), TIME, &|_| signature)), Err("its signature is wrong".to_owned()));
}

#[test]
fn only_a_seal_claims_to_be_one() {
    assert!(Seal::is_claimed(other(), &raw(&seal())));
    assert!(Seal::is_claimed(other(), &with_message(b"carry seal\n\nand no more")));
    for message in ["carry seal", "carry seal\n", "carry seals\n\n", crate::keeper::MESSAGE, ""] {
        assert!(!Seal::is_claimed(other(), &with_message(message.as_bytes())), "{message:?}");
    }
}

proptest! {
    #[test]
    fn a_seal_survives_being_written(
        branch in proptest::collection::vec(any::<u8>(), 1..300),
        detached: bool,
        label in "[^\\p{C}\\u{2028}\\u{2029}]{0,100}",
        count: u64,
        finished: bool,
    ) {
        let branch = if detached { Branch::Detached } else { Branch::Named(branch.into()) };
        let line = LineName::new(&seal().line.device, seal().tree(), &branch);
        let seal = Seal { line, branch, label, count, finished, ..seal() };
        prop_assert_eq!(read(&raw(&seal)), Ok(seal));
    }

    #[test]
    fn reading_anything_never_panics(message in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&message);
        let _ = read(&with_message(&message));
        let _ = read(&with_message(&[b"carry seal\n\n", &message[..]].concat()));
    }
}
