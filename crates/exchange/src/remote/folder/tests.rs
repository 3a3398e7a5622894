use std::io;

use rustix::io::Errno;

use super::*;
use crate::remote::{Class, Version};

const BLAME: Blame<'_> = Blame { place: "/media/stick", file: "carry/h/x" };

#[test]
fn errors_of_the_system_have_the_class_that_tells_what_to_do() {
    for (class, errors) in [
        (Class::Denied, &[Errno::ACCESS, Errno::PERM, Errno::ROFS][..]),
        (Class::Full, &[Errno::NOSPC, Errno::DQUOT]),
        (Class::Busy, &[Errno::BUSY, Errno::AGAIN]),
        (Class::Unreachable, &[Errno::IO, Errno::STALE, Errno::NOTCONN, Errno::TIMEDOUT, Errno::NODEV]),
        (Class::Foreign, &[Errno::NOTDIR, Errno::LOOP]),
        (Class::Internal, &[Errno::MFILE, Errno::NAMETOOLONG]),
    ] {
        for errno in errors {
            assert_eq!(BLAME.write(*errno).class(), class, "{errno:?}");
        }
    }
    assert_eq!(BLAME.written(io::ErrorKind::StorageFull.into()).class(), Class::Full);
}

#[test]
fn bytes_that_cannot_be_read_say_nothing_about_the_object() {
    for errno in [Errno::IO, Errno::ACCESS, Errno::DEADLK, Errno::INVAL, Errno::NODATA, Errno::OPNOTSUPP] {
        assert_eq!(BLAME.read(errno.into()).class(), Class::Unreachable, "{errno:?}");
    }
}

#[test]
fn the_cause_names_the_path() {
    let error = BLAME.write(Errno::ACCESS);
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "cannot write /media/stick/carry/h/x");
    let error = Blame { file: "", ..BLAME }.reach(Errno::NOENT);
    assert!(error.to_string().contains("/media/stick"), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "it is not there");
}

#[test]
fn one_bad_entry_hides_no_other_and_a_place_that_is_gone_is_not_an_empty_one() {
    let seen = |is_file| tree::Seen {
        is_file,
        bytes: 7,
        modified_s: 1,
        version: Version("v".to_owned()),
        identity: Default::default(),
    };
    let bytes = |seen| scan::listing("x", seen).map(|listing| listing.map(|listing| listing.bytes));
    assert_eq!(bytes(Ok(Some(seen(true)))), Ok(Some(7)));
    assert_eq!(bytes(Ok(Some(seen(false)))), Ok(None));
    assert_eq!(bytes(Ok(None)), Ok(None));
    assert_eq!(bytes(Err(Errno::IO)), Ok(Some(0)));
    for gone in [Errno::STALE, Errno::NOTCONN, Errno::NODEV, Errno::TIMEDOUT] {
        assert_eq!(bytes(Err(gone)), Err(gone));
        assert_eq!(BLAME.file(gone).class(), Class::Unreachable);
    }
}
