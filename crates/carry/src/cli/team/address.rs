//! A store's URL as it was typed: with a password in it, or without.

use std::io::Read as _;

use crate::failure::Failure;

/// What a URL begins with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Parameters that hold a secret.
const SECRETS: [&str; 2] = ["password", "sslpassword"];
/// Longer ones are none.
const BYTES_MAX: u64 = 8 << 10;

/// A URL.
#[derive(PartialEq, Eq)]
pub(super) struct Typed {
    /// As it was typed. Never shown when it has a password.
    pub(super) whole: String,
    /// Without password.
    pub(super) shown: String,
    has_password: bool,
}

impl Typed {
    /// What `--url` says; `-` stands for what comes on standard input.
    pub(super) fn read(said: &str) -> Result<Self, Failure> {
        if said != "-" {
            return Self::parse(said);
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| not_understood("it is not UTF-8"))?;
        Self::parse(text.lines().next().unwrap_or_default())
    }

    /// Takes a URL apart. What is said of a wrong one shows nothing of it: it may hold a password.
    pub(super) fn parse(said: &str) -> Result<Self, Failure> {
        let said = said.trim();
        if said.is_empty() {
            return Err(not_understood("it is empty"));
        }
        if said.len() as u64 > BYTES_MAX || said.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(not_understood("it is too long, or has blanks or control characters in it"));
        }
        let Some((scheme, rest)) = SCHEMES.iter().find_map(|scheme| Some((*scheme, said.strip_prefix(scheme)?))) else {
            return Err(not_understood("it does not begin with postgres://"));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        if !authority.contains('@') && path.contains('@') {
            return Err(not_understood("characters such as / and ? in a name or password are written %2F and %3F"));
        }
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let mut shown = scheme.to_owned();
        if let Some(user) = user {
            shown.push_str(user.split(':').next().unwrap_or_default());
            shown.push('@');
        }
        shown.push_str(hosts);
        shown.push_str(path);
        let is_plain = |pair: &&str| !SECRETS.iter().any(|name| pair.split('=').next() == Some(name));
        let kept: Vec<&str> = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter(is_plain)
            .filter(|pair| !pair.is_empty())
            .collect();
        if !kept.is_empty() {
            shown.push('?');
            shown.push_str(&kept.join("&"));
        }
        // Whatever else was left out is taken for one, too: the URL is then kept where nobody sees it.
        let has_password = said.trim_end_matches('?') != shown;
        Ok(Self { whole: said.to_owned(), shown, has_password })
    }

    /// Whether there is a password in it.
    pub(super) fn has_password(&self) -> bool {
        self.has_password
    }
}

fn not_understood(why: &str) -> Failure {
    Failure::usage(format!("the URL cannot be understood: {why}"))
        .hint("It looks like this: postgres://user@host:5432/database?sslmode=verify-full.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, shown: &str, has_password: bool) {
        let typed = Typed::parse(said).unwrap_or_else(|failure| panic!("{}", failure.in_one_line()));
        assert_eq!((typed.shown.as_str(), typed.has_password()), (shown, has_password), "{said}");
    }

    #[test]
    fn a_password_is_taken_out_wherever_it_stands() {
        check("postgres://ada@db.example.org/team", "postgres://ada@db.example.org/team", false);
        check("postgres://ada:pw@db:5433/team", "postgres://ada@db:5433/team", true);
        check("postgres://ada:p@w:x@db/team?sslmode=require", "postgres://ada@db/team?sslmode=require", true);
        check("postgresql:///team?host=/run/pg&password=pw", "postgresql:///team?host=/run/pg", true);
        check("postgres://db?sslpassword=pw", "postgres://db", true);
        check("postgres://[::1]:5432/team?user=a@b", "postgres://[::1]:5432/team?user=a@b", false);
        check("  postgres://db/team?\n", "postgres://db/team", false);
    }

    #[test]
    fn what_is_said_of_a_wrong_one_shows_nothing_of_it() {
        for said in
            ["", "mysql://ada:hunter2@db/x", "ada:hunter2@db", "postgres://ada:hunter2/x@db/team", "postgres://a b"]
        {
            let failure = Typed::parse(said).err().map(|failure| failure.in_one_line()).unwrap_or_default();
            assert!(failure.starts_with("the URL cannot be understood"), "{said}: {failure}");
            assert!(!failure.contains("hunter2"), "{failure}");
        }
    }
}
