//! `carry exchange verify`: look at everything that is kept of the exchange, and heal it.

use carry_exchange::store::Finding;
use serde::Serialize;

use super::mend;
use crate::failure::Failure;
use crate::output::style;
use crate::progress::Spinner;
use crate::text;
use crate::wire::Shell;

/// Check everything that is kept here of the exchange, and heal it
///
/// Reads every file and compares it with what was signed. Asks no remote, unless --repair is given: then what is damaged or missing
/// here is fetched from a remote that has it, and what is missing or damaged at a remote is put there. The exit code is 3 when
/// something could not be healed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the remote to heal with; all by default
    #[arg(requires = "repair")]
    pub(super) remote: Option<String>,
    /// Only look whether every file is there in its full length
    #[arg(long)]
    quick: bool,
    /// Fetch what is damaged or missing here, and put what is missing or damaged at the remotes
    #[arg(long, conflicts_with = "quick")]
    repair: bool,
    /// Read every file at the remotes, too; else those whose size is right are believed
    #[arg(long, requires = "repair")]
    pub(super) deep: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    if args.repair {
        return mend::run(shell, args);
    }
    let store = shell.ground()?.store()?;
    let findings = {
        let _spinner = Spinner::new(shell, "checking what is kept");
        if args.quick { store.verify_quick()? } else { store.verify()? }
    };
    show(shell, &findings, None)?;
    if findings.is_empty() {
        return if shell.out.is_json() { Ok(()) } else { shell.out.line("Everything is as it was written.") };
    }
    let are = if findings.len() == 1 { "is" } else { "are" };
    let n = text::count(text::len(&findings), "thing");
    Err(Failure::failed(format!("{n} kept here {are} not as written"))
        .hint("`carry exchange verify --repair` fetches good copies from the remotes that have them."))
}

/// Shows what was found. `left` is what still is so after a repair, or has come to be so; without one nothing was repaired.
pub(super) fn show(shell: &Shell, findings: &[Finding], left: Option<&[Finding]>) -> Result<(), Failure> {
    // What is wrong with a thing may be another thing after some of it was healed.
    let is_in = |all: &[Finding], one: &Finding| all.iter().any(|other| other.what == one.what);
    let new = left.into_iter().flatten().filter(|left| !is_in(findings, left));
    for finding in findings.iter().chain(new) {
        let repaired = left.is_some_and(|left| !is_in(left, finding));
        if shell.out.is_json() {
            shell.out.json(&FindingJson { what: &finding.what, problem: &finding.problem, repaired })?;
            continue;
        }
        let what = shell.out.paint(style::ERROR, text::line(&finding.what));
        let healed = if repaired { " (healed)" } else { "" };
        shell.out.line(format_args!("{what}: {}{healed}", text::line(&finding.problem)))?;
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
