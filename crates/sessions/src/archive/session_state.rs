//! A session while it is written: what lists show, kept up to date row by row.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row, params};

use super::digest::{Sum, session_digest};
use super::facts::SessionFacts;
use super::row::{relation_name, termination_name};
use crate::model::{Agent, Block, Facts, Message, NativeId, Relation, Role, SessionId, Usage};

/// Characters of the first prompt that are kept.
const PROMPT_CHARS: usize = 300;

/// One session, as its row has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) n: i64,
    pub(super) unit: Option<i64>,
    pub(super) project: Option<i64>,
    pub(super) parent: Option<String>,
    pub(super) relation: Option<String>,
    pub(super) parent_call: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) name: Option<String>,
    pub(super) entrypoint: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) label: Option<String>,
    pub(super) version: Option<String>,
    pub(super) resume: Option<String>,
    pub(super) remote: Option<String>,
    pub(super) start_commit: Option<String>,
    pub(super) project_hint: Option<String>,
    pub(super) first_prompt: Option<String>,
    pub(super) first_prompt_ordinal: Option<u32>,
    pub(super) termination: Option<String>,
    pub(super) is_automated: bool,
    pub(super) started_ms: Option<i64>,
    pub(super) ended_ms: Option<i64>,
    pub(super) messages: i64,
    pub(super) user_messages: i64,
    pub(super) abandoned: i64,
    pub(super) calls: i64,
    pub(super) failures: i64,
    pub(super) model: Option<String>,
    pub(super) model_ordinal: Option<u32>,
    pub(super) input_tokens: Option<i64>,
    pub(super) output_tokens: Option<i64>,
    pub(super) cache_read_tokens: Option<i64>,
    pub(super) cache_write_tokens: Option<i64>,
    pub(super) peak_context: Option<i64>,
    pub(super) cost_micros: Option<i64>,
    pub(super) token: Option<String>,
    pub(super) sum: Sum,
}

/// What of a message counts in its session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted<'a> {
    pub(super) ordinal: u32,
    pub(super) is_user: bool,
    pub(super) is_system: bool,
    pub(super) is_abandoned: bool,
    pub(super) at_ms: Option<i64>,
    pub(super) model: Option<&'a str>,
    pub(super) usage: Option<Usage>,
    pub(super) cost: Option<u64>,
    pub(super) calls: i64,
    pub(super) prompt: Option<&'a str>,
}

impl<'a> Counted<'a> {
    pub(super) fn of(message: &'a Message, cost: Option<u64>) -> Self {
        let text = message.blocks.iter().find_map(|block| match block {
            Block::Text(text) if !text.trim().is_empty() && !is_command(text) => Some(text.as_str()),
            _ => None,
        });
        Self {
            ordinal: message.ordinal,
            is_user: message.role == Role::User,
            is_system: message.is_system,
            is_abandoned: message.is_abandoned,
            at_ms: message.at.map(Timestamp::as_millis),
            model: message.model.as_deref(),
            usage: message.usage,
            cost,
            calls: message.blocks.iter().filter(|block| matches!(block, Block::Call(_))).count() as i64,
            prompt: text,
        }
    }
}

/// Whether a text is a command of the agent's program (`/model sonnet`), not a prompt.
fn is_command(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let name = word.strip_prefix('/').unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':'))
}

fn add(total: &mut Option<i64>, more: Option<u64>) {
    if let Some(more) = more {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        *total = Some(total.unwrap_or(0).saturating_add(more));
    }
}

