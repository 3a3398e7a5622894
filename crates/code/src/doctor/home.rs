//! Our own folders.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use carry_kernel::home::Home;

use super::{Finding, Fix, Severity, shown};
use crate::context::Context;

/// Permission bits that others than the owner have.
const OTHERS: u32 = 0o077;

pub(super) fn examine(ctx: &Context) -> Vec<Finding> {
    let open = private(&ctx.home).into_iter().filter_map(|(path, mode)| {
        let found = path.metadata().ok()?.permissions().mode() & 0o777;
        (found & OTHERS != 0).then(|| {
            let problem = format!("{} may be used by others (mode {found:03o}).", shown(&path));
            let advice =
                format!("It holds keys, paths or file names that are yours alone. Its mode should be {mode:03o}.");
            Finding::new("home-permissions", Severity::Warning, problem, advice).with(Fix::Chmod { path, mode })
        })
    });
    open.collect()
}

/// What must be ours alone, and with which mode.
pub(super) fn private(home: &Home) -> Vec<(PathBuf, u32)> {
    let folders = [home.config_dir(), home.data_dir(), home.state_dir()].map(|path| (path.to_owned(), 0o700));
    let files = [home.device_file(), home.database("code"), home.kernel_database()].map(|path| (path, 0o600));
    folders.into_iter().chain(files).collect()
}
