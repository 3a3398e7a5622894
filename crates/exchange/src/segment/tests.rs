use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::chain::{Link, chain_start};
use crate::fixture::{any_frame, attachment, log, record, segment, stream};
use crate::frame::{Frame, FrameError, Stub, StubReason};

fn base() -> Digest {
    chain_start(log(1), &stream("sessions"))
}

fn expected(segment: &Finished<Vec<u8>>) -> Expected {
    Expected { log: log(1), stream: stream("sessions"), reference: segment.reference }
}

/// Everything that a reader gives: the links, and the bytes of each attachment.
fn read(file: &[u8], expected: &Expected) -> Result<(Vec<Link>, Vec<Vec<u8>>), SegmentError> {
    let mut reader = SegmentReader::open(expected, file.len() as u64, file)?;
    let (mut links, mut attached) = (Vec::new(), vec![Vec::new(); reader.header().attachments.len()]);
    while let Some(part) = reader.next_part()? {
        match part {
            Part::Records(more) => links.extend(more),
            Part::Attachment { attachment, bytes } => attached[attachment].extend_from_slice(bytes),
        }
    }
    Ok((links, attached))
}

/// Ten records in blocks of about three, and two attachments.
fn small() -> Finished<Vec<u8>> {
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new()).with_block_bytes(300);
    for seq in 1..=5 {
        writer.push(&Frame::Record(record(seq))).unwrap();
    }
    writer.attach(vec![attachment("c1"), attachment("c2")], vec![], &mut &b"a pack"[..]).unwrap();
    for seq in 6..=10 {
        writer.push(&Frame::Record(record(seq))).unwrap();
    }
    writer.attach(vec![attachment("c3")], vec![attachment("c2")], &mut &b"another"[..]).unwrap();
    writer.finish().unwrap()
}

#[test]
fn what_was_written_is_read() {
    let segment = small();
    let (links, attached) = read(&segment.to_bytes(), &expected(&segment)).unwrap();
    let records: Vec<_> = (1..=10).map(|seq| Frame::Record(record(seq))).collect();
    assert_eq!(links.iter().map(|link| link.frame.clone()).collect::<Vec<_>>(), records);
    assert_eq!(links.last().unwrap().chain, segment.chain);
    assert_eq!(attached, [b"a pack".to_vec(), b"another".to_vec()]);
}

#[test]
fn every_single_bit_is_covered() {
    let segment = small();
    let (file, expected) = (segment.to_bytes(), expected(&segment));
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            let error = read(&changed, &expected).expect_err("the change is found");
            assert!(error.is_damage(), "byte {at}, bit {bit}: {error:?}");
        }
    }
}

#[test]
fn nothing_is_missing_and_nothing_follows() {
    let segment = small();
    let (file, expected) = (segment.to_bytes(), expected(&segment));
    for len in 0..file.len() {
        assert!(matches!(read(&file[..len], &expected), Err(SegmentError::Size { .. })), "{len}");
        // The size that the file system said may be old.
        let open = SegmentReader::open(&expected, file.len() as u64, &file[..len]);
        let error = open.and_then(SegmentReader::verify).unwrap_err();
        assert!(matches!(error, SegmentError::Size { .. }) && error.is_damage(), "{len}: {error:?}");
    }
    let longer = [&file[..], b"x"].concat();
    assert!(matches!(read(&longer, &expected), Err(SegmentError::Size { .. })));
    let open = SegmentReader::open(&expected, file.len() as u64, &longer[..]).unwrap();
    assert!(matches!(open.verify(), Err(SegmentError::Size { .. })));
}

#[test]
fn a_source_that_fails_is_no_damage() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let segment = small();
    let file = segment.to_bytes();
    for len in [0, 10, 40, file.len() - 1] {
        let input = file[..len].chain(Fails);
        let open = SegmentReader::open(&expected(&segment), file.len() as u64, input);
        let error = open.and_then(SegmentReader::verify).unwrap_err();
        assert!(matches!(error, SegmentError::Read(_)) && !error.is_damage(), "{len}: {error:?}");
    }
}

