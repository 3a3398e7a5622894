//! `carry exchange verify`: look at everything that is kept of the exchange.

use carry_exchange::store::Finding;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::progress::Spinner;
use crate::text;
use crate::wire::Shell;

/// Check everything that is kept here of the exchange
///
/// Reads every file and compares it with what was signed. Asks no remote.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only look whether every file is there in its full length
    #[arg(long)]
    quick: bool,
    /// Let go of damaged files of other devices, so that the next exchange fetches them again
    #[arg(long, conflicts_with = "quick")]
    repair: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut store = shell.ground()?.store()?;
    let findings = {
        let _spinner = Spinner::new(shell, "checking what is kept");
        if args.quick { store.verify_quick()? } else { store.verify()? }
    };
    let mut let_go = Vec::new();
    if args.repair && !findings.is_empty() {
        let_go = store.let_go_damaged()?;
    }
    if shell.out.is_json() {
        for finding in &findings {
            let repaired = let_go.contains(finding);
            shell.out.json(&FindingJson { what: &finding.what, problem: &finding.problem, repaired })?;
        }
    } else {
        show(shell, &findings)?;
    }
    if findings.is_empty() {
        return Ok(());
    }
    let n = text::count(text::len(&findings), "thing");
    if args.repair && !let_go.is_empty() {
        shell.out.note("What was damaged of other devices is fetched again by the next `carry exchange`.");
        return Err(Failure::partly(format!("{n} kept here {} damaged", are(&findings))).hint(
            "Damaged files of this device's own log are named and stay: an exchange takes a good copy from a remote.",
        ));
    }
    Err(Failure::failed(format!("{n} kept here {} not as written", are(&findings)))
        .hint("`carry exchange verify --repair` lets go of damaged files of other devices; the next exchange fetches them again."))
}

fn are(findings: &[Finding]) -> &'static str {
    if findings.len() == 1 { "is" } else { "are" }
}

fn show(shell: &Shell, findings: &[Finding]) -> Result<(), Failure> {
    if findings.is_empty() {
        return shell.out.line("Everything is as it was written.");
    }
    for finding in findings {
        let what = shell.out.paint(style::ERROR, text::line(&finding.what));
        shell.out.line(format_args!("{what}: {}", text::line(&finding.problem)))?;
    }
    Ok(())
}

/// One finding, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "exchange-finding")]
struct FindingJson<'a> {
    what: &'a str,
    problem: &'a str,
    repaired: bool,
}
