use super::*;

fn plain(said: &str) -> String {
    let mut page = Page::new(false);
    page.markdown(said);
    page.finish()
}

#[test]
fn markdown_is_readable_without_colour() {
    let said = "# Plan\n\nDo **this** and `that`:\n\n1. one\n2. two\n   - deep\n\n> quoted\n\n```rust\nfn a() {}\n```\n[doc](https://example.org)";
    let expected = "# Plan\n\nDo this and `that`:\n\n1. one\n2. two\n  - deep\n\n│ quoted\n\n    fn a() {}\n\ndoc (https://example.org)\n";
    assert_eq!(plain(said), expected);
}

#[test]
fn emphasis_is_style_and_ends_where_it_ends() {
    let mut page = Page::new(true);
    page.markdown("a **b** c");
    let bold = Style::new().bold();
    assert_eq!(page.finish(), format!("a {bold}b{bold:#} c\n"));
}

#[test]
fn nothing_said_can_steer_the_terminal() {
    for hostile in ["a\u{1b}[2Jb", "`\u{1b}]0;x\u{7}`", "```\n\u{1b}c\n```", "<b\u{1b}>", "[x](a\u{1b}b)", "a\u{202e}b"]
    {
        let shown = plain(hostile);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{hostile:?}: {shown:?}");
    }
}

#[test]
fn endless_nesting_is_shown_in_bounded_width() {
    let shown = plain(&format!("{} x", ">".repeat(10_000)));
    assert!(shown.len() < 200, "{}", shown.len());
    plain(&"[".repeat(50_000));
    plain(&"*a **b ".repeat(5_000));
}
