//! `carry`.

use std::process::ExitCode;

fn main() -> ExitCode {
    carry::main_with("carry")
}
