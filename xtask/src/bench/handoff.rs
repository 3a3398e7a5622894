//! `cargo xtask bench handoff`: from saving a file on one device to having it on another.
//!
//! Two clones of one remote for each way there is, by path and over HTTP. In each round every way carries a change across,
//! in random order; the first round is thrown away. What arrives is compared with what was saved, and a row whose results are
//! wrong is void.

use std::path::{Path, PathBuf};

use carry_testkit::http_git::HttpGit;
use carry_testkit::rng::Rng;

use super::measure::settle_disk;
use super::report;
use super::subject::thousands;
use crate::run::target;
use crate::{Outcome, out};

mod pair;
mod table;

use pair::{Pair, Sent, Way};

/// What is to be measured.
#[derive(Debug)]
struct Plan {
    sizes: Vec<usize>,
    /// Kept rounds; one more is run first and thrown away.
    rounds: usize,
    /// Where everything is made.
    dir: PathBuf,
    /// The program, when it is not to be built.
    program: Option<PathBuf>,
}

/// Files that change at once.
const CHANGES: [usize; 2] = [1, 100];

/// How the remote is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Path,
    Http,
}

impl By {
    /// For the table.
    fn name(self) -> &'static str {
        match self {
            Self::Path => "by path",
            Self::Http => "over HTTP",
        }
    }
}

/// One way's samples.
#[derive(Debug)]
struct Row {
    way: Way,
    /// Why it does not count, if it does not.
    void: Option<String>,
    sent: Vec<Sent>,
}

/// Runs the bench.
pub(super) fn run(args: &[String]) -> Outcome {
    let plan = parse(args)?;
    let program = super::options::program(plan.program.as_deref())?;
    std::fs::create_dir_all(&plan.dir)?;
    let dir = tempfile::Builder::new().prefix("handoff-").tempdir_in(&plan.dir)?;
    out::line(&report::machine(plan.rounds));
    for files in &plan.sizes {
        for by in [By::Path, By::Http] {
            let folder = dir.path().join("worlds");
            world(&folder, *files, by, &program, plan.rounds)?;
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

fn parse(args: &[String]) -> Outcome<Plan> {
    let mut plan = Plan { sizes: vec![1_000, 100_000], rounds: 20, dir: target()?.join("bench"), program: None };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--sizes" => plan.sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--rounds" => plan.rounds = value.parse()?,
            "--dir" => plan.dir = PathBuf::from(value),
            "--program" => plan.program = Some(PathBuf::from(value).canonicalize()?),
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    if plan.rounds == 0 {
        return Err("--rounds must be 1 or more".into());
    }
    Ok(plan)
}

/// One size, one way to the remote.
fn world(folder: &Path, files: usize, by: By, program: &Path, rounds: usize) -> Outcome {
    out::note(&format!("{} files, {by:?}: setting up", thousands(files)));
    let seed = folder.join("seed");
    carry_testkit::synthetic::Synthetic { files, seed: 1 }.create(&seed);
    let served = folder.join("served");
    let server = (by == By::Http).then(|| HttpGit::start(&served));
    let mut pairs = Vec::new();
    for way in Way::ALL {
        pairs.push(Pair::new(way, folder, &seed, &served, server.as_ref(), program)?);
    }
    std::fs::remove_dir_all(&seed)?;
    for changes in CHANGES {
        out::note(&format!("{} files, {by:?}: {changes} changed", thousands(files)));
        let rows = measure(&mut pairs, changes, server.as_ref(), rounds);
        out::line(&table::handoffs(files, changes, by, &rows));
    }
    if let Some(pair) = pairs.iter().find(|pair| pair.way == Way::Carry) {
        out::line(&table::looks(files, by, &pair.looks(rounds)?));
    }
    Ok(())
}

fn measure(pairs: &mut [Pair], changes: usize, server: Option<&HttpGit>, rounds: usize) -> Vec<Row> {
    let mut rng = Rng::new(11);
    let mut rows: Vec<Row> = Way::ALL.iter().map(|way| Row { way: *way, void: None, sent: Vec::new() }).collect();
    for round in 0..=rounds {
        rng.shuffle(pairs);
        for pair in pairs.iter_mut() {
            let Some(row) = rows.iter_mut().find(|row| row.way == pair.way && row.void.is_none()) else { continue };
            settle_disk();
            match pair.carry_across(changes, server) {
                Ok(sent) if round > 0 => row.sent.push(sent),
                Ok(_) => {}
                Err(error) => row.void = Some(error.to_string()),
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_unknown_ones_refused() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let plan = parse(&words("--sizes 10,20 --rounds 3")).expect("all are known");
        assert_eq!((plan.sizes, plan.rounds), (vec![10, 20], 3));
        assert!(parse(&words("--real none")).is_err());
        assert!(parse(&words("--rounds 0")).is_err());
    }

    #[test]
    fn the_yardsticks_carry_changes_across() {
        for by in [By::Path, By::Http] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let seed = dir.path().join("seed");
            carry_testkit::synthetic::Synthetic { files: 64, seed: 1 }.create(&seed);
            let served = dir.path().join("served");
            let server = (by == By::Http).then(|| HttpGit::start(&served));
            let ways = [Way::Pulsar, Way::Git];
            let new = |way| Pair::new(way, dir.path(), &seed, &served, server.as_ref(), Path::new("/none"));
            let mut pairs: Vec<Pair> = ways.map(|way| new(way).expect("a pair")).into();
            let rows = measure(&mut pairs, 3, server.as_ref(), 2);
            for row in rows.iter().filter(|row| ways.contains(&row.way)) {
                assert_eq!((&row.void, row.sent.len()), (&None, 2), "{row:?}");
                assert!(row.sent.iter().all(|sent| sent.bytes_sent.is_some_and(|bytes| bytes > 0)), "{row:?}");
            }
            let table = table::handoffs(64, 3, by, &rows);
            assert!(table.contains("| plain Git") && table.contains("git-pulsar"), "{table}");
        }
    }
}
