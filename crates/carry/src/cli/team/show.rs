//! `carry team show`: a conversation that was shared, to be read.

use carry_sessions::archive::StoredMessage;
use carry_sessions::export::{message_json, title};
use carry_team::postgres::PostgresReader;
use carry_team::reader::{FIND_MAX, Permalink, Reader as _, Shared};
use serde_json::Value;

use super::shared;
use super::store::{self, StoreArg};
use crate::cli::sessions::row;
use crate::cli::sessions::show::{Look, message};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Messages read at a time.
const PAGE: usize = 500;

/// Show a conversation that was shared
///
/// A session is named by its id, the agent's own, the beginning of either, or its permalink (carry://team/…), which may name a
/// message, too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID|PERMALINK")]
    session: String,
    /// Only the message of this number
    #[arg(long, value_name = "N")]
    message: Option<u32>,
    /// Show inputs and outputs of tools in full
    #[arg(long)]
    full: bool,
    /// Show what the agent thought
    #[arg(long)]
    thinking: bool,
    /// Branches that were given up, and what the program put in, too
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let link = Permalink::parse(args.session.trim());
    if link.is_none() && args.session.trim().starts_with(carry_team::reader::SCHEME) {
        return Err(Failure::usage(format!("{:?} is no permalink", args.session))
            .hint("They look like this: carry://team/STORE/OWNER/SESSION#MESSAGE."));
    }
    let mut reader = open(shell, args, link.as_ref())?;
    let shared = only(reader.find(args.session.trim())?, &args.session)?;
    let wanted = args.message.or(link.and_then(|link| link.ordinal));
    let look = Look {
        full: args.full,
        thinking: args.thinking,
        all: args.all,
        is_one: wanted.is_some(),
        user: &shared.person,
    };
    shell.out.start_pager();
    if shell.out.is_json() {
        shell.out.json(&shared::json(&shared))?;
    } else if wanted.is_none() {
        head(shell, &shared)?;
    }
    let (mut next, mut shown, mut seen) = (Some(wanted.unwrap_or(0)), 0_u64, 0_u64);
    while let Some(from) = next {
        let page = reader.messages(&shared.link, from, if wanted.is_some() { 1 } else { PAGE })?;
        next = page.last().filter(|_| wanted.is_none()).and_then(|last| last.message.ordinal.checked_add(1));
        for stored in page.iter().filter(|stored| wanted.is_none_or(|wanted| stored.message.ordinal == wanted)) {
            seen += 1;
            if shell.out.is_json() {
                shell.out.json(&message_line(&shared, stored))?;
            } else if message(shell, stored, &look)? {
                shown += 1;
            }
        }
    }
    let left_out = shared::left_out(shared.head.mode);
    if let Some(wanted) = wanted.filter(|_| seen == 0) {
        let failure = Failure::failed(format!("{} has no message {wanted} in the store", name(&shared)));
        return Err(left_out.into_iter().fold(failure, Failure::hint));
    }
    if let Some(left_out) = left_out {
        shell.out.note(left_out);
    } else if shown == 0 && !shell.out.is_json() {
        shell.out.note("Nothing in it is to be shown; --all shows the rest.");
    }
    Ok(())
}

/// The store that is named, or that the permalink is of.
fn open(shell: &Shell, args: &Args, link: Option<&Permalink>) -> Result<PostgresReader, Failure> {
    let Some(link) = link.filter(|_| args.store.store.is_none()) else {
        return Ok(PostgresReader::new(&args.store.settings(shell)?));
    };
    let mut failed = None;
    for settings in store::configured(shell)? {
        let mut reader = PostgresReader::new(&settings);
        match reader.store_id() {
            Ok(store) if store == link.store => return Ok(reader),
            Ok(_) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Err(Failure::failed("the permalink is of a store that is not configured here")
            .hint("Whoever gave it to you knows the store's URL; `carry team init --url` adds it.")),
    }
}

/// The one session that was meant.
fn only(mut found: Vec<Shared>, spec: &str) -> Result<Shared, Failure> {
    if found.len() > 1 {
        let many = if found.len() < FIND_MAX { found.len().to_string() } else { format!("{FIND_MAX} or more") };
        let which = found.iter().map(|shared| format!("{} ({})", shared.link, text::line(&shared::whose(shared))));
        return Err(Failure::failed(format!("{spec:?} could be {many} sessions"))
            .hint(format!("Give more of the id, or one of these: {}.", which.collect::<Vec<_>>().join(", "))));
    }
    found.pop().ok_or_else(|| {
        Failure::failed(format!("no shared session {spec:?}"))
            .hint("`carry team list --all` lists every session with its id.")
    })
}

/// What a session is called in a sentence.
fn name(shared: &Shared) -> String {
    /// Longer titles are cut.
    const CHARS: usize = 60;
    let title = title(&shared.head.session);
    format!("{} ({})", shared.head.session.id, text::line(&row::cut(&title, CHARS)))
}

fn head(shell: &Shell, shared: &Shared) -> Result<(), Failure> {
    let out = &shell.out;
    let session = &shared.head.session;
    out.line(out.paint(style::TITLE, text::line(&title(session))))?;
    let mut facts = vec![
        out.paint(style::ID, session.id.as_str()),
        text::line(&shared::whose(shared)),
        text::line(session.agent.title()),
        text::line(&session.project),
    ];
    facts.extend(session.branch.as_deref().map(|branch| format!("on {}", text::line(branch))));
    facts.extend(session.model.as_deref().map(text::line));
    facts.extend(session.started.map(text::local_time));
    facts.extend(session.cost_micros.map(row::money));
    facts.extend(session.is_starred.then(|| "starred".to_owned()));
    facts.extend(session.is_trashed.then(|| "in the trash".to_owned()));
    out.line(facts.join("  "))?;
    out.line(format_args!("{}\n", out.paint(style::DIM, &shared.link)))
}

fn message_line(shared: &Shared, stored: &StoredMessage) -> Value {
    let mut value = message_json(stored);
    if let Value::Object(value) = &mut value {
        let mut link = shared.link.clone();
        link.ordinal = Some(stored.message.ordinal);
        value.shift_insert(0, "type".to_owned(), "team-message".into());
        value.shift_insert(1, "link".to_owned(), link.to_string().into());
    }
    value
}
