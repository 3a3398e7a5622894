//! What the tests need from the machine, and getting it.
//!
//! Only the distribution's own packages, only with the right to install them, and never without saying so.

use std::process::{Command, Stdio};

use crate::run::{captured, find, shown};
use crate::{Outcome, out};

/// A program that tests cannot do without.
struct Need {
    program: &'static str,
    /// What it is asked, where that the program is there is not enough: it is missing when the answer is a failure.
    probe: &'static [&'static str],
    /// Debian's package.
    package: &'static str,
    /// Least version, as `--version` prints it; empty: any.
    version: &'static str,
    why: &'static str,
}

/// Grows with the strands; what one of them needs stands here and nowhere else.
const NEEDS: &[Need] = &[
    Need {
        program: "git",
        probe: &[],
        package: "git",
        version: "2.38",
        why: "captures are checked against Git itself",
    },
    Need { program: "cc", probe: &[], package: "gcc", version: "", why: "SQLite is built from source" },
    Need {
        program: "mkfifo",
        probe: &[],
        package: "coreutils",
        version: "",
        why: "tests capture around special files",
    },
    Need {
        program: "ssh",
        probe: &[],
        package: "openssh-client",
        version: "",
        why: "tests reach Git remotes over ssh",
    },
    Need {
        program: "ssh-keygen",
        probe: &[],
        package: "openssh-client",
        version: "",
        why: "tests make keys of their own",
    },
    Need {
        program: "sshd",
        probe: &[],
        package: "openssh-server",
        version: "",
        why: "tests serve Git remotes over ssh",
    },
    Need {
        program: "python3",
        probe: &[],
        package: "python3",
        version: "3.9",
        why: "fixtures of sessions are made with it",
    },
    // Debian keeps what `venv` installs with in a package of its own; `import venv` succeeds without it.
    Need {
        program: "python3",
        probe: &["-c", "import ensurepip, venv"],
        package: "python3-venv",
        version: "",
        why: "archives of sessions are compared with another program's, which is installed with it",
    },
    Need {
        program: "dbus-daemon",
        probe: &[],
        package: "dbus-daemon",
        version: "",
        why: "tests receive notifications",
    },
    // Debian keeps the programs of each version in a folder of their own. It also starts a server of the machine's, which
    // no test uses: each makes its own.
    Need {
        program: "postgres",
        probe: &[],
        package: "postgresql",
        version: "13",
        why: "tests push to servers of their own; the one that the package starts is used by none and may be stopped",
    },
    // Without the configuration that the package around it brings, no server of the machine's is started.
    Need {
        program: "apache2",
        probe: &[],
        package: "apache2-bin",
        version: "",
        why: "tests exchange over its WebDAV, on servers of their own",
    },
    // PostgreSQL refuses to run as root.
    Need {
        program: "setpriv",
        probe: &[],
        package: "util-linux",
        version: "",
        why: "tests that run as root start PostgreSQL as another user",
    },
];

/// Installs what is missing.
pub(crate) fn install_missing() -> Outcome {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need)).collect();
    if !missing.is_empty() {
        for need in &missing {
            out::note(&format!("{} is missing ({}).", need.package, need.why));
        }
        install(&missing.iter().map(|need| need.package).collect::<Vec<_>>())?;
    }
    NEEDS.iter().try_for_each(check_version)
}

fn is_there(need: &Need) -> bool {
    let Some(file) = find(need.program) else { return false };
    let answers = || {
        let mut program = Command::new(&file);
        program.args(need.probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        program.status().is_ok_and(|status| status.success())
    };
    need.probe.is_empty() || answers()
}

fn install(packages: &[&str]) -> Outcome {
    let by_hand = format!("install these packages and run this again: {}", packages.join(" "));
    let Some(mut apt) = apt_get() else { return Err(by_hand.into()) };
    out::note(&format!("Installing with apt-get: {}", packages.join(" ")));
    let arguments = ["install", "--yes", "--no-install-recommends"];
    if shown(apt.args(arguments).args(packages)).is_ok() {
        return Ok(());
    }
    // The machine's package lists may be older than the mirror, or not there at all.
    let mut update = apt_get().ok_or_else(|| by_hand.clone())?;
    shown(update.arg("update"))?;
    let mut again = apt_get().ok_or(by_hand)?;
    shown(again.args(arguments).args(packages))
}

/// `apt-get` with the right to install; `None` when there is none, or a password would be asked for.
fn apt_get() -> Option<Command> {
    find("apt-get")?;
    let is_root = captured(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut apt = if is_root {
        Command::new("apt-get")
    } else {
        captured(Command::new("sudo").args(["-n", "true"]).stdin(Stdio::null())).ok()?;
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    Some(apt)
}

fn check_version(need: &Need) -> Outcome {
    if need.version.is_empty() {
        return Ok(());
    }
    let program = find(need.program).ok_or_else(|| format!("{} is not there", need.program))?;
    let text = captured(Command::new(program).arg("--version"))?;
    let found = text.split_whitespace().find_map(numbers).unwrap_or_default();
    if found < numbers(need.version).unwrap_or_default() {
        return Err(format!("{} {} or newer is needed; this is {}", need.program, need.version, text.trim()).into());
    }
    Ok(())
}

/// The numbers of a version such as `2.47.3`; `None` when there are none.
fn numbers(word: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = word.split('.').map_while(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_missing() {
        let need = |program, probe| Need { program, probe, package: "", version: "", why: "" };
        assert!(is_there(&need("sh", &[])) && is_there(&need("sh", &["-c", "exit 0"])));
        assert!(!is_there(&need("sh", &["-c", "exit 1"])) && !is_there(&need("no-such-program", &[])));
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("2.9") < numbers("2.38"));
        assert!(numbers("2.38") <= numbers("2.38.0"));
        assert_eq!(numbers("version"), None);
        assert_eq!("git version 2.47.3.windows".split_whitespace().find_map(numbers), Some(vec![2, 47, 3]));
    }
}
