use super::*;

/// Reads `text` from `/home/dana` and shows what came of it.
fn read(text: &str) -> Result<Location, LocationError> {
    Location::parse(text, Path::new("/home/dana"))
}

#[track_caller]
fn check(text: &str, shown: &str) {
    let location = read(text).unwrap();
    assert_eq!(location.to_string(), shown);
    assert_eq!(read(shown).unwrap(), location, "what is shown reads back as the same");
}

#[track_caller]
fn refused(text: &str, expected: &LocationError) {
    assert_eq!(&read(text).unwrap_err(), expected, "{text}");
}

#[test]
fn folders_become_absolute_paths() {
    check("/media/stick", "/media/stick");
    check("/media//stick/./x/", "/media/stick/x");
    check("exchange", "/home/dana/exchange");
    check("./a:b", "/home/dana/a:b");
    check("/a:b/c://d", "/a:b/c:/d");
    check("../x", "/home/dana/../x");
    check("Straße mit Leerzeichen", "/home/dana/Straße mit Leerzeichen");
    check("file:///media/a%20b", "/media/a b");
    check("FILE://LocalHost/media", "/media");
    assert!(matches!(read("file:///%ff").unwrap(), Location::Folder(_)), "a path need not be UTF-8");
}

#[test]
fn buckets_have_a_prefix_and_settings() {
    check("s3://carry-box", "s3://carry-box");
    check("S3://carry-box/a/b/", "s3://carry-box/a/b");
    check(
        "s3://box/p?style=path&region=eu-1&endpoint=https://S3.example.org:443/",
        "s3://box/p?endpoint=https://s3.example.org&region=eu-1&style=path",
    );
    check("s3://box?endpoint=http://127.0.0.1:9000", "s3://box?endpoint=http://127.0.0.1:9000");
    check("s3://box?profile=a.b@c+d-1&region=eu", "s3://box?region=eu&profile=a.b@c+d-1");
}

#[test]
fn peers_have_a_server_and_a_path() {
    check("https://Hub.Example.org/", "https://hub.example.org");
    check("https://hub.example.org:8443/a/b", "https://hub.example.org:8443/a/b");
    check("https://[::1]:8443", "https://[::1]:8443");
    check("http://localhost:7000", "http://localhost:7000");
}

#[test]
fn folders_over_webdav_have_a_server_and_a_path_with_any_names() {
    check("dav+https://Cloud.Example.org/", "dav+https://cloud.example.org");
    check("dav+https://c.example.org:443/dav/files/ada/Carry/", "dav+https://c.example.org/dav/files/ada/Carry");
    check("davs://c.example.org/a@b/x y/ä%2B", "dav+https://c.example.org/a%40b/x%20y/%C3%A4%2B");
    check("webdavs://c.example.org/%61", "dav+https://c.example.org/a");
    check("dav+http://127.0.0.1:8080/x", "dav+http://127.0.0.1:8080/x");
    check("dav://[::1]/x", "dav+http://[::1]/x");
    for text in ["dav+http://nas.local/x", "dav://nas/x", "webdav://10.0.0.1"] {
        refused(text, &LocationError::Plain);
    }
    for text in ["dav+https://ada:hunter2@c.example.org/x", "davs://ada@c.example.org/x"] {
        refused(text, &LocationError::Credentials);
    }
    for path in ["a//b", "a/../b", "a/%2e%2e", "a%2Fb", "a%5Cb", "a\\b", "%00", "%ff", "%4", "a/./b", "?x=1", "a#b"] {
        let error = read(&format!("dav+https://c.example.org/{path}")).unwrap_err();
        assert!(matches!(error, LocationError::Address(_)), "{path}: {error:?}");
    }
    assert!(read(&format!("davs://c.example.org/{}", "ä".repeat(400))).is_err());
}

#[test]
fn paths_of_windows_are_named_as_such() {
    for text in ["C:", "C:\\exchange", "c:/exchange", "\\\\server\\share", "file:///C:/exchange"] {
        refused(text, &LocationError::Windows);
    }
    assert!(LocationError::Windows.to_string().contains("mounted here"));
}

