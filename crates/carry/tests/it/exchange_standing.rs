//! How an exchange is told of: each remote when it is done.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use carry_testkit::dav;

use crate::exchange::device;

#[test]
fn what_came_of_a_remote_is_told_while_another_hangs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = dav::Dav::start();
    server.set(dav::Quirks { is_open: true, ..dav::Quirks::default() });
    server.plant("/dav/keep", b"");
    let world = device(&folder);
    world.ok(&["remote", "add", "cloud", &format!("dav+http://{}/dav/e", server.address()), "--no-code", "--yes"]);
    server.fail("/dav/e/carry/l", u32::MAX, dav::Fault::Silence);
    for (arguments, said) in
        [(&["exchange"][..], "nas: "), (&["exchange", "--json"], "{\"type\":\"exchange\",\"remote\":\"nas\"")]
    {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.home());
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let line = BufReader::new(child.stdout.take().expect("a pipe")).lines().next().expect("a line").expect("text");
        assert!(line.starts_with(said), "{line}");
        child.kill().expect("it runs: the other remote hangs");
        let noted = child.wait_with_output().expect("it ends").stderr;
        let noted = String::from_utf8_lossy(&noted);
        assert!(!noted.contains("Still waiting"), "it did not wait for the other: {noted}");
    }
}
