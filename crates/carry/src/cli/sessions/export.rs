//! `carry sessions export`: a conversation as a file, without its secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use carry_kernel::disk;
use carry_redact::Finding;
use carry_sessions::export::{self, Document};
use carry_sessions::mask;
use clap::ValueEnum;
use serde::Serialize;

use super::archive;
use super::gaps::{self, Gaps};
use crate::failure::Failure;
use crate::progress::Spinner;
use crate::text;
use crate::wire::Shell;
use crate::writers;

/// Write a conversation out, with its secrets masked
///
/// What was masked is said on standard error. The same secret has the same placeholder everywhere, so that a conversation stays
/// readable.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Only look among sessions from this device: the beginning of its id, or its name here
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// In which form; Markdown, or JSON with --json
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Leave secrets as they are
    #[arg(long)]
    raw: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How what stands in place of a secret begins.
const PLACEHOLDER: &str = "[REDACTED:";

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Text that other programs render, too
    #[value(alias = "md")]
    Markdown,
    /// One value with everything
    Json,
    /// One page that stands alone
    Html,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let is_json = shell.out.is_json() && args.output.is_none();
    let format = args.format.unwrap_or(if is_json { Format::Json } else { Format::Markdown });
    if is_json && format != Format::Json {
        return Err(
            Failure::usage("--json writes JSON to standard output").hint("`--output FILE` takes the other formats.")
        );
    }
    let archive = archive::to_read(shell)?;
    let device = args.device.as_deref().map(|name| writers::device_labelled(shell, name)).transpose()?;
    let session = archive.find_from(&args.session, device.as_deref())?;
    let messages = archive::all_messages(&archive, &session)?;
    let pins = archive.pins(&session.id)?;
    let links = archive.links_of(session.n)?;
    let id = session.id.to_string();
    let incomplete = Gaps::read(shell, &archive)?.of(&session).cloned();
    let progress = Spinner::new(shell, "writing the conversation");
    let (document, findings) = if args.raw {
        (Document { session, messages, pins, links, mask: None, incomplete }, Vec::new())
    } else {
        let redactor = mask::redactor(&shell.home, shell.config(None).list("sessions.allow"))?;
        let safe = mask::mask(&redactor, session, messages, pins, links);
        let findings = safe.findings.clone();
        if safe.unchecked > 0 {
            shell.out.note(format_args!(
                "There are more secrets than are looked for everywhere: {} were masked where they were found only. Read what \
                 you share.",
                safe.unchecked
            ));
        }
        (Document { incomplete, ..Document::masked(safe, redactor.version()) }, findings)
    };
    let text = match format {
        Format::Markdown => export::markdown(&document),
        Format::Json => format!("{}\n", export::json(&document)),
        // A picture that cannot be read is named instead.
        Format::Html => export::html(&document, &|hash| archive.blob(hash).ok().flatten()),
    };
    drop(progress);
    match &args.output {
        Some(file) => disk::write_atomic(&shell.cwd.join(file), text.as_bytes())?,
        None => shell.out.bytes(text.as_bytes())?,
    }
    let masked = Masked::new(&findings);
    if let Some(file) = &args.output {
        let file = shell.cwd.join(file);
        if shell.out.is_json() {
            shell.out.json(&ExportedJson {
                session: &id,
                path: text::json_file(&file),
                format,
                mask: document.mask.as_deref(),
                masked: &masked.rules,
            })?;
        }
        shell.out.say(format_args!("Wrote {} ({}).", shell.folder(&file), text::size(text::len(text.as_bytes()))))?;
    }
    tell(shell, args, &masked, text.contains(PLACEHOLDER));
    if let Some(missing) = &document.incomplete {
        shell.out.warn(gaps::sentences(shell, missing)?);
    }
    Ok(())
}

/// What was masked.
struct Masked {
    secrets: u64,
    /// Places, by rule.
    rules: BTreeMap<&'static str, u64>,
}

impl Masked {
    fn new(findings: &[Finding]) -> Self {
        let secrets: BTreeSet<_> = findings.iter().map(|finding| (finding.rule, finding.fingerprint)).collect();
        let mut rules = BTreeMap::new();
        for finding in findings {
            *rules.entry(finding.rule).or_default() += 1;
        }
        Self { secrets: text::len(&secrets.into_iter().collect::<Vec<_>>()), rules }
    }
}

/// Says what was masked; `has_marks` is whether placeholders stand in what was written.
fn tell(shell: &Shell, args: &Args, masked: &Masked, has_marks: bool) {
    if args.raw {
        shell.out.warn("nothing was masked: whoever gets this gets every secret in it");
        return;
    }
    if masked.rules.is_empty() {
        shell.out.note(match has_marks {
            true => "No further secret was found in it.",
            false => "No secret was found in it.",
        });
        return;
    }
    let rules: Vec<String> = masked.rules.iter().map(|(rule, places)| format!("{rule} {places}")).collect();
    let places: u64 = masked.rules.values().sum();
    shell.out.note(format_args!(
        "Masked {} in {} ({}).",
        text::count(masked.secrets, "secret"),
        text::count(places, "place"),
        rules.join(", ")
    ));
}

/// What was written where, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-exported")]
struct ExportedJson<'a> {
    session: &'a str,
    path: String,
    format: Format,
    mask: Option<&'a str>,
    masked: &'a BTreeMap<&'static str, u64>,
}
