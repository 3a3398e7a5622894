//! Markdown on a terminal: headings, emphasis, lists, quotes, code. What could steer the terminal becomes visible.

use anstyle::Style;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::output::style;
use crate::text;

#[cfg(test)]
mod tests;

/// Longer texts are shown as they are.
const MARKDOWN_BYTES_MAX: usize = 512 * 1024;
/// Lists inside each other that are still indented more.
const DEPTH_MAX: usize = 12;

/// What a message says, as lines for the terminal.
pub(crate) struct Page {
    out: String,
    color: bool,
}

impl Page {
    /// An empty one.
    pub(crate) fn new(color: bool) -> Self {
        Self { out: String::new(), color }
    }

    /// The text, without the line break at its end.
    pub(crate) fn finish(mut self) -> String {
        let end = self.out.trim_end_matches('\n').len();
        self.out.truncate(end);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// A line of ours; what comes from elsewhere in it was made harmless before.
    pub(crate) fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// A line of text from elsewhere that matters less.
    pub(crate) fn quiet(&mut self, line: &str) {
        let painted = self.paint(style::DIM, &text::line(&line.replace('\t', "    ")));
        self.line(&painted);
    }

    /// Text from elsewhere that matters less.
    pub(crate) fn dim(&mut self, said: &str) {
        for line in said.trim().lines() {
            self.quiet(&format!("  {line}"));
        }
        self.out.push('\n');
    }

    /// Code or output, as it is.
    pub(crate) fn code(&mut self, code: &str) {
        for line in code.lines() {
            self.quiet(&format!("    {line}"));
        }
        self.out.push('\n');
    }

    /// Markdown.
    pub(crate) fn markdown(&mut self, said: &str) {
        if said.len() > MARKDOWN_BYTES_MAX {
            self.line(&text::lines(said));
            return;
        }
        let mut writer =
            Writer { page: self, styles: Vec::new(), lists: Vec::new(), quotes: 0, links: Vec::new(), in_code: false };
        for event in Parser::new_ext(said, Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS) {
            writer.event(event);
        }
        self.end_paragraph();
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color && style != Style::new() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Ends the line, and leaves one line free.
    fn end_paragraph(&mut self) {
        let end = self.out.trim_end_matches('\n').len();
        self.out.truncate(end);
        if !self.out.is_empty() {
            self.out.push_str("\n\n");
        }
    }

    fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }
}

/// Markdown under way.
struct Writer<'p> {
    page: &'p mut Page,
    styles: Vec<Style>,
    /// Lists that are open, with the next number of those that count.
    lists: Vec<Option<u64>>,
    quotes: usize,
    links: Vec<String>,
    in_code: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(said) | Event::Html(said) | Event::InlineHtml(said) => self.text(&said),
            Event::Code(code) => {
                self.indent();
                let painted = self.page.paint(style::HINT, &text::line(&code));
                // Without colour only the ticks say that it is code.
                let ticks = if self.page.color { "" } else { "`" };
                self.page.out.push_str(&format!("{ticks}{painted}{ticks}"));
            }
            Event::SoftBreak | Event::HardBreak => self.page.end_line(),
            Event::Rule => {
                self.page.end_line();
                self.page.quiet("────────");
                self.page.end_paragraph();
            }
            Event::TaskListMarker(is_done) => {
                self.indent();
                self.page.out.push_str(if is_done { "[x] " } else { "[ ] " });
            }
            Event::InlineMath(said) | Event::DisplayMath(said) | Event::FootnoteReference(said) => self.text(&said),
        }
    }

    fn text(&mut self, said: &str) {
        if self.in_code {
            for line in said.lines() {
                self.indent();
                let painted = self.page.paint(style::HINT, &text::line(&format!("    {line}").replace('\t', "    ")));
                self.page.line(&painted);
            }
            return;
        }
        let style = self.styles.last().copied().unwrap_or_default();
        for (n, line) in said.split('\n').enumerate() {
            if n > 0 {
                self.page.end_line();
            }
            if !line.is_empty() {
                self.indent();
                let painted = self.page.paint(style, &text::line(&line.replace('\t', "    ")));
                self.page.out.push_str(&painted);
            }
        }
    }

    /// Begins a line with what stands before it.
    fn indent(&mut self) {
        if self.page.out.is_empty() || self.page.out.ends_with('\n') {
            for _ in 0..self.quotes.min(DEPTH_MAX) {
                self.page.out.push_str("│ ");
            }
            for _ in 0..self.lists.len().min(DEPTH_MAX) {
                self.page.out.push_str("  ");
            }
        }
    }

    fn push(&mut self, change: impl Fn(Style) -> Style) {
        let style = self.styles.last().copied().unwrap_or_default();
        self.styles.push(change(style));
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.push(Style::bold);
                if !self.page.color {
                    let marks = "#".repeat(usize::from(level as u8));
                    self.page.out.push_str(&format!("{marks} "));
                }
            }
            Tag::Emphasis => self.push(Style::italic),
            Tag::Strong => self.push(Style::bold),
            Tag::Strikethrough => self.push(Style::strikethrough),
            Tag::BlockQuote(_) => {
                self.page.end_line();
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => {
                self.page.end_line();
                self.in_code = true;
            }
            Tag::List(first) => {
                self.page.end_line();
                self.lists.push(first);
            }
            Tag::Item => {
                self.page.end_line();
                let mark = match self.lists.last_mut() {
                    Some(Some(n)) => {
                        *n = n.saturating_add(1);
                        format!("{}. ", n.saturating_sub(1))
                    }
                    _ => "- ".to_owned(),
                };
                let open = self.lists.pop();
                self.indent();
                self.lists.extend(open);
                self.page.out.push_str(&mark);
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.links.push(dest_url.to_string()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.styles.pop();
                self.page.end_paragraph();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.styles.pop();
            }
            TagEnd::Paragraph => match self.lists.is_empty() {
                true => self.page.end_paragraph(),
                false => self.page.end_line(),
            },
            TagEnd::BlockQuote(_) => {
                self.quotes = self.quotes.saturating_sub(1);
                self.page.end_paragraph();
            }
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.page.end_paragraph();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                match self.lists.is_empty() {
                    true => self.page.end_paragraph(),
                    false => self.page.end_line(),
                }
            }
            TagEnd::Item | TagEnd::HtmlBlock => self.page.end_line(),
            TagEnd::Link | TagEnd::Image => {
                // Where a link leads is said, unless it is its own text.
                if let Some(address) = self.links.pop().map(|address| text::line(&address))
                    && !address.is_empty()
                    && !self.page.out.ends_with(&address)
                {
                    let painted = self.page.paint(style::DIM, &format!(" ({address})"));
                    self.page.out.push_str(&painted);
                }
            }
            _ => {}
        }
    }
}
