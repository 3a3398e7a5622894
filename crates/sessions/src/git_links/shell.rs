//! Takes shell scripts apart: which programs run, with which words, where.

use crate::project::joined;

/// A longer script is cut: nobody types more, and what counts stands near its start.
const SCRIPT_BYTES_MAX: usize = 256 * 1024;

/// Substitutions and shells in shells are followed this deep.
const DEPTH_MAX: u32 = 12;

/// At most this many programs of a script are looked at.
const COMMANDS_MAX: usize = 4096;

/// One program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Its name without folders, then its words, quotes removed.
    pub words: Vec<String>,
    /// Where it runs; `None` when that cannot be known.
    pub dir: Option<String>,
}

/// The programs that `script` runs in `dir`, in order.
pub(super) fn commands(script: &str, dir: Option<&str>) -> Vec<Command> {
    let mut found = Vec::new();
    let mut dir = dir.map(str::to_owned);
    collect(script, &mut dir, 0, &mut found);
    found
}

/// The programs that one list of words runs.
pub(super) fn commands_of_words(words: &[String], dir: Option<&str>) -> Vec<Command> {
    let mut found = Vec::new();
    let mut dir = dir.map(str::to_owned);
    run(words.to_vec(), &mut dir, 0, &mut found);
    found
}

fn collect(script: &str, dir: &mut Option<String>, depth: u32, found: &mut Vec<Command>) {
    let mut end = script.len().min(SCRIPT_BYTES_MAX);
    while !script.is_char_boundary(end) {
        end -= 1;
    }
    let mut parser = Parser { script: &script[..end], at: 0, events: Vec::new(), here: Vec::new() };
    parser.list(None, depth);
    let mut outer = Vec::new();
    for event in parser.events {
        match event {
            Event::Run(words) => run(words, dir, depth, found),
            Event::Enter => outer.push(dir.clone()),
            Event::Leave => {
                if let Some(before) = outer.pop() {
                    *dir = before;
                }
            }
        }
    }
}

/// Adds the program behind assignments and wrappers; follows shells and `cd`.
fn run(words: Vec<String>, dir: &mut Option<String>, depth: u32, found: &mut Vec<Command>) {
    if found.len() >= COMMANDS_MAX {
        return;
    }
    let (words, moved) = unwrapped(words);
    let here = match &moved {
        Some(to) => joined(dir.as_deref(), to),
        None => dir.clone(),
    };
    let Some(program) = words.first().map(|word| base_name(word)) else { return };
    match program {
        "cd" | "pushd" | "Set-Location" => {
            let to = words.iter().skip(1).find(|word| !word.starts_with('-') || word.as_str() == "-");
            *dir = to.and_then(|to| joined(dir.as_deref(), to));
        }
        "bash" | "sh" | "zsh" | "dash" | "ksh" | "fish" | "pwsh" | "powershell" if depth < DEPTH_MAX => {
            if let Some(script) = script_option(&words) {
                collect(script, &mut here.clone(), depth + 1, found);
            }
        }
        "eval" if depth < DEPTH_MAX => collect(&words[1..].join(" "), dir, depth + 1, found),
        _ => {
            let program = program.to_owned();
            let mut words = words;
            words[0] = program;
            found.push(Command { words, dir: here });
        }
    }
}

/// What a shell is told to run with `-c`.
fn script_option(words: &[String]) -> Option<&str> {
    let at = words.iter().skip(1).position(|word| {
        word.eq_ignore_ascii_case("-command")
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))
    })?;
    words.get(at + 2).map(String::as_str)
}

