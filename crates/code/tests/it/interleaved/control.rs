//! Two clones in which a user does the same: one that Carry captures, and one that has never met Carry.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use carry_testkit::git;
use carry_testkit::repo::TestRepo;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

/// The pair, and what was done to it.
pub(super) struct Twins {
    pub(super) captured: TestRepo,
    control: TestRepo,
    /// How many steps were taken; gives the dates of commits and, in aged pairs, the times of files.
    step: u64,
    /// Whether every file is older than the index when Git looks at it. Git then believes the index, always; otherwise it
    /// reads files again that changed in the second in which the index was written, and after a change of attributes
    /// the answer would depend on how quick the test is.
    aged: bool,
    log: Vec<String>,
}

impl Twins {
    pub(super) fn new(init: &[&str], aged: bool) -> Self {
        let init = [&["--initial-branch=main"], init].concat();
        Self { captured: TestRepo::init(&init), control: TestRepo::init(&init), step: 0, aged, log: Vec::new() }
    }

    /// A new step, and what it is called.
    pub(super) fn begin(&mut self, name: &str) {
        self.step += 1;
        self.note(format!("{}: {name}", self.step));
    }

    /// Remembers what was done, for the report of a failure.
    pub(super) fn note(&mut self, line: impl Into<String>) {
        self.log.push(line.into());
    }

    pub(super) fn log(&self) -> String {
        self.log.join("\n")
    }

    /// Whether a file was last written by the user, of whom every write is dated (in aged pairs).
    pub(super) fn is_users(&self, path: &Path) -> bool {
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(git::EPOCH + 2 * 86_400);
        let meta = fs::symlink_metadata(self.captured.path(path));
        !self.aged || meta.is_ok_and(|m| m.modified().expect("the platform has times") < until)
    }

    /// Leaves both on disk when the test ends; returns where they are.
    pub(super) fn keep(&self) -> String {
        // A clone that is never dropped keeps the folder.
        std::mem::forget((self.captured.clone(), self.control.clone()));
        format!("{} and {}", self.captured.root().display(), self.control.root().display())
    }

    /// Does the same in both, with files.
    pub(super) fn both(&self, act: impl Fn(&TestRepo)) {
        act(&self.captured);
        act(&self.control);
    }

    /// Dates a file or link that was just written, where the pair is aged: no two writes of one file fall into one second.
    pub(super) fn date(&self, path: &Path) {
        if self.aged {
            let secs = i64::try_from(git::EPOCH + 86_400 + self.step).expect("a date");
            let when = Timespec { tv_sec: secs, tv_nsec: 0 };
            let when = Timestamps { last_access: when, last_modification: when };
            self.both(|repo| {
                // Where the step came to nothing there is nothing to date.
                let _ = rustix::fs::utimensat(CWD, repo.path(path), &when, AtFlags::SYMLINK_NOFOLLOW);
            });
        }
    }

    /// Runs Git in both; both must come to the same end. Returns whether that was a good one.
    #[track_caller]
    pub(super) fn git(&mut self, args: &[&str]) -> bool {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        self.git_os(&args)
    }

    /// Runs Git in both on one path, literally.
    #[track_caller]
    pub(super) fn git_at(&mut self, args: &[&str], path: &Path) -> bool {
        let mut all: Vec<&OsStr> = vec![OsStr::new("--literal-pathspecs")];
        all.extend(args.iter().map(OsStr::new));
        all.extend([OsStr::new("--"), path.as_os_str()]);
        self.git_os(&all)
    }

