//! A filter as SQL.

use carry_kernel::db::rusqlite::types::Value;

use super::{Filter, is_date};
use crate::stream::content::BROUGHT_BY;

/// Whether a list leaves a session out: subagents, branches that a conversation left (forks within its own file, or without
/// a message that still counts), forks of background jobs, and what a program ran.
pub(super) const HIDDEN: &str = "(s.is_automated <> 0 OR coalesce(s.relation, '') = 'subagent' \
    OR coalesce(s.relation, '') = 'fork' AND (s.messages = 0 OR coalesce(s.kind, '') = 'bg' \
        OR EXISTS (SELECT 1 FROM sessions o WHERE o.unit = s.unit AND o.native = s.parent AND o.agent = s.agent)) \
    OR coalesce(s.relation, '') = 'continuation' AND coalesce(s.kind, '') = 'bg')";

/// Conditions on the tables of [`TABLES`](crate::archive::row::TABLES), with their values.
#[derive(Debug)]
pub(crate) struct Conditions {
    sql: String,
    values: Vec<Value>,
    shows_all: bool,
}

impl Conditions {
    /// Those of a filter.
    pub(crate) fn of(filter: &Filter) -> Self {
        let trashed = "(SELECT value FROM curation c WHERE c.session = s.id AND c.field = 'trash' AND c.item = '')";
        // What is about to be deleted for good is in no list.
        let going = "EXISTS (SELECT 1 FROM curation c WHERE c.session = s.id AND c.field = 'deleting' AND c.item = '')";
        let sql = format!("{trashed} IS {}NULL AND NOT {going}", if filter.is_trashed { "NOT " } else { "" });
        let mut all = Self { sql, values: Vec::new(), shows_all: filter.all || filter.is_trashed };
        if !filter.agents.is_empty() {
            let places = vec!["?"; filter.agents.len()].join(", ");
            let names = filter.agents.iter().map(|agent| Value::Text(agent.as_str().to_owned())).collect();
            all.add(&format!("s.agent IN ({places})"), names);
        }
        if let Some(project) = &filter.project {
            let part = text(&project.to_lowercase());
            all.add(
                "(instr(lower(p.name), ?) OR instr(lower(p.key), ?) OR instr(lower(coalesce(p.remote, '')), ?) \
                 OR instr(lower(coalesce(p.root, '')), ?))",
                vec![part.clone(), part.clone(), part.clone(), part],
            );
        }
        if let Some(branch) = &filter.branch {
            all.add("s.branch = ?", vec![text(branch)]);
        }
        if let Some(since) = filter.since {
            all.add(&format!("s.ended_ms >= ? AND {}", is_date("s.ended_ms")), vec![Value::Integer(since.as_millis())]);
        }
        if let Some(until) = filter.until {
            all.add(
                &format!("s.started_ms < ? AND {}", is_date("s.started_ms")),
                vec![Value::Integer(until.as_millis())],
            );
        }
        if let Some(tool) = &filter.tool {
            all.call("c.name = ?", vec![text(tool)]);
        }
        if let Some(category) = filter.category {
            all.call("c.category = ?", vec![text(category.as_str())]);
        }
        if let Some(file) = &filter.file {
            all.file(file);
        }
        if let Some(model) = &filter.model {
            let part = text(&model.to_lowercase());
            all.add(
                "(instr(lower(coalesce(s.model, '')), ?) OR EXISTS (SELECT 1 FROM messages m WHERE m.session = s.n \
                 AND instr(lower(m.model), ?)))",
                vec![part.clone(), part],
            );
        }
        if let Some(label) = &filter.label {
            all.add(
                "EXISTS (SELECT 1 FROM curation c WHERE c.session = s.id AND c.field = 'label' AND c.item = ? \
                 AND c.value IS NOT NULL)",
                vec![text(label)],
            );
        }
        if let Some(device) = &filter.device {
            let (name, length) = (text(device), i64::try_from(device.chars().count()).unwrap_or(i64::MAX));
            all.add(
                &format!("(substr(s.origin, 1, ?) = ? OR {BROUGHT_BY})"),
                vec![Value::Integer(length), name.clone(), name.clone(), name],
            );
        }
        if let Some(least) = filter.cost_min {
            all.add("s.cost_micros >= ?", vec![Value::Integer(i64::try_from(least).unwrap_or(i64::MAX))]);
        }
        if filter.is_starred {
            all.add(
                "(SELECT value FROM curation c WHERE c.session = s.id AND c.field = 'star' AND c.item = '') IS NOT NULL",
                Vec::new(),
            );
        }
        all
    }

    /// What the filter chooses, hidden ones among it.
    pub(crate) fn chosen(&self) -> &str {
        &self.sql
    }

    /// What is shown.
    pub(crate) fn shown(&self) -> String {
        if self.shows_all { self.sql.clone() } else { format!("{} AND NOT {HIDDEN}", self.sql) }
    }

    /// The values for the places of either.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// Whether nothing is hidden.
    pub(crate) fn shows_all(&self) -> bool {
        self.shows_all
    }

    fn add(&mut self, condition: &str, values: Vec<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn call(&mut self, condition: &str, values: Vec<Value>) {
        self.add(&format!("EXISTS (SELECT 1 FROM calls c WHERE c.session = s.n AND {condition})"), values);
    }

    /// A whole path through the index, or the end of one at a slash.
    fn file(&mut self, file: &str) {
        if file.starts_with('/') {
            self.add("s.n IN (SELECT c.session FROM calls c WHERE c.file = ?)", vec![text(file)]);
        } else {
            let end = format!("/{file}");
            let length = Value::Integer(i64::try_from(end.chars().count()).unwrap_or(i64::MAX));
            self.add(
                "s.n IN (SELECT c.session FROM calls c WHERE c.file = ? OR substr(c.file, -?) = ?)",
                vec![text(file), length, text(&end)],
            );
        }
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
