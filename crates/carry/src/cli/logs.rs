//! `carry logs`: what the daemon wrote down.

use std::io::{self, Write};

use carry_daemon::log;
use serde::Serialize;

use crate::failure::Failure;
use crate::wire::Shell;

/// Show the daemon's log
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Go on with new lines as they come
    #[arg(short, long)]
    follow: bool,
    /// Show the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if !args.follow && !log::file(&shell.home).exists() {
        shell.out.note("There is no log yet; the daemon writes it.");
        return Ok(());
    }
    shell.out.flush()?;
    // Straight to stdout, so that a line that is followed shows at once.
    let mut stdout = io::stdout();
    if shell.out.is_json() {
        let mut lines = JsonLines { out: stdout, rest: Vec::new() };
        log::show(&shell.home, args.lines, args.follow, &mut lines)?;
        lines.finish()?;
        return Ok(());
    }
    log::show(&shell.home, args.lines, args.follow, &mut stdout)?;
    stdout.flush()?;
    Ok(())
}

/// Makes an object of each line that is written to it.
struct JsonLines<W> {
    out: W,
    /// The line that has not ended yet.
    rest: Vec<u8>,
}

/// One line of the log, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "log-line")]
struct LineJson<'a> {
    text: &'a str,
}

impl<W: Write> JsonLines<W> {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(line);
        let mut object = serde_json::to_vec(&LineJson { text: &text })?;
        object.push(b'\n');
        self.out.write_all(&object)
    }

    /// What follows the last line feed is a line, too.
    fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest)?;
        }
        self.out.flush()
    }
}

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.rest);
                self.line(&line)?;
            } else {
                self.rest.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_object_however_it_comes() {
        let mut out = Vec::new();
        let mut lines = JsonLines { out: &mut out, rest: Vec::new() };
        for part in [&b"one\ntw"[..], b"o \x1b[1m\n", b"thr\xffee"] {
            lines.write_all(part).unwrap();
        }
        lines.finish().unwrap();
        let expected = [r#"{"type":"log-line","text":"one"}"#, r#"{"type":"log-line","text":"two \u001b[1m"}"#];
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), expected);
        assert_eq!(text.lines().count(), 3);
    }
}
