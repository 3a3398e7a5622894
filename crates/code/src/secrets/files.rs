//! Files that hold secrets by their name: stores of keys, and the files in which programs keep passwords.

use crate::git::{BStr, ByteSlice as _};

use super::Found;
use super::urls::has_password;
use super::values::{is_placeholder, is_random, offset_in, unquoted};

/// Ends of names of key stores. What is in them cannot be read without their password, but often has a weak one.
const STORES: &[&str] = &[".p12", ".pfx", ".jks", ".keystore", ".kdbx"];

/// Whether a name, in lower case, is that of a key store. Android's `debug.keystore` is the same for everybody.
pub(super) fn is_key_store(name: &[u8]) -> bool {
    STORES.iter().any(|end| name.ends_with(end.as_bytes())) && name != b"debug.keystore"
}

/// Looks into a file of which the name, in lower case, says what it may hold.
pub(super) fn look(path: &BStr, name: &[u8], text: &[u8], found: &mut Found) {
    let first = |is: &dyn Fn(&[u8]) -> bool| text.lines().find(|line| is(line)).map(|line| offset_in(text, line));
    let (kind, at) = match name {
        b".env" => (".env file with values", first(&is_variable)),
        _ if name.starts_with(b".env.") && !is_public_env(name) => (".env file with values", first(&is_variable)),
        b".netrc" | b"_netrc" => ("password in .netrc", netrc(text)),
        b".npmrc" => ("token in .npmrc", first(&is_npm_token)),
        b".pypirc" => ("password in .pypirc", first(&|line| is_set(line, b"password"))),
        b".git-credentials" => ("saved Git password", first(&is_saved_address)),
        b".pgpass" | b"pgpass.conf" => ("password in .pgpass", first(&is_pgpass)),
        b".dockercfg" => ("Docker login", docker(text)),
        b"config.json" if is_in(path, b".docker") => ("Docker login", docker(text)),
        _ => ("", None),
    };
    if at.is_some() {
        found.insert(kind, at);
    }
    if let Some(at) = text.find_iter("client-key-data:").find(|&at| is_key_data(&text[at + 16..])) {
        found.insert("Kubernetes client key", Some(at));
    }
}

/// Whether `folder` is the one that the file lies in.
fn is_in(path: &BStr, folder: &[u8]) -> bool {
    path.rsplit(|&byte| byte == b'/').nth(1).is_some_and(|name| name == folder)
}

/// Whether the name says that the file is a template or encrypted: `.env.example.local`, `.env.vault`.
fn is_public_env(name: &[u8]) -> bool {
    let is = |part: &[u8]| {
        matches!(
            part,
            b"example"
                | b"examples"
                | b"sample"
                | b"template"
                | b"dist"
                | b"defaults"
                | b"default"
                | b"schema"
                | b"vault"
        )
    };
    name.split(|&byte| byte == b'.').any(is)
}

/// Beginnings of names whose values are built into what every visitor downloads.
const PUBLIC: &[&str] = &["VITE_", "NEXT_PUBLIC_", "NUXT_PUBLIC_", "REACT_APP_", "PUBLIC_", "EXPO_PUBLIC_", "GATSBY_"];

/// Parts of names that say that their value is a secret.
const SECRET: &[&str] = &["KEY", "SECRET", "TOKEN", "PASS", "PWD", "CREDENTIAL", "PRIVATE", "SALT", "DSN", "AUTH"];

/// Values that every project has.
const COMMON: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "development",
    "production",
    "staging",
    "dev",
    "prod",
    "local",
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "trace",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
];

/// Whether a line of a `.env` file gives a variable a value that is worth hiding.
fn is_variable(line: &[u8]) -> bool {
    let line = line.trim();
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let Some((name, value)) = line.split_once_str("=") else { return false };
    let name = name.trim();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    if name.is_empty() || name[0].is_ascii_digit() || !name.iter().all(is_name) {
        return false;
    }
    let value = match value.trim() {
        quoted @ [b'"' | b'\'' | b'`', ..] => unquoted(quoted),
        // A comment begins behind a blank.
        value => value.split_once_str(" #").map_or(value, |(value, _)| value).trim(),
    };
    if value.starts_with(b"#") || is_placeholder(value) {
        return false;
    }
    let name = name.to_ascii_uppercase();
    if PUBLIC.iter().any(|start| name.starts_with(start.as_bytes())) {
        return false;
    }
    let is_plain = value.iter().all(|byte| byte.is_ascii_digit() || b".:".contains(byte))
        || COMMON.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || is_own_address(value);
    !is_plain || SECRET.iter().any(|part| name.contains_str(part)) && !is_own_address(value) && value.len() > 5
}

/// Whether a value is an address on this machine, whatever password it has.
fn is_own_address(value: &[u8]) -> bool {
    value.find(b"://").is_some_and(|at| {
        let host = value[at + 3..].rsplit_once_str("@").map_or(&value[at + 3..], |(_, host)| host);
        [&b"localhost"[..], b"127.", b"0.0.0.0", b"[::1]"].iter().any(|own| host.starts_with(own))
    })
}

/// Where the password of a `.netrc` stands.
fn netrc(text: &[u8]) -> Option<usize> {
    let mut words = text.fields();
    while let Some(word) = words.next() {
        if word == b"password" && words.next().is_some_and(|value| !is_placeholder(unquoted(value))) {
            return Some(offset_in(text, word));
        }
    }
    None
}

/// Whether a line of `.npmrc` holds a token or password.
fn is_npm_token(line: &[u8]) -> bool {
    let line = line.trim();
    let names = |name: &[u8]| [&b"_authToken"[..], b"_auth", b"_password"].iter().any(|end| name.trim().ends_with(end));
    !line.starts_with(b"#")
        && !line.starts_with(b";")
        && line.split_once_str("=").is_some_and(|(name, value)| names(name) && !is_placeholder(unquoted(value)))
}

/// Whether a line sets `name`, with `=` or `:`.
fn is_set(line: &[u8], name: &[u8]) -> bool {
    let Some(rest) = line.trim().strip_prefix(name) else { return false };
    let Some((b'=' | b':', value)) = rest.trim().split_first() else { return false };
    !is_placeholder(unquoted(value))
}

/// Whether a line is an address with a password, as Git's helper saves it.
fn is_saved_address(line: &[u8]) -> bool {
    line.find(b"://").is_some_and(|at| has_password(line, at).is_some())
}

/// Whether a line of `.pgpass` (`host:port:database:user:password`) has a password.
fn is_pgpass(line: &[u8]) -> bool {
    if line.trim().starts_with(b"#") {
        return false;
    }
    line.splitn(5, |&byte| byte == b':').nth(4).is_some_and(|value| !is_placeholder(value))
}

/// Where a Docker configuration keeps a login itself, and not in a helper.
fn docker(text: &[u8]) -> Option<usize> {
    let has = |name: &&str| {
        text.find_iter(name).find(|&at| {
            let Some(value) = text[at + name.len()..].trim_start().strip_prefix(b":") else { return false };
            let Some(value) = value.trim_start().strip_prefix(b"\"") else { return false };
            value.find_byte(b'"').is_some_and(|end| end >= 8 && !is_placeholder(&value[..end]))
        })
    };
    ["\"auth\"", "\"identitytoken\"", "\"registrytoken\""].iter().find_map(has)
}

/// Whether the text behind a name is a long piece of base64.
fn is_key_data(rest: &[u8]) -> bool {
    let value = rest.trim_start_with(|c| matches!(c, ' ' | '\t' | '"'));
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let length = value.iter().take(4096).take_while(is_base64).count();
    length >= 40 && is_random(&value[..length])
}
