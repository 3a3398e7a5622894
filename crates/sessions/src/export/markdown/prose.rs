//! Markdown of strangers inside ours: what looks like HTML in it is text, pictures are links, links go to web, mail and
//! neighbours only, and nothing in it reaches past its end or looks like a heading of ours.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag};

use super::longest_run;

/// Longer texts are shown as they are: nobody reads them as prose.
const MARKDOWN_BYTES_MAX: usize = 512 * 1024;
/// How often a text is looked at again because what was escaped made it mean something else.
const ROUNDS_MAX: usize = 8;

/// The text, safe to stand between headings of ours.
pub(super) fn safe(text: &str) -> String {
    // A lone carriage return ends a line, too.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = text.trim_end().to_owned();
    if text.len() > MARKDOWN_BYTES_MAX {
        return as_it_is(&text);
    }
    for _ in 0..ROUNDS_MAX {
        let edits = edits(&text);
        if edits.is_empty() {
            return closed(text);
        }
        text = edited(&text, &edits);
    }
    as_it_is(&text)
}

/// What is to be replaced: how many bytes from where on, and by what.
type Edits = BTreeMap<usize, (usize, &'static str)>;

fn edits(text: &str) -> Edits {
    let mut edits = Edits::new();
    let mut code = Vec::new();
    let mut is_in_code = false;
    let parser = Parser::new(text);
    // A definition changes what brackets elsewhere in the document mean.
    for (_, definition) in parser.reference_definitions().iter() {
        edits.insert(definition.span.start, (1, "&#91;"));
    }
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => is_in_code = true,
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => is_in_code = false,
            Event::Text(_) if is_in_code => code.push(range),
            Event::Code(_) => code.push(range),
            Event::Start(Tag::Image { .. }) => {
                let is_after_mark = text[..range.start].ends_with('!');
                edits.insert(range.start, (1, if is_after_mark { "&#33;" } else { "" }));
            }
            Event::Start(Tag::Link { dest_url, .. }) if !is_safe(&dest_url) && text[range.clone()].starts_with('[') => {
                edits.insert(range.start, (1, "&#91;"));
            }
            Event::Start(Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. }) => {
                let heading = &text[range.clone()];
                match underline(heading) {
                    None => edits.insert(range.start, (0, "##")),
                    Some(at) => edits.insert(range.start + at, (0, "\\")),
                };
            }
            _ => {}
        }
    }
    let mut code = code.into_iter().peekable();
    for (at, _) in text.match_indices('<') {
        while code.next_if(|range| range.end <= at).is_some() {}
        if code.peek().is_none_or(|range| at < range.start) {
            edits.insert(at, (1, "&lt;"));
        }
    }
    edits
}

/// Where the line under a heading begins; `None` when the heading begins with `#`.
fn underline(heading: &str) -> Option<usize> {
    let after = heading.trim_start_matches('#');
    let marks = heading.len() - after.len();
    if (1..=6).contains(&marks) && (after.is_empty() || after.starts_with([' ', '\t', '\n'])) {
        return None;
    }
    Some(heading.trim_end().trim_end_matches(['=', '-']).len())
}

fn edited(text: &str, edits: &Edits) -> String {
    let mut out = String::with_capacity(text.len() + 4 * edits.len());
    let mut at = 0;
    for (start, (bytes, by)) in edits {
        out.push_str(&text[at..*start]);
        out.push_str(by);
        at = start + bytes;
    }
    out.push_str(&text[at..]);
    out
}

/// Whether a link leads to the web, to mail or to a place without a scheme.
fn is_safe(address: &str) -> bool {
    let Some((scheme, _)) = address.split_once(':') else { return true };
    scheme.contains(['/', '?', '#'])
        || ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Ends the fence that is open at the end.
fn closed(mut text: String) -> String {
    /// What comes after the text: in code only when a fence is open.
    const AFTER: &str = "\n\nx";
    let whole = format!("{text}{AFTER}");
    let open = Parser::new(&whole).into_offset_iter().find_map(|(event, range)| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) if range.end >= whole.len() => Some(range.start),
        _ => None,
    });
    if let Some(start) = open {
        let fence = &text[start..];
        let mark = if fence.starts_with('~') { '~' } else { '`' };
        let length = fence.len() - fence.trim_start_matches(mark).len();
        text = format!("{text}\n{}", mark.to_string().repeat(length.max(3)));
    }
    text
}

/// The text as code.
fn as_it_is(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}
