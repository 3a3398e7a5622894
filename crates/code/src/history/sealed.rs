//! Lines of other devices, whose refs point at a seal on their newest keeper.

use super::{HistoryError, Line, find_commit};
use crate::git::ObjectId;
use crate::line::LineName;
use crate::seal::Seal;

/// The line whose ref `name` is at `tip`. What cannot be read, or is a seal that is not to be trusted at this place, is
/// taken for its keeper: whoever reads the line then gets the error, and the other lines are not held up.
pub(super) fn resolve(repo: &gix::Repository, name: LineName, tip: ObjectId) -> Line {
    match read(repo, tip) {
        Ok(Some(seal)) if seal.line == name => Line { name, tip, keeper: seal.keeper, seal: Some(seal) },
        _ => Line { name, tip, keeper: tip, seal: None },
    }
}

/// The seal at `tip`; `None` when it does not say that it is one.
pub(super) fn read(repo: &gix::Repository, tip: ObjectId) -> Result<Option<Seal>, HistoryError> {
    let object = find_commit(repo, tip)?;
    if !Seal::is_claimed(tip, &object.data) {
        return Ok(None);
    }
    Ok(Some(Seal::from_commit(tip, &object.data)?))
}
