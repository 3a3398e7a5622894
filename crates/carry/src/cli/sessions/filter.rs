//! Which sessions: the filters that commands have in common.

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::Archive;
use carry_sessions::list::Filter;
use carry_sessions::model::{Agent, Category};

use crate::cli::devices;
use crate::failure::Failure;
use crate::paths;
use crate::text;
use crate::wire::Shell;
use crate::writers;

/// Micro-dollars in a dollar.
const MICROS: f64 = 1e6;

/// Filters.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    /// Only sessions of this agent (may be given more than once)
    #[arg(long, value_name = "NAME")]
    agent: Vec<String>,
    /// Only of this project: a part of its name, remote or folder
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only on this branch
    #[arg(short, long)]
    branch: Option<String>,
    /// Only what went on after TIME, such as "2 weeks ago" or 2026-11-20
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what began before TIME
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only with a call of this tool, or of this kind (Read, Edit, Bash, …)
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only those that read or changed this file
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// Only with this model; a part of its name is enough
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only those that cost at least so many dollars
    #[arg(long, value_name = "DOLLARS")]
    cost: Option<f64>,
    /// Only from this device: the beginning of its id, or its name here
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Only with this label
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Only starred ones
    #[arg(long)]
    starred: bool,
    /// Only what is in the trash
    #[arg(long)]
    trashed: bool,
    /// Subagents, abandoned branches and what programs ran, too
    #[arg(short, long)]
    all: bool,
}

impl FilterArgs {
    /// As the archive takes it.
    pub(super) fn filter(&self, shell: &Shell, limit: Option<usize>) -> Result<Filter, Failure> {
        let cost_min = match self.cost {
            None => None,
            // The cast saturates.
            Some(dollars) if dollars.is_finite() && dollars >= 0.0 => Some((dollars * MICROS).round() as u64),
            Some(dollars) => return Err(Failure::usage(format!("--cost {dollars} is no sum of money"))),
        };
        let category = self.tool.as_deref().and_then(Category::named);
        Ok(Filter {
            agents: self.agent.iter().map(|name| Agent::named(&name.to_lowercase())).collect(),
            project: self.project.clone(),
            branch: self.branch.clone(),
            since: self.since.as_deref().map(|spec| begin(shell, "--since", spec)).transpose()?,
            until: self.until.as_deref().map(|spec| time(shell, "--until", spec)).transpose()?,
            tool: self.tool.clone().filter(|_| category.is_none()),
            category,
            file: self.file.as_deref().map(|file| path(shell, file)),
            model: self.model.clone(),
            label: self.label.clone(),
            device: self.device.as_deref().map(|name| writers::device_labelled(shell, name)).transpose()?,
            cost_min,
            is_starred: self.starred,
            is_trashed: self.trashed,
            all: self.all,
            limit,
        })
    }

    /// Whether nothing is filtered.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            agent,
            project,
            branch,
            since,
            until,
            tool,
            file,
            model,
            cost,
            device,
            label,
            starred,
            trashed,
            all,
        } = self;
        let texts = [project, branch, since, until, tool, file, model, device, label];
        let flags = [*starred, *trashed, *all];
        agent.is_empty() && texts.iter().all(|text| text.is_none()) && cost.is_none() && !flags.contains(&true)
    }
}

/// Refuses agents that are neither known nor have a session in the archive, and devices from which there is none.
pub(super) fn check_names(shell: &Shell, archive: &Archive, filter: &Filter) -> Result<(), Failure> {
    check_device(shell, archive, filter.device.as_deref())?;
    for agent in filter.agents.iter().filter(|agent| matches!(agent, Agent::Other(_))) {
        let mut is_known = false;
        for is_trashed in [false, true] {
            let of_it = Filter { agents: vec![*agent], all: true, is_trashed, limit: Some(1), ..Filter::default() };
            is_known |= !archive.list(&of_it)?.sessions.is_empty();
        }
        if is_known {
            continue;
        }
        let known: Vec<&str> = Agent::ALL.iter().map(|agent| agent.as_str()).collect();
        return Err(Failure::usage(format!("no agent {:?}", agent.as_str()))
            .hint(format!("Known agents are {}.", known.join(", "))));
    }
    Ok(())
}

/// Refuses devices from which the archive has no session.
fn check_device(shell: &Shell, archive: &Archive, device: Option<&str>) -> Result<(), Failure> {
    let Some(device) = device else { return Ok(()) };
    for is_trashed in [false, true] {
        let device = Some(device.to_owned());
        let of_it = Filter { device, all: true, is_trashed, limit: Some(1), ..Filter::default() };
        if !archive.list(&of_it)?.sessions.is_empty() {
            return Ok(());
        }
    }
    let mut failure = Failure::usage(format!("there is no session from a device {device:?}"));
    if let Some(hint) = devices::unapproved_called(shell, device)? {
        failure = failure.hint(hint);
    }
    let origins = archive.origins()?;
    let known = origins.iter().map(|(origin, _)| shown(shell, origin)).collect::<Result<Vec<_>, _>>()?;
    Err(match known.as_slice() {
        [] => failure,
        known => failure.hint(format!("There are sessions from {}.", known.join(", "))),
    })
}

/// What people call the device with this id, where `--device` takes that for it; else the id.
fn shown(shell: &Shell, id: &str) -> Result<String, Failure> {
    let own = shell.existing_context()?.map(|ctx| ctx.device.get());
    let label = match own.filter(|own| own.id().as_str() == id) {
        Some(own) => own.label().to_owned(),
        None => writers::label_of(shell, id)?,
    };
    let is_taken = writers::device_labelled(shell, &label)? == id;
    Ok(text::line(if is_taken { &label } else { id }))
}

/// A point in time as people write it.
pub(in crate::cli) fn time(shell: &Shell, option: &str, spec: &str) -> Result<Timestamp, Failure> {
    carry_code::time::parse(spec, shell.now(), &jiff::tz::TimeZone::system()).ok_or_else(|| {
        Failure::usage(format!(
            "{option} {spec:?} is no time such as `2 weeks ago`, `yesterday 14:00` or `2026-11-20 10:55`"
        ))
    })
}

/// The same as a beginning: of a day that is named without a time of day, its first moment.
pub(in crate::cli) fn begin(shell: &Shell, option: &str, spec: &str) -> Result<Timestamp, Failure> {
    let spec = spec.trim();
    let is_day = spec.eq_ignore_ascii_case("today")
        || spec.eq_ignore_ascii_case("yesterday")
        || (spec.len() == "2026-11-20".len() && spec.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
    match is_day {
        true => time(shell, option, &format!("{spec} 00:00")),
        false => time(shell, option, spec),
    }
}

/// A path that exists from here is meant whole; anything else is the end of one.
pub(super) fn path(shell: &Shell, typed: &str) -> String {
    let full = paths::without_dots(&shell.cwd.join(typed));
    if typed.starts_with('/') || full.symlink_metadata().is_ok() {
        full.to_string_lossy().into_owned()
    } else {
        typed.trim_start_matches("./").to_owned()
    }
}
