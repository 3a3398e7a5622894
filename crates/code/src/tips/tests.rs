use super::fixture::{Other, Wrote, own as own_snapshot, own_source, write};
use super::*;
use crate::prune::fixture::{NOW, World};
use crate::registry::Registry;

fn main() -> Branch {
    Branch::Named("main".into())
}

fn content(world: &World, text: &str) -> ObjectId {
    world.write("file", text);
    world.write_tree()
}

fn registry(world: &World) -> Registry {
    Registry::open(&world.ctx.home).unwrap()
}

fn approve(world: &World, other: &Other) {
    let mut registry = registry(world);
    registry.note_device(other.id.as_str(), Some(other.key()), &other.label, NOW).unwrap();
    registry.approve_device(other.id.as_str(), NOW).unwrap();
}

fn others_of(world: &World) -> Vec<Tip> {
    others(&world.ctx, &world.repo(), &world.tree, &main()).unwrap()
}

#[test]
fn a_tip_is_what_the_newest_snapshot_and_its_seal_say() {
    let (world, desk) = (World::new(), Other::new("desk"));
    let (first, second) = (content(&world, "1"), content(&world, "2"));
    desk.publishes(&world, &Wrote::new(first, &[(desk.source(), 1)]));
    let newest = desk.publishes(&world, &Wrote::new(second, &[(desk.source(), 2)]));
    let tips = others_of(&world);
    let [tip] = &tips[..] else { panic!("{tips:?}") };
    let writer = Writer::Carry { line: desk.line(&main()), label: "DESK".to_owned(), key: Some(desk.key()) };
    assert_eq!((&tip.writer, tip.trust, &tip.branch), (&writer, Trust::Unknown, &main()));
    assert_eq!((tip.commit, tip.tree, tip.finished), (newest.commit, second, false));
    assert_eq!(tip.seen.get(&desk.source()), 2);
    assert_eq!(tip.snapshot(&world.repo()).unwrap(), newest);
}

#[test]
fn trust_is_in_the_key_that_is_known() {
    let (world, desk) = (World::new(), Other::new("desk"));
    let wrote = Wrote::new(content(&world, "1"), &[(desk.source(), 1)]);
    desk.publishes(&world, &wrote);
    let trust = || others_of(&world)[0].trust;
    assert_eq!(trust(), Trust::Unknown);
    registry(&world).note_device(desk.id.as_str(), Some(desk.key()), "desk", NOW).unwrap();
    assert_eq!(trust(), Trust::Unknown);
    approve(&world, &desk);
    assert_eq!(trust(), Trust::Approved);
    registry(&world).revoke_device(desk.id.as_str()).unwrap();
    assert_eq!(trust(), Trust::Revoked);
}

#[test]
fn an_approved_id_under_another_key_is_an_impostor() {
    let (world, desk) = (World::new(), Other::new("desk"));
    desk.publishes(&world, &Wrote::new(content(&world, "1"), &[(desk.source(), 1)]));
    let mut registry = registry(&world);
    registry.note_device(desk.id.as_str(), Some([9; 32]), "desk", NOW).unwrap();
    registry.approve_device(desk.id.as_str(), NOW).unwrap();
    assert_eq!(others_of(&world)[0].trust, Trust::Impostor);
}

#[test]
fn other_trees_of_this_device_are_its_own_and_the_tree_itself_is_no_other() {
    let world = World::new();
    let tree: TreeId = "aaaaaaaaaaaa".parse().unwrap();
    let device = world.ctx.device.id();
    let itself = own_snapshot(&world, &Wrote::new(content(&world, "1"), &[(own_source(&world), 1)]));
    let wrote = Wrote::new(content(&world, "2"), &[(Source::line(&device, &tree), 1)]);
    let (sibling, keeper) = write(&world, &device, &tree, &wrote, None);
    let name = LineName::new(&device, &tree, &main());
    refs::update(&world.repo(), &name.ref_name(), None, keeper).unwrap();
    let tips = others_of(&world);
    assert_eq!(tips.iter().map(|tip| (tip.commit, tip.trust)).collect::<Vec<_>>(), [(sibling.commit, Trust::Own)]);
    let tip = own(&world.ctx, &world.repo(), &world.tree, &main()).unwrap().unwrap();
    assert_eq!((tip.commit, tip.trust), (itself.commit, Trust::Own));
    let topic = Branch::Named("topic".into());
    assert_eq!(own(&world.ctx, &world.repo(), &world.tree, &topic).unwrap(), None);
    assert_eq!(all(&world.ctx, &world.repo()).unwrap().len(), 2);
}

