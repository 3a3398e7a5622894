use super::*;

#[test]
fn the_greatest_ordinals_and_indexes_are_rows_like_others() {
    let mut rig = Rig::new();
    let last = Block::Call(call(u32::MAX, u32::MAX));
    let message = Op::Message(Box::new(said(u32::MAX, Role::Assistant, vec![last])));
    let mut more = result("", "out", ResultStatus::Failed);
    if let Op::Result(result) = &mut more {
        result.call = CallRef::At { ordinal: u32::MAX, index: u32::MAX };
    }
    let ops = [open("one"), message.clone(), more, message];
    rig.whole("a", &ops);
    rig.whole("a", &ops);
    let session = rig.session("one");
    assert_eq!((session.calls, session.failures), (1, 1));
    assert_eq!(rig.archive.messages(session.n, 0, 10).unwrap()[0].results.len(), 1);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn counts_that_no_row_holds_are_the_greatest_that_one_does() {
    let mut rig = Rig::new();
    let huge = Some(u64::MAX);
    let mut message = said(0, Role::Assistant, Vec::new());
    message.usage = Some(Usage {
        input: huge,
        output: huge,
        reasoning: huge,
        cache_read: huge,
        cache_write: huge,
        cache_write_1h: huge,
        cost_micros: huge,
    });
    let mut small = message.clone();
    small.usage = Some(Usage { input: Some(5), ..Usage::default() });
    rig.whole("a", &[open("one"), Op::Message(Box::new(message))]);
    assert_eq!(rig.session("one").input_tokens, Some(i64::MAX as u64));
    assert_eq!(rig.verify(), Vec::<String>::new());
    rig.more("a", 2, &[open("one"), Op::Message(Box::new(small))]);
    assert_eq!(rig.session("one").input_tokens, Some(5));
    assert_eq!(rig.session("one").output_tokens, None);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn times_before_the_epoch_and_far_ahead_are_kept() {
    let mut rig = Rig::new();
    let at = |ordinal, ms| {
        let mut message = said(ordinal, Role::User, Vec::new());
        message.at = Some(Timestamp::from_millis(ms));
        Op::Message(Box::new(message))
    };
    rig.whole("a", &[open("one"), at(0, i64::MIN), at(1, i64::MAX), at(2, -1)]);
    let session = rig.session("one");
    let ends = [session.started, session.ended].map(|at| at.unwrap().as_millis());
    assert_eq!(ends, [i64::MIN, i64::MAX]);
    assert_eq!(rig.verify(), Vec::<String>::new());
}

#[test]
fn a_message_may_have_many_blocks() {
    let mut rig = Rig::new();
    let blocks: Vec<Block> = (0..20_000).map(|index| Block::Call(call(1, index))).collect();
    let mut ops = vec![open("one"), Op::Message(Box::new(said(1, Role::Assistant, blocks)))];
    rig.whole("a", &ops);
    // Each output looks for its call; the message is not read for each.
    let outputs: Vec<Op> =
        (0..20_000).map(|index| result(&format!("call-1-{index}"), "x", ResultStatus::Completed)).collect();
    rig.more("a", 2, &[vec![open("one")], outputs.clone()].concat());
    assert_eq!(rig.number("SELECT count(*) FROM results"), 20_000);
    ops.push(open("one"));
    ops.extend(outputs);
    let again = rig.whole("a", &ops);
    assert_eq!(Written { raw_bytes: 0, ..again }, Written::default());
}

#[test]
fn taking_back_over_and_over_costs_what_it_says() {
    let mut rig = Rig::new();
    let mut ops = vec![open("one")];
    ops.extend((0..2000).map(|ordinal| prompt(ordinal, "x")));
    ops.extend((0..20_000u32).map(|n| Op::Abandon { ordinals: 0..=u32::MAX, is_abandoned: n % 2 == 0 }));
    #[expect(clippy::reversed_empty_ranges, reason = "a file may say it")]
    ops.push(Op::Abandon { ordinals: 9..=3, is_abandoned: true });
    rig.whole("a", &ops);
    assert_eq!((rig.session("one").messages, rig.session("one").abandoned), (2000, 0));
}

#[test]
fn texts_may_hold_anything() {
    let mut rig = Rig::new();
    let text = "\0 ' \" % _ \u{10ffff} \u{202e} \r\n";
    let mut message = said(0, Role::User, vec![Block::Text(text.to_owned())]);
    message.key = Some(text.to_owned());
    message.model = Some(text.to_owned());
    rig.whole(text, &[open(text), Op::Message(Box::new(message.clone()))]);
    let session = rig.session(text);
    assert_eq!(rig.archive.messages(session.n, 0, 10).unwrap()[0].message, message);
    assert_eq!(rig.verify(), Vec::<String>::new());
}
