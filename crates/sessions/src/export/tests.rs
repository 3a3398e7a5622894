use super::*;
use crate::fixture;
use crate::model::{Block, Image, Role};

/// A document of one message.
fn document(blocks: Vec<Block>) -> Document {
    Document {
        session: fixture::session(),
        messages: vec![fixture::message(4, Role::Assistant, blocks)],
        pins: Vec::new(),
        links: Vec::new(),
        mask: None,
        incomplete: None,
    }
}

fn page(text: &str) -> String {
    html(&document(vec![Block::Text(text.to_owned())]), &|_| None)
}

/// What stands inside the page's first message.
fn body(page: &str) -> &str {
    let start = page.find("</header>\n<main>").expect("a main part");
    &page[start..]
}

#[test]
fn nothing_of_a_conversation_becomes_markup() {
    for hostile in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=alert(1)>b</b>",
        "<!-- --><style>*{display:none}</style>",
        "<svg/onload=alert(1)>",
        "<iframe src=https://example.org></iframe>",
        "</article></main><h1>x</h1>",
        "```\"><script>alert(1)</script>\nx\n```",
        "# x {#msg-4 onclick=alert(1)}",
    ] {
        let page = page(hostile);
        let body = body(&page).to_ascii_lowercase();
        for tag in ["<script", "<img", "<b ", "<style", "<svg", "<iframe", "<h1", "<!--"] {
            assert!(!body.contains(tag), "{hostile}: {body}");
        }
        assert_eq!(body.matches("</article>").count(), 1, "{hostile}");
        assert_eq!(body.matches("id=\"msg-4\"").count(), 1, "{hostile}");
    }
}

#[test]
fn links_lead_to_web_and_mail_only_and_pictures_are_not_loaded() {
    for hostile in [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,hi)",
        "[x](file:///etc/passwd)",
        "[x](//example.org)",
        "![x](data:image/svg+xml;base64,AA)",
        "<javascript:alert(1)>",
    ] {
        assert!(!body(&page(hostile)).contains("href=\"java"), "{hostile}");
        let page = page(hostile);
        let hrefs: Vec<&str> = body(&page).split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(hrefs, ["#msg-4"], "{hostile}");
    }
    let good = page("[a](https://example.org/?a=1&b=\"2\") ![p](https://example.org/p.png) <me@example.org>");
    assert!(
        good.contains("<a href=\"https://example.org/p.png\" rel=\"noopener noreferrer nofollow\">p</a>"),
        "{good}"
    );
    assert!(good.contains("<a href=\"mailto:me@example.org\""), "{good}");
    assert!(!good.contains("<img"));
}

#[test]
fn a_page_stands_alone() {
    let page = page("hello");
    assert!(page.contains("default-src 'none'"));
    for outside in ["<script", "<link", "src=\"http", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<title>Fix the &lt;gate&gt;</title>"));
}

#[test]
fn pictures_that_are_kept_are_inside() {
    let image = |media: &str| Block::Image(Image { media: media.to_owned(), bytes: 3, hash: "aa".to_owned() });
    let document = document(vec![image("image/png")]);
    let page = html(&document, &|hash| (hash == "aa").then(|| ("image/png".to_owned(), b"abc".to_vec())));
    assert!(page.contains("src=\"data:image/png;base64,YWJj\""));
    // What can hold scripts is not shown.
    let page = html(&document, &|_| Some(("image/svg+xml".to_owned(), b"<svg/>".to_vec())));
    assert!(!page.contains("<img"));
}

#[test]
fn text_that_is_nested_without_end_is_written_in_bounded_depth() {
    for text in [">".repeat(50_000), "* ".repeat(20_000), "[".repeat(50_000), "**a ".repeat(20_000)] {
        let page = page(&text);
        assert!(page.matches("<blockquote>").count() <= 32);
        assert_eq!(page.matches("<ul>").count(), page.matches("</ul>").count());
    }
}

#[test]
fn calls_are_folded_with_their_outputs() {
    let mut document = document(vec![Block::Call(fixture::bash("cargo test"))]);
    document.messages[0].results = vec![fixture::output(4, 0, "ok <1>")];
    let page = html(&document, &|_| None);
    assert!(page.contains("<details><summary><b>Bash</b> <code>cargo test</code></summary>"), "{page}");
    assert!(page.contains("<pre>ok &lt;1&gt;</pre>"));
    let text = markdown(&document);
    assert!(text.contains("**Bash**: `cargo test`"), "{text}");
    assert!(text.contains("```\nok <1>\n```"), "{text}");
}

#[test]
fn no_text_ends_its_fence() {
    let text = markdown(&document(vec![Block::Other { kind: "x".to_owned(), json: "\"````\\n# no\"".to_owned() }]));
    assert!(text.contains("`````json\n"), "{text}");
}

#[test]
fn json_says_all_of_it() {
    let mut document = document(vec![Block::Text("hi".to_owned()), Block::Call(fixture::bash("ls"))]);
    document.messages[0].results = vec![fixture::output(4, 0, "a.txt")];
    let value = json(&document);
    assert_eq!(value["type"], "session-export");
    assert_eq!(value["session"]["id"], document.session.id.as_str());
    assert_eq!(value["session"]["cost"], 1.23);
    assert_eq!(value["messages"][0]["ordinal"], 4);
    assert_eq!(value["messages"][0]["blocks"][0]["text"], "hi");
    assert_eq!(value["messages"][0]["blocks"][1]["input"]["command"], "ls");
    assert_eq!(value["messages"][0]["results"][0]["content"], "a.txt");
}

#[test]
fn a_gist_is_what_says_most() {
    let call = |input: &str| crate::model::ToolCall { input: input.to_owned(), ..fixture::bash("") };
    assert_eq!(gist(&call("{\"description\":\"x\",\"command\":\"ls\\n -l\"}")), "ls -l");
    assert_eq!(gist(&call("{\"command\":[\"git\",\"log\"]}")), "git log");
    assert_eq!(gist(&call("{\"odd\":{\"a\":1}}")), "{\"a\":1}");
    assert_eq!(gist(&call("not json")), "not json");
    assert_eq!(gist(&call("{}")), "");
}

#[test]
fn in_markdown_a_message_is_neither_html_nor_picture_nor_script() {
    for hostile in [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)>",
        "- ```\n<script>alert(1)</script>",
        "<div>\n```\n\n```\n<script>alert(1)</script>",
        "\\<script>alert(1)</script>",
        "![p](https://example.org/p.png)",
        "!![p](https://example.org/p.png)",
        "![p]\n\n[p]: https://example.org/p.png",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java&#115;cript:alert(1))",
        "[x](data:text/html,hi)",
        "[x]\n\n[x]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "## #9 assistant",
        "#9 assistant\n---",
        "> #9 assistant\n> ===",
        "x\r## #9 assistant",
    ] {
        for block in [Block::Text(hostile.to_owned()), Block::Thinking(hostile.to_owned())] {
            let text = markdown(&document(vec![block]));
            let mut headings = 0;
            for event in pulldown_cmark::Parser::new(&text) {
                use pulldown_cmark::{Event, HeadingLevel, Tag};
                match event {
                    Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }) => {
                        panic!("{hostile}: {text}")
                    }
                    Event::Start(Tag::Link { dest_url, .. }) => {
                        assert!(dest_url.starts_with("https://"), "{hostile}: {text}")
                    }
                    Event::Start(Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. }) => headings += 1,
                    _ => {}
                }
            }
            assert_eq!(headings, 2, "{hostile}: {text}");
        }
    }
}

