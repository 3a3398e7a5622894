use proptest::prelude::*;

use super::*;

fn tcp(name: &str, port: u16) -> (Host, u16) {
    (Host::Tcp(name.to_owned()), port)
}

#[test]
fn a_url_is_taken_apart() {
    let target = Target::parse(
        "postgres://ann%40x:p%2Fw@db.example.com:6432/te%20am?sslmode=verify-ca&sslrootcert=/ca.pem&application_name=me&target_session_attrs=read-write&connect_timeout=3",
    )
    .unwrap();
    assert_eq!(target.hosts, [tcp("db.example.com", 6432)]);
    assert_eq!(target.user.as_deref(), Some("ann@x"));
    assert_eq!(target.password, Some(Secret("p/w".to_owned())));
    assert_eq!(target.database.as_deref(), Some("te am"));
    assert_eq!(target.tls.mode, Some(TlsMode::VerifyCa));
    assert_eq!(target.tls.roots, Some(PathBuf::from("/ca.pem")));
    assert_eq!((target.application.as_deref(), target.wants), (Some("me"), Some(Wants::ReadWrite)));
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(3)));
}

#[test]
fn several_hosts_sockets_and_addresses_are_understood() {
    let hosts = |text: &str| Target::parse(text).unwrap().hosts;
    assert_eq!(hosts("postgresql://a,b:5433,[::1]:5434/x"), [tcp("a", 5432), tcp("b", 5433), tcp("::1", 5434)]);
    let socket = [(Host::Unix(PathBuf::from("/run/postgresql")), 5432)];
    assert_eq!(hosts("postgres://%2Frun%2Fpostgresql/x"), socket);
    assert_eq!(hosts("postgres:///x?host=/run/postgresql"), socket);
    assert_eq!(hosts("host=/run/postgresql dbname=x"), socket);
    assert_eq!(hosts("host=a,b port=1,2"), [tcp("a", 1), tcp("b", 2)]);
    assert_eq!(hosts("host=a,b port=7"), [tcp("a", 7), tcp("b", 7)]);
}

#[test]
fn words_may_be_quoted() {
    let target = Target::parse(r"host = h user='an\'n' password='a b\\' dbname=d\ e").unwrap();
    assert_eq!(target.user.as_deref(), Some("an'n"));
    assert_eq!(target.password, Some(Secret(r"a b\".to_owned())));
    assert_eq!(target.database.as_deref(), Some("d e"));
}

#[test]
fn only_this_machine_is_here() {
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"] {
        assert!(Host::Tcp(name.to_owned()).is_here(), "{name}");
    }
    for name in ["localhost.example.com", "10.0.0.1", "::", "0.0.0.0", "127.0.0.1.example.com", "db"] {
        assert!(!Host::Tcp(name.to_owned()).is_here(), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said_without_values() {
    let password = "hunter2hunter2";
    for text in [
        format!("postgres://ann:{password}/x@h/d"),
        format!("postgres://ann:{password}%zz@h/d"),
        format!("postgres://ann:{password}?x@h/d"),
        format!("postgres://ann:1{password}"),
        format!("postgres://h/d?{password}=x"),
        format!("postgres://h/d?sslmode={password}"),
        format!("postgres://h/d?target_session_attrs={password}"),
        format!("postgres://h/d?connect_timeout={password}"),
        format!("host=h password='{password}"),
        format!("host=h {password}"),
        format!("mysql://ann:{password}@h/d"),
        format!("postgres://ann:{password}@/d"),
        format!("postgres://ann:{password}@h/d?sslcert=x"),
    ] {
        let error = Target::parse(&text).unwrap_err();
        assert_eq!(error.class, Class::Unsupported, "{text}");
        assert!(!format!("{error:?} {error}").contains(password), "{text}: {error:?}");
    }
    let target = Target::parse(&format!("postgres://ann:{password}@h/d")).unwrap();
    assert!(!format!("{target:?}").contains(password));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", head in "(postgres://)?") {
        let _ = Target::parse(&format!("{head}{text}"));
    }
}

#[test]
fn a_store_is_here_when_all_of_its_hosts_are() {
    let is_here = |text: &str| Target::parse(text).unwrap().is_here();
    for here in
        ["postgres://me@localhost/x", "postgres://127.0.0.1:5433,[::1]/x", "postgres://%2Frun%2Fpg/x", "host=localhost"]
    {
        assert!(is_here(here), "{here}");
    }
    for far in
        ["postgres://localhost@db.example.org/x", "postgres://localhost.example.org/x", "postgres://localhost,far/x"]
    {
        assert!(!is_here(far), "{far}");
    }
}
