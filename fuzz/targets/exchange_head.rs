//! Heads: as a file, and as members that are signed for, since an author may be hostile.

#![no_main]

use carry_exchange::hash::Digest;
use carry_exchange::head::{SignedHead, segments};
use carry_exchange::name::{LogId, ObjectName};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    read(&key, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The identity is put in, so that what follows it is reached.
    let (log, public) = (LogId::of_key(key.verifying_key().as_bytes()), encode(key.verifying_key().as_bytes()));
    let line = format!(r#"{{"log":"{log}","key":"{public}","n":1,{text}"#);
    if line.contains('\n') {
        return;
    }
    use ed25519_dalek::Signer as _;
    let signature = encode(&key.sign(format!("carry head 1\n{line}").as_bytes()).to_bytes());
    read(&key, format!("{line}\n{signature}\n").as_bytes());
});

fn read(key: &ed25519_dalek::SigningKey, bytes: &[u8]) {
    let log = LogId::of_key(key.verifying_key().as_bytes());
    let Ok(signed) = SignedHead::read(&ObjectName::head(log, 1, Digest::of(&[bytes])), bytes) else { return };
    assert_eq!(signed.bytes(), bytes);
    let _ = segments(signed.head(), None);
    use ed25519_dalek::Signer as _;
    let again = signed.head().sign(&|message| key.sign(message).to_bytes()).expect("what was read can be written");
    assert_eq!(again.head(), signed.head());
}

/// Base64url without padding.
fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}
