//! Every fixture, compared with what agentsview 0.46.1 makes of it; what differs on purpose stands in a table.

use std::collections::BTreeMap;

use carry_sessions::archive::SessionRow;
use carry_sessions::model::{Block, Message, RelationKind, ResultEvent, Termination, ToolCall};
use jiff::Timestamp as Instant;
use serde_json::Value;

use crate::rig::{Rig, Seen, json, short_names};

/// What a session is, as flat text by name.
type Flat = BTreeMap<String, String>;

fn put(flat: &mut Flat, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        flat.insert(name.to_owned(), value.to_string());
    }
}

fn termination(known: Termination) -> Option<&'static str> {
    match known {
        Termination::Truncated => Some("truncated"),
        Termination::ToolCallPending => Some("tool_call_pending"),
        Termination::AwaitingUser => Some("awaiting_user"),
        // The other program says nothing then.
        Termination::Clean => None,
    }
}

fn kind(known: RelationKind) -> &'static str {
    match known {
        RelationKind::Subagent => "subagent",
        RelationKind::Fork => "fork",
        RelationKind::Continuation => "continuation",
    }
}

fn of_row(row: &SessionRow) -> Flat {
    let mut flat = Flat::new();
    put(&mut flat, "project", Some(row.project.replace('-', "_")));
    put(&mut flat, "first prompt", row.first_prompt.as_ref());
    put(&mut flat, "started", row.started.map(|at| at.as_millis()));
    put(&mut flat, "ended", row.ended.map(|at| at.as_millis()));
    put(&mut flat, "messages", Some(row.messages).filter(|count| *count > 0));
    put(&mut flat, "user messages", Some(row.user_messages).filter(|count| *count > 0));
    put(&mut flat, "abandoned", Some(row.abandoned).filter(|count| *count > 0));
    put(&mut flat, "name", row.name.as_ref());
    put(&mut flat, "parent", row.parent.as_ref().map(|(parent, _)| parent));
    put(&mut flat, "relation", row.parent.as_ref().map(|(_, relation)| kind(*relation)));
    put(&mut flat, "output tokens", row.output_tokens);
    put(&mut flat, "peak context", row.peak_context);
    put(&mut flat, "ends", row.termination.and_then(termination));
    put(&mut flat, "kind", row.kind.as_ref());
    put(&mut flat, "malformed", Some(row.malformed).filter(|count| *count > 0));
    put(&mut flat, "branch", row.branch.as_ref());
    put(&mut flat, "cwd", row.cwd.as_ref());
    put(&mut flat, "version", row.version.as_ref());
    flat
}

fn time(value: &Value) -> Option<i64> {
    Some(value.as_str()?.parse::<Instant>().unwrap().as_millisecond())
}

fn of_their_row(theirs: &Value) -> Flat {
    let mut flat = Flat::new();
    let agent = format!("{}:", theirs["agent"].as_str().unwrap());
    put(&mut flat, "project", theirs["project"].as_str());
    put(&mut flat, "first prompt", theirs["first_message"].as_str());
    put(&mut flat, "started", time(&theirs["started_at"]));
    put(&mut flat, "ended", time(&theirs["ended_at"]));
    put(&mut flat, "messages", theirs["message_count"].as_u64());
    put(&mut flat, "user messages", theirs["user_message_count"].as_u64());
    put(&mut flat, "name", theirs["session_name"].as_str());
    put(&mut flat, "parent", theirs["parent_session_id"].as_str().map(|id| id.trim_start_matches(&agent)));
    put(&mut flat, "relation", theirs["relationship_type"].as_str());
    put(&mut flat, "output tokens", theirs["total_output_tokens"].as_u64());
    put(&mut flat, "peak context", theirs["peak_context_tokens"].as_u64());
    put(&mut flat, "ends", theirs["termination_status"].as_str());
    put(&mut flat, "kind", theirs["session_kind"].as_str());
    put(&mut flat, "malformed", theirs["parser_malformed_lines"].as_u64());
    put(&mut flat, "branch", theirs["git_branch"].as_str());
    put(&mut flat, "cwd", theirs["cwd"].as_str());
    put(&mut flat, "version", theirs["source_version"].as_str());
    flat
}

