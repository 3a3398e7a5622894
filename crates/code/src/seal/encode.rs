//! From a [`Seal`] to a commit.

use std::fmt::Write as _;

use super::{LABEL_CHARS_MAX, SUBJECT, Seal};
use crate::git::ObjectId;
use crate::keeper::IDENTITY;
use crate::line::quote;

/// Trailers' names, in the order they are written.
pub(super) mod key {
    pub(in crate::seal) const DEVICE: &str = "Carry-Device";
    pub(in crate::seal) const TREE: &str = "Carry-Tree";
    pub(in crate::seal) const BRANCH: &str = "Carry-Branch";
    pub(in crate::seal) const LABEL: &str = "Carry-Label";
    pub(in crate::seal) const KEY: &str = "Carry-Key";
    pub(in crate::seal) const COUNT: &str = "Carry-Count";
    pub(in crate::seal) const FINISHED: &str = "Carry-Finished";
    pub(in crate::seal) const SIGNATURE: &str = "Carry-Signature";
}

/// What `Carry-Finished` says.
pub(super) const YES: &str = "yes";
/// What a signature begins with, so that it means nothing anywhere else.
const PURPOSE: &str = "carry seal v1\n";

/// All of the commit before its message.
pub(super) fn header(tree: ObjectId, keeper: ObjectId, seconds: i64) -> String {
    format!("tree {tree}\nparent {keeper}\nauthor {IDENTITY} {seconds} +0000\ncommitter {IDENTITY} {seconds} +0000\n\n")
}

/// What is signed: `message` is the seal's up to its signature's line.
pub(super) fn signed_bytes(keeper: ObjectId, message: &[u8]) -> Vec<u8> {
    [PURPOSE.as_bytes(), format!("keeper {keeper}\n").as_bytes(), message].concat()
}

/// The whole message.
pub(super) fn signed_message(seal: &Seal, sign: &dyn Fn(&[u8]) -> [u8; 64]) -> String {
    let mut text = message(seal);
    let signature = sign(&signed_bytes(seal.keeper, text.as_bytes()));
    trailer(&mut text, key::SIGNATURE, &hex(&signature));
    text
}

/// The message up to its signature's line.
pub(super) fn message(seal: &Seal) -> String {
    let mut text = format!("{SUBJECT}\n\n");
    let label: String = seal.label.chars().take(LABEL_CHARS_MAX).collect();
    trailer(&mut text, key::DEVICE, &seal.line.device);
    trailer(&mut text, key::TREE, &seal.line.tree);
    trailer(&mut text, key::BRANCH, &seal.branch.to_trailer());
    trailer(&mut text, key::LABEL, &quote::quote(label.as_str().into()));
    trailer(&mut text, key::KEY, &hex(&seal.key));
    trailer(&mut text, key::COUNT, &seal.count);
    if seal.finished {
        trailer(&mut text, key::FINISHED, &YES);
    }
    text
}

fn trailer(text: &mut String, key: &str, value: &dyn std::fmt::Display) {
    writeln!(text, "{key}: {value}").expect("writing to a string does not fail");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
