//! Which repository it is, told on any device.
//!
//! Repositories that have remotes are the same when one of these is: host and path, however they are reached. Where one of
//! two has none, they are the same when their histories have a root in common. In records a repository goes by a short id
//! made of the first of these that it had; whoever has the same repository can make that id as well, and knows where a pack
//! belongs before it has read a record.

use std::fmt;
use std::str::FromStr;

use carry_exchange::record::AttachmentId;
use carry_kernel::id::TreeId;
use sha2::{Digest as _, Sha256};

use super::StreamError;
use super::run::{Input, text_of};
use crate::git::{self, ByteSlice as _, HashKind, ObjectId};
use crate::line;
use crate::remote;
use crate::repo::Repo;

/// Hex digits of an id.
const ID_HEX: usize = 12;
/// Bytes of an attachment's id at most.
const ATTACHMENT_BYTES_MAX: usize = carry_exchange::limits::ATTACHMENT_ID_BYTES_MAX;
/// Hex digits of a commit in an attachment's id at most: of a SHA-256 not all fit, and these are enough.
const COMMIT_HEX_MAX: usize = ATTACHMENT_BYTES_MAX - ID_HEX - 1;
/// Most remotes and roots that are told of a repository.
const NAMES_MAX: usize = 16;
/// Longest name of a remote that is told, in bytes.
const NAME_BYTES_MAX: usize = 300;

/// What a repository is called in a log: 12 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RepositoryId(String);

/// What tells which repository it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// What its folder or its first remote is called, for people.
    pub(crate) name: String,
    /// The hash that names its objects.
    pub(crate) hash: HashKind,
    /// Its remotes, `host/path`, sorted.
    pub(crate) urls: Vec<String>,
    /// Commits without parents in the history of its HEADs, sorted. None where they cannot be known.
    pub(crate) roots: Vec<ObjectId>,
}

/// An attachment's id, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The repository.
    pub(crate) id: RepositoryId,
    /// The commit's id, or as much of it as there is.
    pub(crate) hex: String,
    /// The hash that names objects there.
    pub(crate) hash: HashKind,
}

impl RepositoryId {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(kind: &str, text: &str) -> Self {
        let hash = Sha256::digest(format!("carry repository 1\n{kind}\n{text}"));
        Self(hash[..ID_HEX / 2].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// That of a repository of which nothing else is known than a working tree.
    pub(crate) fn of_tree(tree: &TreeId) -> Self {
        Self::of("tree", tree.as_str())
    }

    /// The id of the attachment that provides `commit`.
    pub(crate) fn attachment(&self, commit: ObjectId) -> AttachmentId {
        let hex = commit.to_string();
        let hex = &hex[..hex.len().min(COMMIT_HEX_MAX)];
        format!("{}.{hex}", self.0).parse().expect("hex digits and a dot are allowed")
    }
}

impl FromStr for RepositoryId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == ID_HEX && is_hex).then(|| Self(text.to_owned())).ok_or(())
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Wanted {
    /// Takes an id apart; `None` for one that this strand does not make.
    pub(crate) fn parse(id: &AttachmentId) -> Option<Self> {
        let (repository, hex) = id.as_str().split_once('.')?;
        let hash = match hex.len() {
            40 => HashKind::Sha1,
            COMMIT_HEX_MAX => HashKind::Sha256,
            _ => return None,
        };
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_hex.then_some(())?;
        Some(Self { id: repository.parse().ok()?, hex: hex.to_owned(), hash })
    }

    /// Whether it means this commit.
    pub(crate) fn is(&self, commit: &ObjectId) -> bool {
        commit.kind() == self.hash && commit.to_string().starts_with(&self.hex)
    }

    /// The commit of that id that a repository has.
    pub(crate) fn find(&self, gix: &gix::Repository) -> Option<ObjectId> {
        let prefix = gix::hash::Prefix::from_hex(&self.hex).ok()?;
        let id = gix.objects.lookup_prefix(prefix, None).ok()??.ok()?;
        let is_commit = gix.find_header(id).is_ok_and(|header| header.kind() == gix::objs::Kind::Commit);
        (id.kind() == self.hash && is_commit).then_some(id)
    }
}

impl Identity {
    /// Whether both are the same repository.
    pub(crate) fn is(&self, other: &Self) -> bool {
        if self.hash != other.hash {
            return false;
        }
        if !self.urls.is_empty() && !other.urls.is_empty() {
            return self.urls.iter().any(|url| other.urls.contains(url));
        }
        self.roots.iter().any(|root| other.roots.contains(root))
    }