fn calls(message: &Message) -> impl Iterator<Item = &ToolCall> {
    message.blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call),
        _ => None,
    })
}

/// Said text without thinking; bytes that are no text are kept as marks here, and dropped there.
fn said(message: &Message) -> String {
    let texts = message.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.replace('\u{fffd}', "")),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What they say, where it can be told apart from thinking and tools.
fn their_said(theirs: &Value) -> Option<String> {
    if let Some(text) = theirs["dialogue_text"].as_str() {
        return Some(text.to_owned());
    }
    let content = theirs["content"].as_str().unwrap_or_default();
    theirs["has_tool_use"].is_null().then(|| content.rsplit("[/Thinking]\n").next().unwrap_or(content).to_owned())
}

/// Inputs are compared as what they mean; some are no JSON but plain text.
fn canonical(input: &str) -> String {
    serde_json::from_str::<Value>(input).map_or_else(|_| input.to_owned(), |value| value.to_string())
}

fn of_message(message: &Message, results: &[(u32, ResultEvent)], theirs: &Value) -> Flat {
    let mut flat = Flat::new();
    put(&mut flat, "role", Some(message.role));
    put(&mut flat, "at", message.at.map(|at| at.as_millis()));
    put(&mut flat, "subtype", message.subtype.as_ref());
    put(&mut flat, "system", message.is_system.then_some(1));
    put(&mut flat, "model", message.model.as_ref());
    put(&mut flat, "text", their_said(theirs).is_some().then(|| said(message)));
    put(&mut flat, "output", message.usage.and_then(|usage| usage.output));
    for call in calls(message) {
        let at = format!("call {}", call.index);
        put(&mut flat, &at, Some(format!("{} {} {}", call.name, call.id, canonical(&call.input))));
        put(&mut flat, &format!("{at} file"), call.file.as_ref());
        put(&mut flat, &format!("{at} category"), Some(call.category.as_str()));
        put(&mut flat, &format!("{at} subagent"), call.subagent.as_ref());
        let place = carry_sessions::model::CallRef::At { ordinal: message.ordinal, index: call.index };
        for (event, result) in results.iter().filter(|(_, result)| result.call == place) {
            put(&mut flat, &format!("{at} result {event}"), Some(result.content_bytes));
            put(&mut flat, &format!("{at} result {event} text"), Some(&result.content));
        }
    }
    flat
}

fn of_their_message(theirs: &Value, ours: &Flat) -> Flat {
    let mut flat = Flat::new();
    put(&mut flat, "role", theirs["role"].as_str());
    put(&mut flat, "at", time(&theirs["timestamp"]));
    put(&mut flat, "subtype", theirs["source_subtype"].as_str());
    put(&mut flat, "system", theirs["is_system"].as_u64().filter(|flag| *flag > 0));
    // Only answers have a model here.
    put(&mut flat, "model", theirs["model"].as_str().filter(|_| theirs["role"] == "assistant"));
    put(&mut flat, "text", their_said(theirs));
    put(&mut flat, "output", theirs["output_tokens"].as_u64());
    let none = Vec::new();
    for (index, call) in theirs["tool_calls"].as_array().unwrap_or(&none).iter().enumerate() {
        let at = format!("call {index}");
        let id = call["tool_use_id"].as_str().unwrap_or_default();
        let input = canonical(call["input_json"].as_str().unwrap_or("{}"));
        put(&mut flat, &at, Some(format!("{} {id} {input}", call["tool_name"].as_str().unwrap())));
        put(&mut flat, &format!("{at} file"), call["file_path"].as_str());
        put(&mut flat, &format!("{at} category"), call["category"].as_str());
        let subagent = call["subagent_session_id"].as_str().map(|id| id.rsplit(':').next().unwrap_or(id));
        put(&mut flat, &format!("{at} subagent"), subagent);
        let events = call["result_events"].as_array().unwrap_or(&none);
        for (event, result) in events.iter().enumerate() {
            put(&mut flat, &format!("{at} result {event}"), result["content_length"].as_u64());
        }
        if events.is_empty() && call["result_content_length"].as_u64().is_some() {
            put(&mut flat, &format!("{at} result 0"), call["result_content_length"].as_u64());
        }
        for event in 0..events.len().max(1) {
            // Outputs of reading files are not kept there.
            let inline = call["result_content"].as_str().filter(|_| events.is_empty());
            let name = format!("{at} result {event} text");
            let content = events.get(event).and_then(|event| event["content"].as_str()).or(inline);
            let content = content.filter(|text| !text.is_empty()).map(str::to_owned);
            put(&mut flat, &name, content.or_else(|| ours.get(&name).cloned()));
        }
    }
    flat
}

