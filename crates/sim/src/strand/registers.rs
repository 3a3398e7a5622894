//! Registers that every device edits: a few, so that devices meet in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::Flags;
use carry_exchange::register::{Edit, EditPayload, Forks, Register};
use carry_exchange::store::Store;
use carry_exchange::strand::outbox::{self, Outgoing};
use carry_exchange::strand::{Batch, Offered, Origin, Strand, StrandError};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::{Db, DbError};

/// How many there are.
pub const REGISTERS: u8 = 4;

/// The strand.
#[derive(Debug)]
pub struct Registers {
    db: Db,
    stream: StreamName,
}

/// What a register holds: values are compared, the id says which edit it was.
#[derive(Clone, Copy, Debug, Eq)]
struct Value {
    value: u64,
    id: u64,
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A register, as a device has it: ids of edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The edits that are live.
    pub live: BTreeSet<u64>,
    /// The one that is shown.
    pub shown: Option<u64>,
    /// Whether it is said to be in conflict.
    pub is_conflict: bool,
}

impl Registers {
    /// Opens it below a device's home.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(root: &Path, stream: StreamName) -> Result<Self, DbError> {
        Ok(Self { db: super::open(root)?, stream })
    }

    /// Edits a register, if that changes anything; says whether it did, and how many edits it went on from. The edit is durable
    /// when this returns.
    ///
    /// # Errors
    /// [`StrandError`]; then nothing was edited.
    pub fn edit(&mut self, log: LogId, register: u8, value: u64, id: u64) -> Result<Option<usize>, StrandError> {
        let key = format!("r{register}");
        let all = self.fold_all()?;
        let none = Register::default();
        let state = all.get(&key).unwrap_or(&none);
        if !state.would_change(&Value { value, id }) {
            return Ok(None);
        }
        let n_live = state.live().count();
        let edit =
            EditPayload { target: key.clone(), field: "v".to_owned(), value: value.into(), seen: state.seen(log) };
        let mut payload: serde_json::Value = serde_json::from_slice(&edit.to_bytes()?)?;
        payload["id"] = id.into();
        let out = Outgoing {
            flags: Flags::REPLACES,
            key: key.into_bytes(),
            kind: 1,
            kind_version: 1,
            wants: Vec::new(),
            payload: payload.to_string().into_bytes(),
        };
        let stream = self.stream.clone();
        self.db.write(|tx| outbox::push(tx, &stream, &out))?;
        self.db.sync()?;
        Ok(Some(n_live))
    }

    /// One line a row.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn describe(&self) -> Result<Vec<String>, StrandError> {
        super::describe(&self.db, &self.stream)
    }

    /// The ids of all edits that are folded, placed or wait to be said.
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

    /// What all registers hold.
    ///
    /// # Errors
    /// [`StrandError`].
    pub fn states(&self) -> Result<BTreeMap<String, State>, StrandError> {
        let state = |register: &Register<Value>| State {
            live: register.live().map(|(_, live)| live.value.id).collect(),
            shown: register.shown().map(|live| live.value.id),
            is_conflict: register.is_conflict(),
        };
        Ok(self.fold_all()?.iter().map(|(key, register)| (key.clone(), state(register))).collect())
    }

    fn fold_all(&self) -> Result<BTreeMap<String, Register<Value>>, StrandError> {
        let mut forks = Forks::default();
        for (log, branch) in super::branches(&self.db, &self.stream)? {
            forks.add(log, branch);
        }
        let rows = super::rows(&self.db, &self.stream)?;
        for row in &rows {
            if let Some(branch) = row.lineage.branch {
                forks.place(row.log, branch, row.seq, row.r4);
            }
        }
        let mut registers: BTreeMap<String, Register<Value>> = BTreeMap::new();
        for row in rows {
            let payload = EditPayload::from_bytes(row.payload.to_string().as_bytes())?;
            let value =
                Value { value: payload.value.as_u64().unwrap_or(0), id: row.payload["id"].as_u64().unwrap_or(0) };
            let edit = Edit { log: row.log, seq: row.seq, r4: row.r4, at: row.at, value, seen: payload.seen };
            registers.entry(payload.target).or_default().apply(edit, &forks);
        }
        Ok(registers)
    }
}

impl Strand for Registers {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, _: u64, now: Timestamp) -> Result<Offered, StrandError> {
        super::drain(&mut self.db, &self.stream, store, now)
    }

    fn knows(&self, kind: u16, _: u16) -> bool {
        kind == 1
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
}
