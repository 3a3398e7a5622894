//! What the program says: results to stdout, all else to stderr, for people or as JSON.
//!
//! Meaning never lies in colour alone. A reader that goes away ends the program quietly: writing returns a failure
//! that is not worth a word.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::process::Stdio;

use anstyle::Style;
use serde::Serialize;

use crate::cli::{Color, Options};
use crate::failure::Failure;
use crate::pager::Pager;
use crate::text;

/// Columns assumed where there is no terminal.
const WIDTH_DEFAULT: u16 = 100;

/// The few styles there are.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    /// Errors and what is not protected.
    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
    /// Warnings.
    pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    /// What is well.
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    /// Hints.
    pub(crate) const HINT: Style = AnsiColor::Cyan.on_default();
    /// Ids one may want to copy.
    pub(crate) const ID: Style = AnsiColor::Yellow.on_default();
    /// Titles.
    pub(crate) const TITLE: Style = Style::new().bold();
    /// What matters less.
    pub(crate) const DIM: Style = Style::new().dimmed();
}

/// Where the program speaks.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    color: bool,
    color_on_stderr: bool,
    may_page: bool,
    sink: RefCell<Sink>,
}

enum Sink {
    Stdout(BufWriter<Stdout>),
    Pager(Pager),
}

impl Output {
    /// As the flags and the environment `var` ask.
    pub(crate) fn new(options: &Options, var: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            json: options.json,
            quiet: options.quiet,
            color: !options.json && wants_color(options.color, terminal, var),
            color_on_stderr: wants_color(options.color, io::stderr().is_terminal(), var),
            may_page: terminal && !options.no_pager && !options.json,
            sink: RefCell::new(Sink::Stdout(BufWriter::new(io::stdout()))),
        }
    }

    /// Whether machines read.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
    /// Whether results may be coloured.
    pub(crate) fn has_color(&self) -> bool {
        self.color
    }
    /// Whether what goes to stderr may be coloured.
    pub(crate) fn has_color_on_stderr(&self) -> bool {
        self.color_on_stderr
    }
    /// Whether progress may be drawn on stderr.
    pub(crate) fn may_draw(&self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// A line of what a reading command was asked for.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// A line of what an acting command did: for people, and only if they want to know.
    pub(crate) fn say(&self, text: impl Display) -> Result<(), Failure> {
        if self.json || self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut *self.sink.borrow_mut() {
            Sink::Stdout(stdout) => stdout.write_all(bytes)?,
            Sink::Pager(pager) => pager.write_all(bytes)?,
        }
        Ok(())
    }

    /// One object on a line of its own.
    pub(crate) fn json(&self, line: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(line).map_err(Failure::from_error)?;
        self.line(text)
    }

    /// A sentence beside the result.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            self.stderr(&format!("{}\n", text::lines(&text.to_string())));
        }
    }

    /// A sentence about something that is not as it should be.
    pub(crate) fn warn(&self, text: impl Display) {
        self.problem(style::WARNING, "Warning", &text.to_string());
    }

    /// `label: text` on stderr.
    pub(crate) fn problem(&self, style: Style, label: &str, text: &str) {
        let label = if self.color_on_stderr { format!("{style}{label}:{style:#}") } else { format!("{label}:") };
        // Names of files, of branches and what Git says come from repositories that others may have written.
        self.stderr(&format!("{label} {}\n", text::lines(text)));
    }

    /// `text` in `style`, if colour is wanted.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// An empty table that fits the terminal.
    pub(crate) fn table(&self, header: &[&str]) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        table.set_width(terminal_width());
        table.set_header(header.iter().map(|title| {
            let cell = comfy_table::Cell::new(title);
            if self.color { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
        }));
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }

    /// From now on results go through the user's pager, if there is a terminal to page on.
    pub(crate) fn start_pager(&self) {
        if self.may_page
            && let Some(pager) = Pager::start()
        {
            *self.sink.borrow_mut() = Sink::Pager(pager);
        }
    }

    /// Where a child process writes so that its output comes after ours.
    pub(crate) fn child_stdout(&self) -> Result<Stdio, Failure> {
        self.flush()?;
        match &*self.sink.borrow() {
            Sink::Stdout(_) => Ok(Stdio::inherit()),
            Sink::Pager(pager) => Ok(pager.stdio()?),
        }
    }

    /// Hands on what is held back.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        match &mut *self.sink.borrow_mut() {
            Sink::Stdout(stdout) => stdout.flush()?,
            Sink::Pager(pager) => pager.flush()?,
        }
        Ok(())
    }

    /// Says the last of it and waits for the pager.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let flushed = self.flush();
        let sink = self.sink.replace(Sink::Stdout(BufWriter::new(io::stdout())));
        if let Sink::Pager(pager) = sink {
            pager.finish();
        }
        flushed
    }

    fn stderr(&self, text: &str) {
        // Results come first where both go to the same place; if one cannot be told, there is nobody to tell.
        let _ = self.flush();
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// `--color`, then `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR` and `TERM`, then whether there is a terminal.
fn wants_color(choice: Color, terminal: bool, var: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR").is_some() => false,
        Color::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto if set("CLICOLOR").is_some_and(|value| value == "0") => false,
        Color::Auto => terminal && set("TERM").is_none_or(|value| value != "dumb"),
    }
}

/// Columns of the terminal behind stdout.
fn terminal_width() -> u16 {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col >= 20 => size.ws_col,
        _ => WIDTH_DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(choice: Color, terminal: bool, vars: &[(&str, &str)], expected: bool) {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        assert_eq!(wants_color(choice, terminal, &var), expected, "{choice:?} {terminal} {vars:?}");
    }

    #[test]
    fn colour_needs_a_terminal_and_nobody_against_it() {
        check(Color::Auto, true, &[], true);
        check(Color::Auto, false, &[], false);
        check(Color::Auto, true, &[("NO_COLOR", "1")], false);
        check(Color::Auto, true, &[("NO_COLOR", "")], true);
        check(Color::Auto, true, &[("CLICOLOR", "0")], false);
        check(Color::Auto, true, &[("TERM", "dumb")], false);
        check(Color::Auto, false, &[("CLICOLOR_FORCE", "1")], true);
        check(Color::Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
    }

    #[test]
    fn a_flag_outweighs_the_environment() {
        check(Color::Always, false, &[("NO_COLOR", "1")], true);
        check(Color::Never, true, &[("CLICOLOR_FORCE", "1")], false);
    }
}
