//! What a sink wrote is what a reader reads.

use carry_kernel::clock::Timestamp;
use carry_sessions::export::message_json;
use carry_sessions::model::Block;
use carry_team::postgres::Postgres;
use carry_team::reader::{Query, Reader as _};
use carry_team::sink::Sink as _;
use carry_team::unit::{Body, Head, Place};
use carry_testkit::postgres::PASSWORD;
use serde_json::json;

use super::rig::{Rig, any};
use crate::rig::{Content, client, key, put, settings, writer};

/// A message in the shape of the store's rows.
fn body(ordinal: u32, text: &str) -> Body {
    let json = json!({"ordinal": ordinal, "key": "k", "role": "user", "subtype": null, "system": false, "abandoned": false,
        "time": null, "model": null, "effort": null, "provider_id": null, "usage": null,
        "blocks": [{"type": "text", "text": text}]});
    Body::Message {
        role: 0,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        json: json.to_string(),
    }
}

#[test]
fn a_session_is_read_as_it_was_written() {
    let rig = Rig::new();
    let role = writer(rig.server);
    let mut content = Content::session(7, 0);
    let Head::Session(head) = &mut content.head else { panic!("it is a session") };
    // What is longer or greater than anything real is cut.
    head.links.iter_mut().for_each(|link| {
        link.subject = Some("Mend the gate".to_owned());
        link.number = Some(12);
        link.target.truncate(100);
    });
    head.session.input_tokens = Some(7);
    let written = head.clone();
    for ordinal in 0..40 {
        content = content.with(Place::Message(ordinal), body(ordinal, &format!("the gate {ordinal} 登录")));
    }
    for bucket in 0..2 {
        let words = ["the", "gate", "39", "登录"].map(str::to_owned).to_vec();
        content = content.with(Place::Words(carry_team::unit::Bucket(bucket)), Body::Words(words));
    }
    let mut sink = Postgres::new(&settings(&rig.server.url(&role, PASSWORD, &rig.database)));
    let opened = sink.open(&client("device", "0123456789abcdef0123456789abcdef")).expect("it opens");
    assert!(put(&mut sink, &key("native"), None, &content).expect("it is taken"));

    let mut reader = rig.reader();
    let listed = reader.list(&any()).expect("an answer");
    assert_eq!((listed.items.len(), listed.notes.len()), (1, 0));
    let shared = &listed.items[0];
    assert_eq!(shared.head, *written);
    assert_eq!((shared.person.as_str(), shared.device.as_str()), ("Ann", "laptop"));
    assert_eq!((&shared.link.store, &shared.link.owner), (&opened.store_id, &opened.owner));
    assert!(shared.pushed > Timestamp::EPOCH);
    let messages = reader.messages(&shared.link, 0, 100).expect("an answer");
    assert_eq!(messages.len(), 40);
    assert_eq!(messages[39].message.blocks, [Block::Text("the gate 39 登录".into())]);
    // Written again they are the same.
    let Body::Message { json, .. } = body(39, "the gate 39 登录") else { panic!("it is a message") };
    let mut again = message_json(&messages[39]);
    again.as_object_mut().expect("an object").remove("results");
    assert_eq!(again, serde_json::from_str::<serde_json::Value>(&json).expect("JSON"));
    let found = reader.search(&Query { text: "\"39 登录\" gate".into(), filter: any(), offset: 0 }).expect("an answer");
    assert_eq!(found.items.iter().map(|hit| hit.ordinal).collect::<Vec<_>>(), [39]);

    sink.remove(&[key("native").to_text()]).expect("it goes");
    assert_eq!(reader.list(&any()).expect("an answer").items, []);
    assert!(reader.messages(&shared.link, 0, 1).is_err());
}