    #[track_caller]
    pub(super) fn git_os(&mut self, args: &[&OsStr]) -> bool {
        let date = format!("{} +0000", git::EPOCH + self.step * 60);
        let run = |repo: &TestRepo| {
            let mut command = repo.command();
            command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).args(args);
            let out = git::run(&mut command);
            (out.status.code(), self.neutral(repo, &out.stdout), self.neutral(repo, &out.stderr))
        };
        let (captured, control) = (run(&self.captured), run(&self.control));
        let shown = args.join(OsStr::new(" ")).to_string_lossy().into_owned();
        assert!(captured == control, "git {shown}: with Carry {captured:?}\nwithout it {control:?}");
        self.note(format!("    git {shown} -> {}", captured.0.unwrap_or(-1)));
        self.settle();
        captured.0 == Some(0)
    }

    /// Text without the place of the clone it comes from, and without what Git says more or less of with Carry: hints, which it
    /// gives by how much there is to do, and the warning that commits are left behind, for Carry's refs hold them.
    fn neutral(&self, repo: &TestRepo, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text).replace(&*repo.base().to_string_lossy(), "<base>");
        let text = match (text.find("Warning: you are leaving"), text.find("Previous HEAD position was")) {
            (Some(at), _) | (_, Some(at)) => &text[..at],
            (None, None) => &text,
        };
        let varies = ["hint: ", "warning: unable to access", "You are in a sparse checkout with "];
        let stays = |line: &&str| !varies.iter().any(|start| line.starts_with(start));
        text.lines().filter(stays).map(|line| format!("{line}\n")).collect()
    }

    /// Makes files older than the index, where the pair is aged.
    fn settle(&self) {
        if self.aged {
            // Ahead of any clock of this test, and never the same twice.
            let when = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000 + self.step);
            self.both(|repo| {
                let linked = fs::read_dir(repo.path(".git/worktrees")).into_iter().flatten().flatten();
                for git_dir in linked.map(|entry| entry.path()).chain([repo.path(".git")]) {
                    // Where there is no index yet nothing needs dating.
                    if let Ok(index) = fs::File::open(git_dir.join("index")) {
                        index.set_modified(when).expect("the index is ours");
                    }
                }
            });
        }
    }

    /// The captured clone must be what the control is: index, refs, everything in the git directory, and the files.
    #[track_caller]
    pub(super) fn assert_same(&mut self) {
        self.begin("the two are compared");
        self.git(&["ls-files", "--stage", "-v"]);
        let refs = |repo: &TestRepo| {
            let format = "--format=%(refname) %(objectname) %(symref)";
            repo.git(["for-each-ref", format, "--exclude=refs/carry/", "--exclude=refs/carry-keep/"])
        };
        assert_eq!(refs(&self.captured), refs(&self.control), "refs");
        assert_same_files("the git directory", &self.git_files(&self.captured), &self.git_files(&self.control));
        assert_same_files("the working tree", &files(self.captured.root()), &files(self.control.root()));
    }

    /// Everything in the git directory that is the user's, apart from what holds times and places: `index`es are compared by
    /// their listing, packed refs by theirs.
    fn git_files(&self, repo: &TestRepo) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let base = repo.base().as_os_str().as_bytes().to_vec();
        collect(&repo.path(".git"), Path::new(""), &mut found, &|path| {
            let name = path.file_name().unwrap_or_default().as_bytes();
            let ours = path.starts_with("refs/carry") || path.starts_with("refs/carry-keep");
            let unlike =
                path.starts_with("objects") || path == Path::new("packed-refs") || path == Path::new("info/refs");
            ours || unlike || name == b"index" || name.starts_with(b"index.stash.") || name.starts_with(b"sharedindex.")
        });
        for content in found.values_mut() {
            use carry_code::git::ByteSlice as _;
            *content = content.replace(&base, "<base>");
        }
        found
    }
}

#[track_caller]
fn assert_same_files(what: &str, captured: &BTreeMap<PathBuf, Vec<u8>>, control: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in captured.keys().chain(control.keys()) {
        let (ours, theirs) = (captured.get(path), control.get(path));
        let show = |bytes: Option<&Vec<u8>>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        assert!(
            ours == theirs,
            "{what} differs at {}:\nwith Carry {:?}\nwithout it {:?}",
            path.display(),
            show(ours),
            show(theirs)
        );
    }
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    // What a linked worktree's `.git` says is where it is; the worktree's files count.
    collect(root, Path::new(""), &mut found, &|path| path.file_name() == Some(OsStr::new(".git")));
    found
}

/// All files and links below `root` with kind, executable bit and content; folders that are empty too.
fn collect(root: &Path, below: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>, skip: &dyn Fn(&Path) -> bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(meta) = fs::symlink_metadata(root.join(below)) else { return };
    let mut content = if meta.is_dir() {
        let names = fs::read_dir(root.join(below)).into_iter().flatten().flatten();
        names.map(|e| below.join(e.file_name())).filter(|p| !skip(p)).for_each(|p| collect(root, &p, into, skip));
        b"folder ".to_vec()
    } else if meta.is_symlink() {
        let target = fs::read_link(root.join(below)).expect("it is a link");
        [b"link ", target.as_os_str().as_bytes()].concat()
    } else {
        [b"file ".to_vec(), fs::read(root.join(below)).expect("the file is ours")].concat()
    };
    if !meta.is_symlink() {
        content.extend_from_slice(format!(" {:o}", meta.permissions().mode()).as_bytes());
    }
    into.insert(below.to_owned(), content);
}
