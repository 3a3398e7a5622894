use std::os::unix::net::UnixListener;

use carry_kernel::id::TreeId;

use super::*;

#[test]
fn nobody_there_is_not_running() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let ask = || Remote::new(&home).ask(&Request::Status, &mut |_| {}).unwrap_err();
    assert!(matches!(ask(), HandleError::NotRunning));
    // A socket that a killed daemon left behind.
    carry_kernel::disk::create_dir(home.state_dir()).unwrap();
    drop(UnixListener::bind(home.socket()).unwrap());
    assert!(matches!(ask(), HandleError::NotRunning));
}

#[test]
fn a_path_that_is_too_long_and_has_no_pointer_is_not_running() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("a-long-name".repeat(12)));
    assert!(matches!(Remote::new(&home).ask(&Request::Stop, &mut |_| {}), Err(HandleError::NotRunning)));
}

/// Answers one question with these bytes.
fn answering(bytes: Vec<u8>) -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    carry_kernel::disk::create_dir(home.state_dir()).unwrap();
    let listener = UnixListener::bind(home.socket()).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream);
        read_line(&mut lines).unwrap();
        // The other side may hang up first.
        let _ = (&stream).write_all(&bytes);
    });
    (dir, home)
}

#[test]
fn progress_comes_before_the_answer() {
    let tree: TreeId = "5f3a09bc11de".parse().unwrap();
    let step = Answer::Progress { tree, step: "looking".to_owned(), done: 1, total: 2 };
    let (_dir, home) = answering([line(&step), line(&step), line(&Answer::Done)].concat());
    let mut seen = Vec::new();
    let answer = Remote::new(&home).ask(&Request::Reload, &mut |step| seen.push(step.clone())).unwrap();
    assert_eq!((answer, seen), (Answer::Done, vec![step.clone(), step]));
}

#[test]
fn nonsense_half_an_answer_and_too_much_are_broken() {
    for bytes in [b"{\"answer\":\"what\"}\n".to_vec(), b"{\"answ".to_vec(), Vec::new(), vec![b'x'; 3 << 20]] {
        let (_dir, home) = answering(bytes);
        let error = Remote::new(&home).ask(&Request::Reload, &mut |_| {}).unwrap_err();
        assert!(matches!(error, HandleError::Broken(_)), "{error:?}");
    }
}

#[test]
fn the_words_on_the_wire_stay() {
    let tree: TreeId = "5f3a09bc11de".parse().unwrap();
    let ask = Request::Capture { trees: vec![tree], watched: true };
    assert_eq!(line(&ask), b"{\"request\":\"capture\",\"trees\":[\"5f3a09bc11de\"],\"watched\":true}\n");
    assert_eq!(line(&Answer::Done), b"{\"answer\":\"done\"}\n");
}
