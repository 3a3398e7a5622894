//! What a reader must see of a home, made from its archive by the mask alone, and whether it does.

use std::collections::BTreeMap;

use carry_sessions::archive::{SessionRow, StoredMessage};
use carry_sessions::curation::Pin;
use carry_sessions::git_links::GitLink;
use carry_sessions::mask;
use carry_sessions::model::{Agent, Block, NativeId, Role};
use carry_team::postgres::PostgresReader;
use carry_team::reader::{Filter, Reader as _, Shared};
use carry_team::share::Mode;
use carry_team::unit::Total;

use super::rig::{Device, redactor};

/// A session as a reader must see it.
struct Expected {
    mode: Mode,
    session: SessionRow,
    messages: Vec<StoredMessage>,
    pins: Vec<Pin>,
    links: Vec<GitLink>,
}

/// A session, masked, and of that what the mode lets through. `None`: nothing of it by itself.
fn expected(device: &Device, session: SessionRow, mode: Mode) -> Option<Expected> {
    if mode < Mode::Metadata {
        return None;
    }
    let key = shown_key(&session);
    let archive = &device.fixture.archive;
    let messages = archive.messages(session.n, 0, usize::MAX).unwrap();
    let (pins, links) = (archive.pins(&session.id).unwrap(), archive.links_of(session.n).unwrap());
    let safe = mask::mask(&redactor(), session, messages, pins, links);
    let (mut session, mut messages, mut pins, mut links) = (safe.session, safe.messages, safe.pins, safe.links);
    (session.n, session.digest, session.revision) = (0, [0; 32], 0);
    (session.path, session.resume) = (None, None);
    if mode < Mode::Prompts {
        session.project_key = key;
    }
    for stored in &mut messages {
        stored.n = 0;
        stored.results.iter_mut().for_each(|result| result.n = 0);
        for block in &mut stored.message.blocks {
            if let Block::Text(text) = block {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
    session.first_prompt = session.first_prompt.map(|text| text.replace('\0', "\u{fffd}"));
    if mode < Mode::Full {
        links.iter_mut().for_each(|link| link.subject = None);
        messages.retain(|stored| stored.message.role == Role::User && !stored.message.is_system);
        for stored in &mut messages {
            stored.message.blocks.retain(|block| matches!(block, Block::Text(_)));
            stored.results.clear();
        }
        messages.retain(|stored| !stored.message.blocks.is_empty());
    }
    if mode < Mode::Prompts {
        (session.cwd, session.name, session.first_prompt, session.is_renamed) = (None, None, None, false);
        session.labels.clear();
        messages.clear();
        pins.clear();
    }
    Some(Expected { mode, session, messages, pins, links })
}

/// A project's key where folders are not shared. Those of the fixtures are folders.
pub(super) fn shown_key(session: &SessionRow) -> String {
    format!("{}~{}", session.project, redactor().fingerprint(&session.project_key))
}

/// The store shows `reader` of this home exactly what its archive has of `natives`, as far as `mode_of` the folder lets it.
#[track_caller]
pub(super) fn assert_read_back(
    device: &Device,
    reader: &mut PostgresReader,
    natives: &[&str],
    mode_of: &dyn Fn(&str) -> Mode,
) {
    let own = Filter { person: Some(device.person.clone()), all: true, limit: 1000, ..Filter::default() };
    let listed = reader.list(&own).unwrap();
    assert_eq!((listed.notes, listed.more), (Vec::new(), 0));
    let mut listed: BTreeMap<String, Shared> =
        listed.items.into_iter().map(|shared| (shared.head.session.native.0.clone(), shared)).collect();
    let mut sums: BTreeMap<String, [u64; 6]> = BTreeMap::new();
    for native in natives {
        let archive = &device.fixture.archive;
        let Some(session) = archive.by_native(Agent::Claude, &NativeId((*native).to_owned())).unwrap() else {
            continue;
        };
        let mode = mode_of(session.cwd.as_deref().unwrap_or_default());
        if mode == Mode::Aggregates && !session.is_trashed {
            let numbers = [1, session.messages, session.user_messages, session.calls, session.failures].map(u64::from);
            let sum = sums.entry(shown_key(&session)).or_default();
            sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
            sum[5] += session.input_tokens.unwrap_or(0);
        }
        let Some(expected) = expected(device, session, mode) else { continue };
        let shared = listed.remove(*native).unwrap_or_else(|| panic!("{native} of {} is not there", device.person));
        assert_eq!((&shared.person, shared.head.mode), (&device.person, expected.mode));
        assert_eq!(shared.head.session, expected.session);
        assert_eq!(shared.head.pins, expected.pins);
        assert_eq!(shared.head.links, expected.links);
        let has_masked = format!("{:?}", expected.messages).contains("<masked") && expected.mode == Mode::Full;
        assert!(!has_masked || !shared.head.masked.is_empty(), "{native}: {:?}", shared.head.masked);
        let mut messages: Vec<StoredMessage> = Vec::new();
        loop {
            let from = messages.last().map_or(0, |last| last.message.ordinal + 1);
            let page = reader.messages(&shared.link, from, 30).unwrap();
            if page.is_empty() {
                break;
            }
            messages.extend(page);
        }
        assert_eq!(messages.len(), expected.messages.len(), "{native}");
        for (found, expected) in messages.iter().zip(&expected.messages) {
            assert_eq!(found, expected, "{native}");
        }
    }
    assert!(listed.is_empty(), "{:?} should not be there", listed.keys());
    let totals = reader.totals(&own).unwrap();
    assert_eq!(totals.notes, Vec::<String>::new());
    let sum = |days: &[Total]| {
        days.iter().fold([0; 6], |sum: [u64; 6], day| {
            let numbers = [day.sessions, day.messages, day.user_messages, day.calls, day.failures, day.input_tokens];
            std::array::from_fn(|at| sum[at] + numbers[at])
        })
    };
    let found: BTreeMap<String, [u64; 6]> =
        totals.items.into_iter().map(|shared| (shared.totals.project_key.clone(), sum(&shared.totals.days))).collect();
    assert_eq!(found, sums);
}
