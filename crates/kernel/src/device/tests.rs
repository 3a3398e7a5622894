use std::sync::Barrier;

use super::*;

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    (dir, home)
}

fn mode(home: &Home) -> u32 {
    home.device_file().metadata().unwrap().permissions().mode() & 0o777
}

fn edit(home: &Home, from: &str, to: &str) {
    let text = std::fs::read_to_string(home.device_file()).unwrap();
    assert!(text.contains(from));
    disk::write_cache(&home.device_file(), text.replace(from, to).as_bytes()).unwrap();
}

#[test]
fn the_identity_is_made_once_and_stays() {
    let (_dir, home) = home();
    assert!(Device::load(&home).unwrap().is_none());
    let made = Device::load_or_create(&home, "Laptop.local").unwrap();
    assert_eq!(mode(&home), 0o600);
    assert_eq!(made.label(), "Laptop.local");
    assert!(made.id().as_str().starts_with("laptop-local-"));
    for again in [Device::load_or_create(&home, "renamed").unwrap(), Device::load(&home).unwrap().unwrap()] {
        assert_eq!((again.id(), again.label()), (made.id(), made.label()));
        assert_eq!(again.public_key(), made.public_key());
        assert_eq!(again.sign(b"message"), made.sign(b"message"));
    }
}

#[test]
fn signatures_verify_under_the_public_key() {
    let (_dir, home) = home();
    let device = Device::load_or_create(&home, "h").unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&device.public_key()).unwrap();
    let signature = ed25519_dalek::Signature::from_bytes(&device.sign(b"message"));
    key.verify_strict(b"message", &signature).unwrap();
    assert!(key.verify_strict(b"another", &signature).is_err());
}

#[test]
fn all_who_make_it_at_the_same_time_get_the_same() {
    let (_dir, home) = home();
    let barrier = Barrier::new(8);
    let ids = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|i| {
                let (home, barrier) = (&home, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let device = Device::load_or_create(home, &format!("host{i}")).unwrap();
                    (device.id().clone(), device.public_key())
                })
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(ids.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(home.data_dir().read_dir().unwrap().count(), 1);
}

#[test]
fn a_file_others_may_read_is_closed_to_them_but_not_by_reading() {
    let (_dir, home) = home();
    Device::load_or_create(&home, "h").unwrap();
    std::fs::set_permissions(home.device_file(), Permissions::from_mode(0o644)).unwrap();
    Device::load(&home).unwrap();
    assert_eq!(mode(&home), 0o644);
    Device::load_or_create(&home, "h").unwrap();
    assert_eq!(mode(&home), 0o600);
}

#[test]
fn a_damaged_file_is_an_error_and_never_replaced() {
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("key = \"", "key = \"00"),
        ("key = \"", "key = \"é"),
        ("key = \"", "kee = \""),
        ("id = \"h-", "id = \"h-../"),
        ("label", "id"),
        ("version", "\u{0}"),
    ] {
        let (_dir, home) = home();
        Device::load_or_create(&home, "h").unwrap();
        edit(&home, from, to);
        let before = std::fs::read(home.device_file()).unwrap();
        for result in [Device::load(&home).map(drop), Device::load_or_create(&home, "h").map(drop)] {
            assert!(matches!(result, Err(DeviceError::Damaged { .. })), "{to}: {result:?}");
        }
        assert_eq!(std::fs::read(home.device_file()).unwrap(), before);
    }
}

#[test]
fn an_id_with_another_devices_key_is_damage() {
    let ((_a, home), (_b, other)) = (home(), home());
    let ours = Device::load_or_create(&home, "h").unwrap();
    let theirs = Device::load_or_create(&other, "h").unwrap();
    edit(&home, ours.id().as_str(), theirs.id().as_str());
    assert!(matches!(Device::load(&home), Err(DeviceError::Damaged { .. })));
    disk::write_cache(&home.device_file(), b"\xff").unwrap();
    assert!(matches!(Device::load(&home), Err(DeviceError::Damaged { .. })));
}