impl State {
    /// Counts a message that was not counted yet.
    pub(super) fn count(&mut self, counted: Counted<'_>) {
        self.time(counted.at_ms);
        self.use_up(counted.usage, counted.cost);
        if counted.is_abandoned {
            self.abandoned += 1;
            return;
        }
        self.messages += 1;
        self.calls += counted.calls;
        if counted.is_user && !counted.is_system {
            self.user_messages += 1;
            if let Some(text) = counted.prompt
                && self.first_prompt_ordinal.is_none_or(|known| counted.ordinal < known)
            {
                self.first_prompt = Some(one_line(text));
                self.first_prompt_ordinal = Some(counted.ordinal);
            }
        }
        if let Some(model) = counted.model.filter(|model| *model != "<synthetic>")
            && self.model_ordinal.is_none_or(|known| counted.ordinal >= known)
        {
            self.model = Some(model.to_owned());
            self.model_ordinal = Some(counted.ordinal);
        }
    }

    /// Counts usage, of a message or of its own.
    pub(super) fn use_up(&mut self, usage: Option<Usage>, cost: Option<u64>) {
        let Some(usage) = usage else { return };
        add(&mut self.input_tokens, usage.input);
        add(&mut self.output_tokens, usage.output);
        add(&mut self.cache_read_tokens, usage.cache_read);
        add(&mut self.cache_write_tokens, usage.cache_write);
        add(&mut self.cache_write_tokens, usage.cache_write_1h);
        add(&mut self.cost_micros, cost);
        let context = usage.context().map(|context| i64::try_from(context).unwrap_or(i64::MAX));
        self.peak_context = self.peak_context.max(context);
    }

    pub(super) fn time(&mut self, at_ms: Option<i64>) {
        let Some(at) = at_ms else { return };
        self.started_ms = Some(self.started_ms.map_or(at, |known| known.min(at)));
        self.ended_ms = Some(self.ended_ms.map_or(at, |known| known.max(at)));
    }

    /// Takes over what the source knows; says whether the project may be another.
    pub(super) fn learn(&mut self, facts: Facts) -> bool {
        let moved = (facts.cwd.is_some() && facts.cwd != self.cwd)
            || (facts.project.is_some() && facts.project != self.project_hint)
            || (facts.remote.is_some() && facts.remote != self.remote);
        let pairs = [
            (&mut self.cwd, facts.cwd),
            (&mut self.branch, facts.branch),
            (&mut self.name, facts.name),
            (&mut self.project_hint, facts.project),
            (&mut self.remote, facts.remote),
            (&mut self.start_commit, facts.start_commit),
            (&mut self.entrypoint, facts.entrypoint),
            (&mut self.kind, facts.kind),
            (&mut self.label, facts.label),
            (&mut self.version, facts.version),
            (&mut self.resume, facts.resume),
            (&mut self.token, facts.token),
            (&mut self.termination, facts.termination.map(|t| termination_name(t).to_owned())),
        ];
        for (known, new) in pairs {
            if new.is_some() {
                *known = new;
            }
        }
        self.is_automated = facts.is_automated.unwrap_or(self.is_automated);
        facts.times.iter().for_each(|at| self.time(Some(at.as_millis())));
        moved
    }

    /// Becomes what others say that the session is, besides its messages, usage, links and times.
    pub(super) fn take_facts(&mut self, facts: &SessionFacts) {
        let pairs = [
            (&mut self.parent, &facts.parent),
            (&mut self.relation, &facts.relation),
            (&mut self.parent_call, &facts.parent_call),
            (&mut self.cwd, &facts.cwd),
            (&mut self.branch, &facts.branch),
            (&mut self.name, &facts.name),
            (&mut self.entrypoint, &facts.entrypoint),
            (&mut self.kind, &facts.kind),
            (&mut self.label, &facts.label),
            (&mut self.version, &facts.version),
            (&mut self.resume, &facts.resume),
            (&mut self.remote, &facts.remote),
            (&mut self.start_commit, &facts.start_commit),
            (&mut self.project_hint, &facts.project_hint),
            (&mut self.termination, &facts.termination),
        ];
        for (known, new) in pairs {
            known.clone_from(new);
        }
        self.is_automated = facts.is_automated;
    }

