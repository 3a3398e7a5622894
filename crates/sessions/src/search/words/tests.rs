use proptest::prelude::*;

use super::*;

fn words(text: &str) -> Vec<String> {
    let mut words = Words::default();
    words.add(text);
    let mut out = String::new();
    words.take(&mut out);
    out.split_terminator(' ').map(str::to_owned).collect()
}

#[test]
fn identifiers_give_their_parts_and_themselves() {
    assert_eq!(
        words("readFile2 HTTPServer snake_case_name"),
        ["read", "file2", "readfile2", "http", "server", "httpserver", "snake", "case", "name", "snakecasename"]
    );
}

#[test]
fn a_word_comes_once_a_row_and_again_in_the_next() {
    let mut all = Words::default();
    let mut out = String::new();
    all.add("one two One");
    all.add("TWO three");
    all.take(&mut out);
    assert_eq!(out, "one two three ");
    out.clear();
    all.add("one");
    all.take(&mut out);
    assert_eq!(out, "one ");
}

#[test]
fn scripts_without_blanks_give_pairs_and_the_last_character() {
    assert_eq!(
        words("修复登录 of 漢 テスト한국어"),
        ["修复", "复登", "登录", "录", "of", "漢", "テス", "スト", "ト한", "한국", "국어", "어"]
    );
}

#[test]
fn diacritics_do_not_tell_words_apart() {
    assert_eq!(words("naïve nai\u{308}ve NAÏVE Größe"), ["naive", "große"]);
}

#[test]
fn what_is_longer_than_a_word_gives_nothing() {
    assert_eq!(words(&"a".repeat(64)).len(), 1);
    assert_eq!(words(&"a".repeat(65)), [""; 0]);
    assert_eq!(words(&"aB3_".repeat(100_000)), [""; 0]);
    assert_eq!(words(&"é".repeat(100_000)), [""; 0]);
}

#[test]
fn escapes_in_json_are_no_letters() {
    assert_eq!(
        unescaped(r#"{"a":"x\nfoo\t\"bar\" \u00e9\ud83d\ude00 \\d \q \u12"}"#),
        "{\"a\":\"x\nfoo\t\"bar\" é😀 \\d \\q \\u12\"}"
    );
    let mut words = Words::default();
    words.add_json(r#"{"command":"cd\nmake"}"#);
    let mut out = String::new();
    words.take(&mut out);
    assert_eq!(out, "command cd make ");
}

#[test]
fn many_words_are_all_kept_once() {
    let text: String = (0..100_000).map(|i| format!("w{i} ")).collect();
    let mut found = words(&(text.clone() + &text));
    assert!(found.len() >= 100_000, "{}", found.len());
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 100_000);
}

proptest! {
    #[test]
    fn words_of_a_stretch_between_blanks_are_words_of_the_text(before in "\\PC{0,20}", middle in "\\PC{0,40}", after in "\\PC{0,20}") {
        let all = words(&format!("{before} {middle} {after}"));
        for word in words(&middle) {
            prop_assert!(all.contains(&word), "{:?}", word);
        }
    }

    #[test]
    fn places_are_characters_of_the_text_and_words_stay_short(text in "\\PC{0,80}") {
        pieces(&text, &mut |_, word, place| {
            assert!(text.get(place).is_some());
            assert!(!word.is_empty() && word.len() <= WORD_BYTES_MAX);
        });
    }

    #[test]
    fn words_are_tokens_of_the_index(text in "\\PC{0,80}") {
        for word in words(&text) {
            prop_assert!(word.bytes().all(|b| b >= 0x80 || b.is_ascii_alphanumeric()), "{:?}", word);
        }
    }

    #[test]
    fn any_escape_is_survived(text in "([\\\\u\"a0-9df]|\\PC){0,40}") {
        let _ = unescaped(&text);
    }
}
