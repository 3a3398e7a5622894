//! The cells of a row, one after the other. A cell of another type than it should have is an error, never a panic: whoever owns the
//! schema may have altered it.

use std::time::SystemTime;

use carry_kernel::clock::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Timestamp as Stored};

use crate::postgres::from_server;

/// A row that is being read.
pub(in crate::postgres) struct Cells<'r> {
    row: &'r Row,
    at: usize,
}

impl<'r> Cells<'r> {
    /// From the first cell on.
    pub(in crate::postgres) fn new(row: &'r Row) -> Self {
        Self { row, at: 0 }
    }

    fn next<T: FromSql<'r>>(&mut self) -> Result<T, String> {
        let at = self.at;
        self.at += 1;
        let name = || self.row.columns().get(at).map_or("?", |column| column.name());
        self.row.try_get(at).map_err(|_| format!("column {at} ({}) is of another type", name()))
    }

    /// A text that may be missing.
    pub(in crate::postgres) fn text(&mut self) -> Result<Option<String>, String> {
        self.next()
    }

    /// A text that must be there.
    pub(in crate::postgres) fn must(&mut self) -> Result<String, String> {
        let at = self.at;
        self.text()?.ok_or_else(|| format!("column {at} is empty"))
    }

    /// A number that may be missing.
    pub(in crate::postgres) fn number(&mut self) -> Result<Option<i64>, String> {
        self.next()
    }

    /// A count that may be missing; one below zero is.
    pub(in crate::postgres) fn count(&mut self) -> Result<Option<u64>, String> {
        Ok(self.number()?.and_then(|number| u64::try_from(number).ok()))
    }

    /// A count that is cut to what fits.
    pub(in crate::postgres) fn small(&mut self) -> Result<u32, String> {
        Ok(self.number()?.map_or(0, |number| u32::try_from(number.max(0)).unwrap_or(u32::MAX)))
    }

    /// A time that may be missing.
    pub(in crate::postgres) fn time(&mut self) -> Result<Option<Timestamp>, String> {
        Ok(self.next::<Option<Stored<SystemTime>>>()?.map(from_server))
    }

    /// Yes or no; nothing is no.
    pub(in crate::postgres) fn flag(&mut self) -> Result<bool, String> {
        Ok(self.next::<Option<bool>>()?.unwrap_or_default())
    }

    /// Texts.
    pub(in crate::postgres) fn texts(&mut self) -> Result<Vec<String>, String> {
        self.next()
    }
}