#[test]
fn what_this_device_was_before_is_its_own_under_its_own_key_only() {
    let world = World::new();
    let old = world.ctx.device.get();
    let (tree, name): (TreeId, _) = {
        let tree: TreeId = "aaaaaaaaaaaa".parse().unwrap();
        (tree.clone(), LineName::new(old.id(), &tree, &main()))
    };
    let wrote = Wrote::new(content(&world, "1"), &[(Source::line(old.id(), &tree), 1)]);
    let (snapshot, keeper) = write(&world, old.id(), &tree, &wrote, None);
    let seal = |key, sign: &dyn Fn(&[u8]) -> [u8; 64]| {
        crate::seal::Seal {
            line: name.clone(),
            branch: main(),
            keeper,
            label: "copy".to_owned(),
            key,
            count: 1,
            finished: false,
        }
        .to_commit(snapshot.tree, snapshot.time, sign)
    };
    let commit = world.object(crate::pack::Kind::Commit, &seal(old.public_key(), &|bytes| old.sign(bytes)));
    refs::update(&world.repo(), &name.ref_name(), None, commit).unwrap();
    let trust = || others_of(&world).iter().map(|tip| tip.trust).collect::<Vec<_>>();
    assert_eq!(trust(), [Trust::Own]);
    let renewed = carry_kernel::device::Device::renew(&world.ctx.home, "laptop").unwrap();
    world.ctx.device.replace(renewed);
    assert_eq!(trust(), [Trust::Own]);
}

#[test]
fn lines_that_nobody_vouches_for_are_left_out_and_hold_up_none() {
    let (world, desk, good) = (World::new(), Other::new("desk"), Other::new("good"));
    let repo = world.repo();
    let wrote = Wrote::new(content(&world, "1"), &[(desk.source(), 1)]);
    good.publishes(&world, &Wrote { seen: [(good.source(), 1)].into_iter().collect(), ..wrote.clone() });
    let put = |at: &LineName, tip: ObjectId| {
        refs::update(&repo, &at.ref_name(), refs::read(&repo, &at.ref_name()).unwrap(), tip).unwrap();
        let found: Vec<ObjectId> = others_of(&world).iter().map(|tip| tip.commit).collect();
        assert_eq!(found.len(), 1, "{at:?}");
        assert_eq!(all(&world.ctx, &repo).unwrap().len(), 1);
    };
    let line = desk.line(&main());
    let (snapshot, keeper) = write(&world, &desk.id, &desk.tree, &wrote, None);
    // Not sealed; another's; of another branch; on what is no keeper; no commit of ours.
    put(&line, keeper);
    let (foreign, kept) = write(&world, &good.id, &good.tree, &wrote, None);
    put(&line, desk.seal(&world, &foreign, kept, 1, false));
    put(&line, good.seal(&world, &foreign, kept, 1, false));
    put(&line, desk.seal(&world, &snapshot, snapshot.commit, 1, false));
    put(&line, world.git.id("HEAD^{tree}"));
    let elsewhere = Wrote { branch: Branch::Named("topic".into()), ..wrote.clone() };
    let (mut topic, topic_keeper) = write(&world, &desk.id, &desk.tree, &elsewhere, None);
    topic.meta.branch = main();
    put(&line, desk.seal(&world, &topic, topic_keeper, 1, false));
    // In its right place it counts.
    refs::update(
        &repo,
        &line.ref_name(),
        refs::read(&repo, &line.ref_name()).unwrap(),
        desk.seal(&world, &snapshot, keeper, 1, false),
    )
    .unwrap();
    assert_eq!(others_of(&world).len(), 2);
}

#[test]
fn a_detached_head_has_no_others() {
    let (world, desk) = (World::new(), Other::new("desk"));
    let wrote = Wrote::new(content(&world, "1"), &[(desk.source(), 1)]);
    desk.publishes(&world, &Wrote { branch: Branch::Detached, ..wrote });
    assert_eq!(others(&world.ctx, &world.repo(), &world.tree, &Branch::Detached).unwrap(), []);
    assert_eq!(all(&world.ctx, &world.repo()).unwrap().len(), 1);
    assert_eq!(branches(&world.ctx, &world.repo()).unwrap(), []);
}

#[test]
fn branches_have_their_true_names() {
    let (world, desk) = (World::new(), Other::new("desk"));
    let tree = content(&world, "1");
    let long = Branch::Named("Ä".repeat(200).into());
    for branch in [main(), long.clone()] {
        desk.publishes(&world, &Wrote { branch, ..Wrote::new(tree, &[(desk.source(), 1)]) });
    }
    own_snapshot(&world, &Wrote::new(tree, &[(own_source(&world), 1)]));
    let found = branches(&world.ctx, &world.repo()).unwrap();
    assert_eq!(found, [main(), long]);
}

