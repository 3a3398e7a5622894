//! A store with rows in it, written by SQL: by whatever client, in whatever state.

use carry_sessions::search::words::Words;
use carry_team::postgres::{Postgres, PostgresReader};
use carry_team::reader::{Filter, Reader as _, Shared};
use carry_team::settings::{Address, Password, StoreSettings};
use carry_team::share::Shares;
use carry_testkit::postgres::{PASSWORD, Server, shared};
use serde_json::{Value, json};

use crate::rig::give_roles;

/// A store of its own in the server that all tests share.
pub(super) struct Rig {
    pub(super) server: &'static Server,
    pub(super) database: String,
    /// The role that reads: it may do nothing else.
    pub(super) role: String,
}

/// A session to be put into the store.
pub(super) struct Put<'p> {
    pub(super) id: &'p str,
    pub(super) owner: i64,
    pub(super) mode: &'p str,
    pub(super) ended: &'p str,
    pub(super) project: &'p str,
    /// Role, what is said, and what the call `Bash` in it gives back.
    pub(super) messages: &'p [(&'p str, &'p str, Option<&'p str>)],
}

impl Default for Put<'_> {
    fn default() -> Self {
        Self { id: "", owner: 1, mode: "full", ended: "2026-11-20", project: "orchard", messages: &[] }
    }
}

pub(super) fn settings(url: String) -> StoreSettings {
    StoreSettings {
        name: "default".into(),
        address: Address::Url(url),
        password: Password::default(),
        schema: "carry".into(),
        allow_insecure: true,
        shares: Shares::default(),
    }
}

impl Rig {
    /// With the owner 1, who is Dana at her laptop.
    pub(super) fn new() -> Self {
        let server = shared();
        let database = server.database();
        Postgres::new(&settings(server.admin_url(&database))).init().expect("the schema can be made");
        // As the documentation says.
        give_roles(server, &database);
        let role = server.role("IN ROLE carry_reader");
        let rig = Self { server, database, role };
        assert_eq!(rig.owner("dana", "Dana Ärger", "laptop"), 1);
        rig
    }

    /// Runs statements as the superuser.
    #[track_caller]
    pub(super) fn sql(&self, sql: &str) -> String {
        self.server.admin(&self.database, &format!("SET search_path = carry; {sql}"))
    }

    /// Makes an owner with a device of the origin `origin-LABEL`; returns the owner's number.
    #[track_caller]
    pub(super) fn owner(&self, role: &str, person: &str, label: &str) -> i64 {
        let owner =
            self.sql(&format!("INSERT INTO owners (role, person) VALUES ('{role}', $q${person}$q$) RETURNING id"));
        self.sql(&format!(
            "INSERT INTO clients (owner, origin, holder, label, version, until)
             VALUES ({owner}, 'origin-{label}', 'h', $q${label}$q$, '1', now())"
        ));
        owner.parse().expect("a number")
    }

