//! `cargo xtask bench redact`: how fast secrets are masked, and how many are found.
//!
//! Speed is that of one thread over the lines of generated sessions, the best of the rounds. Recall is counted over every rule in
//! every encoding and place, and over the generated matrix of secrets: a secret counts as masked when no eight characters of it
//! can be read any more.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use carry_redact::{Key, Masked, Redactor, Rules, matrix};
use serde_json::Value;

use crate::run::{captured, cargo, root, shown, target};
use crate::{Outcome, out};

/// How much of a secret may be left, in bytes.
const WINDOW: usize = 8;

/// Ways to mask a text.
type Mask = for<'t> fn(&Redactor, &'t str) -> Masked<'t>;

/// Runs the bench.
pub(super) fn run(args: &[String]) -> Outcome {
    let mut rounds = 5_usize;
    let mut dir = target()?.join("bench");
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--dir" => dir = PathBuf::from(value),
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    if rounds == 0 {
        return Err("--rounds must be 1 or more".into());
    }
    if cfg!(debug_assertions) {
        // What is measured is in this program itself.
        let mut again =
            cargo(&["run", "--release", "--quiet", "--locked", "--package", "xtask", "--", "bench", "redact"]);
        return shown(again.args(args));
    }
    std::fs::create_dir_all(&dir)?;
    let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
    out::line(&super::report::machine(rounds));
    out::line(&speed(&redactor, &dir, rounds)?);
    out::line(&cases(&matrix::run(&redactor, Rules::builtin().all())));
    out::line(&generated(&redactor, &dir)?);
    Ok(())
}

/// The generator of sessions.
fn generator(folder: &Path) -> Command {
    let mut python = Command::new("python3");
    python.arg(root().join("crates/sessions/tests/fixtures/generate_sessions.py")).arg("--out").arg(folder);
    python
}

/// The lines of all transcripts below `folder`.
fn lines(folder: &Path) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            lines.extend(self::lines(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "jsonl") {
            // Generated sessions hold bytes that are no UTF-8, as real ones do.
            lines.extend(String::from_utf8_lossy(&std::fs::read(path)?).lines().map(str::to_owned));
        }
    }
    Ok(lines)
}

/// Every string in a value.
fn strings(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, all)),
        Value::Object(members) => members.values().for_each(|value| strings(value, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The table of speeds.
fn speed(redactor: &Redactor, dir: &Path, rounds: usize) -> Outcome<String> {
    let folder = dir.join("set-redact");
    if !folder.join("manifest.json").is_file() {
        out::note("generating 60 sessions of 200 records");
        captured(generator(&folder).args(["--sessions", "60", "--messages", "200", "--formats", "claude,codex"]))?;
    }
    let lines = lines(&folder)?;
    let mut texts = Vec::new();
    for value in lines.iter().filter_map(|line| serde_json::from_str(line).ok()) {
        strings(&value, &mut texts);
    }
    let mut table = "\n| what | texts | MB | MB/s | findings |\n|---|--:|--:|--:|--:|\n".to_owned();
    let rows: [(&str, &[String], Mask); 3] = [
        ("whole lines, as text", &lines, |redactor, text| redactor.text(text)),
        ("whole lines, as JSON", &lines, |redactor, text| redactor.json(text)),
        ("the strings in them, each as text", &texts, |redactor, text| redactor.text(text)),
    ];
    for (name, texts, mask) in rows {
        let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
        let mut best = f64::INFINITY;
        let mut findings = 0;
        for _ in 0..rounds {
            let start = Instant::now();
            findings = texts.iter().map(|text| mask(redactor, text).findings.len()).sum();
            best = best.min(start.elapsed().as_secs_f64());
        }
        let _ = writeln!(table, "| {name} | {} | {megabytes:.1} | {:.0} | {findings} |", texts.len(), megabytes / best);
    }
    Ok(table)
}

/// The table of every rule in every encoding and place.
fn cases(report: &matrix::Report) -> String {
    let mut table = "\n| every rule, hidden as | masked | of |\n|---|--:|--:|\n".to_owned();
    for (hiding, (cases, masked)) in &report.hidings {
        let _ = writeln!(table, "| {} | {masked} | {cases} |", hiding.as_str());
    }
    table.push_str("\n| every rule, standing in | masked | of |\n|---|--:|--:|\n");
    for (place, (cases, masked)) in &report.places {
        let _ = writeln!(table, "| {} | {masked} | {cases} |", place.as_str());
    }
    let _ = write!(
        table,
        "\nMasked: {:.2} %. Of {} texts that must stay, {} stayed.",
        report.recall() * 100.0,
        report.decoys,
        report.decoys - report.taken.len()
    );
    table
}

/// The table of the generated matrix.
fn generated(redactor: &Redactor, dir: &Path) -> Outcome<String> {
    let folder = dir.join("set-redact-matrix");
    captured(generator(&folder).arg("--secrets-matrix"))?;
    let truth: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("secrets-matrix.json"))?)?;
    let lines = lines(&folder)?;
    let strict = redactor.clone().strict();
    let mut table = "\n| generated kind | lines | masked | masked when strict |\n|---|--:|--:|--:|\n".to_owned();
    let mut sum = [0; 3];
    for secret in truth["secrets"].as_array().into_iter().flatten() {
        let (kind, value) = (secret["kind"].as_str().unwrap_or_default(), secret["value"].as_str().unwrap_or_default());
        let secret = core_of(value);
        let with: Vec<&String> = lines.iter().filter(|line| line.contains(secret)).collect();
        let masked = |redactor: &Redactor| {
            let is_gone = |line: &&&String| {
                [redactor.json(line), redactor.text(line)].iter().all(|masked| !is_left(&masked.text, secret))
            };
            with.iter().filter(is_gone).count()
        };
        let row = [with.len(), masked(redactor), masked(&strict)];
        sum.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        let _ = writeln!(table, "| {kind} | {} | {} | {} |", row[0], row[1], row[2]);
    }
    let _ = writeln!(table, "| **all** | {} | {} | {} |", sum[0], sum[1], sum[2]);
    let decoys: Vec<&str> = truth["decoys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let stays = |decoy: &&&str| {
        let mut with = lines.iter().filter(|line| line.contains(**decoy));
        with.all(|line| redactor.json(line).text == *line && redactor.text(line).text == *line)
    };
    let _ =
        write!(table, "\nOf {} texts that must stay, {} stayed.", decoys.len(), decoys.iter().filter(stays).count());
    Ok(table)
}

/// The longest part of a planted value that is secret, without names, addresses and frames around it.
fn core_of(value: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.');
    let value = value.split_once("://").map_or(value, |(_, rest)| rest);
    let value = value.split_once('@').map_or(value, |(before, _)| before);
    value.split(|c| !is_part(c)).max_by_key(|part| part.len()).unwrap_or(value)
}

/// Whether eight characters of `secret` in a row stand in `text`, placeholders aside.
fn is_left(text: &str, secret: &str) -> bool {
    let mut pieces = text.split("[REDACTED:");
    let mut bare = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        bare.push('\n');
        bare.push_str(piece.split_once(']').map_or(piece, |(_, rest)| rest));
    }
    (0..=secret.len().saturating_sub(WINDOW))
        .filter_map(|at| secret.get(at..at + WINDOW))
        .any(|piece| bare.contains(piece))
}
