//! What happened, one line an event. The digest of all lines tells whether two runs were the same.

use sha2::{Digest as _, Sha256};

/// Who wants to see the lines.
pub type Show = Box<dyn FnMut(&str)>;

/// Where the lines go. They are hashed, counted, and shown if somebody wants to see them.
pub struct Trace {
    hash: Sha256,
    n_lines: usize,
    show: Option<Show>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("n_lines", &self.n_lines).finish_non_exhaustive()
    }
}

impl Trace {
    /// Hands each line to `show`, if there is one.
    pub fn new(show: Option<Show>) -> Self {
        Self { hash: Sha256::new(), n_lines: 0, show }
    }

    /// Notes an event.
    pub fn line(&mut self, line: &str) {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.n_lines += 1;
        if let Some(show) = &mut self.show {
            show(line);
        }
    }

    /// How many events there were.
    pub fn n_lines(&self) -> usize {
        self.n_lines
    }

    /// The digest of all lines so far, in hex.
    pub fn digest(&self) -> String {
        self.hash.clone().finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}
