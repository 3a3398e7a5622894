//! The rules of what is shared, as they stand in the user's file, and what they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use carry_kernel::config::{self, Origin, Value};
use carry_sessions::archive::{Archive, Brief};
use carry_sessions::project::{Disk, Project, Repositories as _, normal_remote};
use carry_team::settings::DEFAULT_STORE;
use carry_team::share::{Mode, ProjectRef, RuleError, Shares, normal_pattern};

use crate::failure::Failure;
use crate::paths;
use crate::wire::{KEYS, Shell};

/// The setting.
pub(super) const SHARE: &str = "team.share";

/// The items of a list that stand in the user's file. Those of variables and flags hold for one run only.
pub(super) fn said_by_user(shell: &Shell, key: &str) -> Vec<String> {
    let config = shell.config(None);
    let Some(resolved) = config.get(key) else { return Vec::new() };
    let Some(Value::List(items)) = &resolved.value else { return Vec::new() };
    let with_origins = items.iter().zip(&resolved.origins);
    with_origins.filter(|(_, origin)| matches!(origin, Origin::User { .. })).map(|(item, _)| item.clone()).collect()
}

/// Puts a list into the user's file, in one step.
pub(super) fn set_list(shell: &Shell, key: &str, items: &[String]) -> Result<(), Failure> {
    let file = shell.home.config_file();
    if items.is_empty() {
        config::unset_user_value(KEYS, &file, key)?;
        return Ok(());
    }
    // What JSON writes of a list of texts is TOML, too.
    config::set_user_value(KEYS, &file, key, &serde_json::json!(items).to_string())?;
    Ok(())
}

/// A wrong rule as a failure.
pub(super) fn wrong(error: RuleError) -> Failure {
    let hint = match &error {
        RuleError::Store { .. } => "`carry team status` lists the stores.",
        _ => "A project is a folder, a remote such as github.com/acme/api, or the beginning of one with * at its end.",
    };
    Failure::usage(error.to_string()).hint(hint)
}

/// A project as a command names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The rule's pattern for it, in its normal form.
    pub(super) pattern: String,
    /// Another pattern that means the same project: its folder, when the first is its remote.
    pub(super) also: Option<String>,
}

impl Named {
    /// Every project.
    pub(super) fn all() -> Self {
        Self { pattern: "*".to_owned(), also: None }
    }

    /// Takes what was typed for a folder if it is one, else for a remote or a pattern.
    pub(super) fn of(shell: &Shell, typed: &str) -> Result<Self, Failure> {
        let typed = typed.trim();
        let pattern = |pattern: &str| {
            let pattern = normal_pattern(pattern, shell.user_home.as_deref()).map_err(wrong)?;
            Ok(Self { pattern, also: None })
        };
        if let Some(beginning) = typed.strip_suffix('*').filter(|beginning| beginning.starts_with('.')) {
            let mut full = paths::without_dots(&shell.cwd.join(beginning)).to_string_lossy().into_owned();
            if beginning.ends_with('/') || beginning.ends_with("/.") {
                full.push('/');
            }
            return pattern(&format!("{full}*"));
        }
        let below_home = typed.strip_prefix("~/").or_else(|| (typed == "~").then_some(""));
        let full = match (below_home, &shell.user_home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => paths::without_dots(&shell.cwd.join(typed)),
        };
        let is_path = typed.starts_with(['/', '.', '~']) && !typed.ends_with('*');
        if typed.ends_with('*') || !(is_path || full.is_dir()) {
            return pattern(typed);
        }
        if !full.is_dir() && !typed.starts_with('.') {
            // The folder may be gone, its sessions are not.
            return pattern(&full.to_string_lossy());
        }
        if !full.is_dir() {
            return Err(Failure::usage(format!("{} is no folder", shell.folder(&full)))
                .hint("A project whose folder is gone can be named by its remote, or by the folder from / on."));
        }
        let full = full.canonicalize()?;
        Self::at(&full)
    }

