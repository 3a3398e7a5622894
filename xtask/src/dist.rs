//! `cargo xtask dist`: the programs as they are handed out, with completions.

use std::fs;
use std::process::Command;

use crate::run::{captured, cargo, shown, target};
use crate::{Outcome, out};

/// Builds with the `dist` profile into `target/dist`.
pub(crate) fn run() -> Outcome {
    shown(&mut cargo(&["build", "--locked", "--profile", "dist", "--package", "carry"]))?;
    let folder = target()?.join("dist");
    let program = folder.join("carry");
    for shell in ["bash", "zsh", "fish"] {
        let script = captured(Command::new(&program).args(["completions", shell]))?;
        crate::docs::write_file(&folder.join(format!("carry.{shell}")), &script)?;
    }
    for name in ["carry", "git-carry"] {
        let bytes = fs::metadata(folder.join(name))?.len();
        out::line(&format!("{} ({:.1} MiB)", folder.join(name).display(), bytes as f64 / 1_048_576.0));
    }
    Ok(())
}
