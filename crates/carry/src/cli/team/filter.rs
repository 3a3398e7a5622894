//! Which shared sessions: the filters that commands have in common.

use carry_code::repo::Repo;
use carry_team::reader::Filter;

use crate::cli::sessions::filter::{begin, time};
use crate::cli::sessions::find;
use crate::failure::Failure;
use crate::wire::Shell;

/// Fewest digits that name a commit here: with many people's commits in one place, fewer are soon anybody's.
const COMMIT_MIN: usize = 7;

/// Filters.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    /// Only what this person shared; a part of the name is enough
    #[arg(long, value_name = "NAME")]
    pub(super) person: Option<String>,
    /// Only of this project: a part of its name or remote
    #[arg(long, value_name = "NAME")]
    pub(super) project: Option<String>,
    /// Only sessions of this agent
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Only those that made or mention this commit: its id or, inside a repository, what Git takes for one
    #[arg(long, value_name = "COMMIT")]
    pub(super) commit: Option<String>,
    /// Only those that made or mention this pull request: its address or number
    #[arg(long, value_name = "PR")]
    pub(super) pr: Option<String>,
    /// Only what went on after TIME, such as "2 weeks ago" or 2026-11-20
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only what began before TIME
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Subagents, abandoned branches, what programs ran, and what lies in the trash, too
    #[arg(short, long)]
    pub(super) all: bool,
}

impl FilterArgs {
    /// As a store takes it.
    pub(super) fn filter(&self, shell: &Shell, limit: usize) -> Result<Filter, Failure> {
        let repo = || Repo::discover(&shell.cwd).ok();
        Ok(Filter {
            person: self.person.clone(),
            project: self.project.clone(),
            agent: self.agent.as_deref().map(str::to_lowercase),
            commit: self.commit.as_deref().map(|said| commit(repo().as_ref(), said.trim())).transpose()?,
            request: self.pr.as_deref().map(|said| request(repo().as_ref(), said.trim())).transpose()?,
            since: self.since.as_deref().map(|spec| begin(shell, "--since", spec)).transpose()?,
            until: self.until.as_deref().map(|spec| time(shell, "--until", spec)).transpose()?,
            all: self.all,
            limit,
        })
    }

    /// Whether nothing is filtered.
    pub(super) fn is_empty(&self) -> bool {
        let Self { person, project, agent, commit, pr, since, until, all } = self;
        !all && [person, project, agent, commit, pr, since, until].iter().all(|text| text.is_none())
    }
}

/// The id of a commit, or the beginning of one.
fn commit(repo: Option<&Repo>, said: &str) -> Result<String, Failure> {
    if let Some(id) = repo.filter(|_| !said.is_empty()).and_then(|repo| find::resolve(repo, said)) {
        return Ok(id);
    }
    let id = said.to_ascii_lowercase();
    if (COMMIT_MIN..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(id);
    }
    Err(Failure::usage(format!("--commit {said:?} is no commit"))
        .hint(format!("Give {COMMIT_MIN} digits of its id or more, or go into its repository.")))
}

/// A pull request as a store looks for it: its address, or `host/owner/repo#12`, or `#12`.
fn request(repo: Option<&Repo>, said: &str) -> Result<String, Failure> {
    if said.contains("://") {
        return Ok(said.to_owned());
    }
    let (named, number) = said.rsplit_once(['#', '!']).unwrap_or(("", said));
    if number.is_empty() || number.parse::<u32>().is_err() {
        return Err(Failure::usage(format!("--pr {said:?} is neither an address nor a number of a pull request"))
            .hint("For example --pr 12, or --pr https://github.com/acme/api/pull/12."));
    }
    if !named.is_empty() {
        return Ok(format!("{named}#{number}"));
    }
    Ok(format!("{}#{number}", repo.and_then(find::remote).unwrap_or_default()))
}
