//! Running a program that may hang.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::ServiceError;

/// What a command printed, and whether it exited with 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) ok: bool,
    pub(super) out: String,
    pub(super) err: String,
}

/// How often we look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Most bytes read of what it prints: a pipe holds as much without anyone reading.
const OUTPUT_MAX: u64 = 64 * 1024;

/// Runs a command for at most `within`.
pub(super) fn run(command: &[&str], within: Duration) -> Result<Said, ServiceError> {
    let (program, arguments) = command.split_first().expect("commands are written here, with their program");
    let refused = |message: String| ServiceError::Refused { command: command.join(" "), message };
    let spawned = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(ServiceError::NoManager),
        Err(e) => return Err(refused(e.to_string())),
    };
    let until = Instant::now() + within;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                // Both fail only if it has ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Err(refused(format!("no answer within {} s", within.as_secs_f32())));
            }
            Err(e) => return Err(refused(e.to_string())),
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    // What cannot be read was not said; whether it went well is known.
    let _ = child.stdout.take().map(|pipe| pipe.take(OUTPUT_MAX).read_to_end(&mut out));
    let _ = child.stderr.take().map(|pipe| pipe.take(OUTPUT_MAX).read_to_end(&mut err));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { ok: status.success(), out: text(&out), err: text(&err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_heard() {
        let said = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], Duration::from_secs(20)).unwrap();
        assert_eq!(said, Said { ok: false, out: "out\n".to_owned(), err: "err\n".to_owned() });
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let error = run(&["sleep", "1000"], Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }

    #[test]
    fn one_that_is_not_there_is_no_manager() {
        assert!(matches!(run(&["carry-no-such-program"], Duration::ZERO), Err(ServiceError::NoManager)));
    }
}
