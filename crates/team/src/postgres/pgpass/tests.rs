use super::*;

const FILE: &str = "# db.example.org:5432:team:ada:comment\n\
    \n\
    half:a:line\n\
    other.example.org:*:*:*:of-the-other\n\
    DB.example.org:5433:team:ada:of-the-port\n\
    db.example.org:*:team:ada:pass\\:wo\\\\rd:rest\n\
    db.example.org:5432:*:bob:of-bob\n\
    localhost:5432:*:*:of-the-socket\n\
    /srv/pg:*:*:*:of-the-folder\n\
    \\:\\:1:5432:team:*:of-the-address\n\
    empty.example.org:*:*:*:\n";

fn find_for(host: Host, port: u16, database: Option<&str>, user: Option<&str>) -> Option<String> {
    find(FILE, Login { host: &host, port, database, user }).map(|Secret(password)| password)
}

#[test]
fn the_first_line_that_fits_gives_the_password() {
    let tcp = |name: &str| Host::Tcp(name.to_owned());
    let of = |host, port, database, user| find_for(host, port, Some(database), Some(user));
    assert_eq!(of(tcp("db.example.org"), 5432, "team", "ada").unwrap(), "pass:wo\\rd");
    assert_eq!(of(tcp("db.example.org"), 5433, "team", "ada").unwrap(), "of-the-port");
    assert_eq!(of(tcp("db.example.org"), 5432, "x", "bob").unwrap(), "of-bob");
    assert_eq!(of(tcp("db.example.org"), 5432, "x", "ada"), None);
    assert_eq!(of(tcp("other.example.org"), 1, "x", "y").unwrap(), "of-the-other");
    assert_eq!(of(tcp("::1"), 5432, "team", "ada").unwrap(), "of-the-address");
    assert_eq!(of(Host::Unix("/run/postgresql".into()), 5432, "x", "y").unwrap(), "of-the-socket");
    assert_eq!(of(Host::Unix("/srv/pg".into()), 1, "x", "y").unwrap(), "of-the-folder");
    assert_eq!(of(tcp("empty.example.org"), 1, "x", "y"), None);
}

#[test]
fn a_name_that_nobody_said_is_only_fit_by_any() {
    assert_eq!(find_for(Host::Tcp("other.example.org".into()), 1, None, None).unwrap(), "of-the-other");
    assert_eq!(find_for(Host::Tcp("db.example.org".into()), 5432, None, None), None);
    assert_eq!(find_for(Host::Tcp("db.example.org".into()), 5432, None, Some("bob")).unwrap(), "of-bob");
}

#[test]
fn no_file_is_too_odd() {
    let host = Host::Tcp("h".to_owned());
    for text in ["", "\\", ":::::::", "\\:\\:\\:\\:", "*:*:*:*", "*:*:*:*:", "\u{0}:\r\n"] {
        assert_eq!(find(text, Login { host: &host, port: 1, database: None, user: None }), None, "{text:?}");
    }
}