#[test]
fn single_blocks_are_read_and_checked_alone() {
    let segment = small();
    let file = segment.to_bytes();
    let prelude = file.first_chunk().unwrap();
    let head = PRELUDE_BYTES + usize::try_from(header_bytes(prelude).unwrap()).unwrap();
    let header = SegmentHeader::read(&file[..head], &expected(&segment)).unwrap();
    assert!(header.blocks.len() > 5);
    let mut seqs = Vec::new();
    for block in (0..header.blocks.len()).rev() {
        let place = header.place(block).unwrap();
        let stored = &file[usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap()];
        seqs.extend(header.open_block(block, stored).unwrap().iter().rev().map(|link| link.frame.first()));
        assert!(header.open_block(block, &stored[1..]).unwrap_err().is_damage());
        let mut changed = stored.to_vec();
        changed[0] ^= 1;
        assert!(header.open_block(block, &changed).unwrap_err().is_damage());
    }
    assert_eq!(seqs, (1..=10).rev().collect::<Vec<_>>());
    assert_eq!(header.place(header.blocks.len()), None);
    assert!(header.open_block(header.blocks.len(), b"").is_err());
}

#[test]
fn a_segment_is_read_only_as_the_one_that_is_expected() {
    let segment = small();
    let file = segment.to_bytes();
    let with = |change: &dyn Fn(&mut Expected)| {
        let mut expected = expected(&segment);
        change(&mut expected);
        read(&file, &expected).unwrap_err()
    };
    assert!(matches!(with(&|e| e.log = log(2)), SegmentError::Header(_)));
    assert!(matches!(with(&|e| e.stream = stream("memory")), SegmentError::Header(_)));
    assert!(matches!(with(&|e| e.reference.last = 9), SegmentError::Header(_)));
    assert!(matches!(with(&|e| e.reference.digest = Digest::of(&[])), SegmentError::Id));
    assert!(matches!(with(&|e| e.reference.bytes += 1), SegmentError::Size { .. }));
}

/// The file with another header, and who expects just that.
fn recut(change: impl Fn(&str) -> String) -> (Vec<u8>, Expected) {
    let segment = small();
    let header = std::str::from_utf8(&segment.head[PRELUDE_BYTES..]).unwrap();
    let changed = change(header);
    assert_ne!(changed, header, "the change is one");
    let head = [&skeleton::prelude(changed.len())[..], changed.as_bytes()].concat();
    let file = [&head[..], &segment.spool].concat();
    let mut expected = expected(&segment);
    expected.reference.bytes = file.len() as u64;
    expected.reference.digest = Digest::of(&[&head]);
    (file, expected)
}

