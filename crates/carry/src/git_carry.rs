//! `git carry`: the same program under the name that Git looks for.

use std::process::ExitCode;

fn main() -> ExitCode {
    carry::main_with("git carry")
}
