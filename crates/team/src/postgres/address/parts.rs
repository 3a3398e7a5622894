//! Addresses taken apart into names and values.

/// Names and values, in order; of two with one name the later counts.
pub(super) type Parts = Vec<(String, String)>;

/// What comes after `postgres://`.
pub(super) fn of_url(rest: &str) -> Result<Parts, String> {
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if database.contains('@') || query.contains('@') && !authority.contains('@') {
        return Err("a / or ? in a name or a password is written as %2F or %3F".to_owned());
    }
    let mut parts = Parts::new();
    let hosts = match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
            parts.push(("user".to_owned(), decoded(user)?));
            if let Some(password) = password {
                parts.push(("password".to_owned(), decoded(password)?));
            }
            hosts
        }
        None => authority,
    };
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = host_and_port(host)?;
            let name = decoded(name)?;
            if name.contains(',') {
                return Err("a host holds a comma".to_owned());
            }
            names.push(name);
            ports.push(port);
        }
        parts.push(("host".to_owned(), names.join(",")));
        parts.push(("port".to_owned(), ports.join(",")));
    }
    if !database.is_empty() {
        parts.push(("dbname".to_owned(), decoded(database)?));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a setting after ? has no value")?;
        parts.push((decoded(name)?, decoded(value)?));
    }
    Ok(parts)
}

fn host_and_port(host: &str) -> Result<(&str, &str), String> {
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']').ok_or("a [ has no ]")?;
        let port = if rest.is_empty() { "" } else { rest.strip_prefix(':').ok_or("after ] stands no port")? };
        return Ok((name, port));
    }
    Ok(host.split_once(':').unwrap_or((host, "")))
}

/// Without its percent signs.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("after a % stand two hex digits".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
        rest = tail.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// `name=value name='other value'`.
pub(super) fn of_words(text: &str) -> Result<Parts, String> {
    let mut parts = Parts::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(parts);
        }
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=') {
            name.push(c);
        }
        if chars.next().is_none() {
            return Err("it is neither a URL nor a list of name=value".to_owned());
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let is_quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\'') if is_quoted => break,
                Some('\\') => value.push(chars.next().ok_or("it ends with a \\")?),
                Some(c) if c.is_whitespace() && !is_quoted => break,
                Some(c) => value.push(c),
                None if is_quoted => return Err("a ' has no end".to_owned()),
                None => break,
            }
        }
        parts.push((name.trim().to_owned(), value));
    }
}
