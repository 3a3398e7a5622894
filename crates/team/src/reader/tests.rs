use super::*;

fn link(ordinal: Option<u32>) -> Permalink {
    Permalink { store: "a1b2".into(), owner: "7".into(), session: "0123456789abcdef".into(), ordinal }
}

#[test]
fn a_permalink_is_what_it_was_written_as() {
    for (ordinal, text) in [
        (None, "carry://team/a1b2/7/0123456789abcdef"),
        (Some(0), "carry://team/a1b2/7/0123456789abcdef#0"),
        (Some(u32::MAX), "carry://team/a1b2/7/0123456789abcdef#4294967295"),
    ] {
        assert_eq!(link(ordinal).to_string(), text);
        assert_eq!(Permalink::parse(text), Some(link(ordinal)));
    }
}

#[test]
fn what_is_not_quite_a_permalink_is_none() {
    let long = format!("carry://team/{}/7/0123456789abcdef", "a".repeat(65));
    for text in [
        "",
        "carry://team/",
        "carry://team/a/b",
        "carry://team/a1b2/7/0123456789abcde",
        "carry://team/a1b2/7/0123456789ABCDEF",
        "carry://team/a1b2/7/0123456789abcdeg",
        "carry://team/a1b2/7/0123456789abcdef/",
        "carry://team/a1b2/7/0123456789abcdef#",
        "carry://team/a1b2/7/0123456789abcdef#+1",
        "carry://team/a1b2/7/0123456789abcdef#-1",
        "carry://team/a1b2/7/0123456789abcdef#01",
        "carry://team/a1b2/7/0123456789abcdef#1#2",
        "carry://team/a1b2/7/0123456789abcdef#4294967296",
        "carry://team/a1b2/7/0123456789abcdef#१",
        "carry://team//7/0123456789abcdef",
        "carry://team/a1b2//0123456789abcdef",
        "carry://team/a%31b2/7/0123456789abcdef",
        "carry://team/../7/0123456789abcdef/x",
        "carry://team/a b/7/0123456789abcdef",
        "carry://team/a1b2/é/0123456789abcdef",
        "carry://team/a1b2/7/0123456789abcdéf",
        "carry://team/a1b2/7/0123456789abcdef\n",
        " carry://team/a1b2/7/0123456789abcdef",
        "Carry://team/a1b2/7/0123456789abcdef",
        "https://team/a1b2/7/0123456789abcdef",
        long.as_str(),
    ] {
        assert_eq!(Permalink::parse(text), None, "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_parses_is_written_the_same(text in "carry://team/[a-z0-9./#%]{0,12}/[0-9]{0,3}/[0-9a-g]{15,17}(#[0-9+-]{0,11})?") {
        if let Some(link) = Permalink::parse(&text) {
            proptest::prop_assert_eq!(link.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_taken_without_harm(text in "\\PC{0,80}") {
        let _ = Permalink::parse(&text);
        let _ = Permalink::parse(&format!("{SCHEME}{text}"));
    }
}
