//! `carry publish`: agree to publish snapshots to a Git remote, or end it.

use carry_code::registry::{Consent, LinkState};
use carry_code::remote::{Reach, Remote};
use serde::Serialize;

use crate::failure::Failure;
use crate::links::{self, Here};
use crate::wire::Shell;
use crate::{prompt, text};

/// Publish snapshots to a Git remote
///
/// Shows what will leave this machine and where it goes, and asks. From then on the daemon pushes this repository's
/// snapshots there, so that other devices can take over and a lost disk loses little. Agreeing counts for this repository
/// and this URL. Without REMOTE: every remote that `carry status` shows.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name or URL of a remote
    remote: Option<String>,
    /// Publish nothing more; what is there stays there
    #[arg(long)]
    stop: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let here = Here::open(shell)?;
    let remotes = wanted(shell, &here, args)?;
    if args.stop {
        return stop(shell, &here, &remotes);
    }
    if !here.settings.publish {
        return Err(Failure::failed("publishing is switched off by the setting code.publish")
            .hint("`carry config show --origin` there says where it was set."));
    }
    let mut agreed = 0;
    for remote in &remotes {
        remote.may_push(&here.repo)?;
        let known = links::consent(shell, &here, remote)? == Some(Consent::Agreed);
        if known {
            agreed += 1;
            shell.out.say(format_args!("{} is published to already.", text::line(&remote.shown_name())))?;
        } else if links::ask(shell, &here, remote, "--yes agrees; `carry publish --help` says what that means.")? {
            links::agree(shell, &here, remote)?;
            agreed += 1;
            shell.out.say(format_args!("Publishing to {} from now on.", text::line(&remote.shown_name())))?;
        }
        if shell.out.is_json() {
            shell.out.json(&PublishingJson::new(&here, remote, true))?;
        }
    }
    if agreed == 0 {
        return Err(prompt::cancelled());
    }
    shell.reload_daemon();
    match shell.daemon()? {
        Some(_) => shell.out.note("The daemon pushes within minutes; `carry now --push` does at once."),
        None => shell.out.note("No daemon runs: `carry now --push` pushes, `carry up` starts it."),
    }
    Ok(())
}

/// The remotes that are meant.
fn wanted(shell: &Shell, here: &Here, args: &Args) -> Result<Vec<Remote>, Failure> {
    let Some(name) = &args.remote else {
        if args.stop {
            let mut all = agreed(shell, here)?;
            all.extend(
                here.remotes
                    .iter()
                    .filter(|r| !all.iter().any(|known| known.key() == r.key()))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            return Ok(all);
        }
        return Ok(here.some_remotes()?.to_vec());
    };
    let meant = Remote { name: name.clone(), url: name.clone(), reach: Reach::Network };
    let is_meant = |remote: &&Remote| remote.name == *name || remote.key() == meant.key();
    if let Some(remote) = here.remotes.iter().find(is_meant) {
        return Ok(vec![remote.clone()]);
    }
    // Ending must also work for one that was renamed or is configured no more.
    if args.stop
        && let Some(remote) = agreed(shell, here)?.into_iter().find(|remote| is_meant(&remote))
    {
        return Ok(vec![remote]);
    }
    let there = here.remotes.iter().map(|remote| text::line(&remote.shown_name())).collect::<Vec<_>>();
    let hint = match &there[..] {
        [] => "`git remote add origin URL` adds one; the setting code.remotes names others.".to_owned(),
        names => format!("There is {}; the setting code.remotes names others.", names.join(", ")),
    };
    Err(Failure::failed(format!("snapshots of this working tree do not go to {name}")).hint(hint))
}

/// The remotes that the user agreed to at some time.
fn agreed(shell: &Shell, here: &Here) -> Result<Vec<Remote>, Failure> {
    let links = shell.registry()?.links(&here.tree.common_dir)?;
    let is_agreed = |link: &LinkState| link.consent == Some(Consent::Agreed);
    let remote = |link: LinkState| Remote { name: link.remote, url: link.url, reach: Reach::Network };
    Ok(links.into_iter().filter(is_agreed).map(remote).collect())
}

fn stop(shell: &Shell, here: &Here, remotes: &[Remote]) -> Result<(), Failure> {
    for remote in remotes {
        links::withdraw(shell, here, remote)?;
        shell.out.say(format_args!("Nothing more is published to {}.", text::line(&remote.shown_name())))?;
        if shell.out.is_json() {
            shell.out.json(&PublishingJson::new(here, remote, false))?;
        }
    }
    shell.reload_daemon();
    if !remotes.is_empty() {
        shell.out.note(format_args!(
            "What is there stays there, below refs/carry/{}; `git push REMOTE --delete REF` takes a line away.",
            here.ctx.device.id()
        ));
    }
    Ok(())
}

/// What was agreed to, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "publishing")]
struct PublishingJson<'a> {
    repository: &'a str,
    root: String,
    remote: String,
    url: String,
    agreed: bool,
}

impl<'a> PublishingJson<'a> {
    fn new(here: &'a Here, remote: &'a Remote, agreed: bool) -> Self {
        Self {
            repository: here.tree.id.as_str(),
            root: text::json_file(&here.tree.root),
            remote: remote.shown_name(),
            url: remote.shown(),
            agreed,
        }
    }
}
