//! A store before each call of which something else happens.

use std::collections::BTreeMap;

use carry_team::postgres::Postgres;
use carry_team::sink::{Back, Begun, Buckets, Change, Client, Held, Opened, Sink, SinkError, Stored, Summary, Traffic};
use carry_team::unit::{Bucket, Digest, Head, Place, Root, Row, UnitKey};

/// What happens, before the call of this name.
type Hook<'h> = dyn FnMut(&'static str) + 'h;

/// It.
pub(super) struct Hooked<'h> {
    inner: Postgres,
    hook: Box<Hook<'h>>,
}

/// A change in it.
struct HookedChange<'s, 'h> {
    inner: Box<dyn Change + 's>,
    hook: &'s mut Hook<'h>,
}

impl<'h> Hooked<'h> {
    pub(super) fn new(inner: Postgres, hook: impl FnMut(&'static str) + 'h) -> Self {
        Self { inner, hook: Box::new(hook) }
    }
}

impl Sink for Hooked<'_> {
    fn open(&mut self, client: &Client) -> Result<Opened, SinkError> {
        (self.hook)("open");
        self.inner.open(client)
    }
    fn look(&mut self, client: &Client) -> Result<Opened, SinkError> {
        (self.hook)("look");
        self.inner.look(client)
    }
    fn head(&mut self, key: &UnitKey) -> Result<Back, SinkError> {
        (self.hook)("head");
        self.inner.head(key)
    }
    fn summary(&mut self) -> Result<Summary, SinkError> {
        (self.hook)("summary");
        self.inner.summary()
    }
    fn roots(&mut self) -> Result<BTreeMap<String, Stored>, SinkError> {
        (self.hook)("roots");
        self.inner.roots()
    }
    fn held(&mut self, key: &UnitKey, buckets: &Buckets) -> Result<Option<Held>, SinkError> {
        (self.hook)("held");
        self.inner.held(key, buckets)
    }
    fn rows(&mut self, key: &UnitKey, bucket: Bucket) -> Result<Option<Vec<Row>>, SinkError> {
        (self.hook)("rows");
        self.inner.rows(key, bucket)
    }
    fn change<'s>(&'s mut self, key: &UnitKey, base: Option<Root>) -> Result<Begun<'s>, SinkError> {
        (self.hook)("change");
        Ok(match self.inner.change(key, base)? {
            Begun::Open(inner) => Begun::Open(Box::new(HookedChange { inner, hook: &mut *self.hook })),
            other => other,
        })
    }
    fn remove(&mut self, keys: &[String]) -> Result<u64, SinkError> {
        (self.hook)("remove");
        self.inner.remove(keys)
    }
    fn confirm(&mut self, keys: &[String], mask: &str) -> Result<(), SinkError> {
        (self.hook)("confirm");
        self.inner.confirm(keys, mask)
    }
    fn close(&mut self) -> Result<(), SinkError> {
        (self.hook)("close");
        self.inner.close()
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
}

impl Change for HookedChange<'_, '_> {
    fn put(&mut self, rows: Vec<Row>) -> Result<(), SinkError> {
        (self.hook)("put");
        self.inner.put(rows)
    }
    fn take(&mut self, places: &[Place]) -> Result<(), SinkError> {
        (self.hook)("take");
        self.inner.take(places)
    }
    fn commit(self: Box<Self>, head: Option<(&Head, &Digest)>, root: Root, mask: &str) -> Result<(), SinkError> {
        let Self { inner, hook } = *self;
        hook("commit");
        inner.commit(head, root, mask)
    }
}
