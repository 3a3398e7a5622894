//! The private index in bytes, version 1. All numbers little-endian.
//!
//! `CARRYIX1`, hash length, tree (its length, 0 for none, then the id), what was staged, stamp of Git's index, its digest, the rules' digest, that of attributes (behind 1; 0 for none), time of
//! the look, number of entries, bytes of paths; then 48 bytes and an id for each entry, the paths, and a CRC-32 over all before.

use crate::git::{HashKind, ObjectId};

use super::{Entry, Flags, ShadowIndex, StagedAt, Stamp, Stat};

const MAGIC: &[u8; 8] = b"CARRYIX1";
/// Bytes of an entry before its id.
const ENTRY: usize = 48;

pub(super) fn encode(index: &ShadowIndex) -> Vec<u8> {
    let hash_len = index.hash.len_in_bytes();
    let mut out = Vec::with_capacity(256 + index.entries.len() * (ENTRY + hash_len) + index.paths.len());
    out.extend_from_slice(MAGIC);
    out.push(u8::try_from(hash_len).expect("20 or 32"));
    put_id(&mut out, index.tree.as_ref());
    match &index.staged {
        Some(staged) => {
            out.push(1);
            put_id(&mut out, staged.head.as_ref());
            put_id(&mut out, staged.side.as_ref());
        }
        None => out.push(0),
    }
    put_stat(&mut out, &index.user.stat);
    out.extend_from_slice(&index.user_digest);
    out.extend_from_slice(&index.rules);
    out.push(u8::from(index.attributes.is_some()));
    out.extend_from_slice(&index.attributes.unwrap_or_default());
    out.extend_from_slice(&index.taken_ns.to_le_bytes());
    out.extend_from_slice(&(index.entries.len() as u64).to_le_bytes());
    out.extend_from_slice(&(index.paths.len() as u64).to_le_bytes());
    for e in &index.entries {
        // Mode fits 24 bits; the fourth byte carries the flags.
        out.extend_from_slice(&(e.mode | u32::from(e.flags.0) << 24).to_le_bytes());
        out.extend_from_slice(&e.len.to_le_bytes());
        put_stat(&mut out, &e.stat);
        out.extend_from_slice(e.id.as_slice());
    }
    out.extend_from_slice(&index.paths);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn put_id(out: &mut Vec<u8>, id: Option<&ObjectId>) {
    let bytes = id.map_or(&[][..], |id| id.as_slice());
    out.push(u8::try_from(bytes.len()).expect("20 or 32"));
    out.extend_from_slice(bytes);
}

fn put_stat(out: &mut Vec<u8>, stat: &Stat) {
    out.extend_from_slice(&stat.mtime.to_le_bytes());
    out.extend_from_slice(&stat.ctime.to_le_bytes());
    out.extend_from_slice(&stat.mtime_ns.to_le_bytes());
    out.extend_from_slice(&stat.ctime_ns.to_le_bytes());
    out.extend_from_slice(&stat.ino.to_le_bytes());
    out.extend_from_slice(&stat.size.to_le_bytes());
}

/// `None` for anything that is not exactly what [`encode`] writes.
pub(super) fn decode(bytes: &[u8]) -> Option<ShadowIndex> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    let mut r = Reader(body);
    if r.take(8)? != MAGIC || crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let hash_len = usize::from(r.u8()?);
    let hash = [HashKind::Sha1, HashKind::Sha256].into_iter().find(|k| k.len_in_bytes() == hash_len)?;
    let tree = r.id(hash_len)?;
    let staged = match r.u8()? {
        0 => None,
        1 => Some(StagedAt { head: r.id(hash_len)?, side: r.id(hash_len)? }),
        _ => return None,
    };
    let user = Stamp { stat: r.stat()? };
    let user_digest = r.take(32)?.try_into().ok()?;
    let rules = r.array()?;
    let attributes = match (r.u8()?, r.array()?) {
        (0, _) => None,
        (1, digest) => Some(digest),
        _ => return None,
    };
    let taken_ns = i64::from_le_bytes(r.array()?);
    let n_entries = usize::try_from(r.u64()?).ok()?;
    let paths_len = usize::try_from(r.u64()?).ok()?;
    if n_entries.checked_mul(ENTRY + hash_len)?.checked_add(paths_len)? != r.0.len() {
        return None;
    }
    let mut entries = Vec::with_capacity(n_entries);
    let mut offset = 0_u32;
    for _ in 0..n_entries {
        let head = r.u32()?;
        let len = r.u32()?;
        let stat = r.stat()?;
        let id = ObjectId::try_from(r.take(hash_len)?).ok()?;
        let flags = Flags((head >> 24) as u8);
        entries.push(Entry { offset, len, mode: head & 0x00ff_ffff, flags, stat, id });
        offset = offset.checked_add(len)?;
    }
    if usize::try_from(offset).ok()? != paths_len {
        return None;
    }
    let paths = r.take(paths_len)?.to_vec();
    Some(ShadowIndex { hash, tree, user, user_digest, rules, attributes, staged, taken_ns, entries, paths })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    /// An optional id behind its length.
    #[expect(clippy::option_option, reason = "outer: is it readable; inner: is there one")]
    fn id(&mut self, hash_len: usize) -> Option<Option<ObjectId>> {
        match usize::from(self.u8()?) {
            0 => Some(None),
            n if n == hash_len => Some(Some(ObjectId::try_from(self.take(n)?).ok()?)),
            _ => None,
        }
    }
    fn stat(&mut self) -> Option<Stat> {
        Some(Stat {
            mtime: i64::from_le_bytes(self.array()?),
            ctime: i64::from_le_bytes(self.array()?),
            mtime_ns: self.u32()?,
            ctime_ns: self.u32()?,
            ino: self.u64()?,
            size: self.u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::git::ByteSlice;

    fn sample(paths: &[Vec<u8>]) -> ShadowIndex {
        let mut index = ShadowIndex::new(HashKind::Sha1);
        index.tree = Some(ObjectId::empty_tree(HashKind::Sha1));
        index.taken_ns = 17;
        index.attributes = Some([3; 32]);
        for (n, path) in paths.iter().enumerate() {
            let stat = Stat { mtime: -5, mtime_ns: 7, ctime: 9, ctime_ns: 1, ino: n as u64, size: 1 << 40 };
            index.push(path.as_bstr(), 0o100_644, ObjectId::empty_blob(HashKind::Sha1), stat, Flags(Flags::TRACKED));
        }
        index
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(paths in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 1..30), 0..40)) {
            let index = sample(&paths.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(decode(&encode(&index)), Some(index));
        }

        #[test]
        fn any_damage_is_noticed(at in any::<proptest::sample::Index>(), bit in 0_u8..8, cut in any::<bool>()) {
            let mut bytes = encode(&sample(&[b"a".to_vec(), b"b/c".to_vec()]));
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
