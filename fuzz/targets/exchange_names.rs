//! Names in listings of the exchange: what is read as an object's own name is that object's path.

#![no_main]

use carry_exchange::head::Want;
use carry_exchange::name::{Entry, Folder, Form, Format, LogId, ObjectName};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let log = LogId::of_key(&[7; 32]);
    for folder in [Folder::Root, Folder::Heads, Folder::Log(log)] {
        if let Entry::Object(object, form) = Entry::read(folder, text) {
            assert_eq!(object.folder(), folder);
            if form == Form::Itself {
                assert_eq!(object.path(), format!("{folder}/{text}"));
            }
        }
    }
    if let Ok(object) = text.parse::<ObjectName>() {
        assert_eq!(object.path(), text);
    }
    if let Ok(want) = text.parse::<Want>() {
        assert_eq!(want.to_string(), text);
    }
    let _ = Format::read(text.as_bytes());
});
