//! Markdown of strangers as HTML: what looks like HTML in it is text, links go to web and mail only, pictures are links.

use std::fmt::Write as _;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

/// Longer texts are shown as they are: nobody reads them as prose.
const MARKDOWN_BYTES_MAX: usize = 512 * 1024;
/// Elements inside each other; what lies deeper is shown without its own.
const DEPTH_MAX: usize = 32;

/// Writes Markdown as HTML.
pub(super) fn write(text: &str, out: &mut String) {
    if text.len() > MARKDOWN_BYTES_MAX {
        let _ = writeln!(out, "<pre>{}</pre>", escape(text));
        return;
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = Safe { events: Parser::new_ext(text, options), depth: 0, links: Vec::new() };
    pulldown_cmark::html::push_html(out, events);
}

/// Events that are safe to write as HTML.
struct Safe<I> {
    events: I,
    depth: usize,
    /// What closes each link that is open.
    links: Vec<&'static str>,
}

impl<'a, I: Iterator<Item = Event<'a>>> Iterator for Safe<I> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            return Some(match self.events.next()? {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        continue;
                    }
                    self.start(tag)
                }
                Event::End(tag) => {
                    let depth = self.depth;
                    self.depth = depth.saturating_sub(1);
                    if depth > DEPTH_MAX {
                        continue;
                    }
                    self.end(tag)
                }
                Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
                // Lines stay lines: people break them on purpose.
                Event::SoftBreak => Event::HardBreak,
                Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                    Event::Text(text)
                }
                other @ (Event::Text(_)
                | Event::Code(_)
                | Event::HardBreak
                | Event::Rule
                | Event::TaskListMarker(_)) => other,
            });
        }
    }
}

impl<I> Safe<I> {
    fn start<'a>(&mut self, tag: Tag<'a>) -> Event<'a> {
        match tag {
            Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. } => {
                let address = match link_type {
                    LinkType::Email => format!("mailto:{dest_url}"),
                    _ => dest_url.to_string(),
                };
                // A link inside a link is none.
                let address = safe_address(&address).filter(|_| self.links.is_empty());
                self.links.push(if address.is_some() { "</a>" } else { "</span>" });
                markup(address.map_or_else(|| "<span>".to_owned(), anchor))
            }
            // What is inside is escaped.
            Tag::HtmlBlock => Event::Start(Tag::Paragraph),
            // What is written on the fence would become a class.
            Tag::CodeBlock(_) => Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)),
            // Headings of the conversation have no ids: those are the page's.
            Tag::Heading { level, .. } => {
                Event::Start(Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() })
            }
            other => Event::Start(other),
        }
    }

    fn end<'a>(&mut self, tag: TagEnd) -> Event<'a> {
        match tag {
            TagEnd::Link | TagEnd::Image => markup(self.links.pop().unwrap_or_default().to_owned()),
            TagEnd::HtmlBlock => Event::End(TagEnd::Paragraph),
            TagEnd::Heading(level) => Event::End(TagEnd::Heading(below(level))),
            other => Event::End(other),
        }
    }
}

/// Markup of ours, written as it is.
fn markup<'a>(html: String) -> Event<'a> {
    Event::InlineHtml(CowStr::from(html))
}

/// The page's own title is the only one of the first level.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// The address if it leads to web or mail.
pub(super) fn safe_address(address: &str) -> Option<&str> {
    let is_safe = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    (is_safe && !address.contains(char::is_control)).then_some(address)
}

/// The beginning of a link.
pub(super) fn anchor(address: &str) -> String {
    format!("<a href=\"{}\" rel=\"noopener noreferrer nofollow\">", escape(address))
}

/// Text as HTML shows it, in elements and in attributes. Control characters and what turns text around become visible.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\r' => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}