    /// The project at a folder: that of the repository around it, or the folder itself.
    fn at(folder: &Path) -> Result<Self, Failure> {
        let not_text = || Failure::failed(format!("{} is not UTF-8, so that no rule can name it", folder.display()));
        let folder = folder.to_str().ok_or_else(not_text)?;
        let Some((root, remote)) = Disk::default().around(folder) else {
            return Ok(Self { pattern: folder.to_owned(), also: None });
        };
        Ok(match remote.as_deref().and_then(normal_remote) {
            Some(remote) => Self { pattern: remote, also: Some(root) },
            None => Self { pattern: root, also: None },
        })
    }

    /// As rules see a project of this name.
    pub(super) fn project(&self) -> ProjectRef<'_> {
        let named = self.pattern.trim_end_matches('*');
        let is_folder = named.starts_with('/');
        let root = if is_folder { Some(named) } else { self.also.as_deref() };
        ProjectRef { key: named, remote: (!is_folder).then_some(named), root, cwd: root }
    }

    /// Whether it is the beginning of what may be many projects.
    pub(super) fn is_beginning(&self) -> bool {
        self.pattern.ends_with('*')
    }
}

/// Sessions of one project that ran in one folder: rules see no difference between them.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) project: Arc<Project>,
    pub(super) cwd: Option<String>,
    /// How many.
    pub(super) sessions: u64,
}

impl Group {
    /// What they are to rules.
    pub(super) fn seen(&self) -> ProjectRef<'_> {
        let Project { key, remote, root, .. } = &*self.project;
        ProjectRef { key, remote: remote.as_deref(), root: root.as_deref(), cwd: self.cwd.as_deref() }
    }
}

/// The sessions that can be shared from here.
pub(super) fn groups(archive: Option<&Archive>) -> Result<Vec<Group>, Failure> {
    let Some(archive) = archive else { return Ok(Vec::new()) };
    let mut all: BTreeMap<(String, Option<String>), Group> = BTreeMap::new();
    archive.briefs(&mut |brief: Brief| {
        let is_ours = brief.is_from_here || brief.origin == archive.origin();
        if let Some(project) = brief.project.filter(|_| is_ours) {
            let group = || Group { project: Arc::clone(&project), cwd: brief.cwd.clone(), sessions: 0 };
            all.entry((project.key.clone(), brief.cwd.clone())).or_insert_with(group).sessions += 1;
        }
    })?;
    Ok(all.into_values().collect())
}

/// How many sessions each rule is about: those for which it is the one that counts.
pub(super) fn counts(shares: &Shares, groups: &[Group]) -> Vec<u64> {
    let mut counts = vec![0; shares.rules().len()];
    for group in groups {
        let rule = shares.rule_of(group.seen());
        let place = rule.and_then(|rule| shares.rules().iter().position(|other| other == rule));
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += group.sessions;
        }
    }
    counts
}

/// Those that a pattern is about, whatever other rules say.
pub(super) fn meant<'g>(pattern: &str, groups: &'g [Group]) -> impl Iterator<Item = &'g Group> {
    // A rule for it alone says whether a project is meant.
    let (meant, _) = Shares::parse(&[format!("{pattern}=full")], DEFAULT_STORE, None);
    groups.iter().filter(move |group| meant.mode_of(group.seen()) != Mode::Off)
}

/// How many of the sessions that a pattern is about are shared in another mode than this one.
pub(super) fn otherwise(shares: &Shares, pattern: &str, mode: Mode, groups: &[Group]) -> u64 {
    meant(pattern, groups).filter(|group| shares.mode_of(group.seen()) != mode).map(|group| group.sessions).sum()
}