#[test]
fn a_new_label_is_kept_with_whatever_else_the_file_says() {
    let (_dir, home) = home();
    let mut device = Device::load_or_create(&home, "h").unwrap();
    edit(&home, "version = 1", "# mine\nversion = 1\nfuture = true");
    device.set_label(&home, "  Anna's laptop ").unwrap();
    assert_eq!(device.label(), "Anna's laptop");
    let again = Device::load(&home).unwrap().unwrap();
    assert_eq!((again.label(), again.id()), ("Anna's laptop", device.id()));
    let text = std::fs::read_to_string(home.device_file()).unwrap();
    assert!(text.contains("# mine") && text.contains("future = true") && text.contains("created = "));
    assert_eq!(mode(&home), 0o600);
}

#[test]
fn labels_that_cannot_be_shown_are_refused() {
    let (_dir, home) = home();
    let mut device = Device::load_or_create(&home, "bad\u{1b}[31m").unwrap();
    assert_eq!(device.label(), device.id().as_str());
    for label in ["", "  ", "a\nb", "\u{1b}[31m", &"x".repeat(101)] {
        assert!(matches!(device.set_label(&home, label), Err(DeviceError::Label)), "{label:?}");
    }
}

#[test]
fn the_key_is_not_shown_when_debugging() {
    let (_dir, home) = home();
    let device = Device::load_or_create(&home, "h").unwrap();
    let text = std::fs::read_to_string(home.device_file()).unwrap();
    let key = text.lines().find_map(|l| l.strip_prefix("key = ")).unwrap().trim_matches('"').to_owned();
    assert!(!format!("{device:?}").contains(&key[..16]));
}

#[test]
fn a_renewed_device_is_another_that_knows_who_it_was() {
    let (_dir, home) = home();
    let mut first = Device::load_or_create(&home, "Laptop").unwrap();
    first.set_label(&home, "Anna's laptop").unwrap();
    assert_eq!(first.former(), []);
    edit(&home, "version = 1", "# mine\nversion = 1\nfuture = true");
    let second = Device::renew(&home, "Laptop").unwrap();
    let third = Device::renew(&home, "other").unwrap();
    assert!(second.id() != first.id() && second.public_key() != first.public_key());
    assert!(third.id().as_str().starts_with("other-"), "{}", third.id());
    let former = |device: &Device| Former { id: device.id().clone(), public_key: device.public_key() };
    for device in [&third, &Device::load(&home).unwrap().unwrap(), &Device::load_or_create(&home, "x").unwrap()] {
        assert_eq!((device.id(), device.public_key()), (third.id(), third.public_key()));
        assert_eq!(device.label(), "Anna's laptop");
        assert_eq!(device.former(), [former(&first), former(&second)]);
        assert_eq!(device.public_key_of(first.id()), Some(first.public_key()));
        assert_eq!(device.public_key_of(third.id()), Some(third.public_key()));
        assert_eq!(device.public_key_of(&DeviceId::new("x", &[0; 32])), None);
    }
    let text = std::fs::read_to_string(home.device_file()).unwrap();
    assert!(text.contains("# mine") && text.contains("future = true") && text.contains("created = "), "{text}");
    assert_eq!(mode(&home), 0o600);
}

#[test]
fn a_renewed_device_can_be_renamed() {
    let (_dir, home) = home();
    Device::load_or_create(&home, "h").unwrap();
    let mut device = Device::renew(&home, "h").unwrap();
    device.set_label(&home, "new").unwrap();
    assert_eq!(Device::load(&home).unwrap().unwrap().former(), device.former());
}

#[test]
fn a_damaged_file_is_not_renewed() {
    let (_dir, home) = home();
    assert!(matches!(Device::renew(&home, "h"), Err(DeviceError::Damaged { .. })), "nothing is there");
    let first = Device::load_or_create(&home, "h").unwrap();
    let second = Device::renew(&home, "h").unwrap();
    for (from, to) in [(first.id().as_str(), second.id().as_str()), ("[[formerly]]\nid", "[[formerly]]\nname")] {
        let whole = std::fs::read(home.device_file()).unwrap();
        edit(&home, from, to);
        let before = std::fs::read(home.device_file()).unwrap();
        for result in [Device::renew(&home, "h").map(drop), Device::load(&home).map(drop)] {
            assert!(matches!(result, Err(DeviceError::Damaged { .. })), "{to}: {result:?}");
        }
        assert_eq!(std::fs::read(home.device_file()).unwrap(), before);
        disk::write_cache(&home.device_file(), &whole).unwrap();
    }
}
