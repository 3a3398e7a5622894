//! Addresses of repositories in one form.

/// Longer addresses are none.
const ADDRESS_BYTES_MAX: usize = 2048;

/// `host/owner/repo` in its normal form: lower-case host, no scheme, user, password, port of the scheme, or `.git`; SSH and
/// HTTPS forms of one repository are equal. `None` for what is no address of a repository on a host.
pub fn normal_remote(url: &str) -> Option<String> {
    let url = url.trim();
    if url.is_empty() || url.len() > ADDRESS_BYTES_MAX || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (authority, path, port) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let port = match scheme.to_ascii_lowercase().as_str() {
                "https" | "git+https" => "443",
                "http" | "git+http" => "80",
                "ssh" | "git+ssh" | "ssh+git" => "22",
                "git" => "9418",
                _ => return None,
            };
            let (authority, path) = rest.split_once('/')?;
            (authority, path, port)
        }
        None => short_form(url)?,
    };
    // Only the last `@` ends the user: a password may hold one.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let host = match host.rsplit_once(':') {
        Some((name, number)) if number == port || number.is_empty() => name.to_owned(),
        _ => host,
    };
    let (host, path) = well_known(&host, path);
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
    let path = tidy(&path)?;
    is_host.then(|| format!("{host}/{path}"))
}

/// `user@host:path`, or an address in its normal form already. Not a path, not a drive.
fn short_form(url: &str) -> Option<(&str, &str, &'static str)> {
    if url.starts_with(['/', '.', '~', '\\', '-']) {
        return None;
    }
    let slash = url.find('/').unwrap_or(url.len());
    match url[..slash].find(':') {
        Some(1) => None,
        Some(colon) => {
            let (authority, path) = (&url[..colon], &url[colon + 1..]);
            // `host:8443/owner/repo` is the normal form with a port of its own.
            let number = path.split('/').next().unwrap_or_default();
            if !number.is_empty()
                && number.len() <= 5
                && number.bytes().all(|b| b.is_ascii_digit())
                && !authority.contains('@')
            {
                return Some((&url[..slash], url.get(slash + 1..)?, ""));
            }
            Some((authority, path, ""))
        }
        None => {
            let host = &url[..slash];
            (host.contains('.') && !host.contains('@'))
                .then(|| url.get(slash + 1..).map(|path| (host, path, "")))
                .flatten()
        }
    }
}

/// Hosts that have another name for SSH.
fn well_known(host: &str, path: &str) -> (String, String) {
    match host {
        "ssh.github.com" | "ssh.github.com:443" | "www.github.com" => ("github.com".to_owned(), path.to_owned()),
        "altssh.gitlab.com" | "altssh.gitlab.com:443" => ("gitlab.com".to_owned(), path.to_owned()),
        "altssh.bitbucket.org" | "altssh.bitbucket.org:443" => ("bitbucket.org".to_owned(), path.to_owned()),
        "ssh.dev.azure.com" => {
            let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
            match parts.as_slice() {
                ["v3", organisation, project, repo] => {
                    ("dev.azure.com".to_owned(), format!("{organisation}/{project}/_git/{repo}"))
                }
                _ => (host.to_owned(), path.to_owned()),
            }
        }
        _ => (host.to_owned(), path.to_owned()),
    }
}

/// The path without what does not tell repositories apart.
fn tidy(path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return None;
    }
    let parts = match parts.as_slice() {
        ["scm", rest @ ..] if rest.len() == 2 => rest,
        all => all,
    };
    let path = parts.join("/");
    let path = path.strip_suffix(".git").unwrap_or(&path).trim_end_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}
