//! Digests of rows and heads, over everything that a store keeps of them.
//!
//! Every number and text has its place and its length, so that no two contents look alike. The order of pins, links, labels,
//! words and days does not count: a store need not keep it.

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::{Evidence, GitLink, LinkKind};
use carry_sessions::model::{NativeId, RelationKind, Termination};

use crate::unit::{Body, Digest, Head, SessionHead, Total, TotalsHead};

/// The digest of a row's body. What is read from a store's columns gives the same as what was put there.
pub fn digest_of_body(body: &Body) -> Digest {
    let mut sum = Sum::new("carry team row v1");
    match body {
        Body::Message { role, subtype, is_system, is_abandoned, at, model, json } => {
            sum.number(0);
            sum.number(i64::from(*role).cast_unsigned());
            sum.option(subtype.as_deref());
            sum.flag(*is_system);
            sum.flag(*is_abandoned);
            sum.time(*at);
            sum.option(model.as_deref());
            sum.text(json);
        }
        Body::Result { status, at, json } => {
            sum.number(1);
            sum.number(i64::from(*status).cast_unsigned());
            sum.time(*at);
            sum.text(json);
        }
        Body::Words(words) => {
            sum.number(2);
            sum.texts(words);
        }
    }
    sum.finish()
}

/// The digest of a head.
pub fn head_digest(head: &Head) -> Digest {
    let mut sum = Sum::new("carry team head v1");
    match head {
        Head::Session(head) => {
            let SessionHead { mode, session, pins, links, masked } = &**head;
            sum.number(0);
            sum.text(mode.as_str());
            self::session(&mut sum, session);
            sum.digests(pins.iter().map(pin).collect());
            sum.digests(links.iter().map(link).collect());
            sum.number(masked.len() as u64);
            for (rule, count) in masked {
                sum.text(rule);
                sum.number(*count);
            }
        }
        Head::Totals(TotalsHead { project_key, project, days }) => {
            sum.number(1);
            sum.text(project_key);
            sum.text(project);
            sum.digests(days.iter().map(total).collect());
        }
    }
    sum.finish()
}

/// Names every field, so that none that is new is forgotten here.
fn session(sum: &mut Sum, session: &SessionRow) {
    let SessionRow {
        n: _,
        id,
        origin,
        agent,
        native: NativeId(native),
        parent,
        project,
        project_key,
        cwd,
        branch,
        name,
        is_renamed,
        first_prompt,
        entrypoint,
        kind,
        version,
        // Neither the device's own numbers nor its places are kept.
        resume: _,
        termination,
        is_automated,
        started,
        ended,
        messages,
        user_messages,
        abandoned,
        calls,
        failures,
        model,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        peak_context,
        cost_micros,
        malformed,
        digest: _,
        revision: _,
        path: _,
        missing: _,
        is_starred,
        is_trashed,
        labels,
    } = session;
    for text in [id.as_str(), origin, agent.as_str(), native, project, project_key] {
        sum.text(text);
    }
    sum.option(parent.as_ref().map(|(NativeId(parent), _)| parent.as_str()));
    sum.number(parent.as_ref().map_or(0, |(_, kind)| match kind {
        RelationKind::Subagent => 1,
        RelationKind::Fork => 2,
        RelationKind::Continuation => 3,
    }));
    for text in [cwd, branch, name, first_prompt, entrypoint, kind, version, model] {
        sum.option(text.as_deref());
    }
    sum.number(match termination {
        None => 0,
        Some(Termination::Truncated) => 1,
        Some(Termination::ToolCallPending) => 2,
        Some(Termination::AwaitingUser) => 3,
        Some(Termination::Clean) => 4,
    });
    for flag in [is_renamed, is_automated, is_starred, is_trashed] {
        sum.flag(*flag);
    }
    sum.time(*started);
    sum.time(*ended);
    for count in [messages, user_messages, abandoned, calls, failures, malformed] {
        sum.number((*count).into());
    }
    for number in [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, peak_context, cost_micros] {
        sum.option_number(*number);
    }
    sum.texts(labels);
}

fn pin(pin: &Pin) -> Digest {
    let Pin { message, note, at } = pin;
    let mut sum = Sum::new("carry team pin v1");
    sum.text(message);
    sum.text(note);
    sum.text(&at.to_string());
    sum.finish()
}

fn link(link: &GitLink) -> Digest {
    let GitLink {
        kind,
        target,
        evidence,
        repo,
        number,
        branch,
        subject,
        full_sha,
        supersedes,
        superseded_by,
        ordinal,
        index,
    } = link;
    let mut sum = Sum::new("carry team link v1");
    sum.number(match kind {
        LinkKind::Commit => 0,
        LinkKind::PullRequest => 1,
        LinkKind::Push => 2,
    });
    sum.text(target);
    sum.number(match evidence {
        Evidence::Created => 0,
        Evidence::Recorded => 1,
        Evidence::Start => 2,
        Evidence::Mentioned => 3,
    });
    sum.option_number(*number);
    for text in [repo, branch, subject, full_sha, supersedes, superseded_by] {
        sum.option(text.as_deref());
    }
    sum.number((*ordinal).into());
    sum.option_number(index.map(u64::from));
    sum.finish()
}

fn total(total: &Total) -> Digest {
    let Total {
        day,
        agent,
        model,
        sessions,
        messages,
        user_messages,
        calls,
        failures,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cost_micros,
    } = total;
    let mut sum = Sum::new("carry team total v1");
    for text in [day, agent, model] {
        sum.text(text);
    }
    for number in [
        sessions,
        messages,
        user_messages,
        calls,
        failures,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        cost_micros,
    ] {
        sum.number(*number);
    }
    sum.finish()
}

/// A digest under way.
struct Sum(blake3::Hasher);

impl Sum {
    fn new(context: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(context))
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.number(flag.into());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn option(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        self.text(text.unwrap_or_default());
    }

    fn option_number(&mut self, number: Option<u64>) {
        self.flag(number.is_some());
        self.number(number.unwrap_or(0));
    }

    fn time(&mut self, at: Option<Timestamp>) {
        self.option_number(at.map(|at| at.as_millis().cast_unsigned()));
    }

    /// Texts whose order does not count, each once.
    fn texts(&mut self, texts: &[String]) {
        let mut sorted: Vec<&str> = texts.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        self.number(sorted.len() as u64);
        sorted.into_iter().for_each(|text| self.text(text));
    }

    /// Digests whose order does not count.
    fn digests(&mut self, mut digests: Vec<Digest>) {
        digests.sort_unstable();
        self.number(digests.len() as u64);
        digests.iter().for_each(|digest| {
            self.0.update(digest);
        });
    }

    fn finish(self) -> Digest {
        *self.0.finalize().as_bytes()
    }
}