    /// Keeps what `before` knew and this one does not.
    pub(super) fn keep(&mut self, before: Self) {
        let pairs = [
            (&mut self.parent, before.parent),
            (&mut self.relation, before.relation),
            (&mut self.parent_call, before.parent_call),
            (&mut self.cwd, before.cwd),
            (&mut self.branch, before.branch),
            (&mut self.name, before.name),
            (&mut self.project_hint, before.project_hint),
            (&mut self.remote, before.remote),
            (&mut self.start_commit, before.start_commit),
            (&mut self.entrypoint, before.entrypoint),
            (&mut self.kind, before.kind),
            (&mut self.label, before.label),
            (&mut self.version, before.version),
            (&mut self.resume, before.resume),
            (&mut self.token, before.token),
            (&mut self.termination, before.termination),
        ];
        for (now, before) in pairs {
            if now.is_none() {
                *now = before;
            }
        }
        self.is_automated |= before.is_automated;
        self.time(before.started_ms);
        self.time(before.ended_ms);
    }

    pub(super) fn relate(&mut self, relation: Option<Relation>) {
        if let Some(relation) = relation {
            self.parent = Some(relation.parent.0);
            self.relation = Some(relation_name(relation.kind).to_owned());
            self.parent_call = relation.call.or(self.parent_call.take());
        }
    }

    /// The digest of everything that would be sent. Where a file lies, and what it is called on this machine, is not part of it.
    pub(super) fn digest(&self) -> [u8; 32] {
        let flag = if self.is_automated { "1" } else { "0" };
        let texts = [
            &self.parent,
            &self.relation,
            &self.parent_call,
            &self.cwd,
            &self.branch,
            &self.name,
            &self.entrypoint,
            &self.kind,
            &self.label,
            &self.version,
            &self.resume,
            &self.remote,
            &self.start_commit,
            &self.project_hint,
            &self.termination,
        ];
        let mut metadata: Vec<Option<&str>> = texts.into_iter().map(Option::as_deref).collect();
        metadata.push(Some(flag));
        let times = [self.started_ms, self.ended_ms].map(|at| at.map(|at| at.to_string()));
        metadata.extend(times.iter().map(Option::as_deref));
        session_digest(&metadata, self.sum)
    }

