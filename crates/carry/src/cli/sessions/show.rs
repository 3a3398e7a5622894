//! `carry sessions show`: a conversation, to be read.

use carry_sessions::archive::{SessionRow, StoredMessage};
use carry_sessions::export::{gist, message_json, pretty, title};
use carry_sessions::model::{Block, CallRef, Message, ResultStatus, Role, ToolCall};
use carry_sessions::stream::content::{Incomplete, run_in_words};

use super::gaps::Gaps;
use super::{archive, deleted, gaps, pin, row};
use crate::called::Called;
use crate::failure::Failure;
use crate::markdown::Page;
use crate::output::style;
use crate::text;
use crate::wire::Shell;
use crate::writers;

/// Lines of an output that are shown unless all is asked for.
const OUTPUT_LINES: usize = 6;
/// Characters of a line of an output that are shown unless all is asked for.
const OUTPUT_CHARS: usize = 160;

/// Show a conversation
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Only look among sessions from this device: the beginning of its id, or its name here
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Show inputs and outputs of tools in full
    #[arg(long)]
    full: bool,
    /// Show what the agent thought
    #[arg(long)]
    thinking: bool,
    /// Only the Nth turn: what follows the user's Nth prompt
    #[arg(long, value_name = "N", conflicts_with = "message")]
    turn: Option<u32>,
    /// Only the message of this number
    #[arg(long, value_name = "N")]
    message: Option<String>,
    /// Branches that were given up, and what the program put in, too
    #[arg(short, long)]
    all: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let device = args.device.as_deref().map(|name| writers::device_labelled(shell, name)).transpose()?;
    let session = archive.find_from(&args.session, device.as_deref())?;
    let (first, last) = match (&args.message, args.turn) {
        (Some(spec), _) => {
            let n = pin::number(spec)?;
            pin::message(&archive, &session, n)?;
            (n, n)
        }
        (None, Some(number)) => {
            let turns = carry_timeline::turns(&archive, &session)?;
            let turn = turns.iter().find(|turn| turn.number == number).ok_or_else(|| {
                Failure::failed(format!("{} has no turn {number}", archive::name(&session)))
                    .hint(format!("It has {}.", text::count(text::len(&turns), "turn")))
            })?;
            (*turn.ordinals.start(), *turn.ordinals.end())
        }
        (None, None) => (0, u32::MAX),
    };
    let gaps = Gaps::read(shell, &archive)?;
    let missing = gaps.of(&session).filter(|_| args.message.is_none());
    shell.out.start_pager();
    if shell.out.is_json() {
        shell.out.json(&row::json(&session, &Called::read(shell)?, &gaps))?;
    } else if args.message.is_none() {
        head(shell, &session)?;
        if let Some(missing) = missing {
            let what = shell.out.paint(style::WARNING, gaps::sentences(shell, missing)?);
            shell.out.line(format_args!("{what}\n"))?;
        }
        if let Some(due) = deleted::pending(&archive)?.get(&session.id) {
            shell.out.note(format_args!(
                "It was deleted for good on one of your devices, and {}; `carry sessions undelete {}` keeps it.",
                deleted::goes(*due),
                session.id
            ));
        }
    }
    let look =
        Look { full: args.full, thinking: args.thinking, all: args.all, is_one: args.message.is_some(), user: "You" };
    let mut shown: u64 = 0;
    let mut before = first.checked_sub(1);
    archive::each_page(&archive, &session, first, |page| {
        for stored in &page {
            if stored.message.ordinal > last {
                return Ok(false);
            }
            if shell.out.is_json() {
                let mut value = message_json(stored);
                if let serde_json::Value::Object(value) = &mut value {
                    value.shift_insert(0, "type".to_owned(), "session-message".into());
                }
                shell.out.json(&value)?;
            } else {
                gaps_between(shell, missing, before, stored.message.ordinal)?;
                shown += u64::from(message(shell, stored, &look)?);
            }
            before = Some(stored.message.ordinal);
        }
        Ok(true)
    })?;
    if last == u32::MAX && !shell.out.is_json() {
        gaps_between(shell, missing, before, u32::MAX)?;
    }
    if shown == 0 && !shell.out.is_json() {
        shell.out.note("Nothing in it is to be shown; --all shows the rest.");
    }
    Ok(())
}

/// How much of a conversation is shown.
pub(in crate::cli) struct Look<'l> {
    /// Inputs and outputs in full.
    pub(in crate::cli) full: bool,
    /// What the agent thought.
    pub(in crate::cli) thinking: bool,
    /// What is hidden, too.
    pub(in crate::cli) all: bool,
    /// One message only, whatever it is.
    pub(in crate::cli) is_one: bool,
    /// What the user is called.
    pub(in crate::cli) user: &'l str,
}