#[test]
fn in_markdown_code_stays_as_it_is_and_ends_with_its_message() {
    for open in ["```html\n<b>", "~~~~\n<b>\n~~~", "````\n```\n<b>"] {
        let mut document = document(vec![Block::Text(open.to_owned())]);
        document.messages.push(fixture::message(5, Role::Assistant, vec![Block::Text("a `<b>` c".to_owned())]));
        let text = markdown(&document);
        assert!(text.contains("<b>\n"), "{text}");
        assert!(text.contains("a `<b>` c"), "{text}");
        let headings = pulldown_cmark::Parser::new(&text)
            .filter(|event| matches!(event, pulldown_cmark::Event::Start(pulldown_cmark::Tag::Heading { .. })))
            .count();
        assert_eq!(headings, 3, "{text}");
    }
}

#[test]
fn markdown_that_is_hostile_without_end_is_written() {
    for text in [">".repeat(50_000), "[".repeat(50_000), "<".repeat(50_000), "![".repeat(20_000), "```\n".repeat(9_999)]
    {
        assert!(!markdown(&document(vec![Block::Text(text)])).is_empty());
    }
}

#[test]
fn what_is_missing_is_named_at_the_head_and_where_it_is() {
    let missing = Incomplete {
        messages: vec![0..=3, 6..=6, 9..=9],
        lacks_facts: true,
        may_go_on: false,
        log: "0123456789abcdef0123456789abcdef".parse().expect("a log"),
        n_records: 3,
    };
    let said = |n| fixture::message(n, Role::Assistant, vec![Block::Text(format!("word {n}"))]);
    let mut document = Document { messages: vec![said(4), said(5), said(7)], ..document(Vec::new()) };
    assert_eq!(json(&document)["session"]["incomplete"], serde_json::Value::Null);
    assert!(!markdown(&document).contains("issing here") && !html(&document, &|_| None).contains("class=\"gap\""));
    document.incomplete = Some(missing);
    let expected = serde_json::json!({
        "messages": [[0, 3], [6, 6], [9, 9]], "facts": true, "end": false,
        "log": "0123456789abcdef0123456789abcdef", "records": 3,
    });
    assert_eq!(json(&document)["session"]["incomplete"], expected);
    for text in [markdown(&document).replace('\\', ""), html(&document, &|_| None)] {
        let places: Vec<usize> = [
            "6 messages (#0 to #3, #6, #9); its name",
            "#0 to #3 missing here",
            "word 4",
            "word 5",
            "#6 missing here",
            "word 7",
            "#9 missing here",
        ]
        .map(|words| text.find(words).unwrap_or_else(|| panic!("{words} is not in {text}")))
        .into();
        assert!(places.is_sorted(), "{places:?} {text}");
    }
}