    /// The session of this name, if the archive has it.
    pub(super) fn load(
        conn: &Connection,
        origin: &str,
        agent: Agent,
        native: &NativeId,
    ) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT * FROM sessions WHERE origin = ?1 AND agent = ?2 AND native = ?3")?
            .query_row((origin, agent.as_str(), &native.0), Self::from_row)
            .optional()
    }

    /// The session in row `n`, with the digest that it bears.
    pub(super) fn of_row(conn: &Connection, n: i64) -> rusqlite::Result<(Self, Vec<u8>)> {
        conn.prepare_cached("SELECT * FROM sessions WHERE n = ?1")?
            .query_row([n], |row| Ok((Self::from_row(row)?, row.get("digest")?)))
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let sum: Vec<u8> = row.get("sum")?;
        Ok(Self {
            n: row.get("n")?,
            unit: row.get("unit")?,
            project: row.get("project")?,
            parent: row.get("parent")?,
            relation: row.get("relation")?,
            parent_call: row.get("parent_call")?,
            cwd: row.get("cwd")?,
            branch: row.get("branch")?,
            name: row.get("name")?,
            entrypoint: row.get("entrypoint")?,
            kind: row.get("kind")?,
            label: row.get("label")?,
            version: row.get("version")?,
            resume: row.get("resume")?,
            remote: row.get("remote")?,
            start_commit: row.get("start_commit")?,
            project_hint: row.get("project_hint")?,
            first_prompt: row.get("first_prompt")?,
            first_prompt_ordinal: row.get("first_prompt_ordinal")?,
            termination: row.get("termination")?,
            is_automated: row.get("is_automated")?,
            started_ms: row.get("started_ms")?,
            ended_ms: row.get("ended_ms")?,
            messages: row.get("messages")?,
            user_messages: row.get("user_messages")?,
            abandoned: row.get("abandoned")?,
            calls: row.get("calls")?,
            failures: row.get("failures")?,
            model: row.get("model")?,
            model_ordinal: row.get("model_ordinal")?,
            input_tokens: row.get("input_tokens")?,
            output_tokens: row.get("output_tokens")?,
            cache_read_tokens: row.get("cache_read_tokens")?,
            cache_write_tokens: row.get("cache_write_tokens")?,
            peak_context: row.get("peak_context")?,
            cost_micros: row.get("cost_micros")?,
            token: row.get("token")?,
            sum: Sum::of_bytes(&sum).unwrap_or_default(),
        })
    }

    /// Makes the row; its number is filled in.
    pub(super) fn insert(
        &mut self,
        conn: &Connection,
        origin: &str,
        agent: Agent,
        native: &NativeId,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        let id = SessionId::new(origin, agent, native);
        conn.prepare_cached(
            "INSERT INTO sessions (id, origin, agent, native, unit, sum, digest, archived_ms, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )?
        .execute(params![
            id.as_str(),
            origin,
            agent.as_str(),
            native.0,
            self.unit,
            self.sum.to_bytes(),
            [0u8; 32],
            now_ms
        ])?;
        self.n = conn.last_insert_rowid();
        Ok(())
    }

    /// Writes the row when anything in it changed; says whether the digest did.
    pub(super) fn save(&self, conn: &Connection, malformed: i64, now_ms: i64) -> rusqlite::Result<bool> {
        let digest = self.digest();
        let before: Vec<u8> =
            conn.prepare_cached("SELECT digest FROM sessions WHERE n = ?1")?.query_row([self.n], |row| row.get(0))?;
        let has_changed = before != digest;
        conn.prepare_cached(
            "UPDATE sessions SET unit = ?2, project = ?3, parent = ?4, relation = ?5, parent_call = ?6, cwd = ?7, branch = ?8,
             name = ?9, entrypoint = ?10, kind = ?11, label = ?12, version = ?13, resume = ?14, remote = ?15,
             start_commit = ?16, project_hint = ?17, first_prompt = ?18, first_prompt_ordinal = ?19, termination = ?20,
             is_automated = ?21, started_ms = ?22, ended_ms = ?23, messages = ?24, user_messages = ?25, abandoned = ?26,
             calls = ?27, failures = ?28, model = ?29, model_ordinal = ?30, input_tokens = ?31, output_tokens = ?32,
             cache_read_tokens = ?33, cache_write_tokens = ?34, peak_context = ?35, cost_micros = ?36, token = ?37, sum = ?38,
             digest = ?39, malformed = ?40, missing_ms = NULL,
             revision = revision + ?41, changed_ms = iif(?41, ?42, changed_ms) WHERE n = ?1",
        )?
        .execute(params![
            self.n, self.unit, self.project, self.parent, self.relation, self.parent_call, self.cwd, self.branch, self.name,
            self.entrypoint, self.kind, self.label, self.version, self.resume, self.remote, self.start_commit,
            self.project_hint, self.first_prompt, self.first_prompt_ordinal, self.termination, self.is_automated,
            self.started_ms, self.ended_ms, self.messages, self.user_messages, self.abandoned, self.calls, self.failures,
            self.model, self.model_ordinal, self.input_tokens, self.output_tokens, self.cache_read_tokens,
            self.cache_write_tokens, self.peak_context, self.cost_micros, self.token, self.sum.to_bytes(), digest, malformed,
            has_changed, now_ms,
        ])?;
        Ok(has_changed)
    }
}

/// A prompt as lists show it: one line, cut.
fn one_line(text: &str) -> String {
    let mut chars = text.trim().chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c });
    let mut line: String = chars.by_ref().take(PROMPT_CHARS).collect();
    if chars.next().is_some() {
        line.push_str("...");
    }
    line
}
