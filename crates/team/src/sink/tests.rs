use super::*;

#[test]
fn a_summary_depends_on_every_root_and_on_their_order() {
    let roots = [Some(Root([1; 32])), Some(Root([2; 32])), None];
    let of = |order: [usize; 3]| summary_of(order.map(|at| ("key", roots[at])));
    assert_eq!(of([0, 1, 2]).count, 3);
    assert_ne!(of([0, 1, 2]), of([1, 0, 2]));
    assert_ne!(of([0, 1, 2]), summary_of([("key", roots[0]), ("key", roots[1])]));
    assert_eq!(of([0, 1, 2]), summary_of([("a", roots[0]), ("b", roots[1]), ("c", Some(Root([0; 32])))]));
    assert_eq!(summary_of::<&str>([]), Summary::default());
}
