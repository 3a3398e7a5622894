//! Devices that were forgotten, and are approved again by what they were called.

use carry_code::registry::{Introduced, KnownDevice};
use carry_code::time;
use carry_exchange::store::Forgotten;
use carry_exchange::store::status;

use super::{Meant, PREFIX_MIN, json, look_again};
use crate::cli::devices::fingerprint;
use crate::failure::Failure;
use crate::wire::Shell;
use crate::{prompt, text};

/// The forgotten log that `name` means: by its name here, by the label or id of its device, or by the beginning of its id. None
/// where no forgotten one is called so. Where others are, too, it is said which there are.
pub(super) fn find(shell: &Shell, name: &str) -> Result<Option<Forgotten>, Failure> {
    if !shell.home.database("exchange").exists() {
        return Ok(None);
    }
    let all = shell.ground()?.store()?.forgotten(shell.now())?;
    let is_exact = |one: &&Forgotten| one.alias == name || one.log.to_string() == name;
    let is_called = |one: &&Forgotten| {
        [&one.label, &one.device].into_iter().any(|said| said.as_deref() == Some(name))
            || name.len() >= PREFIX_MIN && one.log.to_string().starts_with(name)
    };
    if let Some(one) = all.iter().find(is_exact) {
        return Ok(Some(one.clone()));
    }
    let meant: Vec<&Forgotten> = all.iter().filter(is_called).collect();
    let Some(first) = meant.first() else { return Ok(None) };
    // One that is known now may be meant as well, unless it is the very device.
    let is_other = |key: Option<[u8; 32]>| key.is_none() || key != first.key;
    let logs = status::look(&shell.home)?.map(|status| status.logs).unwrap_or_default();
    let known = shell.registry_to_read()?.map(|registry| registry.devices()).transpose()?.unwrap_or_default();
    let is_named = |known: &&KnownDevice| known.label == name || known.id == name;
    let of_logs = logs.iter().filter(|log| {
        let device = log.device.as_ref().map(|device| device.as_str());
        !log.is_ours() && [Some(log.row.alias.as_str()), log.label(), device].contains(&Some(name))
    });
    let mut others: Vec<String> = of_logs.map(|log| shown(&log.row.alias, log.device_key())).collect();
    let of_git = known.iter().filter(is_named).filter(|known| is_other(known.key));
    let of_git = of_git.filter(|known| logs.iter().all(|log| log.device_key() != known.key || known.key.is_none()));
    others.extend(of_git.map(|known| shown(&text::line(&known.id), known.key)));
    if meant.len() == 1 && others.is_empty() {
        return Ok(Some((*first).clone()));
    }
    let forgotten = meant.iter().map(|one| format!("{}, which was forgotten", shown(&one.alias, one.key)));
    let all: Vec<String> = forgotten.chain(others).collect();
    Err(Failure::failed(format!("{} devices are called {}: {}", all.len(), text::line(name), all.join(", "))).hint(
        "Anybody may call itself so. Compare the fingerprints with what `carry devices` shows there at the top, and give the name that \
         stands before the brackets.",
    ))
}

fn shown(name: &str, key: Option<[u8; 32]>) -> String {
    let print = key.map_or("that says none".to_owned(), |key| fingerprint(&key));
    format!("{name} (fingerprint {print})")
}

/// Asks, and approves the log and the device that signed it.
pub(super) fn approve(shell: &Shell, one: &Forgotten) -> Result<(), Failure> {
    prompt::check(shell, "--yes approves it.")?;
    let name = text::line(one.label.as_deref().or(one.device.as_deref()).unwrap_or(&one.alias));
    let age = time::age(one.at, shell.now());
    shell.out.note(match &one.key {
        Some(key) => format!("{name} was forgotten {age}. Its fingerprint: {}", fingerprint(key)),
        None => format!("{name} was forgotten {age}. It does not say which device it is. Its log: {}", one.log),
    });
    shell.out.note(
        "What it calls itself proves nothing: compare the fingerprint with the one that `carry devices` shows there at the top.",
    );
    if !prompt::confirm(shell, &format!("Trust the work of {name}?"), "--yes approves it.")? {
        return Err(prompt::cancelled());
    }
    if let (Some(id), Some(key)) = (&one.device, one.key) {
        let device = Introduced { id, key, label: one.label.as_deref().unwrap_or(id) };
        let mut registry = shell.registry()?;
        registry.note_device(device.id, Some(device.key), device.label, shell.now())?;
        if registry.device(device.id)?.is_some_and(|known| known.key == Some(device.key)) {
            registry.approve_device(device.id, shell.now())?;
        }
    }
    shell.ground()?.store()?.approve(one.log, shell.now())?;
    shell.out.say(format_args!("Approved {name}."))?;
    shell.out.note("The next `carry exchange` brings what it wrote.");
    look_again(shell);
    let log = status::look(&shell.home)?.and_then(|status| status.log(one.log).cloned());
    json(shell, &Meant { name, log, known: None })
}
