//! Things that devices keep: each is said once, may be replaced by a later one of its key, removed by a tombstone, and may
//! want an attachment without which it is not shown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::{AttachmentId, Flags, Record};
use carry_exchange::register::Lineage;
use carry_exchange::segment::Attachment;
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::outbox::{self, Outgoing};
use carry_exchange::strand::{Batch, Offered, Origin, Strand, StrandError};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::OptionalExtension as _;
use carry_kernel::db::{Db, DbError, rusqlite};

use crate::rng::Rng;

/// The kind of which the strand itself says what is void: of one key, all but the last.
const LATEST: u16 = 2;
/// The kind that only a later version of the program knows.
const LATER: u16 = 3;

/// The strand.
#[derive(Debug)]
pub struct Things {
    db: Db,
    stream: StreamName,
    /// Whether the program is of the later version.
    is_later: bool,
}

/// One thing that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thing {
    /// Its id.
    pub id: u64,
    /// Its key; things without one are never replaced.
    pub key: Option<u8>,
    /// Whether it replaces the earlier ones of its key.
    pub replaces: bool,
    /// Whether that is known to the strand alone.
    pub is_latest: bool,
    /// The thing that it removes.
    pub removes: Option<u64>,
    /// Whether it wants an attachment.
    pub wants: bool,
    /// The thing whose attachment that one needs.
    pub needs: Option<u64>,
    /// Whether it is of the kind that only a later version of the program knows.
    pub is_later: bool,
    /// Bytes that are added to its payload.
    pub padding: usize,
}

/// The attachment of a thing.
fn attachment_id(thing: u64) -> String {
    format!("a{thing}")
}

/// Characters that do not compress much, as many as a thing asks for.
fn padding(thing: &Thing) -> String {
    let mut bytes = vec![0; thing.padding];
    Rng::new(thing.id).fill(&mut bytes);
    bytes.iter().map(|byte| char::from(b'0' + byte % 64)).filter(|c| *c != '\\').collect()
}

/// The bytes of a thing's attachment.
pub fn attachment_bytes(id: &str) -> Vec<u8> {
    id.bytes().cycle().take(40 + id.len() * 17).collect()
}

