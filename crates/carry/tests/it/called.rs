//! Devices are called by their labels wherever one is known.

use crate::exchange_code::{exchange, joins, meet, shared};
use crate::sessions::{A, C, archived, id_of, json};
use crate::world::{World, field};

/// A laptop with sessions and a desk without, which have exchanged all.
fn two() -> (tempfile::TempDir, World, World) {
    let (folder, one, two) = (shared(), archived(), World::new());
    one.ok(&["devices", "rename", "laptop"]);
    two.ok(&["devices", "rename", "desk"]);
    for world in [&one, &two] {
        joins(world, &folder);
    }
    meet(&one, &two);
    for world in [&one, &two, &one] {
        exchange(world);
    }
    (folder, one, two)
}

fn device_id(world: &World) -> String {
    field(&world.ok(&["devices", "--json"]).raw, "id")
}

#[test]
fn sessions_and_deletions_say_whose_they_are_by_label() {
    let (_folder, one, two) = two();
    let (id, a, c) = (device_id(&one), id_of(&one, A), id_of(&one, C));
    let ran = two.ok(&["sessions", "list"]);
    assert!(ran.stdout.contains("  laptop  ") && !ran.stdout.contains(&id), "{ran:?}");
    assert_eq!(json(&two, &["sessions", "list"])[0]["device"], id.as_str(), "for machines the id");
    assert!(!one.ok(&["sessions", "list"]).stdout.contains("  laptop  "), "all are of this device");
    let ran = two.carry(&["sessions", "resume", &a]);
    assert!(ran.code == 1 && ran.stderr.contains(" lies on another device, laptop: "), "{ran:?}");

    one.ok(&["--yes", "sessions", "delete", &a]);
    one.ok(&["--yes", "sessions", "delete", &c, "--config", "sessions.undo_window=0"]);
    exchange(&one);
    exchange(&two);
    // It is told before it is gone, with how to keep it.
    let ran = two.ok(&["sessions", "list"]);
    assert_eq!(ran.stdout.matches(" [goes on ").count(), 1, "{ran:?}");
    assert!(ran.stderr.contains("`carry sessions undelete ID` keeps it."), "{ran:?}");
    let ran = two.ok(&["sessions", "show", &a]);
    assert!(ran.stderr.contains(&format!("`carry sessions undelete {a}` keeps it.")), "{ran:?}");
    let ran = two.ok(&["sessions", "deleted"]);
    // Long cells go on in further lines.
    let rows = ran.stdout.lines().skip(1).filter(|line| !line.starts_with(' '));
    let by: Vec<bool> = rows.map(|line| line.contains("  laptop  ")).collect();
    assert_eq!(by, [true, true], "{ran:?}");
    assert!(json(&two, &["sessions", "deleted"]).iter().all(|one| one["label"] == "laptop" && one["own"] == false));
    let ran = one.ok(&["sessions", "deleted"]);
    assert_eq!(ran.stdout.matches("laptop (this device)").count(), 2, "{ran:?}");
    let ran = two.carry(&["sessions", "undelete", &c]);
    assert!(ran.code == 1 && ran.stderr.contains(": decided on laptop, final since "), "{ran:?}");
}

#[test]
fn devices_that_hold_what_was_published_are_named_by_label() {
    let (folder, one, two) = two();
    let ran = one.ok(&["devices"]);
    let row = ran.stdout.lines().find(|line| line.contains(" sessions ") && line.contains("this device"));
    let row = row.unwrap_or_else(|| panic!("{ran:?}"));
    assert!(row.starts_with("laptop ") && row.ends_with(" desk"), "{row}");
    // A stranger of the same name stands beside its id, and makes that of the other be told, too.
    let stranger = World::new();
    stranger.ok(&["devices", "rename", "desk"]);
    joins(&stranger, &folder);
    exchange(&stranger);
    exchange(&one);
    let ran = one.ok(&["devices"]);
    let exchange = ran.stdout.split("\nEXCHANGE").nth(1).unwrap_or_default();
    for world in [&two, &stranger] {
        assert!(exchange.contains(&format!("({})", device_id(world))), "{ran:?}");
    }
}

#[test]
fn a_device_that_was_revoked_is_called_by_its_label_no_more_without_its_id() {
    let (_folder, one, two) = two();
    let id = device_id(&one);
    assert!(!two.ok(&["sessions", "list"]).stdout.contains(&id));
    two.ok(&["devices", "revoke", "laptop"]);
    let ran = two.ok(&["sessions", "list", "--device", &id]);
    assert!(ran.stdout.contains(&format!("laptop ({id})")), "{ran:?}");
}