#[test]
fn what_belongs_elsewhere_is_refused_with_what_to_write() {
    refused("", &LocationError::Empty);
    refused(&"x".repeat(5000), &LocationError::TooLong);
    refused("a\nb", &LocationError::Control);
    refused("file:///a%00b", &LocationError::Control);
    refused("~/exchange", &LocationError::Tilde);
    refused("host:path", &LocationError::HostAndPath);
    refused("git@host:path/x", &LocationError::HostAndPath);
    for (text, scheme) in [
        ("s3:/bucket/x", "s3"),
        ("s3:bucket", "s3"),
        ("S3//bucket/x", "s3"),
        ("https:hub.example.org", "https"),
        ("http:/localhost", "http"),
        ("file:/media", "file"),
        ("dav+https:/cloud.example.org", "dav+https"),
        ("DAV+HTTP//127.0.0.1:8080/x", "dav+http"),
        ("davs:cloud.example.org", "davs"),
        ("dav:/localhost/x", "dav"),
        ("webdavs//cloud.example.org", "webdavs"),
        ("webdav:localhost", "webdav"),
    ] {
        refused(text, &LocationError::Slashes(scheme));
    }
    check("./s3/x", "/home/dana/s3/x");
    check("s3/x", "/home/dana/s3/x");
    refused("sftp://host/x", &LocationError::Scheme("sftp".into()));
    refused("http://hub.example.org", &LocationError::Plain);
    refused("http://127.0.0.1.example.org", &LocationError::Plain);
    refused("http://localhost.", &LocationError::Plain);
    refused("s3://box?endpoint=http://10.0.0.1", &LocationError::Plain);
    refused("s3://box?colour=red", &LocationError::Setting("colour".into()));
}

#[test]
fn wrong_addresses_say_what_is_wrong() {
    for text in [
        "https://",
        "https:///path",
        "https://a b",
        "https://host:0",
        "https://host:65536",
        "https://host:",
        "https://host:+80",
        "https://[::1",
        "https://[::1]x",
        "https://host/a//b",
        "https://host/../b",
        "https://host/%2e%2e",
        "https://host\\x",
        "https://host/?x",
        "https://-host",
        "s3://",
        "s3://Box",
        "s3://ab",
        "s3://box/a//b",
        "s3://box/../b",
        "s3://box?style=neither",
        "s3://box?profile=",
        "s3://box?profile=a/b",
        "s3://box?region=",
        "s3://box?region=eu&region=us",
        "s3://box?endpoint=s3.example.org",
        "s3://box?endpoint=https://s3.example.org/x",
        "file://host/x",
        "file://",
        "file:///%zz",
        "file:///a?b",
    ] {
        assert!(matches!(read(text), Err(LocationError::Address(_))), "{text}: {:?}", read(text));
    }
}

#[test]
fn credentials_are_refused_and_never_repeated() {
    let word = ["hunter", "2"].concat();
    for text in [
        format!("https://dana:{word}@hub.example.org"),
        format!("https://{word}@hub.example.org"),
        format!("https://hub.example.org?token={word}"),
        format!("https://hub.example.org/#{word}"),
        format!("file://dana:{word}@localhost/x"),
        format!("s3://{word}:x@box"),
        format!("s3://box?secret_key={word}"),
        format!("s3://box?X-Amz-Signature={word}"),
        format!("s3://box?{word}X=1"),
        format!("s3://box?region={word}!"),
        format!("s3://box?endpoint=https://dana:{word}@s3.example.org"),
        format!("s3://box?style={word}"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&word), "{text}: {error:?}");
    }
    refused("https://dana@hub.example.org", &LocationError::Credentials);
}

#[test]
fn no_text_breaks_the_reader() {
    let parts = [
        "s3://", "https://", "file://", "@", ":", "/", "?", "#", "%", "[", "]", "=", "&", "..", "a", "é", "\\", "~",
        "C",
    ];
    for a in parts {
        for b in parts {
            for c in parts {
                for d in parts {
                    let text = [a, b, c, d].concat();
                    if let Ok(location) = read(&text) {
                        assert_eq!(read(&location.to_string()), Ok(location), "{text}");
                    }
                }
            }
        }
    }
}
