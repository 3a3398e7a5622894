//! A store in memory: what a [`Sink`] owes, without a database.
//!
//! Nothing that is shipped uses it. It is public because the tests of other crates (the daemon's worker) and the tests that every
//! sink must pass are written against it: it is the model that a database is compared with. It can be told to fail at any step
//! ([`Store::fail_at`]), before or after the step has taken effect.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::share::Mode;
use crate::sink::{
    Back, Begun, Buckets, Change, Class, Client, Held, Opened, ROW_BYTES_MAX, Sink, SinkError, Stored, Summary,
    Traffic, summary_of,
};
use crate::unit::{Bucket, Digest, Head, Place, Root, Row, UnitKey};

/// What several sinks share: the store itself. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
}

/// A unit as it lies there.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The device that put it.
    pub origin: String,
    /// How much is shared.
    pub mode: Mode,
    /// Its root; `None` stands for one that cannot be right.
    pub root: Option<Root>,
    /// Its head and that's digest.
    pub head: Option<(Head, Digest)>,
    /// The mask's version.
    pub mask: String,
    /// Its rows.
    pub rows: BTreeMap<Place, Row>,
}

/// Whether a step that fails has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It has not.
    Before,
    /// It has: only the answer is lost.
    After,
}

#[derive(Debug, Default)]
struct Inner {
    id: String,
    /// Roles with the persons they say they are; the place is the owner.
    owners: Vec<(String, String)>,
    /// The holder by owner and origin; `None` when its time is over.
    claims: BTreeMap<(usize, String), Option<String>>,
    units: BTreeMap<(usize, String), Unit>,
    steps: u64,
    faults: BTreeMap<u64, (Class, When)>,
}

/// A connection to a [`Store`].
#[derive(Debug)]
pub struct Memory {
    store: Store,
    role: String,
    open: Option<(usize, Client)>,
    /// Whether it was opened only to look.
    is_looking: bool,
    traffic: Traffic,
}

impl Store {
    /// An empty one of this name.
    pub fn new(id: &str) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { id: id.to_owned(), ..Inner::default() })) }
    }

    /// A connection of somebody whom the store knows as `role`.
    pub fn sink(&self, role: &str) -> Memory {
        Memory {
            store: self.clone(),
            role: role.to_owned(),
            open: None,
            is_looking: false,
            traffic: Traffic::default(),
        }
    }

    /// All units, by owner and key.
    pub fn units(&self) -> BTreeMap<(usize, String), Unit> {
        self.lock().units.clone()
    }

    /// Changes the units behind everybody's back, as a restored backup or an administrator does.
    pub fn tamper(&self, change: impl FnOnce(&mut BTreeMap<(usize, String), Unit>)) {
        change(&mut self.lock().units);
    }

    /// Lets the time of all claims be over.
    pub fn expire_claims(&self) {
        self.lock().claims.values_mut().for_each(|holder| *holder = None);
    }

    /// How many steps (calls of a sink's or a change's methods) were made.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Lets the step fail that is the `step`th from now, counted from 1.
    pub fn fail_at(&self, step: u64, class: Class, when: When) {
        let mut inner = self.lock();
        let at = inner.steps.saturating_add(step);
        inner.faults.insert(at, (class, when));
    }

    /// No step fails any longer.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a step and does it, or fails as was asked for.
    fn step<T>(&self, act: impl FnOnce(&mut Inner) -> Result<T, SinkError>) -> Result<T, SinkError> {
        let mut inner = self.lock();
        inner.steps += 1;
        let fault = {
            let at = inner.steps;
            inner.faults.remove(&at)
        };
        match fault {
            Some((class, When::Before)) => Err(error(class, "told to fail")),
            Some((class, When::After)) => {
                act(&mut inner).and_then(|_| Err(error(class, "told to fail after it was done")))
            }
            None => act(&mut inner),
        }
    }
}

fn mode_of(head: &Head) -> Mode {
    match head {
        Head::Session(session) => session.mode,
        Head::Totals(_) => Mode::Aggregates,
    }
}

fn error(class: Class, message: &str) -> SinkError {
    SinkError { class, message: message.to_owned(), hint: None, source: None }
}

impl Inner {
    fn owner(&mut self, role: &str, person: &str) -> usize {
        let found = self.owners.iter().position(|(known, name)| known == role && name == person);
        found.unwrap_or_else(|| {
            self.owners.push((role.to_owned(), person.to_owned()));
            self.owners.len() - 1
        })
    }

