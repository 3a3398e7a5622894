use super::*;
use crate::gate::Gate;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn busy_status() -> Status {
    Status {
        last_success: Some(at(5)),
        last_failure: Some(at(7)),
        reason: Some(Reason::Unreachable),
        message: Some("The disk is not there.".into()),
        consecutive_failures: 3,
        backoff_until: Some(at(99)),
        dirty: true,
        gates: vec![Gate::Eco { percent: 15 }, Gate::Offline],
        cycles: 4,
        failures: 5,
        panics: 1,
        ..Status::new(Phase::Working("scan".into()))
    }
}

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    (dir, home)
}

#[test]
fn what_was_published_is_read_back_from_another_handle() {
    let (_dir, home) = home();
    let mut board = StatusBoard::open(&home).unwrap();
    board.publish("code/b", &busy_status(), 42, at(1)).unwrap();
    board.publish("code/a", &Status::new(Phase::Idle), 42, at(2)).unwrap();
    board.publish("code/b", &busy_status(), 43, at(3)).unwrap();
    let reader = StatusBoard::open_read_only(&home).unwrap().unwrap();
    let row = |worker: &str, pid, updated, status| Row { worker: worker.into(), updated, pid, status };
    assert_eq!(
        reader.rows().unwrap(),
        [row("code/a", 42, at(2), Status::new(Phase::Idle)), row("code/b", 43, at(3), busy_status())]
    );
    board.remove("code/a").unwrap();
    board.remove("code/a").unwrap();
    assert_eq!(reader.rows().unwrap().len(), 1, "a reader sees what was written after it opened");
}

#[test]
fn without_a_board_there_is_nothing_to_read_and_nothing_is_made() {
    let (_dir, home) = home();
    assert!(StatusBoard::open_read_only(&home).unwrap().is_none());
    assert!(!home.kernel_database().exists());
}

#[test]
fn every_phase_survives_the_journey() {
    let (_dir, home) = home();
    let mut board = StatusBoard::open(&home).unwrap();
    for phase in [
        Phase::Idle,
        Phase::Working("scan".into()),
        Phase::Failed(String::new()),
        Phase::Backoff,
        Phase::Healthy,
        Phase::Paused,
        Phase::Disabled,
    ] {
        board.publish("w", &Status::new(phase.clone()), 1, at(0)).unwrap();
        assert_eq!(board.rows().unwrap()[0].status.phase, phase);
    }
}

#[test]
fn the_json_of_a_row_is_as_documented() {
    let text = serde_json::to_string(&busy_status()).unwrap();
    assert_eq!(
        text,
        r#"{"phase":"working","step":"scan","last_success":5000,"last_failure":7000,"reason":"unreachable","#
            .to_owned()
            + r#""message":"The disk is not there.","consecutive_failures":3,"backoff_until":99000,"dirty":true,"#
            + r#""gates":[{"eco":{"percent":15}},"offline"],"cycles":4,"failures":5,"panics":1}"#
    );
}

#[test]
fn a_row_of_another_version_does_not_hide_the_rest() {
    let (_dir, home) = home();
    let mut board = StatusBoard::open(&home).unwrap();
    board.publish("a", &Status::new(Phase::Healthy), 1, at(0)).unwrap();
    board
        .db
        .write(|tx| {
            tx.execute("INSERT INTO worker_status VALUES ('b', 0, 1, '{\"phase\":\"dreaming\"}')", [])
                .map_err(|source| DbError::Sqlite { path: home.kernel_database(), source })
        })
        .unwrap();
    let rows = board.rows().unwrap();
    assert_eq!(rows[0].status.phase, Phase::Healthy);
    assert_eq!(rows[1].status.reason, Some(Reason::InvalidData));
}