#[test]
fn a_finished_tip_finishes_what_it_has_seen_on_its_branch() {
    let (world, desk, shelf) = (World::new(), Other::new("desk"), Other::new("shelf"));
    let tree = content(&world, "1");
    let topic = Branch::Named("topic".into());
    shelf.publishes(&world, &Wrote::new(tree, &[(shelf.source(), 3)]));
    shelf.publishes(&world, &Wrote { branch: topic, ..Wrote::new(tree, &[(shelf.source(), 1)]) });
    let done = Wrote { finished: true, ..Wrote::new(tree, &[(shelf.source(), 3), (desk.source(), 1)]) };
    desk.publishes(&world, &done);
    let finished = || {
        let tips = all(&world.ctx, &world.repo()).unwrap();
        tips.iter()
            .filter(|tip| tip.finished)
            .map(|tip| (tip.writer.name().to_owned(), tip.branch.display()))
            .collect::<Vec<_>>()
    };
    let pair = |name: &str| (name.to_owned(), "main".to_owned());
    assert_eq!(finished(), [pair("DESK")], "whoever is not trusted finishes nobody's work");
    approve(&world, &desk);
    assert_eq!(finished(), [pair("DESK"), pair("SHELF")]);
    shelf.publishes(&world, &Wrote::new(tree, &[(shelf.source(), 4)]));
    assert_eq!(finished(), [pair("DESK")], "it went on");
}

#[test]
fn a_mark_holds_while_the_newest_snapshot_has_the_same_content() {
    let (world, desk) = (World::new(), Other::new("desk"));
    let (one, two) = (content(&world, "1"), content(&world, "2"));
    let itself = own_source(&world);
    desk.publishes(&world, &Wrote::new(one, &[(desk.source(), 1)]));
    let marked = own_snapshot(&world, &Wrote::new(one, &[(itself.clone(), 1), (desk.source(), 1)]));
    let finished = || {
        let own = own(&world.ctx, &world.repo(), &world.tree, &main()).unwrap().unwrap();
        (own.finished, others_of(&world)[0].finished)
    };
    assert_eq!(finished(), (false, false));
    registry(&world).set_finished(&world.tree, &main(), marked.commit).unwrap();
    assert_eq!(finished(), (true, true));
    own_snapshot(
        &world,
        &Wrote {
            time: NOW.after(std::time::Duration::from_secs(9)),
            ..Wrote::new(one, &[(itself.clone(), 2), (desk.source(), 1)])
        },
    );
    assert_eq!(finished(), (true, true), "HEAD moved, the content is the same");
    own_snapshot(&world, &Wrote::new(two, &[(itself, 3), (desk.source(), 1)]));
    assert_eq!(finished(), (false, false), "work went on");
}

#[test]
fn a_stream_of_git_pulsar_is_a_snapshot_without_trailers() {
    let world = World::new();
    let tree = content(&world, "1");
    let slug = "old-box--0a1b2c3d".to_owned();
    let tip = Tip {
        writer: Writer::Pulsar { slug: slug.clone() },
        trust: Trust::Unknown,
        branch: main(),
        commit: tree,
        tree,
        head: None,
        staged: None,
        time: NOW,
        seen: [(Source::Pulsar(slug), 4)].into_iter().collect(),
        skipped: vec![],
        skipped_more: 0,
        finished: false,
    };
    let snapshot = tip.snapshot(&world.repo()).unwrap();
    assert_eq!((snapshot.commit, snapshot.tree, snapshot.time), (tip.commit, tree, NOW));
    assert_eq!((&snapshot.meta.branch, &snapshot.meta.seen), (&main(), &tip.seen));
    assert!(snapshot.meta.device.as_str().starts_with("old-box-"), "{}", snapshot.meta.device);
}

#[test]
fn a_writer_is_meant_by_label_id_or_slug() {
    let desk = Other::new("desk");
    let carry = Writer::Carry { line: desk.line(&main()), label: "Anna's Desk".to_owned(), key: None };
    let pulsar = Writer::Pulsar { slug: "old-box--0a1b2c3d".to_owned() };
    for name in ["anna's desk", "Anna's Desk", " desk", desk.id.as_str(), "desk-"] {
        assert!(is_meant(&carry, name), "{name}");
    }
    for name in ["old-box", "OLD-BOX", "old-box--0a1b2c3d", "old-box--0a", "pulsar/old-box--0a1b2c3d"] {
        assert!(is_meant(&pulsar, name), "{name}");
    }
    for name in ["", " ", "anna", "esk", "old-boxes", "0a1b2c3d", "pulsar/"] {
        assert!(!is_meant(&carry, name) && !is_meant(&pulsar, name), "{name:?}");
    }
}
