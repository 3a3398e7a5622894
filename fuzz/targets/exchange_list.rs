//! Lists: whoever refers to them, what is read is written again alike.

#![no_main]

use carry_exchange::hash::Digest;
use carry_exchange::head::ListRef;
use carry_exchange::list::List;
use carry_exchange::name::LogId;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let log = LogId::of_key(&[7; 32]);
    let believed = |bytes: &[u8]| {
        let reference = ListRef { digest: Digest::of(&[bytes]), bytes: bytes.len() as u64 };
        let Ok(list) = List::read(bytes, log, &reference) else { return };
        let again = list.write().expect("what was read can be written");
        assert_eq!(List::read(&again.bytes, log, &again.reference).expect("and read again"), list);
    };
    believed(bytes);
    believed(&[format!(r#"{{"v":1,"log":"{log}","#).as_bytes(), bytes, b"\n"].concat());
});
