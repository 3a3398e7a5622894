//! The totals of a project, masked.
//!
//! They show the project's name and key, and names of models. Whether one of these is a secret may stand in a message only, so
//! all sessions are looked through, as they are where more is shared. What has not changed since is not read again: in the
//! place of a unit's buckets it is remembered, by session, whether it knew of a secret in what is shown.

use std::collections::{BTreeMap, BTreeSet};

use carry_redact::{Finding, placeholder};

use super::UnitError;
use super::shaping::{Material, Workshop};
use crate::shape;
use crate::unit::{Bucket, Digest, TotalsHead};
use carry_sessions::mask::pieces::{Known, KnownBucket, Masking, NOTHING};

/// How many of the texts come before the models.
const NAMES: usize = 2;

/// Makes them; with what to remember, and what was masked in them.
pub(super) fn totals(
    workshop: &Workshop<'_>,
    material: &Material,
    known: Option<&Known>,
) -> Result<(TotalsHead, Known, Vec<Finding>), UnitError> {
    let models: BTreeSet<&str> = material.sessions.iter().filter_map(|session| session.model.as_deref()).collect();
    let names = [material.project_key.as_str(), material.project()];
    let texts: Vec<String> = names.into_iter().chain(models).map(str::to_owned).collect();
    let mut shown = Shown { masked: texts.clone(), texts, findings: BTreeMap::new() };
    let mut remembered = Known::default();
    for (session, digest) in material.sessions.iter().zip(&material.shown) {
        let raw = shown.raw(workshop.key, digest);
        // A bucket without rows: no root counts it.
        let bucket = u32::try_from(session.n).ok().map(Bucket);
        let before = bucket.and_then(|bucket| known?.buckets.get(&bucket));
        let has_secrets = match before.filter(|before| before.raw == raw && !before.has_secrets) {
            Some(_) => false,
            None => shown.look(workshop, session.n)?,
        };
        remembered.buckets.extend(bucket.map(|bucket| (bucket, KnownBucket { raw, shaped: NOTHING, has_secrets })));
    }
    let models: BTreeMap<&String, &String> = shown.texts.iter().zip(&shown.masked).skip(NAMES).collect();
    let mut sessions = material.sessions.clone();
    for model in sessions.iter_mut().filter_map(|session| session.model.as_mut()) {
        if let Some(masked) = models.get(model) {
            model.clone_from(masked);
        }
    }
    let head = shape::totals(&shown.masked[0], &shown.masked[1], &sessions);
    Ok((head, remembered, shown.findings.into_values().collect()))
}

/// What is shown.
struct Shown {
    /// As it is.
    texts: Vec<String>,
    /// As it is masked so far.
    masked: Vec<String>,
    /// What was masked in it, by placeholder.
    findings: BTreeMap<String, Finding>,
}

impl Shown {
    /// Masks it with what one session tells, and says whether that would change anything by itself.
    fn look(&mut self, workshop: &Workshop<'_>, n: i64) -> Result<bool, UnitError> {
        let (archive, redactor, key) = (workshop.archive, workshop.redactor, workshop.key);
        let Some(mut session) = archive.session(n)? else { return Ok(false) };
        let (pins, links) = (archive.pins(&session.id)?, archive.links_of(n)?);
        (session.path, session.missing) = (None, None);
        // Labels are masked one by one, and stay in their order.
        session.labels.extend(self.texts.iter().chain(&self.masked).cloned());
        let masking = Masking::begin(archive, &session, &pins, &links, Vec::new(), redactor, key, None)?;
        let head = masking.head();
        let ours = head.session.labels.len().saturating_sub(2 * self.texts.len());
        let (alone, masked) = head.session.labels[ours..].split_at(self.texts.len());
        let has_secrets = alone != self.texts;
        self.masked = masked.to_vec();
        for finding in &head.findings {
            let placeholder = placeholder(finding.rule, finding.fingerprint);
            let stands_in = |texts: &[String]| texts.iter().any(|text| text.contains(&placeholder));
            if stands_in(&self.masked) && !stands_in(&self.texts) {
                self.findings.insert(placeholder, finding.clone());
            }
        }
        Ok(has_secrets)
    }

    /// What a session, and all that is shown, come to as a hash.
    fn raw(&self, key: &[u8; 32], session: &Digest) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(session);
        for text in &self.texts {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}
