//! `carry team`: what a team shares, on a PostgreSQL that the tests start.

mod background;
mod erasing;
mod mistakes;
mod previewing;
mod pushing;
mod reading;
mod secrets;
mod setting_up;
mod sharing;
mod standing;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use carry_testkit::postgres::{PASSWORD, shared};

use crate::sessions;
use crate::world::{Ran, World};

/// A store: an empty database of the server that all tests share.
pub(crate) struct Store {
    pub(crate) database: String,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { database: shared().database() }
    }

    /// Its URL for the superuser, with the password.
    pub(crate) fn url(&self) -> String {
        shared().admin_url(&self.database)
    }

    /// What a statement says.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        shared().admin(&self.database, &format!("SET search_path = carry; {sql}"))
    }

    /// How many units there are.
    #[track_caller]
    pub(crate) fn units(&self) -> u64 {
        self.ask("SELECT count(*) FROM units").parse().expect("a number")
    }
}

/// Runs `carry` with something on its standard input.
pub(crate) fn carry_reading(world: &World, arguments: &[&str], input: &str) -> Ran {
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("input");
    std::fs::File::create(&path).and_then(|mut file| file.write_all(input.as_bytes())).expect("a file");
    let file = std::fs::File::open(path).expect("it was made");
    world.run(command.args(arguments).stdin(Stdio::from(file)))
}

/// Sets `store` up as the default store of `world`.
#[track_caller]
pub(crate) fn set_up(world: &World, store: &Store) {
    let ran = carry_reading(world, &["team", "init", "--url", "-"], &store.url());
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    hides_the_password(&ran);
}

/// A world with the fixtures' sessions archived, and an empty store set up.
#[track_caller]
pub(crate) fn with_store() -> (World, Store) {
    let (world, store) = (sessions::archived(), Store::new());
    set_up(&world, &store);
    (world, store)
}

/// The same with everything shared in full and pushed.
#[track_caller]
pub(crate) fn pushed() -> (World, Store) {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    world.ok(&["team", "push"]);
    (world, store)
}

/// No output shows a password.
#[track_caller]
pub(crate) fn hides_the_password(ran: &Ran) {
    let encoded = PASSWORD.replace('/', "%2F").replace('@', "%40");
    for secret in [PASSWORD, &encoded] {
        assert!(!ran.raw.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
    }
}