/// The projects that share more than nothing and that `named` is about, or that are called so.
pub(super) fn still_shared(shares: &Shares, named: &Named, groups: &[Group]) -> Vec<String> {
    let called = groups.iter().filter(|group| group.project.name == named.pattern);
    let shared = meant(&named.pattern, groups).chain(called).filter(|group| shares.mode_of(group.seen()) != Mode::Off);
    let keys: BTreeSet<&String> = shared.map(|group| &group.project.key).collect();
    keys.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(key: &str, sessions: u64) -> Group {
        let is_folder = key.starts_with('/');
        let (remote, root) = if is_folder { (None, Some(key)) } else { (Some(key), None) };
        let [remote, root] = [remote, root].map(|text| text.map(str::to_owned));
        let project = Project { key: key.to_owned(), name: format!("x_{}", key.len()), remote, root };
        Group { project: Arc::new(project), cwd: None, sessions }
    }

    fn three() -> [Group; 3] {
        [group("github.com/acme/api", 3), group("github.com/acme/web_", 4), group("/src/x", 5)]
    }

    fn shares(said: &[&str]) -> Shares {
        let said: Vec<String> = said.iter().map(|&said| said.to_owned()).collect();
        let (shares, warnings) = Shares::parse(&said, "default", None);
        assert_eq!(warnings, Vec::<String>::new());
        shares
    }

    fn named(pattern: &str) -> Named {
        Named { pattern: pattern.to_owned(), also: None }
    }

    #[test]
    fn a_session_counts_for_the_rule_that_counts_alone() {
        let rules = shares(&["*=metadata", "github.com/acme/*=full", "github.com/acme/api=off"]);
        assert_eq!(counts(&rules, &three()), [5, 4, 3]);
        assert_eq!(counts(&shares(&["/src/x=full"]), &three()), [5]);
        assert_eq!(counts(&shares(&[]), &three()), Vec::<u64>::new());
        let groups = [Group { cwd: Some("/src/private/api".to_owned()), ..group("github.com/acme/api", 2) }];
        assert_eq!(counts(&shares(&["github.com/acme/api=full", "/src/private=off"]), &groups), [0, 2]);
    }

    #[test]
    fn sessions_that_another_rule_decides_about_are_counted() {
        let rules = shares(&["github.com/acme/*=full", "github.com/acme/api=off"]);
        assert_eq!(otherwise(&rules, "github.com/acme/*", Mode::Full, &three()), 3);
        assert_eq!(otherwise(&rules, "github.com/acme/api", Mode::Off, &three()), 0);
        assert_eq!(otherwise(&rules, "/src", Mode::Off, &three()), 0);
    }

    #[test]
    fn projects_with_rules_of_their_own_are_named_when_a_wider_one_goes() {
        let left = shares(&["github.com/acme/api=full", "/src/x=metadata", "github.com/acme/web_=off"]);
        assert_eq!(still_shared(&left, &named("github.com/acme/*"), &three()), ["github.com/acme/api"]);
        assert_eq!(still_shared(&left, &Named::all(), &three()), ["/src/x", "github.com/acme/api"]);
        assert_eq!(still_shared(&left, &named("/src"), &three()), ["/src/x"]);
        assert_eq!(still_shared(&left, &named("x_6"), &three()), ["/src/x"], "it is called so");
        assert_eq!(still_shared(&shares(&[]), &Named::all(), &three()), Vec::<String>::new());
    }

    #[test]
    fn what_is_named_is_what_rules_see() {
        let both = Named { pattern: "github.com/acme/api".to_owned(), also: Some("/src/api".to_owned()) };
        for rule in ["github.com/ACME/api=full", "/src/api=full", "/src=full"] {
            assert_eq!(shares(&[rule]).mode_of(both.project()), Mode::Full, "{rule}");
        }
        assert_eq!(shares(&["my_app=full"]).mode_of(named("my_app").project()), Mode::Full);
        assert_eq!(shares(&["/src=full"]).mode_of(named("/src/x").project()), Mode::Full);
    }
}
