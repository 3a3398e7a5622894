//! The named points of this module's steps.

use std::io;

/// Passes the point `name`; see [`carry_kernel::fault`].
pub(super) fn point(name: &'static str) -> io::Result<()> {
    #[cfg(test)]
    tests::pass(name)?;
    carry_kernel::fault::point(name)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;
    use std::io;

    std::thread_local! {
        /// How many points of this thread are still passed before one fails.
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    pub(super) fn pass(name: &'static str) -> io::Result<()> {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                Err(io::Error::other(format!("fault armed at {name}")))
            }
            Some(n) => {
                LEFT.set(Some(n - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Lets the point after `passed` more of this thread fail, once. `None` disarms; says whether it had not failed yet.
    pub(crate) fn arm(passed: Option<u32>) -> bool {
        LEFT.replace(passed).is_some()
    }
}
