use carry_kernel::home::Home;

use super::*;

fn id(digit: char) -> ObjectId {
    ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
}

#[test]
fn a_line_has_one_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut registry = Registry::open(&Home::at(dir.path())).unwrap();
    let (tree, other): (TreeId, TreeId) = ("0123456789ab".parse().unwrap(), "ba9876543210".parse().unwrap());
    let (main, odd) = (Branch::Named("main".into()), Branch::Named(b"\xff %".as_slice().into()));
    assert_eq!(registry.finished(&tree).unwrap(), []);
    registry.set_finished(&tree, &main, id('a')).unwrap();
    registry.set_finished(&tree, &odd, id('b')).unwrap();
    registry.set_finished(&tree, &main, id('c')).unwrap();
    registry.set_finished(&other, &main, id('d')).unwrap();
    let mut marks = registry.finished(&tree).unwrap();
    marks.sort();
    let mut expected = vec![(main.clone(), id('c')), (odd, id('b'))];
    expected.sort();
    assert_eq!(marks, expected);
    assert_eq!(registry.finished(&other).unwrap(), [(main, id('d'))]);
}
