//! Addresses as they are shown: without the password that they may hold.

/// What stands for a password.
const HIDDEN: &str = "…";

/// Parts of names of parameters that hold a secret.
const SECRETS: [&str; 4] = ["passw", "secret", "token", "key"];

/// The address in `text`, which may stand behind a name (`name=address`), without password. Where it is not clear where a password
/// ends, nothing is shown but the scheme. Text without a scheme is no address.
pub(super) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, below) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = below.split_once('?').map_or((below, None), |(path, query)| (path, Some(query)));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    // A password that was not written as it must be may hold what ends other parts.
    let may_go_on = match authority.split_once(':') {
        Some((_, port)) if user.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => path.contains('@'),
        Some(_) => below.contains('@'),
        None => false,
    };
    if may_go_on {
        return format!("{scheme}://{HIDDEN}");
    }
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{HIDDEN}@"),
        None if authority.contains('@') => format!("{user}@"),
        None => String::new(),
    };
    let query = query.map_or_else(String::new, |query| {
        format!("?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{user}{host}{path}{query}")
}

fn parameter(pair: &str) -> String {
    let Some((name, _)) = pair.split_once('=') else { return pair.to_owned() };
    let lower = name.to_lowercase();
    // A name in escapes may be any.
    let is_secret = lower.contains('%') || SECRETS.iter().any(|secret| lower.contains(secret));
    if is_secret { format!("{name}={HIDDEN}") } else { pair.to_owned() }
}
