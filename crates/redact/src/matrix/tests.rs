use super::{Hiding, Place, decoys, run};
use crate::{Key, Redactor, Rules};

#[test]
fn enough_texts_must_stay() {
    assert!(decoys().len() >= 60);
}

#[test]
fn hiding_hides_and_leaves_a_trace_to_look_for() {
    let (text, secret) = ("here it is: q7Wn2sLr8YdGfCzHbMeU thanks", "q7Wn2sLr8YdGfCzHbMeU");
    for hiding in Hiding::ALL {
        let hidden = hiding.hide(text);
        let traces = hiding.traces(text, secret);
        assert!(traces.iter().any(|trace| hidden.contains(trace)), "{hiding:?}: {traces:?} in {hidden}");
    }
}

#[test]
fn a_place_holds_what_is_set_into_it() {
    for place in Place::ALL {
        assert!(place.set("q7Wn2sLr").contains("q7Wn2sLr"), "{place:?}");
    }
}

#[test]
fn the_rules_find_what_they_should_and_nothing_else() {
    let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
    let report = run(&redactor, Rules::builtin().all());
    assert!(report.taken.is_empty(), "{report}");
    assert!(report.recall() >= 0.999, "{report}");
    for hiding in Hiding::ALL {
        assert!(report.recall_of(hiding) >= 0.99, "{hiding:?}: {report}");
    }
}

#[test]
fn a_report_counts_every_case_and_names_what_is_missed() {
    let redactor = Redactor::new(Rules::builtin(), Key::new([7; 32]));
    let rule = Rules::builtin().all().iter().find(|rule| rule.id == "github-pat").unwrap();
    let allowing =
        redactor.clone().allowing(crate::AllowList { rules: vec!["github-pat".to_owned()], ..Default::default() });
    let cases = Hiding::ALL.len() * Place::ALL.len();
    let report = run(&redactor, std::slice::from_ref(rule));
    assert_eq!((report.misses.len(), report.hidings.values().map(|part| part.0).sum::<usize>()), (0, cases));
    let report = run(&allowing, std::slice::from_ref(rule));
    assert!(report.misses.len() > cases / 2, "{report}");
    assert!(report.to_string().contains("missed github-pat: plain in prose"), "{report}");
    assert!(report.recall() < 0.5);
}
