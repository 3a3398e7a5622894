//! The whole life of sessions of three people who push at once.

use carry_kernel::db::rusqlite::Connection;
use carry_sessions::curation::Edit;
use carry_team::postgres::{Postgres, PostgresReader};
use carry_team::push::Report;
use carry_team::share::Mode;
use carry_testkit::postgres::{PASSWORD, Server, shared};

use super::content::{MEADOW, in_meadow, talk};
use super::read_back::assert_read_back;
use super::rig::{Device, assert_same, rows_of_role};
use crate::fixture::{answer, output};
use crate::rig::{give_roles, settings, writer};

/// Somebody with a role, a home, and rules.
struct Owner {
    device: Device,
    role: String,
    natives: [&'static str; 4],
    /// Of the meadow; all else is shared in full.
    meadow: Mode,
    seed: u32,
}

/// What happens to somebody's sessions.
type Step = fn(&mut Owner);

const STEPS: [(&str, Step); 21] = [
    ("begin", |owner| {
        let [a, b, m, n] = owner.natives;
        owner.device.fixture.put(a, &talk(owner.seed, 70));
        owner.device.fixture.put(b, &talk(owner.seed + 1, 9));
        owner.device.fixture.put_with(m, in_meadow(), &talk(owner.seed + 2, 40));
        owner.device.fixture.put_with(n, in_meadow(), &talk(owner.seed + 3, 8));
        // First archived elsewhere, and imported here.
        let archive = Connection::open(owner.device.fixture.home.database("sessions")).unwrap();
        archive.execute("UPDATE sessions SET origin = 'there' WHERE native = ?1", [b]).unwrap();
    }),
    ("append", |owner| {
        owner.device.fixture.put(owner.natives[0], &talk(owner.seed, 101));
    }),
    ("rewrite", |owner| {
        let mut messages = talk(owner.seed, 101);
        messages[50] = answer(50, "not what it was");
        owner.device.fixture.put(owner.natives[0], &messages);
    }),
    ("shorten", |owner| {
        owner.device.fixture.put(owner.natives[0], &talk(owner.seed, 34));
    }),
    ("late result", |owner| {
        let mut messages = talk(owner.seed, 34);
        messages[3].results.push(output(3, 1, 1, &format!("late {}", owner.seed)));
        owner.device.fixture.put(owner.natives[0], &messages);
    }),
    ("curate", |owner| {
        for native in [owner.natives[0], owner.natives[2]] {
            for edit in [
                Edit::Rename(Some(format!("named by {}", owner.role))),
                Edit::Star(true),
                Edit::Label("a \"b\", {c}".to_owned(), true),
                Edit::Label(format!("of {}", owner.role), true),
                Edit::Pin("#3".to_owned(), Some("look at 'this'".to_owned())),
                Edit::Pin("key-1".to_owned(), Some(String::new())),
            ] {
                owner.device.edit(native, &edit);
            }
        }
    }),
    ("the meadow in prompts", |owner| owner.meadow = Mode::Prompts),
    ("take back", |owner| {
        for edit in [
            Edit::Rename(None),
            Edit::Star(false),
            Edit::Label("a \"b\", {c}".to_owned(), false),
            Edit::Pin("#3".to_owned(), None),
        ] {
            owner.device.edit(owner.natives[0], &edit);
        }
    }),
    ("more prompts", |owner| {
        owner.device.fixture.put_with(owner.natives[2], in_meadow(), &talk(owner.seed, 47));
    }),
    ("trash", |owner| {
        owner.device.edit(owner.natives[1], &Edit::Trash(true));
        owner.device.edit(owner.natives[3], &Edit::Trash(true));
    }),
    ("the meadow in sums", |owner| owner.meadow = Mode::Aggregates),
    ("restore", |owner| {
        owner.device.edit(owner.natives[1], &Edit::Trash(false));
        owner.device.edit(owner.natives[3], &Edit::Trash(false));
    }),
    ("the meadow as metadata", |owner| owner.meadow = Mode::Metadata),
    ("curate what is metadata", |owner| {
        owner.device.edit(owner.natives[2], &Edit::Rename(Some("not for all".to_owned())));
        owner.device.edit(owner.natives[2], &Edit::Star(false));
    }),
    ("delete for good", |owner| owner.device.delete(owner.natives[1])),
    ("the deleted file changes", |owner| {
        owner.device.fixture.put(owner.natives[1], &talk(99, 4));
    }),
    ("the meadow not at all", |owner| owner.meadow = Mode::Off),
    ("the meadow in full", |owner| owner.meadow = Mode::Full),
    ("in sums again", |owner| owner.meadow = Mode::Aggregates),
    ("delete for good in sums", |owner| owner.device.delete(owner.natives[3])),
    ("the last of the meadow", |owner| owner.device.delete(owner.natives[2])),
];

impl Owner {
    fn new(server: &Server, database: &str, at: u32, natives: [&'static str; 4]) -> Self {
        let role = writer(server);
        let mut device = Device::new(&server.url(&role, PASSWORD, database));
        device.person = format!("person {at}");
        Self { device, role, natives, meadow: Mode::Full, seed: 100 * at }
    }

    fn push(&mut self) -> Report {
        self.device.share(&["*=full", &format!("{MEADOW}={}", self.meadow)]);
        self.device.push().unwrap()
    }

    /// The reader sees what is in the archive, and the next push has nothing to do.
    #[track_caller]
    fn check(&mut self, reader: &mut PostgresReader) {
        let meadow = self.meadow;
        let mode_of = |folder: &str| if folder == MEADOW { meadow } else { Mode::Full };
        assert_read_back(&self.device, reader, &self.natives, &mode_of);
        let status = self.device.status();
        assert_eq!((status.failed, status.elsewhere), (Vec::new(), Vec::new()));
        assert_eq!(status.pushed_at.map(|at| at.as_millis()), Some(self.device.now));
    }
}

/// All push at once.
fn push_all(owners: &mut [Owner]) -> Vec<Report> {
    std::thread::scope(|scope| {
        let pushes: Vec<_> = owners.iter_mut().map(|owner| scope.spawn(|| owner.push())).collect();
        pushes.into_iter().map(|push| push.join().expect("a push ends well")).collect()
    })
}

#[test]
fn what_three_people_push_at_once_is_read_back_as_it_is_in_their_archives_through_all_of_its_life() {
    let server = shared();
    let database = server.database();
    Postgres::new(&settings(&server.admin_url(&database))).init().unwrap();
    give_roles(server, &database);
    // Two have sessions of the same ids.
    let natives = [["a", "b", "m", "n"], ["a", "b", "m", "n"], ["c", "d", "o", "p"]];
    let mut owners: Vec<Owner> =
        (0_u32..).zip(natives).map(|(at, natives)| Owner::new(server, &database, at, natives)).collect();
    let reading = settings(&server.url(&server.role("IN ROLE carry_reader"), PASSWORD, &database));
    let mut reader = PostgresReader::new(&reading);
    for (at, (name, step)) in STEPS.iter().enumerate() {
        // First one alone, while the others push what they have already; then those.
        let first = at % owners.len();
        let before: Vec<_> = owners.iter().map(|owner| rows_of_role(server, &database, &owner.role)).collect();
        step(&mut owners[first]);
        let reports = push_all(&mut owners);
        for (other, owner) in owners.iter().enumerate().filter(|(other, _)| *other != first) {
            assert_same(&rows_of_role(server, &database, &owner.role), &before[other]);
            assert_eq!((reports[other].done.len(), reports[other].was_repaired), (0, false), "{name}");
        }
        owners[first].check(&mut reader);
        let before = rows_of_role(server, &database, &owners[first].role);
        for (_, owner) in owners.iter_mut().enumerate().filter(|(other, _)| *other != first) {
            step(owner);
        }
        for report in push_all(&mut owners) {
            assert_eq!((report.failed, report.was_repaired), (Vec::new(), false), "{name}");
        }
        owners.iter_mut().for_each(|owner| owner.check(&mut reader));
        assert_same(&rows_of_role(server, &database, &owners[first].role), &before);
    }
    // Whoever stops sharing leaves nothing behind, and nothing of the others goes.
    let kept = rows_of_role(server, &database, &owners[1].role);
    owners[0].device.share(&["*=off"]);
    owners[0].device.push().unwrap();
    assert_eq!(rows_of_role(server, &database, &owners[0].role), Vec::<String>::new());
    assert_same(&rows_of_role(server, &database, &owners[1].role), &kept);
}
