//! Looking at everything. What cannot be read is a finding itself, and the rest is looked at all the same.

use std::os::unix::fs::PermissionsExt as _;

use carry_code::context::Context;
use carry_code::doctor::{self, Finding, Fix, Severity};
use carry_code::registry::Tree;
use carry_daemon::handle::{Handle as _, Request};
use carry_daemon::service;
use carry_daemon::socket::Remote;
use carry_kernel::config::{Origin, Warning};

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The code under which both this file and the capturing strand name open permissions.
const HOME_PERMISSIONS: &str = "home-permissions";

/// Every finding, and what is needed to mend them, if this device has a readable identity.
pub(super) fn all(shell: &Shell) -> Result<(Vec<Finding>, Option<Context>), Failure> {
    // First of all: whoever opens our files closes them to others.
    let mut findings = permissions(shell);
    let ctx = match shell.existing_context() {
        Ok(ctx) => ctx,
        Err(failure) => {
            findings.push(unreadable("device-unreadable", &failure));
            None
        }
    };
    let trees = match registered(shell) {
        Ok(trees) => Some(trees),
        Err(failure) => {
            // The capturing strand says the same when it is asked.
            if ctx.is_none() {
                findings.push(unreadable("registry-unreadable", &failure));
            }
            None
        }
    };
    findings.extend(daemon(shell, trees.as_deref())?);
    if let Some(ctx) = &ctx {
        findings.extend(doctor::examine(ctx).into_iter().filter(|finding| finding.code != HOME_PERMISSIONS));
        findings.extend(shell.user_home.iter().flat_map(|home| doctor::git_pulsar(ctx, home)));
    }
    findings.extend(sessions(shell));
    findings.extend(team(shell));
    findings.extend(super::super::exchange::findings(shell));
    findings.extend(configuration(shell, &trees.unwrap_or_default()));
    Ok((findings, ctx))
}

fn registered(shell: &Shell) -> Result<Vec<Tree>, Failure> {
    Ok(match shell.registry_to_read()? {
        Some(registry) => registry.trees()?,
        None => Vec::new(),
    })
}

/// A file of ours that cannot be read.
fn unreadable(code: &'static str, failure: &Failure) -> Finding {
    let advice = match failure.hints() {
        [] => "Nothing is captured while this is so. The snapshots themselves lie in the repositories.".to_owned(),
        hints => hints.join(" "),
    };
    Finding { code, severity: Severity::Error, problem: sentence(&failure.in_one_line()), advice, fix: None }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let text: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{}.", text.trim_end_matches('.'))
}

/// What is ours alone, and may be used by others.
fn permissions(shell: &Shell) -> Vec<Finding> {
    let home = &shell.home;
    let folders = [home.config_dir(), home.data_dir(), home.state_dir()].map(|path| (path.to_owned(), 0o700));
    let files = [
        home.device_file(),
        home.device_file().with_file_name("mask.key"),
        home.database("code"),
        home.database("sessions"),
        home.database("team"),
        home.kernel_database(),
    ]
    .map(|path| (path, 0o600));
    let mut findings = Vec::new();
    for (path, mode) in folders.into_iter().chain(files) {
        let Ok(found) = path.metadata() else { continue };
        let found = found.permissions().mode() & 0o777;
        if found & 0o077 != 0 {
            findings.push(Finding {
                code: HOME_PERMISSIONS,
                severity: Severity::Warning,
                problem: format!("{} may be used by others (mode {found:03o}).", text::file(&path)),
                advice: format!(
                    "It holds keys, paths or file names that are yours alone. Its mode should be {mode:03o}."
                ),
                fix: Some(Fix::Chmod { path, mode }),
            });
        }
    }
    let socket = home.socket();
    if let Ok(found) = socket.symlink_metadata()
        && found.permissions().mode() & 0o077 != 0
    {
        findings.push(Finding {
            code: "socket-permissions",
            severity: Severity::Error,
            problem: format!("{} is open to other users.", text::file(&socket)),
            advice: "They could stop the daemon or read file names. It belongs to you alone.".to_owned(),
            fix: Some(Fix::Chmod { path: socket, mode: 0o600 }),
        });
    }
    findings
}

/// What is wrong with the daemon and how it is started. `trees` is unknown where the registry cannot be read.
fn daemon(shell: &Shell, trees: Option<&[Tree]>) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let is_needed = trees.is_none_or(|trees| !trees.is_empty());
    match shell.daemon() {
        Ok(None) if !is_needed => {}
        Ok(None) => findings.push(Finding {
            code: "daemon-not-running",
            severity: Severity::Error,
            problem: "No daemon runs.".to_owned(),
            advice: "Nothing is captured but by `carry now`. `carry up` starts the daemon.".to_owned(),
            fix: Some(Fix::StartDaemon),
        }),
        Ok(Some(pid)) => {
            if let Err(error) = Remote::new(&shell.home).ask(&Request::Status, &mut |_| {}) {
                findings.push(Finding {
                    code: "daemon-silent",
                    severity: Severity::Error,
                    problem: format!("The daemon (process {pid}) does not answer: {error}."),
                    advice: "It may hang. `carry daemon restart` starts it afresh; `carry logs` may say more."
                        .to_owned(),
                    fix: Some(Fix::Run(vec![program(shell)?, "daemon".to_owned(), "restart".to_owned()])),
                });
            }
        }
        Err(failure) => findings.push(unreadable("daemon-unknown", &failure)),
    }
    if is_needed {
        findings.extend(service(shell)?);
    }
    Ok(findings)
}

