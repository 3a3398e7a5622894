//! The options of the benches that compare archives of sessions, and the programs that all benches measure.

use std::path::{Path, PathBuf};

use super::sessions::{Set, install_agentsview};
use crate::Outcome;
use crate::run::{cargo, shown, target};

/// What such a bench can be told about sets.
pub(super) struct Choice {
    /// Measured when none is named.
    pub(super) usual: Vec<Set>,
    /// Measured once with `--quick`, where there is that.
    pub(super) quick: Option<Set>,
    /// Whether `--sets` names several; else `--set` names one.
    pub(super) takes_many: bool,
    /// The set of a name.
    pub(super) named: fn(&str) -> Outcome<Set>,
}

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) sets: Vec<Set>,
    pub(super) rounds: usize,
    /// Where everything is made; it must be on a real disk, since a tmpfs syncs for nothing.
    pub(super) dir: PathBuf,
    /// The program, when it is not to be built.
    program: Option<PathBuf>,
    /// agentsview, when it is not to be installed.
    agentsview: Option<PathBuf>,
}

impl Options {
    /// What the arguments say. Without any there are three rounds below the build folder.
    pub(super) fn parse(args: &[String], choice: Choice) -> Outcome<Self> {
        let Choice { usual, quick, takes_many, named } = choice;
        let dir = target()?.join("bench");
        let mut options = Self { sets: usual, rounds: 3, dir, program: None, agentsview: None };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if let Some(quick) = quick.filter(|_| word == "--quick") {
                (options.sets, options.rounds) = (vec![quick], 1);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--sets" if takes_many => options.sets = value.split(',').map(named).collect::<Outcome<_>>()?,
                "--set" if !takes_many => options.sets = vec![named(value)?],
                "--rounds" => options.rounds = value.parse()?,
                "--dir" => options.dir = std::path::absolute(value)?,
                "--program" => options.program = Some(PathBuf::from(value).canonicalize()?),
                "--agentsview" => options.agentsview = Some(std::path::absolute(value)?),
                other => return Err(format!("there is no option {other}").into()),
            }
        }
        if options.rounds == 0 {
            return Err("--rounds must be 1 or more".into());
        }
        Ok(options)
    }

    /// Ours and theirs, built and installed unless they are named. Makes the folder.
    pub(super) fn programs(&self) -> Outcome<(PathBuf, PathBuf)> {
        let ours = program(self.program.as_deref())?;
        std::fs::create_dir_all(&self.dir)?;
        let theirs = match &self.agentsview {
            Some(program) => program.clone(),
            None => install_agentsview(&self.dir)?,
        };
        Ok((ours, theirs))
    }
}

/// The program that is measured: the one that is named, else one that is built now.
pub(super) fn program(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(program) = named {
        return Ok(program.to_owned());
    }
    shown(&mut cargo(&["build", "--release", "--locked", "--package", "carry"]))?;
    Ok(target()?.join("release/carry"))
}
