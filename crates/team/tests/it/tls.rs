//! Getting in: passwords, certificates, sockets, several hosts.

use std::sync::OnceLock;

use carry_team::postgres::Postgres;
use carry_team::settings::{Address, Password, Secret};
use carry_team::sink::{Class, SinkError};
use carry_testkit::postgres::{ADMIN, Authority, CERTIFIED, Options, PASSWORD, Server, shared};

use crate::rig::settings;

/// Tries to get in; the error must not hold the password.
fn attempt(url: &str) -> Result<(), SinkError> {
    let done = Postgres::new(&settings(url)).init().map(|_| ());
    if let Err(error) = &done {
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    }
    done
}

fn class(url: &str) -> Option<Class> {
    attempt(url).err().map(|error| error.class)
}

#[test]
fn a_certificate_is_verified_against_the_authority_and_the_name() {
    let database = shared().database();
    let base = shared().admin_url(&database);
    let root = shared().root_certificate().display().to_string();
    let by_name = base.replace("127.0.0.1", "localhost");
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(class(&format!("{base}?sslmode={mode}&sslrootcert={root}")), None, "{mode}");
        assert_eq!(class(&format!("{by_name}?sslmode={mode}&sslrootcert={root}")), None, "{mode}");
        // An authority that this machine does not know, and one that is not the server's.
        assert_eq!(class(&format!("{base}?sslmode={mode}")), Some(Class::AuthRequired), "{mode}");
        let dir = tempfile::tempdir().unwrap();
        let (other, _) = Authority::new().client("x").write(dir.path(), "other");
        let error = attempt(&format!("{base}?sslmode={mode}&sslrootcert={}", other.display())).unwrap_err();
        assert_eq!(error.class, Class::AuthRequired, "{mode}: {error}");
        assert!(error.hint.unwrap().contains("sslrootcert"));
    }
    assert!(shared().log().contains("SSL enabled"));
}

/// A server whose certificate is for 127.0.0.1, reached as 127.0.0.2.
#[test]
fn only_verify_ca_takes_a_certificate_for_another_name() {
    let database = shared().database();
    let root = shared().root_certificate().display().to_string();
    // The whole of 127.0.0.0/8 is this machine; the server listens at the first address, so a proxy stands at another.
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = shared().address();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), std::net::TcpStream::connect(target).unwrap());
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
    });
    let url = shared().admin_url(&database).replace(&format!("127.0.0.1:{}", shared().port()), &address.to_string());
    assert_eq!(class(&format!("{url}?sslmode=verify-ca&sslrootcert={root}")), None);
    for mode in ["require", "verify-full"] {
        assert_eq!(class(&format!("{url}?sslmode={mode}&sslrootcert={root}")), Some(Class::AuthRequired));
    }
}

#[test]
fn a_client_certificate_gets_its_user_in() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        shared().admin("postgres", &format!("CREATE ROLE {CERTIFIED} LOGIN SUPERUSER"));
    });
    let database = shared().database();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = shared().authority().client(CERTIFIED).write(dir.path(), "ours");
    let root = shared().root_certificate();
    let url = |certificate: &std::path::Path, key: &std::path::Path| {
        format!(
            "postgres://{CERTIFIED}@localhost:{}/{database}?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            shared().port(),
            root.display(),
            certificate.display(),
            key.display()
        )
    };
    assert_eq!(class(&url(&certificate, &key)), None);
    let (other, other_key) = Authority::new().client(CERTIFIED).write(dir.path(), "other");
    assert!(attempt(&url(&other, &other_key)).is_err());
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let error = attempt(&url(&certificate, &key)).unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.hint.unwrap().contains("chmod 600"));
}

#[test]
fn a_wrong_password_user_or_database_is_said_and_waits() {
    let database = shared().database();
    let error = attempt(&shared().url(ADMIN, "s3cret-wrong", &database)).unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.message.contains("password authentication failed"), "{error}");
    assert_eq!(class(&shared().url("nobody_known", "s3cret", &database)), Some(Class::AuthRequired));
    assert_eq!(class(&shared().url(ADMIN, PASSWORD, "no_such_database")), Some(Class::Forbidden));
    let without = format!("postgres://{ADMIN}@127.0.0.1:{}/{database}", shared().port());
    assert_eq!(class(&without), Some(Class::AuthRequired));
    let mut store = settings(&without);
    store.password = Password { environment: Some(Secret(PASSWORD.to_owned())), ..Password::default() };
    Postgres::new(&store).init().unwrap();
    store.password = Password { command: Some(format!("echo '{PASSWORD}'")), ..Password::default() };
    Postgres::new(&store).init().unwrap();
    // The file of passwords by host comes last, and must be for nobody else.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pgpass");
    let line = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let text = format!("*:1:*:*:of-another\n127.0.0.1:{}:{database}:{ADMIN}:{line}\n", shared().port());
    carry_kernel::disk::write_atomic(&path, text.as_bytes()).unwrap();
    store.password = Password { by_host: Some(path.clone()), ..Password::default() };
    Postgres::new(&store).init().unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let error = Postgres::new(&store).init().unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.hint.unwrap().contains("chmod 600"));
    // A server that needs none of it is not held up by that.
    store.address = Address::Url(shared().admin_url(&database));
    Postgres::new(&store).init().unwrap();
    store.password = Password { command: Some(format!("echo '{PASSWORD}'")), ..Password::default() };
    assert!(!format!("{store:?}").contains("s3cret/word@1") || store.password.command.is_some());
}

#[test]
fn the_address_may_stand_in_a_file_and_name_a_socket() {
    let database = shared().database();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("url");
    let socket = shared().socket().display().to_string();
    let text = format!("host={socket} port={} user={ADMIN} password='{PASSWORD}' dbname={database}\n", shared().port());
    carry_kernel::disk::write_atomic(&path, text.as_bytes()).unwrap();
    let mut store = settings("");
    store.address = Address::File(path.clone());
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Postgres::new(&store).init().unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(Postgres::new(&store).init().unwrap_err().class, Class::AuthRequired);
}

#[test]
fn of_several_hosts_the_first_that_answers_is_taken() {
    let database = shared().database();
    // Nobody listens at that port, and no other test is given it.
    let free = "127.0.0.1:1";
    let port = shared().port();
    let url = |hosts: &str| shared().admin_url(&database).replace(&format!("127.0.0.1:{port}"), hosts);
    assert_eq!(class(&url(&format!("{free},127.0.0.1:{port}"))), None);
    assert_eq!(class(&url(free)), Some(Class::Unreachable));
    assert_eq!(class(&url("no-such-host.invalid:1")), Some(Class::Unreachable));
    // A server that can only be read will not do, when another would.
    shared().admin("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    let both = url(&format!("127.0.0.1:{port}"));
    assert_eq!(class(&format!("{both}?target_session_attrs=read-write")), Some(Class::Full));
}

#[test]
fn another_machine_is_not_spoken_to_in_the_clear() {
    let error = attempt("postgres://ann:s3cret@db.example.com/x?sslmode=disable").unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.hint.unwrap().contains("team.allow_insecure"));
}

#[test]
fn a_server_without_tls_is_not_taken_for_one_that_has_it() {
    let server = Server::start_with(&Options { is_plain: true, is_unsafe: true, ..Options::default() });
    let url = server.admin_url("postgres");
    let root = server.root_certificate().display().to_string();
    let error = attempt(&format!("{url}?sslmode=require&sslrootcert={root}")).unwrap_err();
    assert_eq!(error.class, Class::AuthRequired);
    assert!(error.hint.unwrap().contains("TLS"));
    assert_eq!(class(&url), None);
}