fn service(shell: &Shell) -> Result<Option<Finding>, Failure> {
    // A machine without a service manager starts the daemon otherwise; nothing is wrong with that.
    let Ok(status) = service::status(&shell.program()?, &shell.home, shell.carry_home.as_deref()) else {
        return Ok(None);
    };
    let finding = |code, severity, problem: &str, advice: &str, fix| {
        Some(Finding {
            code,
            severity,
            problem: problem.to_owned(),
            advice: advice.to_owned(),
            fix: Some(Fix::Run(fix)),
        })
    };
    let install = vec![program(shell)?, "service".to_owned(), "install".to_owned()];
    Ok(match status {
        service::ServiceStatus { file: None, .. } => finding(
            "service-missing",
            Severity::Note,
            "The daemon is not started by the system.",
            "After a restart of the machine nothing is captured until `carry up`. `carry service install` starts it by itself.",
            install,
        ),
        service::ServiceStatus { current: false, .. } => finding(
            "service-outdated",
            Severity::Warning,
            "The installed service is another version's.",
            "It may start a program that is gone. `carry service install` writes it anew.",
            install,
        ),
        service::ServiceStatus { linger: Some(false), .. } => finding(
            "service-without-linger",
            Severity::Warning,
            "The daemon ends when you log out.",
            "What programs of yours write while you are logged out is captured only after the next login.",
            vec!["loginctl".to_owned(), "enable-linger".to_owned()],
        ),
        _ => None,
    })
}

/// Places where agents keep sessions that cannot be looked at.
fn sessions(shell: &Shell) -> Vec<Finding> {
    // Without a home there is nothing to look at.
    let Ok(settings) = shell.sessions() else { return Vec::new() };
    if !settings.enabled {
        return Vec::new();
    }
    let finding = |code, problem: String, advice: &str| Finding {
        code,
        severity: Severity::Warning,
        problem,
        advice: advice.to_owned(),
        fix: None,
    };
    let said = settings.warnings.iter().map(|warning| {
        finding("sessions-configuration", warning.clone(), "It has no effect; `carry config edit` opens the file.")
    });
    let found = super::super::sessions::found(&settings);
    let unreadable = found.problems.iter().map(|(path, why)| {
        finding(
            "sessions-unreadable",
            format!("Sessions in {} cannot be read: {why}.", text::file(path)),
            "Conversations there are not archived. Let your user read it, or switch the source off with sessions.disabled.",
        )
    });
    let absent = found.absent.iter().map(|path| Finding {
        code: "sessions-absent",
        severity: Severity::Note,
        problem: format!("{} is not there.", text::file(path)),
        advice: "No agent has left conversations there yet. If one has, the place is called otherwise: `carry sessions sources` lists them."
            .to_owned(),
        fix: None,
    });
    said.chain(unreadable).chain(absent).collect()
}

/// What is wrong with team stores.
fn team(shell: &Shell) -> Vec<Finding> {
    // What cannot be known of the daemon is a finding of its own.
    let rows = shell.daemon().and_then(|daemon| crate::overview::rows(shell, daemon)).unwrap_or_default();
    super::super::team::findings(shell, &rows)
}

/// What the user's configuration, and that of each repository, says without effect.
fn configuration(shell: &Shell, trees: &[Tree]) -> Vec<Finding> {
    let config = shell.config_in_silence(None);
    let mut findings: Vec<Finding> = config
        .warnings()
        .iter()
        .map(|warning| misconfigured("configuration", warning, config.broken().contains(warning)))
        .collect();
    for tree in trees {
        let config = shell.config_in_silence(Some(&tree.root));
        let of_repository = |warning: &&Warning| matches!(warning.origin, Origin::Repository { .. });
        findings.extend(
            config
                .warnings()
                .iter()
                .filter(of_repository)
                .map(|warning| misconfigured("repository-configuration", warning, config.broken().contains(warning))),
        );
    }
    findings
}

/// A setting, or a whole file of them, without effect. By what is left of a file that cannot be parsed nothing is captured.
fn misconfigured(code: &'static str, warning: &Warning, is_broken: bool) -> Finding {
    let (severity, advice) = match (&warning.origin, is_broken) {
        (Origin::Repository { .. }, true) => {
            (Severity::Error, "Nothing is captured there until the file is mended.".to_owned())
        }
        (_, true) => (
            Severity::Error,
            "Nothing is captured or exchanged until the file is mended; `carry config edit` opens it.".to_owned(),
        ),
        (Origin::Repository { .. }, false) => (
            Severity::Warning,
            "It has no effect: a repository's own file may only narrow what is captured. `carry config show --origin` there says what holds."
                .to_owned(),
        ),
        (Origin::Environment(name), false) => {
            (Severity::Warning, format!("It has no effect; set the variable {} to a good value, or unset it.", text::line(name)))
        }
        (_, false) => (Severity::Warning, "It has no effect; `carry config edit` opens the file.".to_owned()),
    };
    Finding { code, severity, problem: warning.to_string(), advice, fix: None }
}

fn program(shell: &Shell) -> Result<String, Failure> {
    Ok(shell.program()?.display().to_string())
}
