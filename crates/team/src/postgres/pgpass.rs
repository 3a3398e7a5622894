//! The file of passwords that PostgreSQL's own programs read: `host:port:database:user:password`, the first line that fits.

use super::address::Host;
use crate::settings::Secret;

#[cfg(test)]
mod tests;

/// Whom a password is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'l> {
    pub host: &'l Host,
    pub port: u16,
    pub database: Option<&'l str>,
    pub user: Option<&'l str>,
}

/// The password in the first line of `text` that fits.
pub(super) fn find(text: &str, login: Login<'_>) -> Option<Secret> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(fields)
        .find(|[host, port, database, user, _]| {
            // Without a name of a database it is the user's.
            let of_database = login.database.or(login.user);
            let is = |said: &str, text: Option<&str>| said == "*" || text == Some(said);
            is_host(host, login.host)
                && is(port, Some(&login.port.to_string()))
                && is(database, of_database)
                && is(user, login.user)
        })
        .map(|[_, _, _, _, password]| Secret(password))
        .filter(|Secret(password)| !password.is_empty())
}

fn is_host(said: &str, host: &Host) -> bool {
    said == "*"
        || match host {
            Host::Tcp(name) => said.eq_ignore_ascii_case(name),
            Host::Unix(folder) => said == "localhost" || folder.as_os_str() == said,
        }
}

/// The five fields of a line. A backslash takes what is special from the character after it. What follows the fifth is left out.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let (mut at, mut is_escaped) = (0, false);
    for c in line.chars() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            ':' if !is_escaped => {
                at += 1;
                if at == fields.len() {
                    break;
                }
            }
            c => {
                fields[at].push(c);
                is_escaped = false;
            }
        }
    }
    (at >= 4).then_some(fields)
}