    /// The ids that it may go by.
    pub(crate) fn ids(&self) -> Vec<RepositoryId> {
        let urls = self.urls.iter().map(|url| RepositoryId::of("url", url));
        urls.chain(self.roots.iter().map(|root| RepositoryId::of("root", &root.to_string()))).collect()
    }

    /// The id that it goes by when it is said for the first time.
    pub(crate) fn first_id(&self) -> Option<RepositoryId> {
        self.ids().into_iter().next()
    }
}

/// The remotes of a repository as every device knows them, sorted.
pub(super) fn urls(repo: &Repo) -> Vec<String> {
    let gix = repo.gix();
    let snapshot = gix.config_snapshot();
    let config = snapshot.plumbing();
    let mut urls = Vec::new();
    for section in config.sections_by_name("remote").into_iter().flatten() {
        for url in section.values("url") {
            let Ok(url) = url.to_str() else { continue };
            urls.extend(remote::shared_name(&remote::rewritten(config, url)));
        }
    }
    urls.retain(|url| url.len() <= NAME_BYTES_MAX && !url.chars().any(line::is_unfit_to_show));
    urls.sort();
    urls.dedup();
    urls.truncate(NAMES_MAX);
    urls
}

/// What a person calls the repository: the end of its remote's path, or its folder.
pub(super) fn name(repo: &Repo, urls: &[String]) -> String {
    let of_url = urls.first().and_then(|url| url.rsplit('/').next()).map(str::to_owned);
    let main = repo.common_dir();
    let folder = if main.file_name().is_some_and(|name| name == ".git") { main.parent() } else { Some(repo.root()) };
    let folder = folder.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let name = of_url.or(folder).unwrap_or_default();
    name.chars().map(|c| if line::is_unfit_to_show(c) { char::REPLACEMENT_CHARACTER } else { c }).take(100).collect()
}

/// The roots that `heads` descend from: those that are known already, and those behind what is new since `before`. Of a
/// shallow repository they cannot be known.
pub(super) fn roots(
    repo: &Repo,
    heads: &[ObjectId],
    before: &[ObjectId],
    known: &[ObjectId],
) -> Result<Vec<ObjectId>, StreamError> {
    if is_shallow(repo) || heads.is_empty() {
        return Ok(Vec::new());
    }
    let list = |without: &[ObjectId]| {
        let mut git = git::command(repo.root());
        git.args(["rev-list", "--max-parents=0", "--ignore-missing", "--stdin"]);
        let mut input: String = heads.iter().map(|id| format!("{id}\n")).collect();
        without.iter().for_each(|id| input.push_str(&format!("^{id}\n")));
        let listed = text_of(repo, "the roots of its history", git, Input::Text(input))?;
        Ok::<_, StreamError>(listed.lines().filter_map(|line| ObjectId::from_hex(line).ok()).collect::<Vec<_>>())
    };
    let gix = repo.gix();
    let grows = !known.is_empty() && before.iter().all(|id| gix.has_object(*id));
    let mut roots = if grows { [known, &list(before)?].concat() } else { list(&[])? };
    roots.sort();
    roots.dedup();
    roots.truncate(NAMES_MAX);
    Ok(roots)
}

/// Whether the history of a repository was cut off.
pub(super) fn is_shallow(repo: &Repo) -> bool {
    repo.common_dir().join("shallow").metadata().is_ok_and(|found| found.len() > 0)
}
