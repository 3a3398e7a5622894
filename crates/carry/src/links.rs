//! Git remotes as commands use them: which ones a working tree has, whether the user agreed, fetching and pushing.

use carry_code::context::Context;
use carry_code::drift;
use carry_code::gather;
use carry_code::line::Branch;
use carry_code::publish::{self, Options, Report};
use carry_code::registry::{Registry, Tree};
use carry_code::remote::{self, Io, Remote};
use carry_code::repo::Repo;
use carry_code::settings::LinkSettings;
use carry_code::time;
use carry_kernel::clock::Timestamp;

use crate::failure::Failure;
use crate::progress::Progress;
use crate::wire::Shell;
use crate::{lease, prompt, targets, text};

mod consent;

pub(crate) use consent::{agree, ask, consent, withdraw};

/// A working tree with the remotes that it publishes to.
pub(crate) struct Here {
    /// Who and when.
    pub(crate) ctx: Context,
    /// Its repository.
    pub(crate) repo: Repo,
    /// The tree.
    pub(crate) tree: Tree,
    /// What HEAD is on.
    pub(crate) branch: Branch,
    /// How it goes out and comes in.
    pub(crate) settings: LinkSettings,
    /// The remotes; drift is told of the first.
    pub(crate) remotes: Vec<Remote>,
}

/// How current what is known of a remote is.
#[derive(Debug)]
pub(crate) struct Known {
    /// The remote's name.
    pub(crate) remote: String,
    /// When it was last asked with success.
    pub(crate) fetched: Option<Timestamp>,
    /// Why it could not be asked now.
    pub(crate) error: Option<String>,
}

impl Here {
    /// The working tree we stand in, which must be registered.
    pub(crate) fn open(shell: &Shell) -> Result<Self, Failure> {
        let (repo, tree) = targets::open_here(shell)?;
        Self::new(shell, repo, tree)
    }

    /// That of `tree`.
    pub(crate) fn new(shell: &Shell, repo: Repo, tree: Tree) -> Result<Self, Failure> {
        let config = shell.config(Some(&tree.root));
        let branch = repo.head()?.branch;
        let remotes = remote::of(&repo, &config, &branch);
        Ok(Self { ctx: shell.context()?, settings: LinkSettings::new(&config), repo, tree, branch, remotes })
    }

    /// The remotes, of which there must be one.
    pub(crate) fn some_remotes(&self) -> Result<&[Remote], Failure> {
        if self.remotes.is_empty() {
            return Err(Failure::failed("this repository has no Git remote to publish to")
                .hint("`git remote add origin URL` adds one; the setting code.remotes names others."));
        }
        Ok(&self.remotes)
    }

    /// All registered working trees of the repository.
    pub(crate) fn siblings(&self, registry: &Registry) -> Result<Vec<Tree>, Failure> {
        Ok(registry.trees()?.into_iter().filter(|tree| tree.common_dir == self.tree.common_dir).collect())
    }
}

/// Asks all remotes for other devices' work. One that fails is a warning: what is here already is used then.
pub(crate) fn fetch(shell: &Shell, here: &Here, offline: bool) -> Result<Vec<Known>, Failure> {
    let mut known = Vec::new();
    for remote in &here.remotes {
        let error = if offline { None } else { fetch_one(shell, here, remote)? };
        let fetched = shell.registry()?.link(&here.tree.common_dir, &remote.shown_name(), &remote.key())?.fetched;
        if let Some(error) = &error {
            let when = fetched.map_or("never before".to_owned(), |at| format!("last {}", time::age(at, shell.now())));
            shell.out.warn(format_args!(
                "{} could not be asked ({when}): {error}. This uses what is here.",
                text::line(&remote.shown_name())
            ));
        }
        known.push(Known { remote: remote.shown_name(), fetched, error });
    }
    Ok(known)
}

/// Notes for the prompt what others have now.
pub(crate) fn remember(here: &Here) {
    // It is noted anew before long; what was asked for does not hang on it.
    if let Err(error) = drift::remember(&here.ctx, &here.repo, &here.tree.id) {
        tracing::warn!(%error, "what others have could not be noted");
    }
}

/// Asks one; returns why it could not be asked.
fn fetch_one(shell: &Shell, here: &Here, remote: &Remote) -> Result<Option<String>, Failure> {
    let trees = here.siblings(&shell.registry()?)?;
    let name = gather::lease_name(&here.tree.common_dir, &remote.key());
    let fetched =
        talk(shell, remote, &name, "asking", |io| Ok(gather::fetch(&here.ctx, &here.repo, &trees, remote, io)?));
    let report = match fetched {
        Ok(report) => report,
        Err(failure) => return Ok(Some(said(&failure, remote))),
    };
    for (name, why) in &report.refused {
        shell.out.note(format_args!(
            "{} on {} was not taken: {why}.",
            text::line(name),
            text::line(&remote.shown_name())
        ));
    }
    if report.renewed {
        say_renewed(shell, here);
    }
    Ok(None)
}

/// Pushes all lines of the working tree to `remote`, under the lease that the daemon pushes under too.
pub(crate) fn push(shell: &Shell, here: &Here, remote: &Remote, options: &Options) -> Result<Report, Failure> {
    let name = publish::lease_name(&here.tree.common_dir, &remote.key());
    let report = talk(shell, remote, &name, "pushing to", |io| {
        Ok(publish::push(&here.ctx, &here.repo, &here.tree, remote, options, io)?)
    })?;
    if report.renewed {
        say_renewed(shell, here);
    }
    Ok(report)
}

/// Does `work` with a remote under the lease `name`, and shows how far it is. `doing` says to whom else wants the lease what
/// is done; the remote's name follows.
fn talk<T>(
    shell: &Shell,
    remote: &Remote,
    name: &str,
    doing: &str,
    work: impl FnOnce(&Io<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let shown = text::line(&remote.shown_name());
    lease::hold(shell, name, &format!("{doing} {shown}"), |lost| {
        let progress = Progress::new(shell);
        work(&Io {
            interactive: prompt::can_ask(shell),
            cancel: lost,
            progress: &|step, done, total| progress.show(&format!("{shown}: {step}"), done, total),
        })
    })
}

fn say_renewed(shell: &Shell, here: &Here) {
    shell.out.warn(format_args!(
        "another machine writes as this device, perhaps from a copy of Carry's home; this one goes on as {}",
        here.ctx.device.id()
    ));
    // It must capture nothing more under the old id.
    shell.reload_daemon();
}

/// What a remote said, without its name in front: that is said already.
fn said(failure: &Failure, remote: &Remote) -> String {
    let line = failure.in_one_line();
    let line = line.strip_prefix(&format!("{}: ", remote.shown_name())).unwrap_or(&line);
    line.trim_end_matches('.').to_owned()
}

/// How we know what others have: `fetched from origin 3 min ago`.
pub(crate) fn how_known(shell: &Shell, known: &[Known]) -> String {
    if known.is_empty() && shell.exchange().remotes.iter().any(|remote| remote.has_code) {
        return "as far as the exchange has brought it; `carry exchange` asks for more".to_owned();
    }
    if known.is_empty() {
        return "this repository has no remote, so that only what is here is known".to_owned();
    }
    let each = known.iter().map(|known| match known.fetched {
        Some(at) => format!("{} fetched {}", text::line(&known.remote), time::age(at, shell.now())),
        None => format!("{} never fetched", text::line(&known.remote)),
    });
    each.collect::<Vec<_>>().join(", ")
}