/// Takes off words of the shell, assignments, and programs that run another. The second part is a folder they change to.
fn unwrapped(mut words: Vec<String>) -> (Vec<String>, Option<String>) {
    let mut moved = None;
    loop {
        let Some(first) = words.first() else { return (words, moved) };
        let name = base_name(first).to_owned();
        let taken = match name.as_str() {
            "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "}" | "time" | "command"
            | "builtin" | "exec" | "nohup" | "setsid" | "caffeinate" => 1 + options(&words[1..], &[]),
            "sudo" | "doas" => 1 + options(&words[1..], &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-D"]),
            "env" => {
                let rest = &words[1..];
                let taken = options(rest, &["-u", "-C", "-S", "--chdir", "--unset"]);
                moved = rest[..taken]
                    .windows(2)
                    .find(|pair| pair[0] == "-C" || pair[0] == "--chdir")
                    .map(|pair| pair[1].clone());
                1 + taken
            }
            "nice" | "ionice" | "stdbuf" | "chronic" => 1 + options(&words[1..], &["-n", "-c", "-p", "-i", "-o", "-e"]),
            "timeout" => {
                let taken = options(&words[1..], &["-k", "-s", "--kill-after", "--signal"]);
                (2 + taken).min(words.len())
            }
            "xargs" | "parallel" => 1 + options(&words[1..], &["-n", "-I", "-P", "-L", "-d", "-a", "-s", "-E"]),
            _ if is_assignment(first) => 1,
            _ => return (words, moved),
        };
        words.drain(..taken.min(words.len()));
    }
}

