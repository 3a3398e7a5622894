use proptest::prelude::*;

use super::*;

fn host(name: &str) -> String {
    let id = DeviceId::new(name, &[7; 32]);
    id.as_str().strip_suffix(&format!("-{}", key_suffix(&[7; 32]))).unwrap().to_owned()
}

#[test]
fn a_host_is_reduced_to_a_plain_name() {
    assert_eq!(host("Laptop.local"), "laptop-local");
    assert_eq!(host("repo.lock"), "repo-lock");
    assert_eq!(host("..Anna's  MacBook Pro!.."), "anna-s-macbook-pro");
    assert_eq!(host("-rf"), "rf");
    assert_eq!(host("Кот"), "device");
    assert_eq!(host(""), "device");
    assert_eq!(host(&"a".repeat(300)), "a".repeat(40));
    assert_eq!(host(&format!("{}-b", "a".repeat(39))), "a".repeat(39));
}

#[test]
fn the_suffix_is_the_hash_of_the_key() {
    // `printf '\0%.0s' {1..32} | sha256sum`
    assert_eq!(DeviceId::new("h", &[0; 32]).as_str(), "h-66687aad");
    assert!(DeviceId::new("h", &[0; 32]).belongs_to(&[0; 32]));
    assert!(!DeviceId::new("h", &[0; 32]).belongs_to(&[1; 32]));
}

#[test]
fn names_of_another_form_are_refused_and_quoted() {
    for text in
        ["", "laptop", "-00000000", "laptop-0000000", "laptop-0000000A", "a/b-00000000", "-a-00000000", "a.lock"]
    {
        let error = text.parse::<DeviceId>().unwrap_err();
        assert_eq!(error, IdError { kind: "device id", text: text.to_owned() });
    }
    assert!(format!("{}-00000000", "a".repeat(41)).parse::<DeviceId>().is_err());
    for text in ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789a/", "../../../../"] {
        assert!(text.parse::<TreeId>().is_err(), "{text}");
    }
    assert_eq!("é".repeat(500).parse::<TreeId>().unwrap_err().text.chars().count(), 100);
}

#[test]
fn tree_ids_are_random() {
    let (a, b) = (TreeId::random(), TreeId::random());
    assert_ne!(a, b);
    assert_eq!(a.as_str().parse(), Ok(a));
}

proptest! {
    #[test]
    fn every_host_gives_an_id_that_reads_back(name in any::<String>(), key in any::<[u8; 32]>()) {
        let id = DeviceId::new(&name, &key);
        prop_assert_eq!(id.as_str().parse::<DeviceId>(), Ok(id.clone()));
        prop_assert!(id.belongs_to(&key));
        prop_assert_eq!(serde_json::from_str::<DeviceId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }
}
