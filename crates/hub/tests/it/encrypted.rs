//! A server with a certificate.

use std::path::{Path, PathBuf};

use carry_exchange::location::Origin;
use carry_exchange::remote::{Class, Deadline, PeerRemote, Put, Remote as _, RemoteError, Source, Token};
use carry_hub::run::{self, ServeError};
use carry_kernel::clock::Timestamp;
use tempfile::TempDir;

use crate::hub::{Hub, peer_at, published};
use crate::rig::{WHOLE, get};

/// A certificate for these names, and its key.
fn certificate(dir: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    carry_kernel::disk::write_cache(&certificate, made.cert.pem().as_bytes()).unwrap();
    carry_kernel::disk::write_atomic(&key, made.signing_key.serialize_pem().as_bytes()).unwrap();
    (certificate, key)
}

fn encrypted(hub: &Hub, token: &str, host: &str, ca: Option<&Path>) -> PeerRemote {
    let origin = Origin { is_encrypted: true, host: host.to_owned(), port: Some(hub.address().port()) };
    PeerRemote::new(&origin, "", &Token::new(token).unwrap(), ca).unwrap()
}

fn cause(error: &RemoteError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[test]
fn who_has_the_certificate_gets_in_and_others_hear_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let pair = certificate(dir.path(), "hub", &["localhost"]);
    let hub = Hub::with(|setup| {
        setup.tls = Some(pair.clone());
        // All of this machine's addresses: what is sent is encrypted.
        setup.listen = "0.0.0.0:0".parse().unwrap();
    });
    let token = hub.token("laptop");
    let peer = encrypted(&hub, &token, "localhost", Some(&pair.0));
    for object in published(1, 30, 50_000) {
        let put = peer.put(&object.file(), Source::Bytes(&object.bytes), &Deadline::NONE).unwrap();
        assert_eq!(put, Put::Created);
        assert!(
            get(&peer, &object.file(), carry_exchange::remote::Part::Whole { bytes_max: 1 << 30 }).unwrap().0
                == object.bytes
        );
    }
    let stranger = encrypted(&hub, &token, "localhost", None).check(&Deadline::NONE).unwrap_err();
    assert_eq!(stranger.class(), Class::Untrusted);
    assert!(cause(&stranger).contains("signed by nobody this machine trusts"), "{}", cause(&stranger));
    let other = certificate(dir.path(), "other", &["localhost"]);
    let wrong = encrypted(&hub, &token, "localhost", Some(&other.0)).check(&Deadline::NONE).unwrap_err();
    assert!(cause(&wrong).contains("certificate"), "{}", cause(&wrong));
    let named = encrypted(&hub, &token, "127.0.0.1", Some(&pair.0)).check(&Deadline::NONE).unwrap_err();
    assert!(cause(&named).contains("for another name"), "{}", cause(&named));
    let plain = peer_at(hub.address(), &token).check(&Deadline::NONE).unwrap_err();
    assert_eq!(plain.class(), Class::Unreachable, "{plain:?}");
    let plain_hub = Hub::new();
    let not_tls = encrypted(&plain_hub, &token, "localhost", None).check(&Deadline::NONE).unwrap_err();
    assert!(cause(&not_tls).contains("does not speak TLS"), "{}", cause(&not_tls));
    let missing =
        get(&peer, &carry_exchange::remote::RemoteFile::new(carry_exchange::name::Folder::Heads, "x").unwrap(), WHOLE);
    assert_eq!(missing.unwrap_err().class(), Class::NotThere);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let (certificate_file, key) = certificate(dir.path(), "hub", &["localhost"]);
    let (_, other_key) = certificate(dir.path(), "other", &["localhost"]);
    let hub = Hub::new();
    let fails = |certificate: &Path, key: &Path| {
        let mut setup = hub.setup.clone();
        setup.tls = Some((certificate.to_owned(), key.to_owned()));
        match run::start(&setup, Timestamp::EPOCH) {
            Err(ServeError::Tls(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert!(fails(&key, &key).contains("no certificate"));
    assert!(fails(&certificate_file, &certificate_file).contains("no private key"));
    assert!(fails(&certificate_file, &other_key).contains("cannot be used"), "they do not fit");
    assert!(fails(&dir.path().join("missing"), &key).contains("missing"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(fails(&certificate_file, &key).contains("hub.key"));
}
