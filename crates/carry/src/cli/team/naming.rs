//! Projects by the names that lists show.

use carry_sessions::archive::Archive;

use super::rules;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// What was typed; for the name of one project its remote, or else its folder, which rules take.
pub(super) fn resolve(shell: &Shell, typed: &str) -> Result<String, Failure> {
    let typed = typed.trim();
    let is_more = typed.contains(['/', ':', '*', '@']) || typed.starts_with(['.', '~']);
    if is_more || shell.cwd.join(typed).is_dir() {
        return Ok(typed.to_owned());
    }
    let archive = Archive::open_read_only(&shell.home)?;
    let groups = rules::groups(archive.as_ref())?;
    let called = groups.iter().map(|group| &group.project).filter(|project| project.name == typed);
    let mut keys: Vec<String> = called.filter_map(|project| project.remote.clone().or(project.root.clone())).collect();
    keys.sort();
    keys.dedup();
    match keys.len() {
        0 => Ok(typed.to_owned()),
        1 => {
            let key = keys.swap_remove(0);
            shell.out.note(format_args!("{} is {}.", text::line(typed), text::line(&key)));
            Ok(key)
        }
        n => {
            let keys: Vec<String> = keys.iter().map(|key| text::line(key)).collect();
            Err(Failure::usage(format!("{n} projects are called {}", text::line(typed)))
                .hint(format!("Say which: {}.", keys.join(", "))))
        }
    }
}
