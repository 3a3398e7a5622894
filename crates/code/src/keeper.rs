//! The keeper: the commit that a line's ref points at, so that Git keeps the line's snapshots.
//!
//! Keepers form the line; snapshots hang off them and never change. Dropping snapshots therefore means building the
//! keepers anew, and their bytes depend on nothing but what they hold: the same line gives the same keepers.

use carry_kernel::clock::Timestamp;

use crate::git::ObjectId;

/// The message of every keeper.
pub const MESSAGE: &str = "carry keeper\n";

/// Who a keeper says it is by. A person's name does not belong on a commit that no person wrote.
pub const IDENTITY: &str = "Carry <carry@localhost>";

/// The raw commit object (without its header) of the keeper that holds `snapshot_commit` on top of the keeper `previous`.
///
/// `tree` and `time` are the snapshot's. The parents are the previous keeper, if any, then the snapshot.
pub fn keeper_bytes(snapshot_commit: ObjectId, tree: ObjectId, previous: Option<ObjectId>, time: Timestamp) -> Vec<u8> {
    let seconds = time.as_secs();
    let previous = previous.map(|id| format!("parent {id}\n")).unwrap_or_default();
    format!(
        "tree {tree}\n{previous}parent {snapshot_commit}\nauthor {IDENTITY} {seconds} +0000\ncommitter {IDENTITY} {seconds} +0000\n\n{MESSAGE}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::HashKind;

    #[test]
    fn the_previous_keeper_comes_before_the_snapshot() {
        let id = |c: char| ObjectId::from_hex(c.to_string().repeat(40).as_bytes()).unwrap();
        let bytes = keeper_bytes(id('a'), id('b'), Some(id('c')), Timestamp::from_millis(1_795_171_200_999));
        let commit = gix::objs::CommitRef::from_bytes(&bytes, HashKind::Sha1).unwrap();
        assert_eq!(commit.tree(), id('b'));
        assert_eq!(commit.parents().collect::<Vec<_>>(), [id('c'), id('a')]);
        assert_eq!(commit.message, MESSAGE);
        assert_eq!(commit.committer().unwrap().time().unwrap().seconds, 1_795_171_200);

        let first = keeper_bytes(id('a'), id('b'), None, Timestamp::EPOCH);
        let first = gix::objs::CommitRef::from_bytes(&first, HashKind::Sha1).unwrap();
        assert_eq!(first.parents().collect::<Vec<_>>(), [id('a')]);
    }
}
