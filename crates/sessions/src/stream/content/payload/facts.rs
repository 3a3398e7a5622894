//! Facts: a session without its messages.

use carry_kernel::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::WireUsage;
use super::number::{heard, heard_stamp, heard_time, say, say_time};
use super::{PayloadError, UnsayableError};
use crate::archive::facts::{ProjectFacts, SessionFacts};
use crate::archive::row::{relation_named, termination_named};
use crate::git_links::{Evidence, GitLink, LinkKind};
use crate::model::UsageEvent;

/// Generates the members that are texts of [`SessionFacts`] under the same names.
macro_rules! wire_facts {
    ($($text:ident),* $(,)?) => {
        #[derive(Default, Serialize, Deserialize)]
        struct WireFacts {
            $(#[serde(default, skip_serializing_if = "Option::is_none")] $text: Option<String>,)*
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            automated: bool,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            started_ms: Option<i64>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            ended_ms: Option<i64>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            project: Option<WireProject>,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            usage: Vec<WireEvent>,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            links: Vec<WireLink>,
        }

        /// The JSON of a session's facts.
        pub(in crate::stream::content) fn encode_facts(facts: &SessionFacts) -> Result<String, UnsayableError> {
            let wire = WireFacts {
                $($text: facts.$text.clone(),)*
                automated: facts.is_automated,
                started_ms: say_time(facts.started_ms, "its beginning")?,
                ended_ms: say_time(facts.ended_ms, "its end")?,
                project: facts.project.as_ref().map(WireProject::of),
                usage: facts.usage.iter().map(WireEvent::of).collect::<Result<_, _>>()?,
                links: facts.links.iter().map(WireLink::of).collect::<Result<_, _>>()?,
            };
            Ok(serde_json::to_string(&wire).expect("texts and numbers are always JSON"))
        }

        /// The facts that `json` says.
        pub(in crate::stream::content) fn decode_facts(json: &str) -> Result<SessionFacts, PayloadError> {
            let wire: WireFacts = serde_json::from_str(json)?;
            let mut facts = SessionFacts {
                $($text: wire.$text,)*
                is_automated: wire.automated,
                started_ms: heard_time(wire.started_ms, "started_ms")?,
                ended_ms: heard_time(wire.ended_ms, "ended_ms")?,
                project: wire.project.map(WireProject::heard).transpose()?,
                usage: wire.usage.into_iter().map(WireEvent::heard).collect::<Result<_, _>>()?,
                links: wire.links.into_iter().filter_map(|link| link.heard().transpose()).collect::<Result<_, _>>()?,
            };
            // Names that a later version gives are as good as none.
            facts.relation = facts.relation.filter(|name| relation_named(name).is_some());
            facts.termination = facts.termination.filter(|name| termination_named(name).is_some());
            Ok(facts)
        }
    };
}

wire_facts!(
    parent,
    relation,
    parent_call,
    cwd,
    branch,
    name,
    entrypoint,
    kind,
    label,
    version,
    resume,
    remote,
    start_commit,
    project_hint,
    termination,
);

#[derive(Serialize, Deserialize)]
struct WireProject {
    key: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
}

impl WireProject {
    fn of(project: &ProjectFacts) -> Self {
        Self { key: project.key.clone(), name: project.name.clone(), remote: project.remote.clone() }
    }

    fn heard(self) -> Result<ProjectFacts, PayloadError> {
        match self.key.is_empty() || self.name.is_empty() {
            true => Err(PayloadError::Member("project")),
            false => Ok(ProjectFacts { key: self.key, name: self.name, remote: self.remote }),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct WireEvent {
    source: String,
    dedup: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    usage: WireUsage,
}

impl WireEvent {
    fn of(event: &UsageEvent) -> Result<Self, UnsayableError> {
        Ok(Self {
            source: event.source.clone(),
            dedup: event.dedup.clone(),
            at_ms: say_time(event.at.map(Timestamp::as_millis), "the time of usage")?,
            model: event.model.clone(),
            usage: WireUsage::of(&event.usage)?,
        })
    }

    fn heard(self) -> Result<UsageEvent, PayloadError> {
        Ok(UsageEvent {
            source: self.source,
            dedup: self.dedup,
            at: heard_stamp(self.at_ms, "usage")?,
            model: self.model,
            usage: self.usage.heard()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WireLink {
    kind: String,
    target: String,
    evidence: String,
    ordinal: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full_sha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supersedes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
}

impl WireLink {
    fn of(link: &GitLink) -> Result<Self, UnsayableError> {
        Ok(Self {
            kind: link.kind.as_str().to_owned(),
            target: link.target.clone(),
            evidence: link.evidence.as_str().to_owned(),
            ordinal: link.ordinal,
            call: link.index,
            repo: link.repo.clone(),
            number: say(link.number, "a request's number")?,
            branch: link.branch.clone(),
            subject: link.subject.clone(),
            full_sha: link.full_sha.clone(),
            supersedes: link.supersedes.clone(),
            superseded_by: link.superseded_by.clone(),
        })
    }

    /// `None` for kinds that a later version gives.
    fn heard(self) -> Result<Option<GitLink>, PayloadError> {
        let (Some(kind), Some(evidence)) = (LinkKind::named(&self.kind), Evidence::named(&self.evidence)) else {
            return Ok(None);
        };
        Ok(Some(GitLink {
            kind,
            target: self.target,
            evidence,
            repo: self.repo,
            number: heard(self.number, "number")?,
            branch: self.branch,
            subject: self.subject,
            full_sha: self.full_sha,
            supersedes: self.supersedes,
            superseded_by: self.superseded_by,
            ordinal: self.ordinal,
            index: self.call,
        }))
    }
}
