//! What a failed run of Git means, from what it said. Git gives no codes, so its English words are read.

use carry_kernel::worker::Reason;

use super::masked;

/// Longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Words that tell a class, in lower case. The first that is found counts.
const CLASSES: &[(Reason, &[&str])] = &[
    (Reason::StorageFull, &["no space left on device", "disk quota exceeded", "file too large"]),
    (
        Reason::PolicyForbidden,
        &[
            "hook declined",
            "protected branch",
            "deny updating a hidden ref",
            "returned error: 403",
            "transport '",
            "certificate",
            "denied to ",
            "not allowed",
            "dubious ownership",
        ],
    ),
    (
        Reason::AuthRequired,
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "permission denied (",
            "returned error: 401",
            "host key verification failed",
            "invalid username or",
            "too many authentication failures",
            "access denied",
        ],
    ),
    (
        Reason::Unreachable,
        &[
            "could not resolve host",
            "name or service not known",
            "temporary failure in name resolution",
            "nodename nor servname",
            "connection refused",
            "connection timed out",
            "connection reset",
            "connection closed",
            "operation timed out",
            "network is unreachable",
            "no route to host",
            "failed to connect",
            "couldn't connect",
            "host is down",
            "broken pipe",
            "returned error: 404",
            "returned error: 5",
            "returned error: 429",
            "repository not found",
            "not found",
            "does not appear to be a git repository",
            "does not exist",
            "no such file or directory",
            "no such device",
            "kex_exchange_identification",
        ],
    ),
    (
        Reason::InvalidData,
        &[
            "did not send all necessary objects",
            "index-pack failed",
            "invalid index-pack",
            "bad object",
            "bad pack",
            "corrupt",
            "missing blob",
            "missing tree",
            "missing commit",
            "unable to read",
            "invalid sha1 pointer",
            "pack has bad",
            "not our ref",
            "remote ref",
            "protocol error",
            "bad line length",
        ],
    ),
    (Reason::Busy, &["file exists", "unable to lock", "cannot lock ref", "resource temporarily unavailable"]),
    (
        Reason::ServerUnsupported,
        &[
            "mismatched algorithms",
            "does not support",
            "unable to find remote helper",
            "unknown option",
            "not supported",
            "is not a git command",
            "command not found",
        ],
    ),
    (
        Reason::Unreachable,
        &[
            "unable to access",
            "early eof",
            "hung up unexpectedly",
            "could not read from remote",
            "unexpected disconnect",
        ],
    ),
];

/// Lines that say nothing of their own.
const BOILERPLATE: &[&str] = &[
    "could not read from remote repository",
    "please make sure you have the correct access rights",
    "and the repository exists",
    "the remote end hung up",
    "early eof",
    "failed to push some refs",
    "unexpected disconnect",
    "index-pack failed",
    "fetch-pack: invalid index-pack output",
];

/// The class of a failure, and what Git said in one line.
pub(super) fn classify(lines: &[String]) -> (Reason, String) {
    let all = lines.join("\n").to_lowercase();
    let class = CLASSES.iter().find(|(_, words)| words.iter().any(|word| all.contains(word)));
    (class.map_or(Reason::InternalError, |(reason, _)| *reason), message(lines))
}

/// The last line that says something; one that names a problem before others.
fn message(lines: &[String]) -> String {
    let says = |line: &&String| {
        let lower = line.to_lowercase();
        !line.trim().is_empty() && !BOILERPLATE.iter().any(|words| lower.contains(words))
    };
    let names_problem =
        |line: &&String| ["fatal:", "error:", "remote:", "ssh:", "ERROR:"].iter().any(|word| line.starts_with(word));
    let line = lines
        .iter()
        .rev()
        .filter(says)
        .find(names_problem)
        .or_else(|| lines.iter().rev().find(says))
        .or_else(|| lines.iter().rev().find(|line| !line.trim().is_empty()));
    line.map_or_else(|| "git gave no reason".to_owned(), |line| shown(line))
}

/// A line of Git's for people: in one line, without secrets in URLs, not endless.
pub(super) fn shown(line: &str) -> String {
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut rest = clean.trim();
    for word in ["fatal:", "error:", "remote:"] {
        rest = rest.strip_prefix(word).unwrap_or(rest).trim_start();
    }
    let text = masked(rest);
    if text.chars().count() <= MESSAGE_CHARS_MAX {
        return text;
    }
    text.chars().take(MESSAGE_CHARS_MAX - 1).chain(['…']).collect()
}
