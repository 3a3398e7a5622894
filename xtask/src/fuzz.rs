//! `cargo xtask fuzz`: the targets below `fuzz/`, built for libFuzzer with the stable compiler.

use std::path::PathBuf;

use crate::run::{captured, cargo, find, root, shown, target};
use crate::{Outcome, out};

/// How long each target runs when nobody says, in seconds.
const SECONDS: u64 = 10;

/// What makes the compiler count which branches ran.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions";

/// Runs the targets that are named, or all.
pub(crate) fn run(args: &[String]) -> Outcome {
    let (mut seconds, mut wanted) = (SECONDS, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().and_then(|n| n.parse().ok()).ok_or("--seconds takes a number")?,
            name if name.starts_with('-') => return Err(format!("there is no option {name}").into()),
            name => wanted.push(name.to_owned()),
        }
    }
    let all = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no target {unknown}; there are {}", all.join(", ")).into());
    }
    let wanted = if wanted.is_empty() { all } else { wanted };
    if find("c++").is_none() && find("g++").is_none() {
        return Err("libFuzzer is built from C++: install g++".into());
    }
    let folder = target()?.join("fuzz");
    let manifest = root().join("fuzz/Cargo.toml");
    // With a target of its own, build scripts are built without the flags.
    let host = host()?;
    let mut build = cargo(&["build", "--release", "--bins", "--target", &host, "--manifest-path"]);
    shown(build.arg(&manifest).env("CARGO_TARGET_DIR", &folder).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS))?;
    for name in wanted {
        out::note(&format!("Fuzzing {name} for {seconds} s."));
        let corpus = folder.join("corpus").join(&name);
        std::fs::create_dir_all(&corpus)?;
        let artifacts = format!("-artifact_prefix={}/", folder.display());
        let mut fuzz = std::process::Command::new(folder.join(&host).join("release").join(&name));
        fuzz.current_dir(&folder).args([
            "-max_len=20000",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            "-print_final_stats=1",
        ]);
        fuzz.arg(format!("-max_total_time={seconds}")).arg(artifacts).arg(&corpus);
        fuzz.args(seeds(&name));
        shown(&mut fuzz)?;
    }
    Ok(())
}

/// The machine that we build on and for.
fn host() -> Outcome<String> {
    let said = captured(std::process::Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not say what machine this is")?.to_owned())
}

/// The names of the targets: one file each.
fn targets() -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("fuzz/targets"))? {
        names.extend(entry?.path().file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Folders of the fixtures that a target begins with.
fn seeds(name: &str) -> Vec<PathBuf> {
    if name.starts_with("exchange_") {
        return vec![root().join("crates/exchange/tests/golden")];
    }
    let home = root().join("crates/sessions/tests/fixtures/home");
    let folders: &[&str] = match name {
        "claude" | "redact_text" | "redact_json" => &[".claude/projects/-home-dana-code-orchard-api"],
        "codex" => &[".codex/sessions/2026/03/14", ".codex/sessions/2025/08/26"],
        "gemini_lines" | "gemini_document" => &[".gemini/tmp/orchard-api/chats"],
        _ => &[],
    };
    folders.iter().map(|folder| home.join(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built() {
        let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for name in targets().unwrap() {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is not in fuzz/Cargo.toml");
            assert!(seeds(&name).iter().all(|folder| folder.is_dir()));
        }
    }

    #[test]
    fn unknown_targets_are_refused() {
        let error = run(&["nothing".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("claude"), "{error}");
    }
}
