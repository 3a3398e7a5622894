//! `carry man`: manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap_mangen::Man;
use serde::Serialize;

use super::command_line;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// Write the manual pages
///
/// Writes carry.1, git-carry.1 (which `git help carry` shows) and a page for each command into DIR. With --install DIR
/// is share/man/man1 beside the bin folder that this program lies in, where man looks for what is in your PATH; if it lies
/// elsewhere, ~/.local/share/man/man1. Without either it prints the main page.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the pages
    dir: Option<PathBuf>,
    /// Write them where man finds them
    #[arg(long, conflicts_with = "dir")]
    install: bool,
}

pub(super) fn run(shell: &Shell, program: &'static str, args: &Args) -> Result<(), Failure> {
    let dir = match &args.dir {
        Some(dir) => shell.cwd.join(dir),
        None if args.install => install_folder(shell)?,
        None => return shell.out.bytes(&page(command_line(program), &program.replace(' ', "-"))?),
    };
    fs::create_dir_all(&dir).map_err(|e| {
        Failure::failed(format!("cannot make {}: {e}", dir.display()))
            .hint("Name a folder that you may write to: `carry man DIR`.")
    })?;
    let mut n_pages = 2;
    write(&dir, "carry", &page(command_line("carry"), "carry")?)?;
    write(&dir, "git-carry", &page(command_line("git carry"), "git-carry")?)?;
    for command in command_line("carry").get_subcommands() {
        let name = format!("carry-{}", command.get_name());
        let bin_name = format!("carry {}", command.get_name());
        write(&dir, &name, &page(command.clone().bin_name(bin_name), &name)?)?;
        n_pages += 1;
    }
    if shell.out.is_json() {
        shell.out.json(&ManJson { folder: text::json_file(&dir), pages: n_pages })?;
    }
    shell.out.say(format_args!("Wrote {n_pages} pages to {}.", text::file(&dir)))?;
    if args.install
        && is_found() == Some(false)
        && let Some(man) = dir.parent()
    {
        let word = text::shell_word(man);
        shell.out.note(format_args!(
            "man does not look there yet; add this to your shell's profile: export MANPATH={word}:"
        ));
    }
    Ok(())
}

/// Whether man finds what was installed; `None` where there is no man.
fn is_found() -> Option<bool> {
    let said = Command::new("man").args(["-w", "git-carry"]).stdin(Stdio::null()).output().ok()?;
    Some(said.status.success())
}

/// `share/man/man1` beside the `bin` folder of this program, if it lies in one, else that
/// below the user's data folder.
fn install_folder(shell: &Shell) -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    if let Some(bin) = program.parent().filter(|folder| folder.file_name().is_some_and(|name| name == "bin"))
        && let Some(prefix) = bin.parent()
    {
        return Ok(prefix.join("share/man/man1"));
    }
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(shell.user_home.as_ref()?.join(".local/share")));
    let data =
        data.ok_or_else(|| Failure::failed("cannot tell where your home directory is").hint("Name a folder."))?;
    Ok(data.join("man/man1"))
}

/// What was written, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "man-pages")]
struct ManJson {
    folder: String,
    pages: u64,
}

fn page(command: clap::Command, name: &str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.display_name(name.to_owned())).title(name.to_uppercase()).render(&mut page)?;
    Ok(page)
}

fn write(dir: &Path, name: &str, page: &[u8]) -> Result<(), Failure> {
    let path = dir.join(format!("{name}.1"));
    // Not `disk::write_atomic`: a page is for everybody to read, and one that is cut short is written again.
    fs::File::create(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, page))
        .map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))
}
