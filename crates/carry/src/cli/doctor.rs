//! `carry doctor`: what may be wrong, and what mends it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use carry_code::context::Context;
use carry_code::doctor::{self, Finding, Fix, Severity};
use carry_daemon::control;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::wire::Shell;
use crate::{prompt, text};

mod examine;

/// Find what is wrong and mend it
///
/// Reads only; each finding says what it means and what mends it. --fix asks for each one. Fails while an error remains.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mend what can be mended
    #[arg(long)]
    fix: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (mut findings, ctx) = examine::all(shell)?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if findings.is_empty() && !shell.out.is_json() {
        shell.out.line("Nothing is wrong.")?;
    }
    let can_mend = findings.iter().any(|finding| finding.fix.is_some());
    // Without consent nothing is mended, but what was found is told all the same.
    let consent = if args.fix && can_mend { prompt::check(shell, CONSENT) } else { Ok(()) };
    let mends = args.fix && consent.is_ok();
    if !shell.out.is_json() || !mends {
        for finding in &findings {
            show(shell, finding, Outcome::Left)?;
        }
    }
    consent?;
    if !args.fix && can_mend {
        shell.out.note("`carry doctor --fix` mends what can be mended, asking for each.");
    }
    let (mut n_errors, mut n_failed) = (0, 0);
    for finding in &findings {
        let outcome = match &finding.fix {
            Some(fix) if mends => mend(shell, ctx.as_ref(), finding, fix)?,
            _ => Outcome::Left,
        };
        if shell.out.is_json() && mends {
            show(shell, finding, outcome)?;
        }
        n_failed += u64::from(outcome == Outcome::Failed);
        n_errors += u64::from(finding.severity == Severity::Error && outcome != Outcome::Mended);
    }
    match (n_failed, n_errors) {
        (0, 0) => Ok(()),
        (0, 1) => Err(Failure::failed("1 error remains")),
        (0, n) => Err(Failure::failed(format!("{n} errors remain"))),
        (n, _) => Err(Failure::partly(format!("{} could not be mended", text::count(n, "finding")))),
    }
}

/// What to do where nobody can be asked.
const CONSENT: &str = "Pass --yes to agree to every fix listed; without --fix nothing is mended.";

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Left,
    Mended,
    Failed,
}

/// Asks, and mends a finding.
fn mend(shell: &Shell, ctx: Option<&Context>, finding: &Finding, fix: &Fix) -> Result<Outcome, Failure> {
    let question = format!("{} {}?", finding.problem, describe(fix));
    if !prompt::confirm(shell, &question, CONSENT)? {
        return Ok(Outcome::Left);
    }
    match apply(shell, ctx, fix) {
        Ok(()) => {
            shell.out.say(text::line(&format!("{}: done", describe(fix))))?;
            Ok(Outcome::Mended)
        }
        Err(why) => {
            shell.out.warn(format_args!("{} [{}] could not be mended: {why}", finding.problem, finding.code));
            Ok(Outcome::Failed)
        }
    }
}

fn apply(shell: &Shell, ctx: Option<&Context>, fix: &Fix) -> Result<(), String> {
    match fix {
        Fix::StartDaemon => {
            let program = shell.program().map_err(|failure| failure.in_one_line())?;
            control::start(&shell.home, &program).map(drop).map_err(|error| error.to_string())
        }
        Fix::Run(words) => run_command(shell, words),
        // Only our own folders and files are found so; the identity need not be readable for it.
        Fix::Chmod { path, mode } => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).map_err(|error| error.to_string())
        }
        _ => match ctx {
            Some(ctx) => doctor::apply(ctx, fix),
            None => Err("this device has no readable identity".to_owned()),
        },
    }
}

fn run_command(shell: &Shell, words: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    shell.out.flush().map_err(|failure| failure.in_one_line())?;
    let mut command = Command::new(program);
    command.args(arguments);
    if shell.out.is_json() {
        // What it says is not for the machine that reads us.
        command.stdout(std::io::stderr());
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", words.join(" "))),
        Err(error) => Err(format!("`{program}` cannot be run: {error}")),
    }
}

/// A fix as a question begins.
fn describe(fix: &Fix) -> String {
    match fix {
        Fix::RemoveStaleLock(path) => format!("Remove {}", text::file(path)),
        Fix::RepairRef { name, root } => format!("Repair {name} in {}", text::file(root)),
        Fix::Chmod { path, mode } => format!("Set the permissions of {} to {mode:o}", text::file(path)),
        Fix::Forget(tree) => format!("Forget the working tree {tree}"),
        Fix::StartDaemon => "Start the daemon".to_owned(),
        Fix::Run(words) => format!("Run `{}`", words.join(" ")),
    }
}

fn show(shell: &Shell, finding: &Finding, outcome: Outcome) -> Result<(), Failure> {
    let out = &shell.out;
    if out.is_json() {
        return out.json(&FindingJson {
            code: finding.code,
            severity: finding.severity,
            problem: &finding.problem,
            advice: &finding.advice,
            fix: finding.fix.as_ref().map(describe),
            outcome,
        });
    }
    let label = match finding.severity {
        Severity::Error => out.paint(style::ERROR, "error"),
        Severity::Warning => out.paint(style::WARNING, "warning"),
        Severity::Note => out.paint(style::DIM, "note"),
    };
    out.line(format_args!("{label}: {} [{}]", text::line(&finding.problem), finding.code))?;
    out.line(format_args!("  {}", text::line(&finding.advice)))
}

/// One finding, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "finding")]
struct FindingJson<'a> {
    code: &'a str,
    severity: Severity,
    problem: &'a str,
    advice: &'a str,
    fix: Option<String>,
    outcome: Outcome,
}
