use super::*;

#[test]
fn words_are_parted_below_what_a_value_may_hold_and_none_is_lost() {
    let list: Vec<String> = (0..200_000).map(|at| format!("word-{at:010}")).collect();
    let parts = parts(&list);
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= PART_BYTES_MAX && !part.is_empty()));
    let back: Vec<&str> = parts.iter().flat_map(|part| part.split(' ')).collect();
    assert_eq!(back, list);
}

#[test]
fn what_is_no_word_is_left_out() {
    let long = "x".repeat(WORD_BYTES_MAX + 1);
    assert_eq!(parts(&["a b".to_owned(), String::new(), long, " c ".to_owned()]), ["a b c"]);
    assert_eq!(parts(&[]), [""]);
}