    /// Whether the claim is still this client's.
    fn check(&mut self, owner: usize, client: &Client) -> Result<(), SinkError> {
        let key = (owner, client.origin.clone());
        match self.claims.get(&key) {
            Some(Some(holder)) if *holder == client.holder => Ok(()),
            Some(None) => {
                self.claims.insert(key, Some(client.holder.clone()));
                Ok(())
            }
            _ => Err(error(Class::Busy, "another copy of this device pushes")),
        }
    }
}

impl Memory {
    fn client(&self) -> Result<(usize, Client), SinkError> {
        self.open.clone().ok_or_else(|| error(Class::Internal, "the store is not open"))
    }

    /// The same for what changes something.
    fn writer(&self) -> Result<(usize, Client), SinkError> {
        if self.is_looking {
            return Err(error(Class::Internal, "the store is open only to look"));
        }
        self.client()
    }
}

impl Sink for Memory {
    fn open(&mut self, client: &Client) -> Result<Opened, SinkError> {
        (self.open, self.is_looking) = (None, false);
        let role = self.role.clone();
        let (owner, id) = self.store.step(|inner| {
            let owner = inner.owner(&role, &client.person);
            let claim = inner.claims.entry((owner, client.origin.clone())).or_default();
            if claim.as_ref().is_some_and(|holder| *holder != client.holder) {
                return Err(error(Class::Busy, "another copy of this device pushes"));
            }
            *claim = Some(client.holder.clone());
            Ok((owner, inner.id.clone()))
        })?;
        self.open = Some((owner, client.clone()));
        Ok(Opened { store_id: id, owner: (owner + 1).to_string() })
    }

    fn look(&mut self, client: &Client) -> Result<Opened, SinkError> {
        (self.open, self.is_looking) = (None, true);
        let (owner, id) = self.store.step(|inner| {
            let is_us = |(role, person): &(String, String)| *role == self.role && *person == client.person;
            Ok((inner.owners.iter().position(is_us), inner.id.clone()))
        })?;
        self.open = Some((owner.unwrap_or(usize::MAX), client.clone()));
        Ok(Opened { store_id: id, owner: owner.map_or_else(String::new, |owner| (owner + 1).to_string()) })
    }

    fn summary(&mut self) -> Result<Summary, SinkError> {
        let (owner, client) = self.client()?;
        self.store.step(|inner| {
            let ours = inner.units.iter().filter(|((of, _), unit)| *of == owner && unit.origin == client.origin);
            Ok(summary_of(ours.map(|((_, key), unit)| (key.as_str(), unit.root))))
        })
    }

    fn roots(&mut self) -> Result<BTreeMap<String, Stored>, SinkError> {
        let (owner, client) = self.client()?;
        self.store.step(|inner| {
            let ours = inner.units.iter().filter(|((of, _), unit)| *of == owner && unit.origin == client.origin);
            let stored = |unit: &Unit| Stored { root: unit.root, mask: unit.mask.clone(), mode: unit.mode };
            Ok(ours.map(|((_, key), unit)| (key.clone(), stored(unit))).collect())
        })
    }

    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError> {
        let (owner, _) = self.client()?;
        self.store.step(|inner| {
            let is_wanted = |place: &Place| match buckets {
                Buckets::All => true,
                Buckets::These(these) => these.contains(&place.bucket()),
            };
            Ok(inner.units.get(&(owner, key.to_text())).map(|unit| Held {
                root: unit.root,
                rows: unit
                    .rows
                    .iter()
                    .filter(|(place, _)| is_wanted(place))
                    .map(|(place, row)| (*place, row.digest))
                    .collect(),
                head: unit.head.as_ref().map(|(_, digest)| *digest),
            }))
        })
    }

    fn rows(&mut self, key: &UnitKey, bucket: Bucket) -> Result<Option<Vec<Row>>, SinkError> {
        let (owner, _) = self.client()?;
        self.store.step(|inner| {
            let unit = inner.units.get(&(owner, key.to_text()));
            let rows = unit.into_iter().flat_map(|unit| unit.rows.values());
            Ok(Some(rows.filter(|row| row.place.bucket() == bucket).cloned().collect()))
        })
    }