    /// Puts a session; returns the number of its unit.
    #[track_caller]
    pub(super) fn put(&self, put: &Put<'_>) -> i64 {
        let Put { id, owner, mode, ended, project, messages } = put;
        let label = self.sql(&format!("SELECT label FROM clients WHERE owner = {owner}"));
        let unit: i64 = self
            .sql(&format!(
                "INSERT INTO units (owner, key, kind, origin, mode, mask)
                 VALUES ({owner}, '{id}', 'session', 'origin-{label}', '{mode}', '1') RETURNING n"
            ))
            .parse()
            .expect("a number");
        let mut sql = format!(
            "INSERT INTO sessions (unit, owner, agent, native, origin, project, project_key, name, first_prompt, is_renamed,
                is_automated, started, ended, messages, user_messages, abandoned, calls, failures, malformed, is_starred,
                is_trashed, labels)
             VALUES ({unit}, {owner}, 'claude', 'native-{id}', 'origin-{label}', '{project}', 'github.com/acme/{project}',
                NULL, 'Mend {id}', false, false, '{ended}T09:00Z', '{ended}T10:00Z', {count}, 1, 0, 0, 0, 0, false, false, '{{}}');",
            count = messages.len(),
        );
        let mut words = Words::default();
        for (ordinal, (role, text, output)) in (0_u32..).zip(*messages) {
            let json = message(ordinal, role, text);
            words.add(text);
            sql.push_str(&format!(
                "INSERT INTO messages (unit, owner, ordinal, role, is_system, is_abandoned, json, digest)
                 VALUES ({unit}, {owner}, {ordinal}, {role}, false, false, $q${json}$q$, sha256(''));",
                role = if *role == "user" { 0 } else { 1 },
            ));
            if let Some(output) = output {
                words.add(output);
                let json = json!({"message": ordinal, "call": 0, "event": 0, "source": "tool_result", "status": "completed",
                    "content": output, "bytes": output.len(), "images": []});
                sql.push_str(&format!(
                    "INSERT INTO results (unit, owner, ordinal, idx, event, status, json, digest)
                     VALUES ({unit}, {owner}, {ordinal}, 0, 0, 2, $q${json}$q$, sha256(''));"
                ));
            }
            if ordinal % 32 == 31 || ordinal as usize + 1 == messages.len() {
                let mut all = String::new();
                words.take(&mut all);
                let all: Vec<&str> = all.split_ascii_whitespace().collect();
                sql.push_str(&format!(
                    "INSERT INTO words (unit, owner, bucket, part, parts, words, digest)
                     VALUES ({unit}, {owner}, {}, 0, 1, array_to_tsvector(string_to_array($q${}$q$, ' ')), sha256(''));",
                    ordinal / 32,
                    all.join(" "),
                ));
            }
        }
        self.sql(&sql);
        unit
    }

    /// Links a unit of owner 1 to something.
    #[track_caller]
    pub(super) fn link(&self, unit: i64, kind: &str, target: &str, more: &[(&str, &str)]) {
        let columns: String = more.iter().map(|(column, _)| format!(", {column}")).collect();
        let values: String = more.iter().map(|(_, value)| format!(", '{value}'")).collect();
        self.sql(&format!(
            "INSERT INTO links (unit, owner, idx, kind, target, evidence, ordinal{columns})
             SELECT {unit}, (SELECT owner FROM units WHERE n = {unit}), (SELECT count(*) FROM links), '{kind}', '{target}',
                'created', 0{values}"
        ));
    }

    /// Settings of the role that only reads.
    pub(super) fn settings(&self) -> StoreSettings {
        settings(self.server.url(&self.role, PASSWORD, &self.database))
    }

    /// A reader of that role.
    pub(super) fn reader(&self) -> PostgresReader {
        PostgresReader::new(&self.settings())
    }

    /// The ids that a list shows.
    #[track_caller]
    pub(super) fn ids(&self, filter: &Filter) -> Vec<String> {
        let listed = self.reader().list(filter).expect("the store answers");
        assert_eq!(listed.notes, Vec::<String>::new());
        listed.items.iter().map(id).collect()
    }
}

/// Everything that is not hidden.
pub(super) fn any() -> Filter {
    Filter { limit: 100, ..Filter::default() }
}

/// Carry's id of a session.
pub(super) fn id(shared: &Shared) -> String {
    shared.head.session.id.to_string()
}

/// A message in the shape of the store's rows.
fn message(ordinal: u32, role: &str, text: &str) -> Value {
    let mut blocks = vec![json!({"type": "text", "text": text})];
    if role == "assistant" {
        blocks.push(json!({"type": "call", "index": 0, "id": "c", "name": "Bash", "category": "Bash",
            "input": {"command": "ls"}}));
    }
    json!({"ordinal": ordinal, "key": null, "role": role, "subtype": null, "system": false, "abandoned": false,
        "time": "2026-11-20T09:00:00.000Z", "model": null, "blocks": blocks})
}
