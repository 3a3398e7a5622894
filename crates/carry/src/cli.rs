//! The commands and what they have in common. Each has a file of its own: its arguments, its help, its function.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::failure::{EXIT_CODES, Failure};
use crate::output::Output;
use crate::wire::Shell;

mod add;
mod clone;
mod completions;
mod config;
mod conflicts;
mod daemon;
mod devices;
mod diff;
mod doctor;
mod exchange;
mod finalize;
mod finalize_json;
mod here;
mod ignore;
mod list;
mod log;
mod logs;
mod man;
mod now;
mod pause;
mod prompt;
mod prune;
mod publish;
mod push;
mod remote;
mod remove;
mod restore;
mod restore_json;
mod serve;
mod service;
mod sessions;
mod settle;
mod show;
mod snapshot_json;
mod staging;
mod status;
mod status_json;
mod sync;
mod sync_json;
mod takeover;
mod team;
mod theirs;
mod undo;
mod up;

/// Keep everything you work on
///
/// Carry captures the uncommitted work in your Git working trees as you write it, and brings it to your other devices. It
/// touches your index, your branches and your files only when you say so. Without a command it registers the repository
/// you stand in and shows how it stands.
#[derive(Debug, Parser)]
#[command(name = "carry", version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 100)]
struct App {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Options {
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, and problems
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Agree to every question
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) color: Color,
    /// Set a configuration value for this run
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) config: Vec<(String, String)>,
    /// Run as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Do not page long output
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR or CLICOLOR=0 says otherwise
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Every command there is, in the order of the help.
#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Status(status::Args),
    List(list::Args),
    Add(add::Args),
    Remove(remove::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Now(now::Args),
    Log(log::Args),
    Diff(diff::Args),
    Show(show::Args),
    Restore(restore::Args),
    Undo(undo::Args),
    Publish(publish::Args),
    Sync(sync::Args),
    Clone(clone::Args),
    Finalize(finalize::Args),
    Sessions(Box<sessions::Args>),
    Team(Box<team::Args>),
    Remote(remote::Args),
    Exchange(Box<exchange::Args>),
    Devices(devices::Args),
    Conflicts(conflicts::Args),
    Ignore(ignore::Args),
    Prune(prune::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    Daemon(daemon::Args),
    Serve(Box<serve::Args>),
    Service(service::Args),
    Logs(logs::Args),
    Prompt(prompt::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Parses the process's arguments, runs the command, reports how it ended.
pub(crate) fn main(program: &'static str) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if prompt::at_once(&arguments) {
        return ExitCode::SUCCESS;
    }
    let var = |name: &str| std::env::var_os(name);
    let app = match parse(program, &arguments) {
        Ok(app) => app,
        Err(error) => return usage(&error, &arguments),
    };
    let out = Output::new(&app.options, &var);
    let shell = match Shell::new(app.options.clone(), out) {
        Ok(shell) => shell,
        Err(failure) => return ExitCode::from(failure.report(&Output::new(&app.options, &var))),
    };
    let done = run(&shell, program, app.command).and_then(|()| shell.out.finish());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The pager must be gone before anything is said beside it.
            let _ = shell.out.finish();
            let code = failure.report(&shell.out);
            let _ = shell.out.finish();
            ExitCode::from(code)
        }
    }
}

fn run(shell: &Shell, program: &'static str, command: Option<Command>) -> Result<(), Failure> {
    match command {
        None => here::run(shell),
        Some(Command::Up(args)) => up::run(shell, &args),
        Some(Command::Status(args)) => status::run(shell, &args),
        Some(Command::List(args)) => list::run(shell, &args),
        Some(Command::Add(args)) => add::run(shell, &args),
        Some(Command::Remove(args)) => remove::run(shell, &args),
        Some(Command::Pause(args)) => pause::pause(shell, &args),
        Some(Command::Resume(args)) => pause::resume(shell, &args),
        Some(Command::Now(args)) => now::run(shell, &args),
        Some(Command::Log(args)) => log::run(shell, &args),
        Some(Command::Diff(args)) => diff::run(shell, &args),
        Some(Command::Show(args)) => show::run(shell, &args),
        Some(Command::Restore(args)) => restore::run(shell, &args),
        Some(Command::Undo(args)) => undo::run(shell, &args),
        Some(Command::Publish(args)) => publish::run(shell, &args),
        Some(Command::Sync(args)) => sync::run(shell, &args),
        Some(Command::Clone(args)) => clone::run(shell, &args),
        Some(Command::Finalize(args)) => finalize::run(shell, &args),
        Some(Command::Sessions(args)) => sessions::run(shell, &args),
        Some(Command::Team(args)) => team::run(shell, &args),
        Some(Command::Remote(args)) => remote::run(shell, &args),
        Some(Command::Exchange(args)) => exchange::run(shell, &args),
        Some(Command::Devices(args)) => devices::run(shell, &args),
        Some(Command::Conflicts(args)) => conflicts::run(shell, &args),
        Some(Command::Ignore(args)) => ignore::run(shell, &args),
        Some(Command::Prune(args)) => prune::run(shell, &args),
        Some(Command::Config(args)) => config::run(shell, &args),
        Some(Command::Doctor(args)) => doctor::run(shell, &args),
        Some(Command::Daemon(args)) => daemon::run(shell, &args),
        Some(Command::Serve(args)) => serve::run(shell, &args),
        Some(Command::Service(args)) => service::run(shell, &args),
        Some(Command::Logs(args)) => logs::run(shell, &args),
        Some(Command::Prompt(args)) => prompt::run(shell, &args),
        Some(Command::Completions(args)) => completions::run(shell, program, &args),
        Some(Command::Man(args)) => man::run(shell, program, &args),
    }
}

/// The whole command line, for help, completions and man pages.
fn command_line(program: &'static str) -> clap::Command {
    let mut command = App::command().bin_name(program).display_name(program);
    // The codes are part of the interface, so every command's help lists them.
    fn with_codes(command: clap::Command) -> clap::Command {
        command.after_help(EXIT_CODES).disable_help_subcommand(true).mut_subcommands(with_codes)
    }
    command = command.mut_subcommands(with_codes);
    command
}

fn parse(program: &'static str, arguments: &[OsString]) -> Result<App, clap::Error> {
    let mut command = command_line(program);
    let matches = command.try_get_matches_from_mut(arguments)?;
    App::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Reports wrong usage, or shows help and version.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let wants_json =
        arguments.iter().skip(1).take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let options = Options { json: true, ..Options::default() };
        let out = Output::new(&options, &|_| None);
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::usage(message).hint("--help shows what the command takes.");
        let code = failure.report(&out);
        let _ = out.finish();
        return ExitCode::from(code);
    }
    // Nobody is left to be told that the telling failed.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("it must have the form KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line("carry").debug_assert();
        command_line("git carry").debug_assert();
    }

    #[test]
    fn every_help_begins_in_the_imperative_without_a_full_stop_and_ends_with_the_exit_codes() {
        fn walk(command: &clap::Command) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about:?}", command.get_name());
            assert!(command.get_after_help().is_some(), "{}", command.get_name());
            command.get_subcommands().for_each(walk);
        }
        walk(&command_line("carry"));
    }
}