/// Whether a message is part of the conversation as it stands.
fn is_shown(message: &Message) -> bool {
    !message.is_abandoned && !message.is_system
}

/// Says where messages are missing between two that are here.
fn gaps_between(shell: &Shell, missing: Option<&Incomplete>, after: Option<u32>, before: u32) -> Result<(), Failure> {
    for run in missing.into_iter().flat_map(|missing| missing.between(after, before)) {
        let gap = format!("{} missing here", run_in_words(run));
        shell.out.line(format_args!("{}\n", shell.out.paint(style::WARNING, gap)))?;
    }
    Ok(())
}

fn head(shell: &Shell, session: &SessionRow) -> Result<(), Failure> {
    let out = &shell.out;
    out.line(out.paint(style::TITLE, text::line(&title(session))))?;
    let mut facts =
        vec![out.paint(style::ID, session.id.as_str()), session.agent.title().to_owned(), text::line(&session.project)];
    facts.extend(session.branch.as_deref().map(|branch| format!("on {}", text::line(branch))));
    facts.extend(session.model.as_deref().map(text::line));
    facts.extend(session.started.map(text::local_time));
    facts.extend(session.cost_micros.map(row::money));
    out.line(format_args!("{}\n", facts.join("  ")))
}

/// Shows a message; says whether it is one that is to be shown.
pub(in crate::cli) fn message(shell: &Shell, stored: &StoredMessage, look: &Look<'_>) -> Result<bool, Failure> {
    let out = &shell.out;
    let message = &stored.message;
    if !(look.all || look.is_one || is_shown(message)) {
        return Ok(false);
    }
    let mut page = Page::new(out.has_color());
    for block in &message.blocks {
        match block {
            Block::Text(said) => page.markdown(said),
            Block::Thinking(thought) if look.thinking => page.dim(thought),
            Block::Thinking(_) => {}
            Block::Call(call) => self::call(shell, &mut page, call, stored, look.full),
            Block::Image(image) => {
                page.line(&format!("[picture: {}, {}]", text::line(&image.media), text::size(image.bytes)));
            }
            Block::Other { kind, json } if look.full => {
                page.line(&format!("[{}]", text::line(kind)));
                page.code(&pretty(json));
            }
            Block::Other { kind, .. } => page.line(&format!("[{}]", text::line(kind))),
        }
    }
    let body = page.finish();
    if body.is_empty() && !look.is_one && !look.all {
        return Ok(true);
    }
    let who = match (&message.subtype, message.role) {
        (Some(subtype), _) => text::line(&subtype.replace('_', " ")),
        (None, Role::User) => text::line(look.user),
        (None, Role::Assistant) => "Agent".to_owned(),
    };
    let style = if message.role == Role::User { style::GOOD.bold() } else { style::HINT.bold() };
    let mut title = format!("{} {}", out.paint(style::DIM, format!("#{}", message.ordinal)), out.paint(style, who));
    if let Some(at) = message.at {
        title.push_str(&format!("  {}", out.paint(style::DIM, text::local_time(at))));
    }
    if message.is_abandoned {
        title.push_str("  (given up)");
    }
    out.line(title)?;
    out.line(body)?;
    Ok(true)
}

/// A call on one line, and the beginning of what came back.
fn call(shell: &Shell, page: &mut Page, call: &ToolCall, stored: &StoredMessage, full: bool) {
    let out = &shell.out;
    page.line(&format!("● {} {}", out.paint(style::TITLE, text::line(&call.name)), text::line(&gist(call))));
    if full {
        page.code(&pretty(&call.input));
    }
    let is_its = |of: &CallRef| matches!(of, CallRef::At { index, .. } if *index == call.index);
    for result in stored.results.iter().map(|stored| &stored.result).filter(|result| is_its(&result.call)) {
        if result.status == ResultStatus::Failed {
            page.line(&format!("  {}", out.paint(style::ERROR, "failed")));
        }
        if full {
            page.code(&result.content);
            continue;
        }
        let lines: Vec<&str> = result.content.lines().take(OUTPUT_LINES + 1).collect();
        for line in lines.iter().take(OUTPUT_LINES) {
            page.quiet(&format!("  │ {}", row::cut(line, OUTPUT_CHARS)));
        }
        if lines.len() > OUTPUT_LINES {
            let more = result.content.lines().count() - OUTPUT_LINES;
            page.quiet(&format!(
                "  │ … {}; --full shows all",
                text::count(u64::try_from(more).unwrap_or(u64::MAX), "more line")
            ));
        }
    }
}
