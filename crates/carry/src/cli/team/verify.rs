//! `carry team verify`: whether the store holds what it should.

use std::sync::atomic::AtomicBool;

use carry_team::postgres::Postgres;
use carry_team::push::{Progress as VerifyProgress, worker_name};
use carry_team::state::State;
use carry_team::verify::{Thoroughness, Verified, Verify};
use serde::Serialize;

use super::engine::Engine;
use super::store::StoreArg;
use super::unit::{self, ElsewhereJson, WrongJson};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::wire::Shell;
use crate::{lease, text};

/// Problems named one by one for people.
const NAMED_MAX: usize = 20;

/// Compare the store with what should be in it
///
/// Both ways, by digests; --deep masks everything anew and reads every row back. Changes nothing. The exit code is 3 when something
/// is not as it should be. What only another copy of this home may know is named apart, and is not wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mask everything anew, and compare it row by row
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let name = args.store.settings(shell)?.name;
    let engine = Engine::open(shell, &name)?;
    let how = if args.deep { Thoroughness::Contents } else { Thoroughness::Digests };
    // A push beside it would be taken for a difference.
    let found = lease::hold(shell, &worker_name(&name), "pushing to the team store", |lost| {
        compare(shell, &engine, how, lost)
    })?;
    if shell.out.is_json() {
        shell.out.json(&VerifiedJson::new(&name, args.deep, &found))?;
    } else {
        show(shell, &name, &found)?;
    }
    if found.was_stopped {
        return Err(
            Failure::partly("the comparison was stopped before its end").hint("`carry team verify` begins it anew.")
        );
    }
    if found.is_good() {
        return Ok(());
    }
    Err(Failure::partly(format!("the team store {name} is not as it should be"))
        .hint("`carry team push --full` repairs it."))
}

fn compare(shell: &Shell, engine: &Engine, how: Thoroughness, lost: &AtomicBool) -> Result<Verified, Failure> {
    let state = State::open_read_only(&shell.home)?;
    let progress = Progress::new(shell);
    let told = |at: VerifyProgress| progress.show("comparing with the team store", at.done, at.of);
    let verify = Verify {
        archive: engine.whole_archive()?,
        state: state.as_ref(),
        sink: &mut Postgres::new(&engine.store),
        store: &engine.store,
        redactor: &engine.redactor(shell)?,
        client: engine.client(shell)?,
        cancel: lost,
        progress: &told,
    };
    Ok(verify.run(how)?)
}

fn show(shell: &Shell, name: &str, found: &Verified) -> Result<(), Failure> {
    let lists = [
        (&found.missing, "should be in the store and is not"),
        (&found.different, "is not in the store as it is here"),
        (&found.only_there, "is in the store and should not be"),
    ];
    for (keys, what) in lists {
        for key in keys.iter().take(NAMED_MAX) {
            shell.out.warn(format_args!("{key} {what}"));
        }
        if keys.len() > NAMED_MAX {
            shell.out.warn(format_args!("so with {} more", keys.len() - NAMED_MAX));
        }
    }
    for (problems, what) in [(&found.damaged, "is damaged in the store"), (&found.failed, "cannot be made here")] {
        for (key, why) in problems.iter().take(NAMED_MAX) {
            shell.out.warn(format_args!("{key} {what}: {}", text::line(why)));
        }
        if problems.len() > NAMED_MAX {
            shell.out.warn(format_args!("so with {} more", problems.len() - NAMED_MAX));
        }
    }
    for key in found.unknown.iter().take(NAMED_MAX) {
        shell.out.note(format_args!("{key} is in the store, and this archive does not know of it."));
    }
    if !found.unknown.is_empty() {
        shell.out.note(format_args!(
            "Another copy of this home may know of {}: nothing is wrong with that. `carry team push --full` takes out what this \
             archive does not know.",
            match found.unknown.len() {
                1 => "it".to_owned(),
                n => format!("these {n}"),
            }
        ));
    }
    if found.is_shallow {
        shell.out.warn("this store cannot read its rows back: only digests were compared");
    }
    let wrong = text::len(&found.missing)
        + text::len(&found.different)
        + text::len(&found.only_there)
        + text::len(&found.damaged)
        + text::len(&found.failed);
    let mut apart = match found.elsewhere.len() {
        0 => String::new(),
        n => format!(", {n} from another device of yours"),
    };
    if !found.unknown.is_empty() {
        apart.push_str(&format!(", {} unknown here", found.unknown.len()));
    }
    shell.out.line(format_args!("{name}: {} as it should be, {wrong} not{apart}.", text::count(found.same, "session"),))
}

/// What was found, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-verified")]
struct VerifiedJson<'a> {
    store: &'a str,
    deep: bool,
    good: bool,
    same: u64,
    missing: &'a [String],
    different: &'a [String],
    only_there: &'a [String],
    unknown: &'a [String],
    damaged: Vec<WrongJson<'a>>,
    failed: Vec<WrongJson<'a>>,
    elsewhere: Vec<ElsewhereJson<'a>>,
    shallow: bool,
    stopped: bool,
}

impl<'a> VerifiedJson<'a> {
    fn new(store: &'a str, deep: bool, found: &'a Verified) -> Self {
        Self {
            store,
            deep,
            good: found.is_good(),
            same: found.same,
            missing: &found.missing,
            different: &found.different,
            only_there: &found.only_there,
            unknown: &found.unknown,
            damaged: unit::wrong(&found.damaged),
            failed: unit::wrong(&found.failed),
            elsewhere: unit::elsewhere(&found.elsewhere),
            shallow: found.is_shallow,
            stopped: found.was_stopped,
        }
    }
}
