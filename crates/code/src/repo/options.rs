//! Opening a repository with the environment that [`crate::git::command`] gives the git program.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use gix::sec::{Permission, Trust};

use super::OpenError;
use super::discover::Found;
use crate::git::BStr;

/// Opens what was found. One that belongs to another user is opened only if `safe.directory` names it.
pub(super) fn open(found: &Found) -> Result<gix::ThreadSafeRepository, OpenError> {
    let trust = if found.owned { Trust::Full } else { Trust::Reduced };
    options().with(trust).open_path_as_is(true).open(&found.git).map_err(|e| {
        if !found.owned && e.is_permission_denied() {
            OpenError::Untrusted { path: found.git.clone() }
        } else {
            OpenError::damaged(&found.git)(e)
        }
    })
}

fn options() -> gix::open::Options {
    let mut permissions = gix::open::Permissions::all();
    // Denied, because it would let through GIT_WORK_TREE, GIT_INDEX_FILE, GIT_NAMESPACE and GIT_SHALLOW_FILE.
    permissions.env.git_prefix = Permission::Deny;
    permissions.env.objects = Permission::Deny;
    permissions.config.env = false;

    // The same permission guards the variables that say where configuration lies. Those the git program obeys, so
    // they are obeyed here too.
    let system = std::env::var_os("GIT_CONFIG_SYSTEM");
    let system = system.as_deref().map_or(Path::new("/etc/gitconfig"), Path::new);
    let without_system = std::env::var_os("GIT_CONFIG_NOSYSTEM").is_some_and(|v| is_true(&v));
    let mut options = gix::open::Options::default();
    if let Some(global) = std::env::var_os("GIT_CONFIG_GLOBAL") {
        // It stands for both of the user's files. There is a way to name two files, which are read in this order.
        permissions.config.user = false;
        permissions.config.git = false;
        permissions.config.git_binary = !without_system;
        options = options.git_installation_config_path(system).system_config_path(global);
    } else {
        permissions.config.system = !without_system;
        options = options.system_config_path(system);
    }
    // Replacement objects would show other content than what a fetch or a collection sees.
    options.permissions(permissions).bail_if_untrusted(true).config_overrides(["core.useReplaceRefs=false"])
}

fn is_true(value: &OsStr) -> bool {
    gix::config::Boolean::try_from(BStr::new(value.as_bytes())).is_ok_and(|b| b.0)
}