#[test]
fn a_header_that_contradicts_itself_is_refused_whoever_signed_for_it() {
    let refused = |from: &str, to: &str| {
        let (file, expected) = recut(|header| header.replacen(from, to, 1));
        let error = read(&file, &expected).unwrap_err();
        assert!(!error.is_damage(), "{from} → {to}: {error:?}");
        error
    };
    let chain = base().to_text();
    assert!(matches!(refused(r#""attach":[{"block":2"#, r#""attach":[{"block":1"#), SegmentError::Header(_)));
    assert!(matches!(refused(r#""blocks":1,"#, r#""blocks":2,"#), SegmentError::Header(_)));
    assert!(matches!(refused(r#""blocks":1,"#, r#""blocks":900,"#), SegmentError::Shape(_)));
    assert!(matches!(refused(r#""blocks":1,"#, r#""blocks":0,"#), SegmentError::Shape(_)));
    assert!(matches!(refused(r#""needs":[]"#, r#""needs":[" "]"#), SegmentError::Shape(_)));
    assert!(matches!(
        refused(&format!(r#""base":"{chain}""#), &format!(r#""base":"{}""#, Digest::of(&[]))),
        SegmentError::Header(_)
    ));
    assert!(matches!(refused(r#""dict":0"#, r#""dict":1"#), SegmentError::Newer(_)));
    assert!(matches!(refused(r#"{"v":1"#, r#"{"v":2"#), SegmentError::Newer(_)));
    assert!(matches!(refused(r#","a"]"#, r#","z"]"#), SegmentError::Newer(_)));
    assert!(matches!(refused(r#"{"v":1"#, r#"{"v":1,"v":1"#), SegmentError::Json(_)));
    assert!(matches!(refused(r#""first":1,"last":10"#, r#""first":1,"last":11"#), SegmentError::Header(_)));
}

#[test]
fn members_of_later_versions_are_ignored() {
    let (file, expected) = recut(|header| header.replacen(r#"{"v":1"#, r#"{"v":1,"new":{"x":[1]}"#, 1));
    assert_eq!(read(&file, &expected).unwrap().0.len(), 10);
    let (file, expected) = recut(|header| header.replacen(r#","a"]"#, r#","a",7,"more"]"#, 1));
    assert_eq!(read(&file, &expected).unwrap().0.len(), 10);
}

#[test]
fn a_later_version_is_verified_and_passed_on_without_being_read() {
    let (file, expected) = recut(|header| header.replacen(r#"{"v":1"#, r#"{"v":9"#, 1));
    let head = PRELUDE_BYTES + usize::try_from(header_bytes(file.first_chunk().unwrap()).unwrap()).unwrap();
    assert!(SegmentHeader::read(&file[..head], &expected).unwrap_err().needs_upgrade());
    let skeleton = Skeleton::read(&file[..head], expected.reference.digest, file.len() as u64).unwrap();
    let mut at = usize::try_from(skeleton.blocks_start).unwrap();
    for (block, (bytes, _)) in skeleton.blocks.iter().enumerate() {
        let end = at + usize::try_from(*bytes).unwrap();
        skeleton.check(block, &file[at..end]).unwrap();
        let mut changed = file[at..end].to_vec();
        changed[0] ^= 0x80;
        assert!(skeleton.check(block, &changed).unwrap_err().is_damage());
        at = end;
    }
    assert_eq!(at, file.len());
}

#[test]
fn preludes_have_one_form() {
    let good = *b"carry-seg 1 0000000017\n";
    assert_eq!(header_bytes(&good).unwrap(), 17);
    for wrong in [
        b"carry-seg 2 0000000017\n",
        b"carry-seg 1 +000000017\n",
        b"carry-seg 1 0000000017 ",
        b"carry-seg 1 0000000000\n",
        b"carry-seg 1 9999999999\n",
    ] {
        assert!(matches!(header_bytes(wrong), Err(SegmentError::Prelude)));
    }
}

#[test]
fn a_chain_that_leads_elsewhere_is_found_though_all_hashes_hold() {
    // A record was exchanged for another: the author signed for the first.
    let honest = segment("sessions", 1, 3, base(), 1 << 20);
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new());
    for seq in 1..=3 {
        let mut record = record(seq);
        record.kind_version += u16::from(seq == 2);
        writer.push(&Frame::Record(record)).unwrap();
    }
    let forged = writer.finish().unwrap();
    assert_ne!(honest.chain, forged.chain);
    let header = String::from_utf8(forged.head[PRELUDE_BYTES..].to_vec()).unwrap();
    let header = header.replacen(&forged.chain.to_text(), &honest.chain.to_text(), 1);
    let head = [&skeleton::prelude(header.len())[..], header.as_bytes()].concat();
    let mut expected = expected(&forged);
    expected.reference.digest = Digest::of(&[&head]);
    let file = [&head[..], &forged.spool].concat();
    let error = read(&file, &expected).unwrap_err();
    let SegmentError::Block { source: BlockError::Records(source), .. } = &error else { panic!("{error:?}") };
    assert_eq!(*source, ChainError::Chain { last: 3 });
    assert!(!error.is_damage());
}

#[test]
fn a_dropped_record_leaves_the_chain_as_it_was() {
    let whole = segment("sessions", 1, 4, base(), 1 << 20);
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new());
    for seq in 1..=4 {
        let r = record(seq).digest().unwrap();
        let stub = Stub { seq, r, reason: StubReason::Erased };
        writer.push(&if seq == 2 { Frame::Stub(stub) } else { Frame::Record(record(seq)) }).unwrap();
    }
    let dropped = writer.finish().unwrap();
    assert_eq!(dropped.chain, whole.chain);
    assert_eq!(read(&dropped.to_bytes(), &expected(&dropped)).unwrap().0.len(), 4);
}

#[test]
fn a_writer_takes_records_in_order_and_at_least_one() {
    let writer = || SegmentWriter::new(log(1), stream("sessions"), 5, base(), Vec::new());
    assert!(matches!(writer().finish(), Err(WriteError::Empty)));
    assert!(matches!(writer().push(&Frame::Record(record(6))), Err(WriteError::Order { expected: 5, found: 6 })));
    assert!(matches!(writer().push_encoded(b""), Err(WriteError::Frame(FrameError::Short))));
    assert!(matches!(writer().attach(vec![], vec![], &mut &b""[..]), Err(WriteError::Attachment)));
    let mut two = Vec::new();
    Frame::Record(record(5)).encode(&mut two).unwrap();
    Frame::Record(record(6)).encode(&mut two).unwrap();
    assert!(matches!(writer().push_encoded(&two), Err(WriteError::Frame(FrameError::Field("length")))));
}

#[test]
fn large_attachments_lie_in_several_blocks() {
    let mut writer = SegmentWriter::new(log(1), stream("code"), 1, chain_start(log(1), &stream("code")), Vec::new());
    writer.push(&Frame::Record(record(1))).unwrap();
    let content: Vec<u8> = (0..crate::limits::ATTACHMENT_BLOCK_BYTES_MAX + 5).map(|n| (n % 251) as u8).collect();
    writer.attach(vec![attachment("c1")], vec![], &mut &content[..]).unwrap();
    let segment = writer.finish().unwrap();
    let mut expected = expected(&segment);
    expected.stream = stream("code");
    let file = segment.to_bytes();
    let header = SegmentReader::open(&expected, file.len() as u64, &file[..]).unwrap().verify().unwrap();
    assert_eq!(header.attachments[0].blocks, 1..3);
    assert!(read(&file, &expected).unwrap().1[0] == content);
}

/// Records of very different sizes, of which many make several blocks.
fn uneven(count: u64) -> Vec<Frame> {
    let text = |seq: u64| (0..seq * seq % 97 * 40).map(move |at| (seq * 7919 + at * at) % 9973);
    let sized = |seq| {
        let payload = text(seq).map(|word| format!("{word} ")).collect::<String>().into_bytes();
        Frame::Record(crate::record::Record { payload, ..record(seq) })
    };
    (1..=count).map(sized).collect()
}

#[test]
fn a_segment_has_the_blocks_that_one_thread_would_make() {
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new()).with_block_bytes(20_000);
    let frames = uneven(120);
    let mut known = Vec::new();
    for frame in &frames {
        writer.push(frame).unwrap();
        known.push(writer.stored_bytes());
    }
    let segment = writer.finish().unwrap();
    let file = segment.to_bytes();
    let header = SegmentReader::open(&expected(&segment), file.len() as u64, &file[..]).unwrap().verify().unwrap();
    assert!(header.blocks.len() > 20, "{}", header.blocks.len());
    let (mut packer, mut stored_bytes) = (super::block::Packer::new().unwrap(), vec![0]);
    for (at, block) in header.blocks.iter().enumerate() {
        let Content::Records { first, last, .. } = block.content else { panic!("there are only records") };
        let mut plain = Vec::new();
        for frame in &frames[first as usize - 1..last as usize] {
            frame.encode(&mut plain).unwrap();
        }
        let place = header.place(at).unwrap();
        assert!(file[place.start as usize..place.end as usize] == packer.pack(&plain).unwrap(), "block {at}");
        stored_bytes.push(stored_bytes[at] + block.bytes);
    }
    // What a writer knows of its size while it writes decides where a segment ends: it depends on the records alone.
    let closed = |seq: u64| {
        header.blocks.iter().filter(move |block| matches!(block.content, Content::Records { last, .. } if last <= seq))
    };
    // The last block is closed by the end.
    for (seq, known) in (1..120).zip(known) {
        assert_eq!(known, stored_bytes[closed(seq).count().saturating_sub(4)], "after record {seq}");
    }
}

/// Takes so many bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_ends_writing_while_blocks_are_being_packed() {
    let frames = uneven(120);
    for room in [0, 3_000, 30_000] {
        let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Full(room)).with_block_bytes(20_000);
        let error = frames.iter().find_map(|frame| writer.push(frame).err()).unwrap();
        assert!(matches!(&error, WriteError::Io(e) if e.kind() == std::io::ErrorKind::StorageFull), "{error:?}");
    }
    // Given up with blocks under way: the threads end with it.
    let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new()).with_block_bytes(20_000);
    for frame in &frames {
        writer.push(frame).unwrap();
    }
}

/// Frames that follow one another from 1 on.
fn run() -> impl Strategy<Value = Vec<Frame>> {
    proptest::collection::vec(any_frame(1), 1..20).prop_map(|mut frames| {
        let mut next = 1;
        for frame in &mut frames {
            match frame {
                Frame::Record(record) => record.seq = next,
                Frame::Stub(stub) => stub.seq = next,
                Frame::Void(run) => (run.first, run.last) = (next, next + (run.last - run.first)),
            }
            next = frame.last() + 1;
        }
        frames
    })
}

proptest! {
    #[test]
    fn any_run_of_frames_is_read_as_it_was_written(frames in run(), block_bytes in 1..2000usize) {
        let mut writer = SegmentWriter::new(log(1), stream("sessions"), 1, base(), Vec::new()).with_block_bytes(block_bytes);
        for frame in &frames {
            writer.push(frame).unwrap();
        }
        let segment = writer.finish().unwrap();
        let (links, _) = read(&segment.to_bytes(), &expected(&segment)).unwrap();
        prop_assert_eq!(links.iter().map(|link| link.frame.clone()).collect::<Vec<_>>(), frames);
    }
}
