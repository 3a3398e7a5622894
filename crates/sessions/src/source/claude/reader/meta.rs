//! What lines say about the session: where, what it is called, which pull request.

use super::{Facts, NativeId, Odd, Op, ReadError, Reader, Relation, RelationKind, Sink, text, wire};

const CWD: u8 = 1;
const BRANCH: u8 = 2;
const VERSION: u8 = 4;
const ENTRYPOINT: u8 = 8;
const KIND: u8 = 16;
pub(super) const LABEL: u8 = 32;

/// How good names are: what a user chose, what was made up, what a command set, and so on.
const CUSTOM_TITLE: u8 = 6;
const MADE_TITLE: u8 = 5;
const RENAMED: u8 = 4;
const AGENT_NAME: u8 = 3;
const SUMMARY: u8 = 2;
pub(super) const DESCRIPTION: u8 = 1;

/// Pull requests that are held back before the first message.
const HELD_MAX: usize = 64;

/// Types of lines that are known and say nothing that is kept.
const QUIET: &[&str] = &[
    "system",
    "summary",
    "file-history-snapshot",
    "queue-operation",
    "progress",
    "attachment",
    "agent-setting",
    "agent-name",
    "custom-title",
    "ai-title",
    "pr-link",
    "mode",
    "permission-mode",
    "last-prompt",
    "tag",
    "agent-color",
    "worktree-state",
    "bridge-session",
    "cost-state",
];

impl Reader<'_> {
    /// Where and how the session runs: the first line that says so counts, in each thread.
    pub(super) fn context(&mut self, line: &wire::Line<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let times = [&line.timestamp, line.snapshot.0.as_ref().map_or(&line.timestamp, |snapshot| &snapshot.timestamp)];
        for at in times.into_iter().filter_map(|text| wire::timestamp(text)) {
            self.span = Some(self.span.map_or((at, at), |(least, greatest)| (least.min(at), greatest.max(at))));
        }
        // The lines up to the first entry say what the session belongs to.
        if self.is_whole && self.threads.len() == 1 && self.threads[0].ordinal == 0 {
            self.relate(&line.session_id);
        }
        let thread = &mut self.threads[self.thread];
        let mut facts = Facts::default();
        let mut is_new = false;
        for (bit, value, field) in [
            (CWD, &line.cwd, &mut facts.cwd),
            (BRANCH, &line.git_branch, &mut facts.branch),
            (VERSION, &line.version, &mut facts.version),
            (ENTRYPOINT, &line.entrypoint, &mut facts.entrypoint),
            (KIND, &line.session_kind, &mut facts.kind),
            (LABEL, &line.agent_setting, &mut facts.label),
        ] {
            if thread.seen & bit == 0
                && let Some(value) = value.some()
            {
                thread.seen |= bit;
                *field = Some(text::clean(value).0.into_owned());
                is_new = true;
            }
        }
        if !is_new {
            return Ok(());
        }
        if self.is_open {
            return self.op(Op::Facts(Box::new(facts)), sink);
        }
        let held = &mut self.facts;
        held.cwd = held.cwd.take().or(facts.cwd);
        held.branch = held.branch.take().or(facts.branch);
        held.version = held.version.take().or(facts.version);
        held.entrypoint = held.entrypoint.take().or(facts.entrypoint);
        held.kind = held.kind.take().or(facts.kind);
        held.label = held.label.take().or(facts.label);
        Ok(())
    }

    /// Another session's id on the lines of this one says what it belongs to.
    fn relate(&mut self, session: &str) {
        if self.relation.is_some() || session.is_empty() || session == self.stem {
            return;
        }
        let kind = if self.is_agent { RelationKind::Subagent } else { RelationKind::Continuation };
        self.relation = Some(Relation { kind, parent: NativeId(session.replace('~', "-")), call: None });
    }

    /// A line that is no entry of the conversation.
    pub(super) fn meta(&mut self, at: u64, line: &wire::Line<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        match &*line.kind {
            "custom-title" => self.name(CUSTOM_TITLE, &line.custom_title, sink),
            "ai-title" => self.name(MADE_TITLE, &line.ai_title, sink),
            "agent-name" => self.name(AGENT_NAME, &line.agent_name, sink),
            // Summaries of other sessions may stand here, too; this one's names its last entry.
            "summary" if self.tip != 0 && wire::uuid(&line.leaf_uuid) == self.tip => {
                self.name(SUMMARY, &line.summary, sink)
            }
            "system" if &*line.subtype == "local_command" => match text::command(line.content.trim_start()) {
                Some(command) => self.name(RENAMED, command.strip_prefix("/rename ").unwrap_or_default(), sink),
                None => Ok(()),
            },
            "pr-link" => self.pull_request(&line.pr_url, sink),
            kind if QUIET.contains(&kind) => Ok(()),
            _ => self.odd(Odd::Unknown, at, sink),
        }
    }

    fn name(&mut self, rank: u8, name: &str, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let name = text::clean(name.trim()).0.into_owned();
        if name.is_empty() || rank < self.name_rank {
            return Ok(());
        }
        self.name_rank = rank;
        if !self.is_open {
            self.facts.name = Some(name);
            return Ok(());
        }
        self.main_op(Op::Facts(Box::new(Facts { name: Some(name), ..Facts::default() })), sink)
    }

    fn pull_request(&mut self, url: &str, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let url = text::clean(url).0.into_owned();
        if url.is_empty() {
            return Ok(());
        }
        if !self.is_open {
            if self.pull_requests.len() < HELD_MAX {
                self.pull_requests.push((url, self.last));
            }
            return Ok(());
        }
        let ordinal = self.last;
        self.main_op(Op::PullRequest { url, ordinal }, sink)
    }

    /// Says an op of the file's own session.
    fn main_op(&mut self, op: Op, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if self.threads[0].fork.is_empty() {
            self.to(0, sink)?;
        } else {
            let main = self.main();
            sink.op(main)?;
            self.said = None;
        }
        Ok(sink.op(op)?)
    }
}
