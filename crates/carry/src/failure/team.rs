//! Failures of team stores.

use carry_team::preview::ContentError;
use carry_team::push::PushError;
use carry_team::sink::{Class, SinkError};

use super::{Failure, Kind};

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let said = error.message.to_lowercase();
        let known = HINTS.iter().find(|(part, _)| said.contains(part)).map(|(_, hint)| (*hint).to_owned());
        // Whether and when a daemon tries again is nothing that a command can promise.
        let of_store = error.hint.clone().filter(|_| error.class != Class::Unreachable);
        // What the store itself says to do about it comes before what is true of the class.
        let hint = known.or(of_store).or_else(|| hint_of(error.class).map(str::to_owned));
        let failure = Self::new(Kind::Failed, error);
        hint.into_iter().fold(failure, Self::hint)
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Sink(error) => error.into(),
            PushError::Archive(error) => error.into(),
            PushError::Mask(error) => error.into(),
            PushError::State(error) => error.into(),
        }
    }
}

impl From<ContentError> for Failure {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Failed(error) => error.into(),
            error @ ContentError::Withheld { .. } => Self::new(Kind::Failed, error)
                .hint("A session that cannot be masked does not leave this machine; the others do."),
        }
    }
}

/// What to do about failures that say this.
const HINTS: [(&str, &str); 2] = [
    (
        "password missing",
        "`carry team init --url -` takes a URL with its password from standard input; or set team.password_file or \
         team.password_command.",
    ),
    (
        "server does not support tls",
        "Whoever runs the server must switch TLS on. Where nobody can listen on the way, such as on this machine, the URL may say \
         sslmode=disable; for another machine team.allow_insecure must be set, too.",
    ),
];

/// What to do about failures of a class.
fn hint_of(class: Class) -> Option<&'static str> {
    match class {
        Class::Unreachable => Some(
            "`carry team status` shows where it is looked for. The daemon, where one runs, pushes what waits once it can be reached.",
        ),
        Class::AuthRequired => Some(
            "`carry team init --url` takes another user; team.password_file and team.password_command give the password.",
        ),
        Class::Forbidden => Some("Whoever runs the store can grant it: docs/team-roles.sql has the roles."),
        Class::Unsupported => Some("`carry team init` sets the store up, or brings it up to date."),
        Class::Full | Class::Exhausted | Class::Busy | Class::Contended | Class::Refused | Class::Internal => None,
    }
}
