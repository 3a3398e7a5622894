//! One segment from a remote, whole, or its header, or some of its parts.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::limits::HEADER_BYTES_MAX;
use crate::plan::Part;
use crate::remote::{Got, Part as FilePart, RemoteFile};
use crate::round::fetch::{Refusal, Tried, sort_out};
use crate::round::{Round, RoundError};
use crate::segment::{Expected, PRELUDE_BYTES, SegmentHeader, header_bytes, large_header_bytes};
use crate::store::{Accepted, Store, StoreError};

/// Bytes that are fetched to read a header; few are larger.
const HEADER_BYTES_AIM: u64 = 64 * 1024;

impl Round<'_> {
    pub(in crate::round) fn get_whole(
        &self,
        store: &mut Store,
        file: &RemoteFile,
        expected: &Expected,
    ) -> Result<Tried<(Accepted, u64)>, RoundError> {
        let mut incoming = store.incoming()?;
        let part = FilePart::Whole { bytes_max: expected.reference.bytes };
        let got = self.remote.get(file, part, &mut incoming, self.deadline)?;
        if got.bytes != expected.reference.bytes {
            let why = format!("it has {} bytes", got.bytes);
            return Ok(Tried::Bad(Some(got), why));
        }
        match store.accept_segment(expected, incoming) {
            Ok(accepted) => Ok(Tried::Good((accepted, got.bytes), got)),
            Err(error) => sort_out(error, got),
        }
    }

    pub(super) fn get_header(
        &self,
        file: &RemoteFile,
        expected: &Expected,
    ) -> Result<Tried<(Vec<u8>, SegmentHeader)>, RoundError> {
        let first = HEADER_BYTES_AIM.min(expected.reference.bytes);
        let (mut bytes, got) = self.read(file, FilePart::Range { from: 0, bytes: first })?;
        if bytes.first_chunk().is_some_and(|prelude| large_header_bytes(prelude).is_some()) {
            return Ok(Tried::Refused(Refusal::Whole));
        }
        let Some(length) = bytes.first_chunk::<PRELUDE_BYTES>().and_then(|prelude| header_bytes(prelude).ok()) else {
            return Ok(Tried::Bad(Some(got), "it does not begin like a segment".to_owned()));
        };
        let length = PRELUDE_BYTES as u64 + length.min(HEADER_BYTES_MAX);
        let have = bytes.len() as u64;
        if length > have {
            let (rest, _) = self.read(file, FilePart::Range { from: have, bytes: length - have })?;
            bytes.write_all(&rest).map_err(StoreError::from)?;
        }
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        match SegmentHeader::read(&bytes, expected) {
            Ok(header) => Ok(Tried::Good((bytes, header), got)),
            Err(error) if error.needs_upgrade() => Ok(Tried::Refused(Refusal::Whole)),
            Err(error) => sort_out(error.into(), got),
        }
    }

    pub(super) fn get_parts(
        &self,
        store: &mut Store,
        file: &RemoteFile,
        expected: &Expected,
        head: &[u8],
        header: &SegmentHeader,
        parts: &[Part],
    ) -> Result<Tried<(Accepted, u64)>, RoundError> {
        let (mut blocks, mut total, mut last) = (BTreeMap::new(), 0, None);
        for part in parts {
            self.deadline.check(self.remote.place())?;
            let range = FilePart::Range { from: part.place.start, bytes: part.bytes() };
            let (bytes, got) = self.read(file, range)?;
            if got.bytes != part.bytes() {
                return Ok(Tried::Bad(Some(got), "it ends early".to_owned()));
            }
            total += got.bytes;
            let mut rest = bytes.as_slice();
            for block in part.blocks.clone() {
                let size = header.blocks.get(block).map_or(0, |block| block.bytes);
                let Some((stored, after)) = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size))
                else {
                    return Ok(Tried::Bad(Some(got), "it ends early".to_owned()));
                };
                blocks.insert(block, stored.to_vec());
                rest = after;
            }
            last = Some(got);
        }
        let Some(got) = last else { return Ok(Tried::Bad(None, "nothing of it is missing".to_owned())) };
        match store.accept_parts(expected, head, &blocks) {
            Ok(accepted) => Ok(Tried::Good((accepted, total), got)),
            Err(StoreError::Segment(error)) if error.needs_upgrade() => Ok(Tried::Refused(Refusal::Whole)),
            Err(error) => sort_out(error, Got { bytes: total, ..got }),
        }
    }
}
