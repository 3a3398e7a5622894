//! How far Git is, read from what it writes for a terminal: `Receiving objects:  45% (9/20), 1.23 KiB | …`.

/// A step of Git's and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// As Git names it.
    pub(super) name: &'a str,
    /// Done so far.
    pub(super) done: u64,
    /// Of how many; 0 where Git does not know.
    pub(super) total: u64,
    /// Bytes moved so far, as far as it says.
    pub(super) bytes: Option<u64>,
}

/// Reads one line; `None` when it is none of progress.
pub(super) fn parse(line: &str) -> Option<Step<'_>> {
    let line = line.trim();
    let line = line.strip_prefix("remote:").unwrap_or(line).trim_start();
    let (name, rest) = line.split_once(": ")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.len() < 40
        && name.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
    if !is_name {
        return None;
    }
    let rest = rest.trim_start();
    let counted = rest.split_once("% (").and_then(|(percent, rest)| {
        percent.trim().parse::<u8>().ok()?;
        let (counts, rest) = rest.split_once(')')?;
        let (done, total) = counts.split_once('/')?;
        Some((done.parse().ok()?, total.parse().ok()?, rest))
    });
    let (done, total, rest) = match counted {
        Some(found) => found,
        None => {
            let (done, rest) = rest.split_once([',', ' ']).unwrap_or((rest, ""));
            (done.parse().ok()?, 0, rest)
        }
    };
    Some(Step { name, done, total, bytes: bytes(rest) })
}

/// The size in `, 1.23 KiB | 4.00 MiB/s, done.`.
fn bytes(rest: &str) -> Option<u64> {
    let size = rest.trim_start_matches([',', ' ']).split(['|', ',']).next()?;
    let (number, unit) = size.trim().split_once(' ')?;
    let factor = match unit.trim() {
        "bytes" | "byte" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    // Saturates; a server says what it likes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rounded size is meant")]
    Some((number * factor) as u64)
}
