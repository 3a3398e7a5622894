//! Whether a repository may be published to a remote: the user says so once, for this repository and this URL.

use carry_code::git::{self, ByteSlice as _};
use carry_code::registry::Consent;
use carry_code::remote::Remote;

use super::Here;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{prompt, text, tree_diff};

/// What the user said so far.
pub(crate) fn consent(shell: &Shell, here: &Here, remote: &Remote) -> Result<Option<Consent>, Failure> {
    Ok(shell.registry()?.link(&here.tree.common_dir, &remote.shown_name(), &remote.key())?.consent)
}

/// Notes that the user agrees.
pub(crate) fn agree(shell: &Shell, here: &Here, remote: &Remote) -> Result<(), Failure> {
    set(shell, here, remote, Consent::Agreed)
}

/// Notes that the user does not want it (any more).
pub(crate) fn withdraw(shell: &Shell, here: &Here, remote: &Remote) -> Result<(), Failure> {
    set(shell, here, remote, Consent::Declined)
}

fn set(shell: &Shell, here: &Here, remote: &Remote, said: Consent) -> Result<(), Failure> {
    let mut registry = shell.registry()?;
    registry
        .update_link(&here.tree.common_dir, &remote.shown_name(), &remote.key(), |link| link.consent = Some(said))?;
    Ok(())
}

/// Shows what will leave, and asks. `--yes` agrees. Nothing is asked about a remote that is pushed to elsewhere than it is
/// fetched from: that fails. Without a terminal it fails with `hint`.
pub(crate) fn ask(shell: &Shell, here: &Here, remote: &Remote, hint: &str) -> Result<bool, Failure> {
    remote.may_push(&here.repo)?;
    prompt::check(shell, hint)?;
    explain(shell, here, remote)?;
    let question = format!("Publish to {} from now on?", remote.shown_name());
    prompt::confirm(shell, &question, hint)
}

/// Says what goes to `remote`, and where that is.
fn explain(shell: &Shell, here: &Here, remote: &Remote) -> Result<(), Failure> {
    let registry = shell.registry()?;
    let mut snapshots = 0;
    for tree in here.siblings(&registry)? {
        snapshots += registry.state(&tree.id)?.snapshots;
    }
    let commits = match unpushed(here, remote)? {
        0 => String::new(),
        n => format!(", and {} not pushed yet", text::count(n, "commit")),
    };
    shell.out.note(format_args!(
        "To {} ({}) will go: {} of uncommitted work, with untracked files{commits}. Later ones follow by themselves. \
         Whoever can read that repository can read them.",
        text::line(&remote.shown_name()),
        text::line(&remote.shown()),
        text::count(snapshots, "snapshot"),
    ));
    Ok(())
}

/// Commits of HEAD that the remote did not have when it was last fetched: snapshots stand on them.
fn unpushed(here: &Here, remote: &Remote) -> Result<u64, Failure> {
    let Some(head) = here.repo.head()?.commit else { return Ok(0) };
    let known = format!("--remotes={}/*", remote.name);
    let mut count = git::command(here.repo.root());
    count.args(["rev-list", "--count", &head.to_string(), "--not"]);
    // A remote that is only a URL has no refs here; what other remotes have says nothing about it.
    if !remote.name.contains([':', '/']) {
        count.arg(known);
    }
    let said = tree_diff::run(&mut count)?;
    said.to_str_lossy().trim().parse().map_err(Failure::from_error)
}
