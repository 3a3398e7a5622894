use super::*;

#[test]
fn another_machine_is_spoken_to_in_the_clear_only_if_that_is_allowed() {
    let far = Host::Tcp("db.example.com".to_owned());
    let near = Host::Tcp("127.0.0.1".to_owned());
    let socket = Host::Unix("/run/postgresql".into());
    let named = Security::Encrypted { for_name: true };
    for (host, mode, allowed, expected) in [
        (&far, None, false, Some(named)),
        (&far, Some(TlsMode::Prefer), false, Some(named)),
        (&far, Some(TlsMode::Require), false, Some(named)),
        (&far, Some(TlsMode::VerifyCa), false, Some(Security::Encrypted { for_name: false })),
        (&far, Some(TlsMode::Disable), false, None),
        (&far, Some(TlsMode::Disable), true, Some(Security::Plain)),
        (&far, None, true, Some(Security::IfOffered)),
        (&far, Some(TlsMode::Require), true, Some(named)),
        (&near, None, false, Some(Security::Plain)),
        (&near, Some(TlsMode::Disable), false, Some(Security::Plain)),
        (&near, Some(TlsMode::Require), false, Some(named)),
        (&socket, Some(TlsMode::Require), false, Some(Security::Plain)),
    ] {
        let found = Security::of(host, mode, allowed);
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{host} {mode:?} {allowed}");
        if let Err(error) = found {
            assert_eq!(error.class, Class::AuthRequired);
            assert!(error.hint.unwrap().contains("team.allow_insecure"));
        }
    }
}

#[test]
fn files_that_hold_no_certificates_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let tls = Tls { roots: Some(path.clone()), ..Tls::default() };
    let encrypted = Security::Encrypted { for_name: true };
    assert_eq!(config(&tls, encrypted).unwrap_err().class, Class::AuthRequired);
    for text in [&b""[..], b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        disk::write_atomic(&path, text).unwrap();
        assert_eq!(config(&tls, encrypted).unwrap_err().class, Class::AuthRequired);
    }
}
