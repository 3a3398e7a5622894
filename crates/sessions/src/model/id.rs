//! What names a session.

use std::fmt;

use super::Agent;

/// The agent's own id of a session, without prefix. Never holds `~`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NativeId(pub String);

/// Our id of a session: 16 lower-case hex digits, a hash of where it was first archived, the agent, and the agent's id.
/// The same on every device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id of the session that `agent` calls `native`, archived at `origin`.
    pub fn new(origin: &str, agent: Agent, native: &NativeId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("carry session id v1");
        for part in [origin, agent.as_str(), &native.0] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().to_hex()[..16].to_owned())
    }

    /// The id that is written so; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 16 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// An id read from the archive.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NativeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
