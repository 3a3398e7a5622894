//! The two ways out: results to standard output, everything else to standard error.

/// A result.
#[expect(clippy::print_stdout, reason = "this is the one place that writes results")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// What is going on.
#[expect(clippy::print_stderr, reason = "this is the one place that writes notes")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
