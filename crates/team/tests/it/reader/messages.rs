//! Messages.

use carry_sessions::model::Block;
use carry_team::reader::{Permalink, Reader as _};
use carry_team::sink::Class;

use super::rig::{Put, Rig, any};

const A: &str = "aaaaaaaaaaaaaaaa";

fn link(rig: &Rig) -> Permalink {
    rig.reader().list(&any()).expect("an answer").items[0].link.clone()
}

#[test]
fn messages_come_page_by_page_with_their_results() {
    let rig = Rig::new();
    let many: Vec<_> = (0..70).map(|n| ("assistant", "schöne Grüße 登录", (n % 2 == 0).then_some("out"))).collect();
    rig.put(&Put { id: A, messages: &many, ..Put::default() });
    let link = link(&rig);
    let mut reader = rig.reader();
    let (mut ordinals, mut from) = (Vec::new(), 0);
    loop {
        let page = reader.messages(&link, from, 30).expect("an answer");
        let Some(last) = page.last() else { break };
        from = last.message.ordinal + 1;
        for stored in &page {
            let ordinal = stored.message.ordinal;
            ordinals.push(ordinal);
            assert_eq!(stored.message.blocks[0], Block::Text("schöne Grüße 登录".into()));
            let outputs: Vec<&str> = stored.results.iter().map(|result| result.result.content.as_str()).collect();
            assert_eq!(outputs, if ordinal % 2 == 0 { vec!["out"] } else { vec![] });
        }
    }
    assert_eq!(ordinals, (0..70).collect::<Vec<_>>());
    assert_eq!(reader.messages(&link, u32::MAX, 1).expect("an answer"), []);
    assert_eq!(reader.messages(&link, 0, 0).expect("an answer"), []);
}

#[test]
fn large_messages_come_in_smaller_pages_and_all_of_them() {
    let rig = Rig::new();
    let unit = rig.put(&Put { id: A, messages: &[("user", "a", None); 5], ..Put::default() });
    // Twelve megabytes each.
    rig.sql(&format!(
        "UPDATE messages SET json = replace(json::text, '\"a\"', '\"' || repeat('0123456789ab', 1000000) || '\"')::json
         WHERE unit = {unit}"
    ));
    let link = link(&rig);
    let mut reader = rig.reader();
    let first = reader.messages(&link, 0, 100).expect("an answer");
    assert_eq!(first.len(), 2);
    let next = reader.messages(&link, 2, 100).expect("an answer");
    assert_eq!(next.iter().map(|stored| stored.message.ordinal).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn messages_whose_results_are_large_come_in_smaller_pages_too() {
    let rig = Rig::new();
    let unit = rig.put(&Put { id: A, messages: &[("assistant", "a", Some("out")); 5], ..Put::default() });
    rig.sql(&format!(
        "UPDATE results SET json = replace(json::text, '\"out\"', '\"' || repeat('0123456789ab', 1000000) || '\"')::json
         WHERE unit = {unit}"
    ));
    let link = link(&rig);
    let mut reader = rig.reader();
    let first = reader.messages(&link, 0, 100).expect("an answer");
    assert_eq!(first.iter().map(|stored| stored.results.len()).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(reader.messages(&link, 4, 100).expect("an answer").len(), 1);
}

#[test]
fn a_message_has_all_of_its_results_however_large_they_are_together() {
    let rig = Rig::new();
    let unit = rig.put(&Put { id: A, messages: &[("assistant", "a", Some("out")); 3], ..Put::default() });
    // Eight of twelve megabytes each, more than is read at a time and than one may have.
    rig.sql(&format!(
        "UPDATE results SET json = replace(json::text, '\"out\"', '\"' || repeat('0123456789ab', 1000000) || '\"')::json
         WHERE unit = {unit} AND ordinal = 0;
         INSERT INTO results SELECT unit, owner, ordinal, idx, event + n, status, at, json, digest
         FROM results, generate_series(1, 7) AS n WHERE unit = {unit} AND ordinal = 0"
    ));
    let link = link(&rig);
    let mut reader = rig.reader();
    let first = reader.messages(&link, 0, 100).expect("an answer");
    assert_eq!(first.iter().map(|stored| stored.results.len()).collect::<Vec<_>>(), [8]);
    let next = reader.messages(&link, 1, 100).expect("an answer");
    assert_eq!(next.iter().map(|stored| stored.results.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_is_no_message_is_an_error_that_names_session_and_message() {
    let rig = Rig::new();
    let unit =
        rig.put(&Put { id: A, messages: &[("user", "a", None), ("assistant", "b", Some("c"))], ..Put::default() });
    let link = link(&rig);
    let nested = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    for json in ["{}", "7", "null", "[]", "{\"ordinal\": 9, \"role\": \"user\", \"blocks\": []}", nested.as_str()] {
        rig.sql(&format!("UPDATE messages SET json = '{json}' WHERE unit = {unit} AND ordinal = 1"));
        let error = rig.reader().messages(&link, 0, 10).expect_err(json);
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains("message 1 of session aaaaaaaaaaaaaaaa"), "{}", error.message);
        assert_eq!(rig.reader().messages(&link, 0, 1).expect("the first is whole").len(), 1);
    }
}
