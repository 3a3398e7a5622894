//! Failures of the server.

use carry_exchange::remote::RemoteError;
use carry_hub::credential::CredentialError;
use carry_hub::listen::ListenError;
use carry_hub::run::ServeError;

use super::{Failure, Kind};

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let hint = match error {
            ServeError::Credentials(error) => return error.into(),
            ServeError::Disk(error) => return error.into(),
            ServeError::Listen(error) => return error.into(),
            ServeError::Bind { .. } => Some("If another program has that port, `--listen` names another one."),
            ServeError::Running => Some("Stop it first; or give this one a CARRY_HOME of its own."),
            ServeError::Folder(RemoteError::NoMarker { .. }) => {
                Some("If the folder is to be a new exchange, `carry serve --init` marks it.")
            }
            ServeError::Folder(RemoteError::Unreachable { .. }) => {
                Some("Is its disk mounted? `carry serve --init` makes the folder if it is to be new.")
            }
            ServeError::Tls(_) => Some("--tls-cert and --tls-key take PEM; the key must be for you alone (chmod 600)."),
            ServeError::Folder(_) | ServeError::Exchange(_) | ServeError::System(_) => None,
        };
        Self::new(Kind::Failed, error).with(hint)
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let hint = match error {
            ListenError::Plain(_) => {
                "Give --tls-cert and --tls-key; or --behind-proxy if a proxy before it encrypts, so that nobody else reaches it."
            }
            ListenError::Both => "Leave out one of the two.",
            ListenError::Name(_) => "--host takes a name as it stands in an address, such as hub.example.org.",
        };
        Self::new(Kind::Usage, error).with(Some(hint))
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let (kind, hint) = match error {
            CredentialError::Disk(error) => return error.into(),
            CredentialError::Line { .. } => (Kind::Failed, Some("Each line is a name and a credential.")),
            CredentialError::TooMany { .. } => {
                (Kind::Failed, Some("`carry serve token NAME --remove` takes away one that is not needed."))
            }
            CredentialError::Name(_) => (Kind::Usage, None),
            CredentialError::Exists(_) => {
                (Kind::Failed, Some("--replace makes a new one; the one it had is not taken any more then."))
            }
            CredentialError::Unknown(_) => (Kind::Failed, Some("`carry serve token` lists the names.")),
        };
        Self::new(kind, error).with(hint)
    }
}
