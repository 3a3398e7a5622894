//! Erasing: everything of an owner goes out of the store in one step, and nothing comes back until that is lifted.
//!
//! For whoever made the tables. Others see, and reach, no more than what is their own.

use futures_util::future;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use super::migrate::{checked, meta, understood};
use super::{Access, Link, Postgres};
use crate::sink::{Class, SinkError};

/// How often an erasure is begun when a push is in its way.
const TRIES: u32 = 5;
/// Owners that are read at a time.
const PAGE: i64 = 1000;
/// More of one name than this are not taken at once: they lie in memory.
const OWNERS_MAX: usize = 100_000;

/// An owner, and what is in the store of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRow {
    /// The owner.
    pub id: i32,
    /// The role that logs in.
    pub role: String,
    /// The person, as they call themselves.
    pub person: String,
    /// Units, or how many were removed.
    pub units: u64,
    /// Whether nothing is taken from it any more.
    pub is_erased: bool,
}

impl Postgres {
    /// All owners that `person` names: a person, or a role.
    ///
    /// # Errors
    /// [`SinkError`], also when there are more than can be taken at once.
    pub fn owners(&mut self, person: &str) -> Result<Vec<OwnerRow>, SinkError> {
        self.connect()?;
        let sql = "SELECT o.id, o.role::text, o.person, (SELECT count(*) FROM units u WHERE u.owner = o.id), \
                   o.erased_at IS NOT NULL FROM owners o WHERE (o.person = $1 OR o.role::text = $1) AND o.id > $2 ORDER BY o.id \
                   LIMIT $3";
        let (mut all, mut after): (Vec<OwnerRow>, i32) = (Vec::new(), i32::MIN);
        loop {
            let page: Vec<OwnerRow> = self.read("the owners cannot be listed", async |client| {
                let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                    [(&person, Type::TEXT), (&after, Type::INT4), (&PAGE, Type::INT8)];
                client.query_typed(sql, &parameters).await?.iter().map(owner).collect()
            })?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.id;
            all.extend(page);
            if all.len() > OWNERS_MAX {
                return Err(SinkError::new(
                    Class::Refused,
                    format!("more than {OWNERS_MAX} owners in the store are called so"),
                )
                .with_hint("Name a role, or have whoever runs the database take the others out of the table owners."));
            }
        }
    }

    /// Removes everything of these owners, and takes nothing from them any more. A push that runs ends with the unit at hand.
    ///
    /// # Errors
    /// [`SinkError`]; nothing was removed then.
    pub fn erase(&mut self, owners: &[i32]) -> Result<(), SinkError> {
        let note = "UPDATE owners SET erased_at = coalesce(erased_at, now()) WHERE id = ANY ($1)";
        let rest = [
            // Whoever holds a claim ends its unit before, and has none for the next. Claims before owners, as who pushes does.
            "SELECT FROM clients WHERE owner = ANY ($1) FOR UPDATE",
            // From here on nobody can put anything that is of them: what comes meanwhile waits for the note, and is refused.
            "SELECT FROM owners WHERE id = ANY ($1) FOR UPDATE",
            "DELETE FROM clients WHERE owner = ANY ($1)",
            "DELETE FROM units WHERE owner = ANY ($1)",
        ];
        let mut tries = 1;
        loop {
            match self.change_owners("the owner cannot be erased", owners, note, &rest) {
                // Of two that wait for each other the server ends one.
                Err(error) if error.class == Class::Contended && tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Takes units from these owners again.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn lift(&mut self, owners: &[i32]) -> Result<(), SinkError> {
        let note = "UPDATE owners SET erased_at = NULL WHERE id = ANY ($1)";
        self.change_owners("the owner cannot be let in again", owners, note, &[])
    }

    /// Does the rest and makes the note, in one transaction; takes it back unless the note is of all owners.
    fn change_owners(&mut self, doing: &str, owners: &[i32], note: &str, rest: &[&str]) -> Result<(), SinkError> {
        self.connect()?;
        let limit = self.limits.bulk;
        let all = owners.len() as u64;
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&owners, Type::INT4_ARRAY)];
        let noted = self.write(
            doing,
            limit,
            async |client| {
                let statements = rest.iter().chain([&note]).map(|sql| client.execute_typed(sql, &parameters));
                let counts = future::join_all(statements).await.into_iter().collect::<Result<Vec<u64>, _>>()?;
                Ok(counts.last().copied().unwrap_or(0))
            },
            |noted| *noted == all,
        )?;
        if noted == all {
            return Ok(());
        }
        Err(SinkError::new(Class::Forbidden, format!("{doing}: this role may not do it"))
            .with_hint("Only whoever made the tables may: log in as a role with carry_owner."))
    }

    /// Connects, without a claim.
    fn connect(&mut self) -> Result<(), SinkError> {
        if self.link.as_ref().is_some_and(Link::is_alive) {
            return Ok(());
        }
        let schema = checked(&self.settings.schema)?.to_owned();
        let mut link = Link::connect(&self.settings, Access::Write)?;
        understood(meta(&mut link, &schema, self.limits.statement)?, &schema)?;
        self.link = Some(link);
        Ok(())
    }
}

/// Everything of this owner was erased.
pub(super) fn erased() -> SinkError {
    SinkError::new(
        Class::Forbidden,
        "what you had shared was erased from this store, and nothing more is taken from you",
    )
    .with_hint("Whoever runs the store can lift that: `carry team erase PERSON --lift`.")
}

fn owner(row: &Row) -> Result<OwnerRow, Error> {
    Ok(OwnerRow {
        id: row.try_get(0)?,
        role: row.try_get(1)?,
        person: row.try_get(2)?,
        units: u64::try_from(row.try_get::<_, i64>(3)?).unwrap_or(0),
        is_erased: row.try_get(4)?,
    })
}
