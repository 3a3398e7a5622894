//! The user's merge tool, run by Git's own rules (`merge.tool`, `mergetool.<name>.cmd`) on files in a temporary folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use carry_code::git::{self, BString};
use carry_code::repo::Repo;

use crate::failure::Failure;
use crate::paths;

/// Git's library of tools does the rest: which program it is, how it is called, and what its exit code means.
const SCRIPT: &str = r#"
TOOL_MODE=merge
. "$(git --exec-path)/git-mergetool--lib"
tool=$1 BASE=$2 LOCAL=$3 REMOTE=$4 MERGED=$5 BACKUP=$6
export BASE LOCAL REMOTE MERGED
# Older versions of Git do this in the next step.
if command -v initialize_merge_tool >/dev/null; then
    initialize_merge_tool "$tool" || exit
fi
run_merge_tool "$tool" "$7"
"#;

/// What a tool is shown.
pub(crate) struct Sides {
    /// Where the file lies; the tool sees its name.
    pub(crate) path: BString,
    /// What both began with, where there is one.
    pub(crate) base: Option<Vec<u8>>,
    /// What is here.
    pub(crate) ours: Vec<u8>,
    /// What the other device has.
    pub(crate) theirs: Vec<u8>,
    /// Both with markers, to begin from.
    pub(crate) marked: Vec<u8>,
}

/// The tool that the user configured.
pub(crate) fn configured(repo: &Repo) -> Option<String> {
    let said = git::command(repo.root()).args(["config", "--get", "merge.tool"]).output().ok()?;
    let tool = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (said.status.success() && !tool.is_empty()).then_some(tool)
}

/// Runs it. Returns what the user made of the file; `None` when the tool says that it is not merged.
pub(crate) fn run(repo: &Repo, tool: &str, sides: &Sides) -> Result<Option<Vec<u8>>, Failure> {
    let folder = tempfile::Builder::new().prefix("carry-merge-").tempdir()?;
    let name = paths::os(&sides.path).file_name().map_or("file".to_owned(), |name| name.to_string_lossy().into_owned());
    // Tools tell the language by the ending.
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name.as_str(), String::new()),
    };
    let place = |what: &str| folder.path().join(format!("{stem}{what}{ending}"));
    let [base, ours, theirs, merged, backup] = ["_BASE", "_LOCAL", "_REMOTE", "", "_BACKUP"].map(place);
    for (file, content) in [
        (&base, sides.base.as_deref().unwrap_or_default()),
        (&ours, &sides.ours),
        (&theirs, &sides.theirs),
        (&merged, &sides.marked),
        (&backup, &sides.marked),
    ] {
        write(file, content)?;
    }
    let mut sh = Command::new("sh");
    for (variable, value) in git::command(repo.root()).get_envs() {
        // What would lead Git elsewhere is cleared; the rest is the user's, who sits in front of this.
        if value.is_none() {
            sh.env_remove(variable);
        }
    }
    let has_base = if sides.base.is_some() { "true" } else { "false" };
    sh.current_dir(repo.root()).args(["-c", SCRIPT, "carry-merge-tool", tool]);
    sh.args([&base, &ours, &theirs, &merged, &backup]).arg(has_base);
    let status = sh.stdin(Stdio::inherit()).status()?;
    if !status.success() {
        return Ok(None);
    }
    Ok(Some(fs::read(&merged)?))
}

fn write(file: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut file = fs::File::create_new(file)?;
    file.write_all(content)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use carry_testkit::repo::TestRepo;

    use super::*;

    fn sides() -> Sides {
        Sides {
            path: "src/a b.rs".into(),
            base: Some(b"base\n".to_vec()),
            ours: b"ours\n".to_vec(),
            theirs: b"theirs\n".to_vec(),
            marked: b"<<<<<<<\n".to_vec(),
        }
    }

    fn with_tool(command: &str) -> (TestRepo, Repo) {
        let test = TestRepo::new();
        test.git(["config", "merge.tool", "mine"]);
        test.git(["config", "mergetool.mine.cmd", command]);
        test.git(["config", "mergetool.mine.trustExitCode", "true"]);
        let repo = Repo::open(test.root()).unwrap();
        (test, repo)
    }

    #[test]
    fn the_users_tool_sees_all_sides_and_its_result_is_taken() {
        let (_test, repo) = with_tool(r#"cat "$BASE" "$LOCAL" "$REMOTE" > "$MERGED""#);
        let tool = configured(&repo).unwrap();
        assert_eq!(tool, "mine");
        assert_eq!(run(&repo, &tool, &sides()).unwrap().as_deref(), Some(&b"base\nours\ntheirs\n"[..]));
    }

    #[test]
    fn a_tool_that_fails_settles_nothing() {
        let (_test, repo) = with_tool("exit 1");
        assert_eq!(run(&repo, "mine", &sides()).unwrap(), None);
    }

    #[test]
    fn without_a_tool_none_is_named() {
        let test = TestRepo::new();
        assert_eq!(configured(&Repo::open(test.root()).unwrap()), None);
    }
}
