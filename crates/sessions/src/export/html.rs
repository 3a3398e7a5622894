//! One HTML page that stands alone: no scripts, nothing from elsewhere, everything of the conversation escaped.

use std::fmt::{self, Write as _};

use base64::Engine as _;

use super::markdown::is_of;
use super::{Document, gist, link_kind, pretty, speaker, status};
use crate::archive::{StoredMessage, StoredResult};
use crate::model::{Block, Image, Role, ToolCall};

mod prose;

use prose::escape;

/// How the page looks.
const STYLE: &str = include_str!("html/page.css");
/// What the page may load: its own style and the pictures inside it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
/// Pictures that browsers show and that cannot hold scripts.
const SHOWN: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A picture's media type and bytes, if they are kept.
type Kept = Option<(String, Vec<u8>)>;

/// One HTML page without scripts from elsewhere, remote images or raw HTML of the conversation; pictures that are kept are inlined.
pub fn html(document: &Document, picture: &dyn Fn(&str) -> Kept) -> String {
    let mut page = Page { out: String::new(), document, picture };
    // Writing to a string does not fail.
    let _ = page.write();
    page.out
}

/// A page under way.
struct Page<'a> {
    out: String,
    document: &'a Document,
    picture: &'a dyn Fn(&str) -> Kept,
}

impl Page<'_> {
    fn write(&mut self) -> fmt::Result {
        let title = self.document.title();
        write!(
            self.out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1>{}</h1>\n",
            escape(&title),
            escape(&title)
        )?;
        self.facts()?;
        self.out.push_str("</header>\n<main>\n");
        for (at, stored) in self.document.messages.iter().enumerate() {
            self.gaps(at)?;
            self.message(stored)?;
        }
        self.gaps(self.document.messages.len())?;
        self.out.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn gaps(&mut self, at: usize) -> fmt::Result {
        let document = self.document;
        document.gaps_before(at).try_for_each(|gap| writeln!(self.out, "<p class=\"gap\">{}</p>", escape(&gap)))
    }

    fn facts(&mut self) -> fmt::Result {
        let session = &self.document.session;
        let rows = [
            ("Agent", Some(session.agent.title().to_owned())),
            ("Session", Some(session.id.to_string())),
            ("Project", Some(session.project.clone())),
            ("Folder", session.cwd.clone()),
            ("Branch", session.branch.clone()),
            ("Model", session.model.clone()),
            ("Started", session.started.map(|at| at.to_rfc3339())),
            ("Ended", session.ended.map(|at| at.to_rfc3339())),
            ("Labels", (!session.labels.is_empty()).then(|| session.labels.join(", "))),
            ("Cost", session.cost_micros.map(|micros| format!("${:.2}", micros as f64 / 1e6))),
            ("Missing here", self.document.incomplete.as_ref().map(ToString::to_string)),
            ("Masked", self.document.mask.as_ref().map(|version| format!("yes, rules {version}"))),
        ];
        self.out.push_str("<dl>\n");
        for (name, value) in rows {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                writeln!(self.out, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
            }
        }
        for link in &self.document.links {
            let kind = link_kind(link.kind);
            let subject = link.subject.as_deref().unwrap_or_default();
            let target = match prose::safe_address(&link.target) {
                Some(address) => format!("{}{}</a>", prose::anchor(address), escape(&link.target)),
                None => format!("<code>{}</code>", escape(&link.target)),
            };
            writeln!(self.out, "<dt>{kind}</dt><dd>{target} {}</dd>", escape(subject))?;
        }
        self.out.push_str("</dl>\n");
        Ok(())
    }

    fn message(&mut self, stored: &StoredMessage) -> fmt::Result {
        let message = &stored.message;
        let mut class = if message.role == Role::User { "user" } else { "assistant" }.to_owned();
        if message.is_system {
            class.push_str(" system");
        }
        if message.is_abandoned {
            class.push_str(" abandoned");
        }
        let n = message.ordinal;
        write!(
            self.out,
            "<article id=\"msg-{n}\" class=\"{class}\">\n<header><span class=\"who\">{}</span>",
            escape(&speaker(message))
        )?;
        if let Some(at) = message.at {
            let at = at.to_rfc3339();
            write!(self.out, "<time datetime=\"{at}\">{at}</time>")?;
        }
        if let Some(model) = &message.model {
            write!(self.out, "<span>{}</span>", escape(model))?;
        }
        writeln!(self.out, "<a href=\"#msg-{n}\">#{n}</a></header>")?;
        if let Some(pin) = self.document.pin_of(message) {
            writeln!(self.out, "<p class=\"pin\">Pinned. {}</p>", escape(&pin.note))?;
        }
        for block in &message.blocks {
            match block {
                Block::Text(text) => prose::write(text, &mut self.out),
                Block::Thinking(text) => {
                    self.out.push_str("<details class=\"thinking\"><summary>Thinking</summary>\n");
                    prose::write(text, &mut self.out);
                    self.out.push_str("</details>\n");
                }
                Block::Call(call) => self.call(call, stored)?,
                Block::Image(image) => self.image(image)?,
                Block::Other { kind, json } => writeln!(
                    self.out,
                    "<details><summary>{}</summary><pre>{}</pre></details>",
                    escape(kind),
                    escape(&pretty(json))
                )?,
            }
        }
        self.out.push_str("</article>\n");
        Ok(())
    }

    fn call(&mut self, call: &ToolCall, stored: &StoredMessage) -> fmt::Result {
        writeln!(
            self.out,
            "<details><summary><b>{}</b> <code>{}</code></summary>\n<pre>{}</pre>",
            escape(&call.name),
            escape(&gist(call)),
            escape(&pretty(&call.input))
        )?;
        for result in stored.results.iter().filter(|result| is_of(result, call)) {
            self.result(result)?;
        }
        self.out.push_str("</details>\n");
        Ok(())
    }

    fn result(&mut self, stored: &StoredResult) -> fmt::Result {
        let result = &stored.result;
        let ended = status(result.status);
        let class = if ended == Some("failed") { " class=\"failed\"" } else { "" };
        let ended = ended.map(|ended| format!(" ({ended})")).unwrap_or_default();
        write!(self.out, "<p{class}>Output{ended}</p>\n<pre>")?;
        if result.content.is_empty() && result.content_bytes > 0 {
            write!(self.out, "{} bytes, not kept", result.content_bytes)?;
        } else {
            self.out.push_str(&escape(&result.content));
        }
        self.out.push_str("</pre>\n");
        result.images.iter().try_for_each(|image| self.image(image))
    }

    fn image(&mut self, image: &Image) -> fmt::Result {
        let kept = (self.picture)(&image.hash).filter(|(media, _)| SHOWN.contains(&media.as_str()));
        match kept {
            Some((media, bytes)) => {
                write!(self.out, "<p><img alt=\"Picture\" src=\"data:{media};base64,")?;
                base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut self.out);
                self.out.push_str("\"></p>\n");
                Ok(())
            }
            None => writeln!(
                self.out,
                "<p>{}: {}, {} bytes</p>",
                super::picture_or_document(&image.media),
                escape(&image.media),
                image.bytes
            ),
        }
    }
}
