use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_last_mark_counts(said in prop::collection::vec((0u32..40, 0u32..40, any::<bool>()), 0..40)) {
        let mut marks = Marks::default();
        let mut plain = [None; 40];
        for (first, last, mark) in said {
            marks.set(first..=last, mark);
            for ordinal in first..=last {
                plain[ordinal as usize] = Some(mark);
            }
        }
        for (ordinal, mark) in (0u32..).zip(plain) {
            prop_assert_eq!(marks.get(ordinal), mark);
        }
        let covered: Vec<u32> = marks.stretches().flatten().collect();
        let expected: Vec<u32> = (0u32..).zip(plain).filter(|(_, mark)| mark.is_some()).map(|(at, _)| at).collect();
        prop_assert_eq!(covered, expected);
    }
}

#[test]
fn the_greatest_ordinals_can_be_marked() {
    let mut marks = Marks::default();
    marks.set(0..=u32::MAX, true);
    marks.set(u32::MAX..=u32::MAX, false);
    marks.set(0..=0, false);
    assert_eq!(
        [0, 1, u32::MAX - 1, u32::MAX].map(|at| marks.get(at)),
        [Some(false), Some(true), Some(true), Some(false)]
    );
}