fn compare(place: &str, ours: &Flat, theirs: &Flat, found: &mut Vec<String>) {
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        if ours != theirs {
            let show = |value: Option<&String>| value.map_or("-", String::as_str).to_owned();
            found.push(format!("{place}: {name}: {} instead of {}", show(ours), show(theirs)));
        }
    }
}

fn compare_session(short: &str, seen: &Seen, theirs: &Value, found: &mut Vec<String>) {
    compare(short, &of_row(&seen.row), &of_their_row(theirs), found);
    let none = Vec::new();
    let theirs = theirs["messages"].as_array().unwrap_or(&none);
    // Messages are paired by their role and time; what a rewind gave up is in both, or here alone.
    let mut rest = theirs.iter().peekable();
    for (message, results) in &seen.messages {
        let place = format!("{short} {}", message.ordinal);
        let is_same = |theirs: &&Value| {
            theirs["role"].as_str() == Some(&message.role.to_string())
                && time(&theirs["timestamp"]) == message.at.map(|at| at.as_millis())
        };
        match rest.next_if(is_same) {
            Some(theirs) => {
                let ours = of_message(message, results, theirs);
                compare(&place, &ours, &of_their_message(theirs, &ours), found);
            }
            None => found.push(format!("{place}: only here: {}", said(message))),
        }
        if message.is_abandoned {
            found.push(format!("{place}: given up"));
        }
    }
    found.extend(rest.map(|theirs| format!("{short}: {} is missing", theirs["ordinal"])));
}

/// What the archive has in another way than agentsview 0.46.1, and nothing else.
const WANTED: &[&str] = &[
    // A summary, and what a subagent was asked for, are names.
    "A: name: Rate limiter for harvest endpoint instead of -",
    "A_subagent: name: Find callers instead of -",
    // A last line that is still being written is not malformed.
    "C: malformed: 3 instead of 4",
    // Both branches are kept; what the one that was given up cost was spent.
    "E2: abandoned: 2 instead of -",
    "E2: output tokens: 360 instead of 240",
    "E2 2: only here: to grove (typo)",
    "E2 2: given up",
    "E2 3: only here: ok groove",
    "E2 3: given up",
    // Folders are known by their hash, or from the list of projects; a rewind counts, and the last message is the end.
    "G1: cwd: /home/dana/code/orchard-api instead of -",
    "G2: cwd: /home/dana/code/orchard-api instead of -",
    "G3: abandoned: 1 instead of -",
    "G3: cwd: /home/dana/code/orchard-api instead of -",
    "G3: ended: 1773654020000 instead of 1773654000000",
    "G3: messages: 3 instead of 4",
    "G3: user messages: 2 instead of 3",
    "G3 2: given up",
    // An output that is a picture is one.
    "I 1: call 0 result 0: 0 instead of -",
    "I 5: call 0 category: Edit instead of Other",
    // The version of the program, which they leave out.
    "K1: version: 0.104.0 instead of -",
    // A patch of two files is two calls; its output stands at the last.
    "K1 2: call 0 result 0: - instead of 141",
    "K1 2: call 0 result 0 text: - instead of {\"output\": \"Success. Updated the following files:\\nM src/bucket.ts\\nA src/redis.ts\\n\", \"metadata\": {\"exit_code\": 0, \"duration_seconds\": 0.0}}",
    "K1 2: call 1 result 0: 141 instead of -",
    "K2: version: 0.104.0 instead of -",
    // A fork has its parent; a run without a human is nobody's subagent.
    "K3: parent: 019cfc79-1ed5-7189-9c57-36289dcd2763 instead of -",
    "K3: relation: fork instead of -",
    "K3: version: 0.104.0 instead of -",
    "K4: relation: - instead of subagent",
    "K4: version: 0.104.0 instead of -",
    "K5: version: 0.104.0 instead of -",
    // The old format is read.
    "K6: branch: main instead of -",
    "K6: ends: awaiting_user instead of -",
    "K6: first prompt: old style prompt instead of -",
    "K6: messages: 2 instead of -",
    "K6: user messages: 1 instead of -",
    "K6 0: only here: old style prompt",
    "K6 1: only here: old style answer",
    // Shell calls and searches are kept; parts of an output are its text.
    "K7: messages: 6 instead of 4",
    "K7: version: 0.104.0 instead of -",
    "K7 1: only here: ",
    "K7 2: only here: ",
    "K7 3: call 0 result 0: 91 instead of 130",
    "K7 3: call 0 result 0 text: Chunk ID: 1a2b3c\nWall time: 1.0 seconds\nProcess running with session ID 41\nOutput:\nstarting instead of [{\"type\":\"input_text\",\"text\":\"Chunk ID: 1a2b3c\\nWall time: 1.0 seconds\\nProcess running with session ID 41\\nOutput:\\nstarting\\n\"}]",
    // What a command that goes on says later stands at the command.
    "K7 3: call 0 result 1: 83 instead of -",
    "K7 3: call 0 result 1 text: Chunk ID: 4d5e6f\nWall time: 2.0 seconds\nProcess exited with code 0\nOutput:\nsmoke ok instead of -",
];

