//! `carry team erase`: everything of a person, for whoever runs the store.

use carry_team::postgres::{OwnerRow, Postgres};
use serde::Serialize;

use super::store::StoreArg;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{prompt, text};

/// Remove everything that a person has shared
///
/// For whoever runs the store. In one step everything of the person goes out of it, and their devices are refused from then on, so
/// that nothing comes back by itself; --lift lets them in again. PERSON is a name as `carry team list` shows it, or a role.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The person, or the role they log in with
    #[arg(value_name = "PERSON")]
    person: String,
    /// Let them push again
    #[arg(long)]
    lift: bool,
    #[command(flatten)]
    store: StoreArg,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut store = Postgres::new(&args.store.settings(shell)?);
    let person = args.person.trim();
    let owners = store.owners(person)?;
    if owners.is_empty() {
        return Err(Failure::failed(format!("nobody in the store is called {:?}", text::line(person)))
            .hint("`carry team list --all` shows who has shared something."));
    }
    if !args.lift {
        let named: Vec<String> = owners
            .iter()
            .map(|owner| {
                let units = text::count(owner.units, "session");
                format!("{} (role {}, {units})", text::line(&owner.person), text::line(&owner.role))
            })
            .collect();
        let question = format!("Remove everything that {} shared?", named.join(" and "));
        if !prompt::confirm(shell, &question, "--yes agrees. What is removed is gone for good.")? {
            return Err(prompt::cancelled());
        }
    }
    let ids: Vec<i32> = owners.iter().map(|owner| owner.id).collect();
    if args.lift {
        store.lift(&ids)?
    } else {
        store.erase(&ids)?
    }
    for owner in &owners {
        show(shell, owner, args.lift)?;
    }
    if !args.lift {
        shell.out.note("The space is given back by PostgreSQL's vacuum; backups of the database still have it.");
    }
    Ok(())
}

fn show(shell: &Shell, owner: &OwnerRow, is_lifted: bool) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&ErasedJson {
            person: &owner.person,
            role: &owner.role,
            owner: owner.id,
            units: owner.units,
            lifted: is_lifted,
        });
    }
    let (person, role) = (text::line(&owner.person), text::line(&owner.role));
    match is_lifted {
        true => shell.out.say(format_args!("{person} (role {role}) may push again.")),
        false => shell.out.say(format_args!(
            "Removed {} of {person} (role {role}), who is refused from now on.",
            text::count(owner.units, "session")
        )),
    }
}

/// A person whose sessions were removed, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-erased")]
struct ErasedJson<'a> {
    person: &'a str,
    role: &'a str,
    owner: i32,
    units: u64,
    lifted: bool,
}