impl Things {
    /// Opens it below a device's home, as a program of the later version does or not.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(root: &Path, stream: StreamName, is_later: bool) -> Result<Self, DbError> {
        Ok(Self { db: super::open(root)?, stream, is_later })
    }

    /// Keeps a thing; it is durable when this returns.
    ///
    /// # Errors
    /// [`StrandError`]; then it is not kept.
    pub fn say(&mut self, thing: &Thing) -> Result<(), StrandError> {
        let attachment = attachment_id(thing.id);
        let mut flags = Flags::default();
        if thing.replaces && !thing.is_latest {
            flags = flags.and(Flags::REPLACES);
        }
        if thing.removes.is_some() {
            flags = flags.and(Flags::KEEPS);
        }
        let payload = serde_json::json!({
            "id": thing.id, "removes": thing.removes, "padding": padding(thing),
        });
        let out = Outgoing {
            flags,
            key: thing.key.map(|key| format!("k{key}").into_bytes()).unwrap_or_default(),
            kind: match (thing.is_later, thing.is_latest) {
                (true, _) => LATER,
                (false, true) => LATEST,
                (false, false) => 1,
            },
            kind_version: 1,
            wants: if thing.wants { vec![attachment.parse()?] } else { Vec::new() },
            payload: payload.to_string().into_bytes(),
        };
        let stream = self.stream.clone();
        self.db.write(|tx| {
            if thing.wants {
                let needs = thing.needs.map(attachment_id).unwrap_or_default();
                tx.prepare_cached("INSERT INTO to_attach (id, needs) VALUES (?1, ?2)")?
                    .execute((&attachment, needs))?;
                let sql = "INSERT OR REPLACE INTO packs (id, bytes) VALUES (?1, ?2)";
                tx.prepare_cached(sql)?.execute((&attachment, attachment_bytes(&attachment)))?;
            }
            outbox::push(tx, &stream, &out)
        })?;
        self.db.sync()?;
        Ok(())
    }

    /// One line a row.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn describe(&self) -> Result<Vec<String>, StrandError> {
        super::describe(&self.db, &self.stream)
    }

    /// The ids of all things that are folded, placed or wait to be said.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn ids(&self) -> Result<BTreeSet<u64>, StrandError> {
        super::ids(&self.db, &self.stream)
    }

    /// The ids that more than one record has.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn doubled(&self) -> Result<BTreeSet<u64>, StrandError> {
        super::doubled(&self.db, &self.stream)
    }

    /// The ids of the records of a log up to one of them.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn ids_to(&self, log: LogId, last: u64) -> Result<BTreeSet<u64>, StrandError> {
        super::ids_to(&self.db, &self.stream, log, last)
    }

    /// The things whose attachments are here.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn attached(&self) -> Result<BTreeMap<String, Vec<u8>>, StrandError> {
        let mut rows = self.db.conn().prepare_cached("SELECT id, bytes FROM packs")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The things that nothing replaced or removed.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn shown(&self) -> Result<BTreeSet<u64>, StrandError> {
        let rows = super::rows(&self.db, &self.stream)?;
        let branches: BTreeMap<Lineage, Lineage> = super::branches(&self.db, &self.stream)?
            .into_iter()
            .map(|(log, one)| {
                let name = Lineage { log, branch: Some((one.first, one.r4)) };
                (name, Lineage { log, branch: one.parent })
            })
            .collect();
        // A record on a branch goes on from the branches that it left, and from the trunk.
        let comes_from = |mut at: Lineage, from: Lineage| {
            loop {
                if at == from {
                    return true;
                }
                match branches.get(&at) {
                    Some(parent) => at = *parent,
                    None if at.branch.is_some() => at = Lineage::trunk(at.log),
                    None => return false,
                }
            }
        };
        let removed: BTreeSet<u64> = rows.iter().filter_map(|row| row.payload["removes"].as_u64()).collect();
        let is_replaced = |one: &super::Row| {
            !one.key.is_empty()
                && rows.iter().any(|other| {
                    let voids = Flags(other.flags).has(Flags::REPLACES) || (other.kind, one.kind) == (LATEST, LATEST);
                    voids
                        && other.key == one.key
                        && other.seq > one.seq
                        && other.log == one.log
                        && comes_from(other.lineage, one.lineage)
                })
        };
        let shown = rows.iter().filter(|row| !is_replaced(row));
        let shown = shown.filter_map(|row| row.payload["id"].as_u64());
        Ok(shown.filter(|id| !removed.contains(id)).collect())
    }

    /// Hands over the attachments that wait.
    fn attach(&mut self, store: &mut Store) -> Result<(), StrandError> {
        let sql = "SELECT n, id, needs FROM to_attach ORDER BY n LIMIT 1";
        loop {
            let next =
                self.db.conn().prepare_cached(sql)?.query_row([], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
                });
            let Some((n, id, needs)) = next.optional()? else { return Ok(()) };
            let needs: Vec<AttachmentId> =
                needs.split(' ').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
            let (provides, bytes) = ([id.parse()?], attachment_bytes(&id));
            match store.attach_on(&self.stream, &provides, &needs, &[], &mut &bytes[..]) {
                // A merge dropped it: then this one stands on its own.
                Err(StoreError::NeedGone { .. }) => store.attach(&self.stream, &provides, &[], &mut &bytes[..])?,
                done => done?,
            }
            self.db.write(|tx| {
                Ok::<_, StoreError>(tx.prepare_cached("DELETE FROM to_attach WHERE n = ?1")?.execute([n])?)
            })?;
        }
    }
}

impl Strand for Things {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, _: u64, now: Timestamp) -> Result<Offered, StrandError> {
        self.attach(store)?;
        super::drain(&mut self.db, &self.stream, store, now)
    }

    fn knows(&self, kind: u16, _: u16) -> bool {
        kind <= if self.is_later { LATER } else { LATEST }
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        super::applied(&self.db, origin)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.db.conn(), &self.stream)?)
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        super::fold(&mut self.db, batch)
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        super::retract(&mut self.db, origin, after)
    }

    fn has(&mut self, _: LogId, id: &AttachmentId) -> Result<bool, StrandError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM packs WHERE id = ?1)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))?)
    }

    fn take_in(&mut self, _: LogId, attachment: &Attachment, content: &mut dyn Read) -> Result<(), StrandError> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        for need in &attachment.needs {
            if !self.has(LogId::of_key(&[0; 32]), need)? {
                return Err(format!("{need} is needed and not here").into());
            }
        }
        self.db.write(|tx| {
            for id in &attachment.provides {
                let sql = "INSERT OR REPLACE INTO packs (id, bytes) VALUES (?1, ?2)";
                tx.prepare_cached(sql)?.execute((id.as_str(), &bytes))?;
            }
            carry_kernel::fault::point("sim.strand.attached")?;
            Ok::<_, StoreError>(())
        })?;
        Ok(())
    }

    fn void(&self, of_one_key: &[Record]) -> BTreeSet<u64> {
        let last = of_one_key.iter().filter(|record| record.kind == LATEST).map(|record| record.seq).max();
        let void = of_one_key.iter().filter(|record| record.kind == LATEST).map(|record| record.seq);
        void.filter(|seq| Some(*seq) != last).collect()
    }
}
