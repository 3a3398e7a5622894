//! Commands that give out credentials: `credential_process` of a profile.

use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use super::credentials::Credentials;

/// Most that a command may say, in bytes.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;
/// Looks at the deadline come so often.
const TICK: Duration = Duration::from_millis(50);
/// How often it is looked before a command is given up: a minute.
const TICKS_MAX: u32 = 1200;

/// Why a command gave none. Never repeats what it said.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessError {
    #[error("{from} has a credential_process that is no command: a quotation mark is not closed, or nothing is there")]
    NoCommand { from: String },
    #[error("the credential_process of {from} could not be run")]
    Run { from: String, source: io::Error },
    #[error("the credential_process of {from} failed ({status}): run it by hand to see why")]
    Failed { from: String, status: String },
    #[error("the credential_process of {from} did not end within a minute")]
    Late { from: String },
    #[error(
        "the credential_process of {from} did not print the JSON that is expected of it: Version 1, AccessKeyId, SecretAccessKey"
    )]
    Output { from: String },
}

/// Runs `command`, without a shell, and reads what it prints. `check` is asked now and then whether to go on, and its failure is
/// the outer one.
pub(super) fn run<E>(
    command: &str,
    from: &str,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Result<Credentials, ProcessError>, E> {
    let from = from.to_owned();
    let Some(words) = words(command).filter(|words| !words.is_empty()) else {
        return Ok(Err(ProcessError::NoCommand { from }));
    };
    let spawned = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => Killed(child),
        Err(source) => return Ok(Err(ProcessError::Run { from, source })),
    };
    let Some(stdout) = child.0.stdout.take() else { return Ok(Err(ProcessError::Output { from })) };
    let (said, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = Vec::new();
        let read = stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut output);
        // Nobody listens any more if it took too long.
        let _ = said.send(read.map(|_| output));
    });
    for _ in 0..TICKS_MAX {
        check()?;
        let output = match hear.recv_timeout(TICK) {
            Ok(Ok(output)) => output,
            Ok(Err(source)) => return Ok(Err(ProcessError::Run { from, source })),
            Err(_) => continue,
        };
        return Ok(match child.0.wait() {
            Ok(status) if status.success() => read(&output, &from).ok_or(ProcessError::Output { from }),
            Ok(status) => Err(ProcessError::Failed { from, status: status.to_string() }),
            Err(source) => Err(ProcessError::Run { from, source }),
        });
    }
    Ok(Err(ProcessError::Late { from }))
}

/// A child that does not outlive this value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended, and then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(output: &[u8], from: &str) -> Option<Credentials> {
    let value: serde_json::Value = serde_json::from_slice(output).ok()?;
    if value["Version"].as_u64() != Some(1) {
        return None;
    }
    let expires = match value["Expiration"].as_str() {
        Some(text) => Some(moment(text)?),
        None => None,
    };
    let (id, secret) = (value["AccessKeyId"].as_str()?, value["SecretAccessKey"].as_str()?);
    Some(Credentials::new(id, secret, value["SessionToken"].as_str(), expires, from))
}

/// `2026-11-29T07:11:45Z`, with parts of a second or an offset if need be.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(at);
    let numbers =
        |text: &str, mark: char| -> Option<Vec<i64>> { text.split(mark).map(|part| part.parse().ok()).collect() };
    let &[year, month, day] = numbers(date, '-')?.as_slice() else { return None };
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let &[hour, minute, second] = numbers(time, ':')?.as_slice() else { return None };
    let is_moment = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !is_moment {
        return None;
    }
    let offset = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, zone) => {
            let &[hours, minutes] = numbers(zone, ':')?.as_slice() else { return None };
            let minutes = (0..24).contains(&hours).then_some(hours * 60 + minutes)?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    // Days since 1970 in the Gregorian calendar, counted from March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp::from_secs(((days * 24 + hour) * 60 + minute - offset) * 60 + second))
}

/// A command's words, as a shell takes them apart: spaces divide, quotation marks and a backslash keep together.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), _) if c == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next()?),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[track_caller]
    fn ran(command: &str) -> Result<Credentials, String> {
        run(command, "a test", || Ok::<(), Infallible>(())).unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        let check = |command: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
            assert_eq!(words(command), expected, "{command}");
        };
        check("a  b 'c d' \"e \\\" f\" g\\ h ''", Some(&["a", "b", "c d", "e \" f", "g h", ""]));
        check("  ", Some(&[]));
        check("a 'b", None);
        check("a \\", None);
    }

    #[test]
    fn a_command_gives_credentials() {
        let json = r#"{"Version":1,"AccessKeyId":"ID","SecretAccessKey":"hush","SessionToken":"t","Expiration":"2026-11-29T08:00:00Z"}"#;
        let found = ran(&format!("printf '%s' '{json}'")).unwrap();
        let at = Timestamp::from_secs(1_795_939_200);
        assert_eq!(found, Credentials::new("ID", "hush", Some("t"), Some(at), "a test"));
        assert!(!format!("{found:?}").contains("hush"));
    }

    #[test]
    fn what_a_command_says_is_never_repeated() {
        for (command, expected) in [
            ("sh -c 'echo hush; exit 3'", "failed (exit status: 3)"),
            ("echo hush", "did not print the JSON"),
            (
                "printf '%s' '{\"Version\":2,\"AccessKeyId\":\"hush\",\"SecretAccessKey\":\"x\"}'",
                "did not print the JSON",
            ),
            ("/no/such/program --secret hush", "could not be run"),
            ("'hush", "is no command"),
        ] {
            let error = ran(command).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_stopped() {
        let mut looks = 0;
        let stopped = run("sleep 1000", "a test", || {
            looks += 1;
            if looks < 3 { Ok(()) } else { Err("enough") }
        });
        assert_eq!(stopped.unwrap_err(), "enough");
    }

    #[test]
    fn moments_are_read_in_every_zone() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(moment(text).map(Timestamp::as_secs), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-03-01T00:00:00.123+01:30", Some(951_868_800 - 5400));
        check("2024-02-29T23:59:59-00:30", Some(1_709_251_199 + 1800));
        for text in
            ["", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01", "99999-01-01T00:00:00Z", "2024-1-1TxZ"]
        {
            check(text, None);
        }
    }
}
