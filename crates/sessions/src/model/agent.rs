//! The agents whose conversations we read.

use std::fmt;

/// An agent. Sessions imported from another archive may belong to agents that we do not read ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// GitHub Copilot CLI.
    Copilot,
    /// OpenCode.
    OpenCode,
    /// Cursor's agent.
    Cursor,
    /// Amp.
    Amp,
    /// Another, by the name an imported archive gives it (interned).
    Other(&'static str),
}

/// Names of other agents that may be kept; more are refused by folding them into `other`.
const NAMES_MAX: usize = 256;

impl Agent {
    /// Those we read ourselves.
    pub const ALL: [Self; 7] =
        [Self::Claude, Self::Codex, Self::Gemini, Self::Copilot, Self::OpenCode, Self::Cursor, Self::Amp];

    /// Its name in lists, filters and ids.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Copilot => "copilot",
            Self::OpenCode => "opencode",
            Self::Cursor => "cursor",
            Self::Amp => "amp",
            Self::Other(name) => name,
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Copilot => "Copilot CLI",
            Self::OpenCode => "OpenCode",
            Self::Cursor => "Cursor",
            Self::Amp => "Amp",
            Self::Other(name) => name,
        }
    }

    /// The agent of this name. Names nobody knows are kept for the life of the process, up to a bound.
    pub fn named(name: &str) -> Self {
        static OTHERS: std::sync::Mutex<Vec<&'static str>> = std::sync::Mutex::new(Vec::new());
        if let Some(known) = Self::ALL.into_iter().find(|agent| agent.as_str() == name) {
            return known;
        }
        let mut others = OTHERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = others.iter().find(|known| **known == name) {
            return Self::Other(known);
        }
        if others.len() >= NAMES_MAX || name.is_empty() || name.len() > 64 {
            return Self::Other("other");
        }
        let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
        others.push(kept);
        Self::Other(kept)
    }

    /// How the agent's sessions are written with agent and id in one: Claude Code's have no prefix.
    pub fn qualified(self, native: &super::NativeId) -> String {
        match self {
            Self::Claude => native.0.clone(),
            agent => format!("{}:{native}", agent.as_str()),
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
