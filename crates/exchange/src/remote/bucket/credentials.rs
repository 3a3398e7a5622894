//! With what a bucket is opened, and where that comes from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;

use super::process::{self, ProcessError};
use super::profile::{Found, Profiles};

/// How long before their end credentials are not used any more: a request may be on its way for so long.
const EARLY: Duration = Duration::from_secs(120);

/// An access key, its secret and, if it is a temporary one, a session token. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    key_id: String,
    secret: String,
    token: Option<String>,
    expires: Option<Timestamp>,
    from: String,
}

impl Credentials {
    /// `from` says in words where they come from.
    pub(super) fn new(key_id: &str, secret: &str, token: Option<&str>, expires: Option<Timestamp>, from: &str) -> Self {
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Self { key_id: key_id.to_owned(), secret: secret.to_owned(), token, expires, from: from.to_owned() }
    }

    /// The access key's id, which goes with every request.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What nobody may see.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// The session token.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Where they come from, in words.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now.after(EARLY) < expires)
    }

    /// Whether they can stand in a header.
    fn is_sendable(&self) -> bool {
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        is_plain(&self.key_id) && self.token.as_deref().is_none_or(is_plain)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Where credentials come from.
pub(super) enum Origin {
    /// They were in the environment, which does not change.
    Fixed(Credentials),
    /// They are in files that other tools write.
    Profile(Profiles),
}

/// Hands out credentials, and gets new ones when they have run out.
pub(super) struct Keychain {
    origin: Origin,
    kept: Mutex<Option<Arc<Credentials>>>,
}

/// Why there are no credentials. Says where they should have come from, never what they are.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoCredentials {
    #[error(transparent)]
    Profile(#[from] super::profile::ProfileError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("what {from} gives is no access key: check that nothing but the key itself was copied")]
    Unsendable { from: String },
}

impl Keychain {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, kept: Mutex::default() }
    }

    /// What a request at `now` is signed with.
    ///
    /// # Errors
    /// [`RemoteError::Denied`] if there is nothing, [`RemoteError::Cancelled`].
    pub(super) fn credentials(
        &self,
        place: &str,
        now: Timestamp,
        deadline: &Deadline<'_>,
    ) -> Result<Arc<Credentials>, RemoteError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credentials) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(credentials.clone());
        }
        let denied = |source: NoCredentials| RemoteError::Denied { place: place.to_owned(), source: source.into() };
        let found = match &self.origin {
            Origin::Fixed(credentials) => credentials.clone(),
            Origin::Profile(profiles) => match profiles.find().map_err(|e| denied(e.into()))? {
                Found::Keys(credentials) => credentials,
                Found::Process { command, from } => {
                    process::run(&command, &from, || deadline.check(place))?.map_err(|e| denied(e.into()))?
                }
            },
        };
        if !found.is_sendable() {
            return Err(denied(NoCredentials::Unsendable { from: found.from }));
        }
        let found = Arc::new(found);
        *kept = Some(found.clone());
        Ok(found)
    }

    /// The server did not take them: the next request looks again.
    pub(super) fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keychain").finish_non_exhaustive()
    }
}
