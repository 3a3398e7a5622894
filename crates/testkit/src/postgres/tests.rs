use super::*;

#[test]
fn a_server_keeps_what_was_committed_when_it_is_killed() {
    let mut server = Server::new();
    let database = server.database();
    server.admin(&database, "CREATE TABLE t (a text); INSERT INTO t VALUES ('kept-by-the-server')");
    let port = server.port();
    server.kill();
    assert!(std::net::TcpStream::connect(server.address()).is_err());
    server.start();
    assert_eq!(server.port(), port);
    assert_eq!(server.admin(&database, "SELECT a FROM t"), "kept-by-the-server");
    let found = server.grep("kept-by-the-server");
    assert!(found.iter().any(|path| path.ends_with("log")), "{found:?}");
    assert!(found.iter().any(|path| path.to_string_lossy().contains("/base/")), "{found:?}");
    assert!(found.iter().any(|path| path.to_string_lossy().contains("/pg_wal/")), "{found:?}");
    assert_eq!(server.grep("never-said-to-it"), Vec::<PathBuf>::new());
    let any = server.grep_any(&["never-said-to-it".to_owned(), "KEPT-by-the-SERVER".to_owned()]);
    assert!(found.iter().all(|path| any.iter().any(|(other, needle)| other == path && needle.starts_with("KEPT"))));
    assert!(server.dump(&database).contains("kept-by-the-server"));
}

#[test]
fn a_server_ends_with_the_pipe_that_we_hold() {
    let mut server = Server::start_with(&Options { is_unsafe: true, ..Options::default() });
    let folder = server.folder.path().to_owned();
    let mut guard = server.guard.take().expect("it runs");
    // As when this process is killed: the end of the pipe, and no line before it.
    drop(guard.shell.stdin.take());
    guard.shell.wait().expect("the shell ends");
    assert!(!processes::is_running(guard.server));
    assert!(!folder.exists());
}

#[test]
fn a_wrong_password_does_not_get_in() {
    let role = shared().role("");
    assert!(shared().psql(&role, PASSWORD, "postgres", "SELECT 1").status.success());
    assert!(!shared().psql(&role, "other", "postgres", "SELECT 1").status.success());
}
