//! Addresses of pull and merge requests.

use std::sync::LazyLock;

use regex::Regex;

use super::{Evidence, GitLink, LinkKind};

/// A request that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Its address, without what follows the number.
    pub url: String,
    /// `host/owner/repo`.
    pub repo: String,
    /// Its number.
    pub number: u64,
    /// Where the address begins in the text.
    pub at: usize,
}

impl Request {
    pub(super) fn is_merge(&self) -> bool {
        self.url.contains("/merge_requests/")
    }

    pub(super) fn link(self, evidence: Evidence, ordinal: u32, index: Option<u32>) -> GitLink {
        GitLink {
            kind: LinkKind::PullRequest,
            target: self.url,
            evidence,
            repo: Some(self.repo),
            number: Some(self.number),
            branch: None,
            subject: None,
            full_sha: None,
            supersedes: None,
            superseded_by: None,
            ordinal,
            index,
        }
    }
}

static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i-u)\bhttps?://(?:[a-z0-9_.~%!$&*+=:\-]{0,200}@)?([a-z0-9.\-]{1,253}(?::\d{1,5})?)/([a-z0-9_.~%/+\-]{1,400}?)/(-/merge_requests|merge_requests|pull|pulls|pull-requests|pullrequest)/(\d{1,12})\b",
    )
    .ok()
});

/// At most this many requests of one text are links.
const REQUESTS_MAX: usize = 64;

/// The requests that a text names, each once, in order.
pub(super) fn requests(text: &str) -> Vec<Request> {
    let mut found: Vec<Request> = Vec::new();
    // A request's address has one of these; most texts have none.
    if !["/pull", "/merge_requests/"]
        .iter()
        .any(|part| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some())
    {
        return found;
    }
    let Some(address) = ADDRESS.as_ref() else { return found };
    for parts in address.captures_iter(text) {
        let (Some(whole), Some(host), Some(path), Some(kind), Some(number)) =
            (parts.get(0), parts.get(1), parts.get(2), parts.get(3), parts.get(4))
        else {
            continue;
        };
        let host = host.as_str().to_ascii_lowercase();
        let (path, kind) = (path.as_str(), kind.as_str());
        let Ok(number) = number.as_str().parse() else { continue };
        if path.starts_with("repos/") || path.starts_with("api/") || (host == "github.com" && kind == "pulls") {
            continue;
        }
        let Some(repo) = repo_of(&host, path, kind) else { continue };
        let url = format!("https://{host}/{path}/{kind}/{number}");
        if found.len() < REQUESTS_MAX && !found.iter().any(|request| request.url == url) {
            found.push(Request { url, repo, number, at: whole.start() });
        }
    }
    found
}

/// `host/owner/repo` of the path before the request.
fn repo_of(host: &str, path: &str, kind: &str) -> Option<String> {
    if let Some((project, repo)) = path.strip_prefix("projects/").and_then(|rest| rest.split_once("/repos/")) {
        return crate::project::normal_remote(&format!("https://{host}/scm/{}/{repo}", project.to_ascii_lowercase()));
    }
    let is_github = matches!(kind, "pull" | "pulls");
    let parts = path.split('/').count();
    if parts < 2 || (is_github && host == "github.com" && parts != 2) {
        return None;
    }
    crate::project::normal_remote(&format!("https://{host}/{path}"))
}