#[test]
fn every_fixture_is_archived_as_expected_but_for_what_is_wanted() {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    rig.verify();
    let names = short_names();
    let name_of = |agent: &str, native: &str| {
        let known = names.iter().find(|((known, id), _)| known == agent && native.ends_with(id.as_str()));
        known.map(|(_, short)| short.clone()).or_else(|| {
            let fork = names.iter().find(|((known, id), _)| known == agent && native.starts_with(id.as_str()))?;
            Some(format!("{} fork", fork.1))
        })
    };
    let mut ours: BTreeMap<String, Seen> = BTreeMap::new();
    for seen in rig.everything().into_values() {
        let short = name_of(seen.row.agent.as_str(), &seen.row.native.0).unwrap();
        assert!(ours.insert(short, seen).is_none());
    }
    let mut theirs: BTreeMap<String, Value> = BTreeMap::new();
    for session in json("expected-agentsview-0.46.1.json")["sessions"].as_array().unwrap() {
        let (agent, id) = (session["agent"].as_str().unwrap(), session["id"].as_str().unwrap());
        let short = name_of(agent, id.trim_start_matches(&format!("{agent}:"))).unwrap();
        theirs.insert(short, session.clone());
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "the sessions");
    let mut found = Vec::new();
    for (short, seen) in &ours {
        compare_session(short, seen, &theirs[short], &mut found);
    }
    assert_eq!(found, WANTED, "\n{}\n", found.join("\n"));
}

#[test]
fn what_is_no_session_is_remembered_with_the_reason() {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    let path = rig.file("F");
    let unit = rig.archive.units().unwrap().into_iter().find(|unit| unit.path == path).unwrap();
    assert!(unit.skipped.is_some() && unit.is_complete && unit.error.is_none(), "{unit:?}");
    assert_eq!(rig.archive.units().unwrap().iter().filter(|unit| unit.skipped.is_some()).count(), 1);
}

#[test]
fn pictures_are_kept_by_hash_and_foreign_paths_are_not_followed() {
    let mut rig = Rig::of_fixtures();
    rig.good_pass();
    let seen = rig.seen(rig.session("I"));
    let shown = seen.messages.iter().flat_map(|(message, _)| &message.blocks).filter_map(|block| match block {
        Block::Image(image) => Some(image),
        _ => None,
    });
    let given = seen.messages.iter().flat_map(|(_, results)| results).flat_map(|(_, result)| &result.images);
    let images: Vec<_> = shown.chain(given).collect();
    assert_eq!(images.len(), 2);
    for image in images {
        let (media, bytes) = rig.archive.blob(&image.hash).unwrap().unwrap();
        assert_eq!((media.as_str(), bytes.len() as u64), ("image/png", image.bytes));
    }
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    if host.len() > 3 {
        let outputs = seen.messages.iter().flat_map(|(_, results)| results);
        assert!(outputs.into_iter().all(|(_, result)| !result.content.contains(host)));
    }
}
