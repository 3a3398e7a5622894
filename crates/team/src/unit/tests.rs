use std::collections::BTreeSet;

use super::*;
use carry_sessions::model::{Agent, NativeId};

fn rows() -> Vec<(Place, Digest)> {
    vec![
        (Place::Message(0), [1; 32]),
        (Place::Message(1), [2; 32]),
        (Place::Result { ordinal: 1, index: 0, event: 0 }, [3; 32]),
        (Place::Words(Bucket(0)), [4; 32]),
        (Place::Message(32), [5; 32]),
    ]
}

/// The root over a head and rows.
fn root_of(head: Digest, rows: &[(Place, Digest)]) -> Root {
    let mut buckets: BTreeMap<Bucket, Vec<(Place, &Digest)>> = BTreeMap::new();
    for (place, digest) in rows {
        buckets.entry(place.bucket()).or_default().push((*place, digest));
    }
    let hashes: Vec<(Bucket, Digest)> = buckets.into_iter().map(|(bucket, rows)| (bucket, bucket_hash(rows))).collect();
    root(&head, hashes.iter().map(|(bucket, hash)| (*bucket, hash)))
}

#[test]
fn a_root_changes_with_the_head_and_with_any_row() {
    let before = rows();
    let mut roots = BTreeSet::from([root_of([9; 32], &before), root_of([8; 32], &before)]);
    for at in 0..before.len() {
        let mut other = before.clone();
        other[at].1[31] ^= 1;
        roots.insert(root_of([9; 32], &other));
        let mut fewer = before.clone();
        fewer.remove(at);
        roots.insert(root_of([9; 32], &fewer));
    }
    // The same digest elsewhere.
    for place in [
        Place::Message(2),
        Place::Result { ordinal: 1, index: 1, event: 0 },
        Place::Result { ordinal: 1, index: 0, event: 1 },
        Place::Result { ordinal: 0, index: 0, event: 0 },
    ] {
        let mut moved = before.clone();
        moved[2].0 = place;
        roots.insert(root_of([9; 32], &moved));
    }
    let mut swapped = before.clone();
    (swapped[0].1, swapped[1].1) = (before[1].1, before[0].1);
    roots.insert(root_of([9; 32], &swapped));
    let mut shifted = before.clone();
    shifted[4].0 = Place::Message(64);
    roots.insert(root_of([9; 32], &shifted));
    assert_eq!(roots.len(), 2 + 2 * before.len() + 4 + 2);
}

#[test]
fn a_unit_without_rows_has_the_root_of_its_head() {
    assert_eq!(root_of([1; 32], &[]), root(&[1; 32], []));
    assert_ne!(root_of([1; 32], &[]), root_of([2; 32], &[]));
}

#[test]
fn a_root_is_what_it_always_was() {
    let Root(digest) = root_of([9; 32], &rows());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "b3d4ed8b2151c69840b442132e615d21851f9f01e3a75b3e3998d668896fc8f5");
}

#[test]
fn places_are_in_the_order_messages_results_words() {
    let mut places: Vec<Place> = rows().into_iter().map(|(place, _)| place).collect();
    places.sort_unstable();
    let order = [
        Place::Message(0),
        Place::Message(1),
        Place::Message(32),
        Place::Result { ordinal: 1, index: 0, event: 0 },
        Place::Words(Bucket(0)),
    ];
    assert_eq!(places, order);
}

#[test]
fn the_last_ordinals_have_a_bucket() {
    for ordinal in [0, 31, 32, u32::MAX - 32, u32::MAX] {
        let bucket = Bucket::of(ordinal);
        assert!(bucket.ordinals().contains(&ordinal), "{ordinal}");
        assert_eq!(Bucket::of(*bucket.ordinals().start()), bucket);
        assert_eq!(Bucket::of(*bucket.ordinals().end()), bucket);
    }
    assert_eq!(Bucket(u32::MAX).ordinals().end(), &u32::MAX);
}

#[test]
fn keys_of_sessions_and_totals_never_meet() {
    let session = UnitKey::Session(SessionId::new("o", Agent::Claude, &NativeId("n".to_owned())));
    let totals = |origin: &str, project: &str| {
        UnitKey::Totals { origin: origin.to_owned(), project: project.to_owned() }.to_text()
    };
    assert_eq!(session.to_text().len(), 16);
    let texts = [session.to_text(), totals("a", "bc"), totals("ab", "c"), totals("a", "bd")];
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len());
    assert!(texts[1..].iter().all(|text| text.len() == 33 && text.starts_with('t')));
    assert_eq!(totals("a", "bc"), totals("a", "bc"));
}