    fn head(&mut self, key: &UnitKey) -> Result<Back, SinkError> {
        let (owner, _) = self.client()?;
        self.store.step(|inner| {
            let unit = inner.units.get(&(owner, key.to_text()));
            let head = unit.and_then(|unit| unit.head.as_ref().filter(|(head, _)| mode_of(head) == unit.mode));
            Ok(head.map_or(Back::Wrong, |(head, _)| Back::Head(Box::new(head.clone()))))
        })
    }

    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
        let (owner, client) = self.writer()?;
        let key = (owner, key.to_text());
        let found = self.store.step(|inner| {
            inner.check(owner, &client)?;
            Ok(inner.units.get(&key).map(|unit| (unit.root, unit.origin.clone())))
        })?;
        let root = match found {
            Some((_, origin)) if origin != client.origin => return Ok(Begun::Elsewhere { origin }),
            Some((root, _)) => root,
            None => None,
        };
        if root != base {
            return Ok(Begun::Moved(root));
        }
        Ok(Begun::Open(Box::new(Open { sink: self, key, client, base, rows: BTreeMap::new() })))
    }

    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError> {
        let (owner, client) = self.writer()?;
        self.store.step(|inner| {
            inner.check(owner, &client)?;
            let before = inner.units.len();
            inner.units.retain(|(of, key), unit| *of != owner || unit.origin != client.origin || !keys.contains(key));
            Ok((before - inner.units.len()) as u64)
        })
    }

    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError> {
        let (owner, client) = self.writer()?;
        self.store.step(|inner| {
            inner.check(owner, &client)?;
            for key in keys {
                if let Some(unit) =
                    inner.units.get_mut(&(owner, key.clone())).filter(|unit| unit.origin == client.origin)
                {
                    mask.clone_into(&mut unit.mask);
                }
            }
            Ok(())
        })
    }

    fn close(&mut self) -> Result<(), SinkError> {
        let Some((owner, client)) = self.open.take() else { return Ok(()) };
        if self.is_looking {
            return Ok(());
        }
        self.store.step(|inner| {
            let key = (owner, client.origin);
            if inner.claims.get(&key) == Some(&Some(client.holder)) {
                inner.claims.insert(key, None);
            }
            Ok(())
        })
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

/// A change: everything waits here for the end.
struct Open<'s> {
    sink: &'s mut Memory,
    key: (usize, String),
    client: Client,
    base: Option<Root>,
    /// `None`: taken out.
    rows: BTreeMap<Place, Option<Row>>,
}

impl Change for Open<'_> {
    fn put(&mut self, rows: Vec<Row>) -> Result<(), SinkError> {
        self.sink.store.step(|_| {
            match rows.iter().map(|row| row.body.bytes()).find(|bytes| *bytes > ROW_BYTES_MAX) {
                Some(bytes) => Err(SinkError::too_large(bytes)),
                None => Ok(()),
            }
        })?;
        self.sink.traffic.rows_written += rows.len() as u64;
        self.sink.traffic.bytes += rows.iter().map(|row| row.body.bytes() as u64).sum::<u64>();
        self.rows.extend(rows.into_iter().map(|row| (row.place, Some(row))));
        Ok(())
    }

    fn take(&mut self, places: &[Place]) -> Result<(), SinkError> {
        self.sink.store.step(|_| Ok(()))?;
        self.sink.traffic.rows_removed += places.len() as u64;
        self.rows.extend(places.iter().map(|place| (*place, None)));
        Ok(())
    }

    fn commit(self: Box<Self>, head: Option<(&Head, &Digest)>, root: Root, mask: &str) -> Result<(), SinkError> {
        let Self { sink, key, client, base, rows } = *self;
        sink.traffic.queries += 1;
        sink.store.step(|inner| {
            inner.check(key.0, &client)?;
            let known = inner.units.get(&key);
            if known.and_then(|unit| unit.root) != base || known.is_some_and(|unit| unit.origin != client.origin) {
                return Err(error(Class::Contended, "the unit was changed meanwhile"));
            }
            if known.is_none() && head.is_none() {
                return Err(error(Class::Internal, "a new unit has no head"));
            }
            let unit = inner.units.entry(key).or_insert_with(|| Unit {
                origin: client.origin.clone(),
                mode: Mode::Off,
                root: None,
                head: None,
                mask: String::new(),
                rows: BTreeMap::new(),
            });
            if let Some((head, digest)) = head {
                unit.mode = mode_of(head);
                unit.head = Some((head.clone(), *digest));
            }
            for (place, row) in rows {
                match row {
                    Some(row) => unit.rows.insert(place, row),
                    None => unit.rows.remove(&place),
                };
            }
            unit.root = Some(root);
            mask.clone_into(&mut unit.mask);
            Ok(())
        })
    }
}
