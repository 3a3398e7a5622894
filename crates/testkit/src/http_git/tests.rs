//! The server against Git itself.

use std::io::{Read as _, Write as _};

use super::*;
use crate::git;
use crate::patience;
use crate::repo::TestRepo;

/// A repository with a clone's way to the server, and an empty bare one to push to.
fn rig() -> (TestRepo, HttpGit) {
    let repo = TestRepo::new();
    repo.write("a.txt", "one\n").commit_all("first");
    let served = repo.base().join("served");
    repo.git(["init", "--quiet", "--bare", "--initial-branch=main", &served.join("a.git").display().to_string()]);
    let server = HttpGit::start(&served);
    (repo, server)
}

#[test]
fn git_pushes_and_fetches_with_a_password() {
    let (repo, server) = rig();
    repo.git(["push", "--quiet", &server.url_with_password("a.git"), "main"]);
    let there = repo.git(["ls-remote", &server.url_with_password("a.git"), "refs/heads/main"]);
    assert!(there.starts_with(&repo.id("HEAD")), "{there}");
    assert!(server.bytes_in() > 0 && server.bytes_out() > 0);
    assert!(server.log().iter().any(|line| line == "POST /a.git/git-receive-pack 200 OK"), "{:?}", server.log());
}

#[test]
fn a_credential_helper_is_enough_and_nothing_is_not() {
    let (repo, server) = rig();
    assert!(!repo.try_git(["push", &server.url("a.git"), "main"]).status.success());
    repo.git(["config", "credential.helper", &HttpGit::credential_helper()]);
    repo.git(["push", "--quiet", &server.url("a.git"), "main"]);
}

#[test]
fn large_bodies_come_in_chunks_and_small_ones_compressed() {
    let (repo, server) = rig();
    let mut rng = crate::rng::Rng::new(5);
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).take(300_000).flatten().collect();
    repo.write("noise.bin", &noise).commit_all("large");
    // Beyond `http.postBuffer` (1 MiB) Git sends chunks, after a probe of its own.
    repo.git(["push", "--quiet", &server.url_with_password("a.git"), "main"]);
    assert!(server.bytes_in() > 2_400_000, "{}", server.bytes_in());
    for n in 0..60 {
        repo.git(["branch", &format!("b{n}")]);
        repo.write("a.txt", format!("{n}\n")).commit_all("more");
    }
    // Many haves make a request that Git compresses.
    let clone = repo.base().join("clone");
    repo.git(["clone", "--quiet", &server.url_with_password("a.git"), &clone.display().to_string()]);
    assert_eq!(git::read(&clone, ["rev-parse", "HEAD:noise.bin"]), repo.id("HEAD:noise.bin"));
    repo.git(["push", "--quiet", "--all", &server.url_with_password("a.git")]);
    let clone = repo.at(&clone);
    clone.write("own.txt", "own\n").commit_all("own");
    clone.git(["fetch", "--quiet", "origin"]);
    assert_eq!(clone.id("origin/main"), repo.id("main"));
    for how in ["git-receive-pack 200 OK chunked", "git-upload-pack 200 OK gzip"] {
        assert!(server.log().iter().any(|line| line.ends_with(how)), "{how}: {:?}", server.log());
    }
}

#[test]
fn it_refuses_when_told_to() {
    let (repo, server) = rig();
    for (refusal, word) in [(Refusal::Unauthorized, "401"), (Refusal::Forbidden, "403"), (Refusal::Unavailable, "503")]
    {
        server.refuse(Some(refusal));
        assert!(!repo.try_git(["ls-remote", &server.url_with_password("a.git")]).status.success());
        // The line is written behind the answer.
        patience::until("the refusal is noted", || server.log().last().is_some_and(|line| line.contains(word)));
    }
    server.heal();
    repo.git(["ls-remote", &server.url_with_password("a.git")]);
}

#[test]
fn a_cut_push_leaves_the_repository_as_it_was() {
    let (repo, server) = rig();
    repo.git(["push", "--quiet", &server.url_with_password("a.git"), "main"]);
    let before = repo.id("HEAD");
    let noise: String = (0..20_000).map(|n| format!("{n} {}\n", n * 7919 % 104_729)).collect();
    repo.write("more.txt", noise).commit_all("more");
    server.cut_after(5_000);
    assert!(!repo.try_git(["push", &server.url_with_password("a.git"), "main"]).status.success());
    server.heal();
    let there = repo.git(["ls-remote", &server.url_with_password("a.git"), "refs/heads/main"]);
    assert!(there.starts_with(&before), "{there}");
    repo.git(["push", "--quiet", &server.url_with_password("a.git"), "main"]);
}

/// Processes that serve what lies below `root`. What runs is told by its environment, which its children have too.
fn backends(root: &Path) -> usize {
    let wanted = format!("GIT_PROJECT_ROOT={}", root.display());
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let environments = processes.filter_map(|process| std::fs::read(process.path().join("environ")).ok());
    environments.filter(|all| all.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())).count()
}

#[test]
fn a_push_that_breaks_off_leaves_no_process() {
    let (repo, server) = rig();
    let authorization = base64(format!("{USER}:{PASSWORD}").as_bytes());
    for body in ["Content-Length: 1000000\r\n\r\n0000", "Transfer-Encoding: chunked\r\n\r\nffff\r\n0000"] {
        let mut client = TcpStream::connect(server.host()).unwrap();
        client.set_read_timeout(Some(patience::DEADLINE)).unwrap();
        let head = "POST /a.git/git-receive-pack HTTP/1.1\r\nContent-Type: application/x-git-receive-pack-request\r\n";
        client.write_all(format!("{head}Authorization: Basic {authorization}\r\n{body}").as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "half a body has no answer");
        assert_eq!(backends(&repo.base().join("served")), 0);
    }
}

#[test]
fn it_stops_and_comes_back_on_the_same_port() {
    let (repo, mut server) = rig();
    let url = server.url_with_password("a.git");
    server.stop();
    assert!(!repo.try_git(["ls-remote", &url]).status.success());
    server.resume();
    repo.git(["ls-remote", &url]);
    assert_eq!(url, server.url_with_password("a.git"));
}

#[test]
fn base64_is_that_of_the_standard() {
    let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
    let wanted = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
    assert_eq!(texts.map(|text| base64(text.as_bytes())), wanted);
}
