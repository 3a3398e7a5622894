//! Own attachments before they are in a segment: files of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek as _, SeekFrom, Write as _};

use carry_kernel::db::rusqlite;

use super::incarnation::disk_error;
use super::read::{Piece, pieces};
use super::rows::{self, Lane, digest, int, number};
use super::{Limit, Store, StoreError};
use crate::hash::Digest;
use crate::limits::ATTACHMENT_BYTES_MAX;
use crate::name::{LogId, StreamName};
use crate::record::AttachmentId;
use crate::segment::{Attachment, Content};

/// An attachment in a file of its own.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: i64,
    pub(super) stream: StreamName,
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) digest: Digest,
    pub(super) provides: Vec<AttachmentId>,
    pub(super) needs: Vec<AttachmentId>,
}

impl Store {
    /// Takes an attachment for a stream of the own log; it is durable when this returns, and goes into the stream's next
    /// segment. Hand it over before the records that want it, which are of the same stream: when merging, what no record of its
    /// stream wants is left out. The same bytes with the same ids are taken once.
    ///
    /// Readers may have what it `needs` from anywhere, and nothing is checked of it. What they can have from this log alone is
    /// said to [`Store::attach_on`].
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Full`] for one that is too large, [`StoreError::Refused`] for one that is empty.
    pub fn attach(
        &mut self,
        stream: &StreamName,
        provides: &[AttachmentId],
        needs: &[AttachmentId],
        content: &mut dyn Read,
    ) -> Result<(), StoreError> {
        self.attach_on(stream, provides, &[], needs, content)
    }

    /// The same for an attachment that also needs `base`, which nobody but this log brings. From then on a merge keeps these
    /// as long as it keeps what needs them. Whoever calls holds [`Store::saying`], so that no merge is under way meanwhile.
    ///
    /// # Errors
    /// As [`Store::attach`]; [`StoreError::NeedGone`] when the own log does not bring one of `base`.
    pub fn attach_on(
        &mut self,
        stream: &StreamName,
        provides: &[AttachmentId],
        base: &[AttachmentId],
        needs: &[AttachmentId],
        content: &mut dyn Read,
    ) -> Result<(), StoreError> {
        self.refresh()?;
        let log = self.log;
        // Before a pack of a gigabyte is written for nothing, and again when it is noted.
        self.demand(stream, base)?;
        let needs = [base, needs].concat();
        let (pending, _guard) = self.spool(stream, provides, &needs, content)?;
        self.demand(stream, base)?;
        self.db.write(|tx| pending.insert(tx, log))
    }

    /// What these attachments of a log need, themselves among them, as far as what is held of the log says it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn needed_for(&self, log: LogId, ids: &[AttachmentId]) -> Result<BTreeSet<AttachmentId>, StoreError> {
        let (mut needed, mut todo) = (BTreeSet::new(), ids.to_vec());
        while let Some(id) = todo.pop() {
            if !needed.insert(id.clone()) {
                continue;
            }
            for (piece, which) in self.bringing(log, &id)? {
                match self.open_piece(&piece) {
                    Ok(opened) => {
                        let attachment = opened.header().attachments.get(which);
                        todo.extend(attachment.iter().flat_map(|attachment| attachment.needs.clone()));
                    }
                    // It says nothing.
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(needed)
    }

    fn demand(&self, stream: &StreamName, base: &[AttachmentId]) -> Result<(), StoreError> {
        for id in base {
            if !self.has_attached(stream, id)? {
                return Err(StoreError::NeedGone { id: id.clone() });
            }
        }
        Ok(())
    }

    /// Whether the own log brings an attachment: it waits for the stream's next segment, or stands in one that no merge has
    /// dropped it from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_attached(&self, stream: &StreamName, id: &AttachmentId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM attached JOIN segments USING (log, file)
                   WHERE attached.log = ?1 AND attached.id = ?2 AND segments.stream = ?3
                   UNION ALL
                   SELECT 1 FROM pending
                   WHERE log = ?1 AND stream = ?3 AND instr(' ' || provides || ' ', ' ' || ?2 || ' ') > 0";
        let row = (self.log.to_string(), id.as_str(), stream.as_str());
        Ok(self.db.conn().prepare_cached(sql)?.exists(row)?)
    }

    /// Writes an attachment to a file of its own.
    fn spool(
        &self,
        stream: &StreamName,
        provides: &[AttachmentId],
        needs: &[AttachmentId],
        content: &mut dyn Read,
    ) -> Result<(Pending, super::places::Guard), StoreError> {
        let mut incoming = self.places.incoming()?;
        let mut hash = sha2::Sha256::default();
        let mut bytes = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            bytes += n as u64;
            if bytes > ATTACHMENT_BYTES_MAX {
                return Err(StoreError::Full(Limit::Attachment));
            }
            sha2::Digest::update(&mut hash, &buffer[..n]);
            incoming.write_all(&buffer[..n])?;
        }
        if bytes == 0 {
            return Err(StoreError::Refused("an attachment has at least one byte"));
        }
        let digest = Digest::from_bytes(sha2::Digest::finalize(hash).into());
        let text = |ids: &[AttachmentId]| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ");
        let name = Digest::of(&[
            stream.as_str().as_bytes(),
            b"\n",
            text(provides).as_bytes(),
            b"\n",
            text(needs).as_bytes(),
            b"\n",
            digest.as_bytes(),
        ]);
        let file = format!("{}.att", crate::name::ObjectId::of(name));
        let guard = self.places.keep(incoming, &self.places.pending_dir(), &file)?;
        let (provides, needs) = (provides.to_vec(), needs.to_vec());
        Ok((Pending { id: 0, stream: stream.clone(), file, bytes, digest, provides, needs }, guard))
    }

    /// What of a log's attachments stands in segments after the positions: made files of their own again.
    pub(super) fn unsigned_attachments(
        &self,
        log: LogId,
        at: &BTreeMap<StreamName, (u64, Digest)>,
    ) -> Result<Vec<Pending>, StoreError> {
        let mut found = Vec::new();
        for stream in self.own_streams(log)? {
            let from = at.get(&stream).map_or(0, |(last, _)| *last);
            let lane = Lane::own(log, &stream);
            for piece in pieces(self.db.conn(), &lane, from + 1, u64::MAX)? {
                for which in 0..self.open_piece(&piece)?.header().attachments.len() {
                    let (attachment, mut content) = self.attachment(&piece, which)?;
                    let Attachment { provides, needs, .. } = attachment;
                    found.push(self.spool(&stream, &provides, &needs, &mut content)?.0);
                }
            }
        }
        Ok(found)
    }

    /// One attachment of a held file, and its verified bytes to read.
    pub(super) fn attachment(
        &self,
        piece: &Piece,
        which: usize,
    ) -> Result<(Attachment, Box<dyn Read + '_>), StoreError> {
        let damaged = || StoreError::damaged(&piece.file, "an attachment that it should hold is not there");
        let mut opened = self.open_piece(piece)?;
        let attachment = opened.header().attachments.get(which).cloned().ok_or_else(damaged)?;
        // Everything is checked before anything is handed out: a strand need not undo half an attachment.
        for block in attachment.blocks.clone() {
            opened.stored(block)?;
        }
        let first = opened.place(attachment.blocks.start).ok_or_else(damaged)?;
        let sizes = opened.header().blocks[attachment.blocks.clone()].iter();
        let bytes: u64 = sizes.filter(|block| block.content == Content::Attachment).map(|block| block.bytes).sum();
        let mut file = opened.into_file();
        file.seek(SeekFrom::Start(first))
            .map_err(disk_error("read", &self.places.file(piece.lane.log, &piece.file)))?;
        Ok((attachment, Box::new(file.take(bytes))))
    }
}

impl Pending {
    pub(super) fn insert(&self, tx: &rusqlite::Connection, log: LogId) -> Result<(), StoreError> {
        let text = |ids: &[AttachmentId]| ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ");
        let sql = "INSERT OR IGNORE INTO pending (log, stream, file, bytes, digest, provides, needs)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        tx.prepare_cached(sql)?.execute((
            log.to_string(),
            self.stream.as_str(),
            &self.file,
            int(self.bytes),
            self.digest.as_bytes(),
            text(&self.provides),
            text(&self.needs),
        ))?;
        Ok(())
    }

    /// Those of a stream, oldest first.
    pub(super) fn of(db: &rusqlite::Connection, log: LogId, stream: &StreamName) -> Result<Vec<Self>, StoreError> {
        let sql =
            "SELECT id, file, bytes, digest, provides, needs FROM pending WHERE log = ?1 AND stream = ?2 ORDER BY id";
        let mut rows = db.prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), stream.as_str()), |row| {
            let ids = |at: usize| -> rusqlite::Result<Vec<AttachmentId>> {
                let text: String = row.get(at)?;
                let ids = text.split(' ').filter(|id| !id.is_empty()).map(str::parse);
                ids.collect::<Result<_, _>>().map_err(|e| {
                    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(e))
                })
            };
            Ok(Self {
                id: row.get(0)?,
                stream: stream.clone(),
                file: row.get(1)?,
                bytes: number(row, 2)?,
                digest: digest(row, 3)?,
                provides: ids(4)?,
                needs: ids(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether its file, at `path`, has the bytes that were handed over; if not, why.
    pub(super) fn check(&self, path: &std::path::Path) -> Result<(), String> {
        let failed = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => "it is gone".to_owned(),
            _ => e.to_string(),
        };
        let mut file = super::places::open(path).map_err(|e| failed(e.source))?;
        let mut hash = sha2::Sha256::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => sha2::Digest::update(&mut hash, &buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
        match Digest::from_bytes(sha2::Digest::finalize(hash).into()) == self.digest {
            true => Ok(()),
            false => Err("its bytes are not those that were handed over".to_owned()),
        }
    }

    pub(super) fn delete(&self, tx: &rusqlite::Connection) -> Result<(), StoreError> {
        rows::run(tx, "DELETE FROM pending WHERE id = ?1", &[self.id]).map(drop)
    }
}