/// How many words at the start are options, with the values of those that take one.
fn options(words: &[String], with_value: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return at + 1;
        }
        if !word.starts_with('-') || word.len() < 2 {
            break;
        }
        at += if with_value.contains(&word.as_str()) { 2 } else { 1 };
    }
    at.min(words.len())
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn base_name(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// What happens in a script, in order.
#[derive(Debug)]
enum Event {
    Run(Vec<String>),
    Enter,
    Leave,
}

/// Reads a script once from start to end.
struct Parser<'s> {
    script: &'s str,
    at: usize,
    events: Vec<Event>,
    /// Ends of here-documents that begin after the next newline, and whether tabs before them do not count.
    here: Vec<(String, bool)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.script.as_bytes().get(self.at).copied()
    }

    fn starts(&self, text: &str) -> bool {
        self.script.as_bytes()[self.at..].starts_with(text.as_bytes())
    }

    /// Reads commands up to the byte `end`, or all.
    fn list(&mut self, end: Option<u8>, depth: u32) {
        let mut words: Vec<String> = Vec::new();
        while let Some(byte) = self.peek() {
            if Some(byte) == end {
                self.at += 1;
                break;
            }
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.starts("\\\n") => self.at += 2,
                b'\n' => {
                    self.at += 1;
                    self.finish(&mut words);
                    self.skip_here();
                }
                b'&' if self.starts("&>") => self.redirect(depth),
                b';' | b'&' | b'|' => {
                    self.at += 1;
                    self.finish(&mut words);
                }
                b'(' => {
                    self.at += 1;
                    self.finish(&mut words);
                    if depth < DEPTH_MAX {
                        self.events.push(Event::Enter);
                        self.list(Some(b')'), depth + 1);
                        self.events.push(Event::Leave);
                    }
                }
                b')' => {
                    self.at += 1;
                    self.finish(&mut words);
                }
                b'#' => self.skip_line(),
                b'<' | b'>' => self.redirect(depth),
                _ => {
                    let word = self.word(depth);
                    let is_descriptor =
                        matches!(self.peek(), Some(b'<' | b'>')) && word.bytes().all(|b| b.is_ascii_digit());
                    if !is_descriptor {
                        words.push(word);
                    }
                }
            }
        }
        self.finish(&mut words);
    }

    fn finish(&mut self, words: &mut Vec<String>) {
        if !words.is_empty() && self.events.len() < COMMANDS_MAX {
            self.events.push(Event::Run(std::mem::take(words)));
        }
        words.clear();
    }

    fn skip_line(&mut self) {
        let rest = &self.script.as_bytes()[self.at..];
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    /// Skips the bodies of here-documents that begin here.
    fn skip_here(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.here) {
            while self.at < self.script.len() {
                let start = self.at;
                self.skip_line();
                let line = &self.script[start..self.at];
                self.at = (self.at + 1).min(self.script.len());
                let line = if tabs { line.trim_start_matches('\t') } else { line };
                if line.trim_end_matches('\r') == end {
                    break;
                }
            }
        }
    }

    /// Skips a redirection with its target; notes a here-document.
    fn redirect(&mut self, depth: u32) {
        let is_here = self.starts("<<") && !self.starts("<<<");
        let tabs = self.starts("<<-");
        while matches!(self.peek(), Some(b'<' | b'>' | b'&' | b'|')) {
            self.at += 1;
        }
        if tabs {
            self.at += 1;
        }
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if self.peek() == Some(b'(') {
            return;
        }
        let target = self.word(depth);
        if is_here && self.here.len() < 16 {
            self.here.push((target, tabs));
        }
    }

    /// Reads one word; quotes are removed, substitutions followed.
    fn word(&mut self, depth: u32) -> String {
        let mut word = String::new();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => {
                    self.at += 1;
                    let rest = &self.script[self.at..];
                    let length = memchr::memchr(b'\'', rest.as_bytes()).unwrap_or(rest.len());
                    word.push_str(&rest[..length]);
                    self.at = (self.at + length + 1).min(self.script.len());
                }
                b'"' => {
                    self.at += 1;
                    self.quoted(&mut word, depth);
                }
                b'\\' => {
                    self.at += 1;
                    if self.peek() == Some(b'\n') {
                        self.at += 1;
                    } else {
                        self.push(&mut word);
                    }
                }
                b'$' => self.dollar(&mut word, depth),
                b'`' => self.backtick(&mut word, depth),
                _ => self.push(&mut word),
            }
        }
        word
    }

    /// Reads up to the closing double quote.
    fn quoted(&mut self, word: &mut String, depth: u32) {
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'\n') => self.at += 1,
                        Some(b'"' | b'\\' | b'$' | b'`') => self.push(word),
                        _ => word.push('\\'),
                    }
                }
                b'$' => self.dollar(word, depth),
                b'`' => self.backtick(word, depth),
                _ => self.push(word),
            }
        }
    }

    /// Reads a variable or a substitution; its commands are events of their own.
    fn dollar(&mut self, word: &mut String, depth: u32) {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some(b'(') && depth < DEPTH_MAX {
            self.at += 1;
            let here = std::mem::take(&mut self.here);
            self.events.push(Event::Enter);
            self.list(Some(b')'), depth + 1);
            self.events.push(Event::Leave);
            self.here = here;
            word.push_str(&self.script[start..self.at]);
        } else if self.peek() == Some(b'{') {
            let rest = &self.script.as_bytes()[self.at..];
            self.at += memchr::memchr2(b'}', b'\n', rest).map_or(rest.len(), |at| at + 1);
            word.push_str(&self.script[start..self.at]);
        } else {
            word.push('$');
        }
    }

    fn backtick(&mut self, word: &mut String, depth: u32) {
        self.at += 1;
        let rest = &self.script[self.at..];
        let length = memchr::memchr(b'`', rest.as_bytes()).unwrap_or(rest.len());
        if depth < DEPTH_MAX {
            let mut inner = Parser { script: &rest[..length], at: 0, events: Vec::new(), here: Vec::new() };
            inner.list(None, depth + 1);
            self.events.push(Event::Enter);
            self.events.append(&mut inner.events);
            self.events.push(Event::Leave);
        }
        word.push_str(&rest[..length]);
        self.at = (self.at + length + 1).min(self.script.len());
    }

    fn push(&mut self, word: &mut String) {
        if let Some(character) = self.script[self.at..].chars().next() {
            word.push(character);
            self.at += character.len_utf8();
        }
    }
}
