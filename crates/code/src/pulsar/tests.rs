use super::*;
use crate::git::fixture::Fixture;

mod contract;
mod filling;
mod reading;

fn stream(slug: &str, branch: &str) -> Stream {
    Stream { slug: slug.to_owned(), branch: Branch::Named(branch.into()) }
}

#[test]
fn a_stream_is_its_first_component_and_the_rest() {
    let read = |rest: &str| Stream::from_remote(&format!("{STREAMS}{rest}"));
    assert_eq!(read("laptop--01234567/main"), Some(stream("laptop--01234567", "main")));
    assert_eq!(read("laptop--01234567/feature/x/y"), Some(stream("laptop--01234567", "feature/x/y")));
    assert_eq!(read("macbook--macbook/main"), Some(stream("macbook--macbook", "main")));
    let whole = "b08dfa6083e7567a1921a715000001fb";
    assert_eq!(read(&format!("{whole}/main")), Some(stream(whole, "main")));
    assert_eq!(read("my.host_2+é--01234567/main"), Some(stream("my.host_2+é--01234567", "main")));
}

#[test]
fn what_is_no_stream_is_passed_over() {
    for name in [
        "refs/heads/wip/pulsar",
        "refs/heads/wip/pulsar/",
        "refs/heads/wip/pulsar/laptop--01234567",
        "refs/heads/wip/pulsar//main",
        "refs/heads/wip/pulsar/laptop/",
        "refs/heads/wip/pulsar/laptop/../../main",
        "refs/heads/wip/pulsar/laptop/a b",
        "refs/heads/main",
        "refs/carry/a/b/c",
    ] {
        assert_eq!(Stream::from_remote(name), None, "{name}");
    }
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(Stream::from_remote(&format!("{STREAMS}{long}/main")), None);
    assert_eq!(Stream::from_remote(&format!("{STREAMS}laptop/{long}")), None);
}

#[test]
fn every_stream_has_a_ref_of_its_own_that_gives_its_name_back() {
    let fixture = Fixture::new();
    let long = "ü".repeat(NAME_BYTES_MAX / 2);
    let names = [
        "main",
        "Main",
        "feature",
        "feature/x",
        "a%2fb",
        "-x",
        "x.lock1",
        "日本語/枝",
        "@",
        "a+b",
        "a+",
        long.as_str(),
    ];
    let mut refs = Vec::new();
    for slug in ["laptop--01234567", "Laptop--01234567", "..odd;name'", long.as_str()] {
        for branch in names {
            let stream = stream(slug, branch);
            let name = stream.fetched_ref();
            assert_eq!(Stream::from_fetched(&name), Some(stream), "{name}");
            // Git takes it, beside all the others.
            fixture.git(&["update-ref", &name, "HEAD"]);
            refs.push(name.to_lowercase());
        }
    }
    let n = refs.len();
    refs.sort();
    refs.dedup();
    assert_eq!(refs.len(), n, "some would meet where file names are folded");
}

#[test]
fn nothing_else_below_the_fetched_streams_is_one() {
    for rest in ["a", "a/", "/a", "a/b/c", "a/B", "a/%41%", "a/%62", "a+/b", "a/b+", "a/b+/", "+/a/b", "a/%ff"] {
        assert_eq!(Stream::from_fetched(&format!("{FETCHED}{rest}")), None, "{rest}");
    }
}

#[test]
fn a_stream_says_where_it_lies_on_a_remote() {
    let name = "refs/heads/wip/pulsar/laptop--01234567/feature/x";
    assert_eq!(Stream::from_remote(name).unwrap().remote_ref(), name);
}
