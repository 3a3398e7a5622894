//! What a record of the stream says: one line of one working tree, as JSON.
//!
//! The form is described in `docs/formats/exchange-code.md`. What is read may come from anywhere: everything is bounded and
//! checked, and what is not known is passed over.

use carry_exchange::json::check_payload;
use carry_exchange::limits::RECORD_WANTS_MAX;
use carry_exchange::record::AttachmentId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::identity::{Identity, RepositoryId};
use crate::git::{HashKind, ObjectId};
use crate::line::{Branch, LineName};
use crate::{line, seal};

/// The kind of a line's record.
pub(super) const KIND: u16 = 1;
/// The version of its payload.
pub(super) const KIND_VERSION: u16 = 1;
/// Snapshots that a record names at most: it wants the attachment of each.
pub(super) const SNAPSHOTS_MAX: usize = RECORD_WANTS_MAX;
/// Most names and roots that are read of a repository.
const NAMES_MAX: usize = 16;
/// Longest name of a repository, in characters.
const NAME_CHARS_MAX: usize = 300;

/// A line, as a record says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinePayload {
    /// What its repository is called in this log.
    pub(crate) id: RepositoryId,
    /// Which repository that is.
    pub(crate) identity: Identity,
    /// The line.
    pub(crate) line: LineName,
    /// Its branch.
    pub(crate) branch: Branch,
    /// The whole seal, a commit.
    pub(crate) seal: String,
    /// The snapshots that are kept, oldest first.
    pub(crate) snapshots: Vec<ObjectId>,
    /// The commit HEAD was at.
    pub(crate) head: Option<ObjectId>,
    /// When the newest snapshot was made, in seconds since 1970.
    pub(crate) time: i64,
    /// The device's label, for people.
    pub(crate) label: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    repository: WireRepository,
    line: String,
    branch: String,
    label: String,
    seal: String,
    snapshots: Vec<String>,
    head: Option<String>,
    time: i64,
}

#[derive(Serialize, Deserialize)]
struct WireRepository {
    id: String,
    name: String,
    hash: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    roots: Vec<String>,
}

impl LinePayload {
    /// The record's payload.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let hex = |ids: &[ObjectId]| ids.iter().map(ObjectId::to_string).collect();
        let wire = Wire {
            repository: WireRepository {
                id: self.id.as_str().to_owned(),
                name: self.identity.name.clone(),
                hash: hash_name(self.identity.hash).to_owned(),
                urls: self.identity.urls.clone(),
                roots: hex(&self.identity.roots),
            },
            line: self.line.ref_name(),
            branch: self.branch.to_trailer(),
            label: self.label.clone(),
            seal: self.seal.clone(),
            snapshots: hex(&self.snapshots),
            head: self.head.map(|id| id.to_string()),
            time: self.time,
        };
        serde_json::to_vec(&wire).expect("text and numbers always fit JSON")
    }

    /// Reads a payload; or says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        check_payload(bytes).map_err(|e| e.to_string())?;
        let wire: Wire = serde_json::from_slice(bytes).map_err(|e| format!("it is not the record of a line: {e}"))?;
        let hash = hash_of(&wire.repository.hash).ok_or("its repository names objects by an unknown hash")?;
        let id = |hex: &str| {
            let id = ObjectId::from_hex(hex.as_bytes()).ok().filter(|id| id.kind() == hash && !id.is_null());
            id.ok_or_else(|| "it names an object by something that is no id".to_owned())
        };
        let ids = |all: &[String]| all.iter().map(|hex| id(hex)).collect::<Result<Vec<_>, _>>();
        let line = LineName::from_ref(&wire.line).ok_or("its line is none")?;
        let branch = Branch::from_trailer(wire.branch.as_str().into()).ok_or("its branch is none")?;
        if branch.component() != line.component {
            return Err("its branch is another than its line's".to_owned());
        }
        if wire.seal.len() > seal::MESSAGE_BYTES_MAX {
            return Err("its seal is too long".to_owned());
        }
        let snapshots = ids(&wire.snapshots)?;
        if snapshots.is_empty() || snapshots.len() > SNAPSHOTS_MAX {
            return Err(format!("it names {} snapshots; 1 to {SNAPSHOTS_MAX} are allowed", snapshots.len()));
        }
        let shown = |text: &str| {
            let fit = text.chars().map(|c| if line::is_unfit_to_show(c) { char::REPLACEMENT_CHARACTER } else { c });
            fit.take(NAME_CHARS_MAX).collect::<String>()
        };
        let WireRepository { name, urls, roots, .. } = &wire.repository;
        let mut roots = ids(&roots[..roots.len().min(NAMES_MAX)])?;
        roots.sort();
        Ok(Self {
            id: wire.repository.id.parse().map_err(|()| "its repository's id is none")?,
            identity: Identity {
                name: shown(name),
                hash,
                urls: urls.iter().take(NAMES_MAX).map(|url| shown(url)).collect(),
                roots,
            },
            line,
            branch,
            seal: wire.seal,
            snapshots,
            head: wire.head.as_deref().map(id).transpose()?,
            time: wire.time,
            label: shown(&wire.label).chars().take(seal::LABEL_CHARS_MAX).collect(),
        })
    }

    /// The attachments without which it cannot be used.
    pub(crate) fn wants(&self) -> Vec<AttachmentId> {
        self.snapshots.iter().map(|commit| self.id.attachment(*commit)).collect()
    }

    /// The key of its record. A line's name may be longer than a key may.
    pub(crate) fn key(line: &LineName) -> Vec<u8> {
        let hex: String = Sha256::digest(line.ref_name())[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("line/{hex}").into_bytes()
    }
}

fn hash_name(hash: HashKind) -> &'static str {
    if hash == HashKind::Sha1 { "sha1" } else { "sha256" }
}

fn hash_of(name: &str) -> Option<HashKind> {
    match name {
        "sha1" => Some(HashKind::Sha1),
        "sha256" => Some(HashKind::Sha256),
        _ => None,
    }
}
