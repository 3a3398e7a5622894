//! Whether we know the format a repository is kept in.

use crate::git::{BStr, ByteSlice as _};

/// Extensions of the repository format that we know, in lower case. `compatobjectformat` is none of them: with it
/// every object needs a second name, which our packs do not record.
const KNOWN: &[&str] = &[
    "noop",
    "noop-v1",
    "preciousobjects",
    "partialclone",
    "objectformat",
    "refstorage",
    "worktreeconfig",
    "relativeworktrees",
    "submodulepathconfig",
];

/// Refuses formats that we do not know, as Git must; says whether refs are kept as reftable.
pub(super) fn check(repo: &gix::Repository) -> Result<bool, String> {
    let config = repo.config_snapshot();
    if config.integer("core.repositoryFormatVersion").unwrap_or(0) < 1 {
        // Extensions are void in version 0.
        return Ok(false);
    }
    for section in config.plumbing().sections_by_name("extensions").into_iter().flatten() {
        for name in section.value_names() {
            if !KNOWN.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(format!("its format uses the extension {name:?}, which is not known"));
            }
        }
    }
    match config.string("extensions.refStorage").map(|s| s.to_ascii_lowercase()) {
        None => Ok(false),
        Some(kind) if kind == b"files" => Ok(false),
        Some(kind) if kind == b"reftable" => Ok(true),
        Some(kind) => Err(format!("its refs are kept as {:?}, which is not known", kind.as_bstr())),
    }
}

/// Whether it may lack objects on purpose, since a remote promised to have them.
pub(crate) fn is_partial(repo: &gix::Repository) -> bool {
    let config = repo.config_snapshot();
    let mut remotes = config.plumbing().sections_by_name("remote").into_iter().flatten();
    config.string("extensions.partialClone").is_some()
        || remotes.any(|remote| {
            let promises = remote.value_implicit("promisor");
            promises.is_some_and(|value| {
                value.is_none_or(|value| gix::config::Boolean::try_from(BStr::new(&value)).is_ok_and(|is| is.0))
            })
        })
}
