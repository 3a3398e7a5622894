//! The answer 207: what a server says of several resources, in XML.
//!
//! Read while it comes, so that a listing of any length takes the memory of one entry. Only elements of the namespace `DAV:`
//! count, whatever their prefix; a document with declarations of its own, through which text can grow without bound, is
//! refused.

use std::io::BufRead;
use std::ops::ControlFlow;

use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

/// Deepest element: those of the protocol lie six deep, and what properties hold may lie deeper.
const DEPTH_MAX: usize = 32;

/// Longest text that is kept, in bytes: a path of 4096, encoded.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Names that one entry may have: servers give one.
const HREFS_MAX: usize = 16;

/// What is said of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its address, as it was written.
    pub(super) href: String,
    /// The status of the whole resource, where there is one.
    pub(super) status: Option<u16>,
    pub(super) is_folder: bool,
    pub(super) bytes: Option<u64>,
    /// Its ETag, as it was written.
    pub(super) tag: Option<String>,
    /// When it was changed, as it was written.
    pub(super) modified: Option<String>,
}

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It ends early.
    #[error("the server's answer ends in the middle")]
    Cut,
    /// It is something else.
    #[error("the server's answer is not the XML of WebDAV ({0})")]
    NotDav(&'static str),
    /// It could not be had; the source knows more.
    #[error("the server's answer could not be read")]
    Source,
}

/// Where an answer comes from.
pub(super) trait Source: BufRead {
    /// A piece of it was understood: what was read so far takes no room any more.
    fn understood(&mut self) {}
}

impl Source for &[u8] {}

/// The elements that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Multistatus,
    Response,
    Href,
    Propstat,
    Prop,
    Status,
    Bytes,
    Etag,
    Modified,
    Kind,
    Collection,
    Other,
}

impl Tag {
    fn of(namespace: &ResolveResult<'_>, name: &[u8]) -> Self {
        if *namespace != ResolveResult::Bound(Namespace(b"DAV:")) {
            return Self::Other;
        }
        match name {
            b"multistatus" => Self::Multistatus,
            b"response" => Self::Response,
            b"href" => Self::Href,
            b"propstat" => Self::Propstat,
            b"prop" => Self::Prop,
            b"status" => Self::Status,
            b"getcontentlength" => Self::Bytes,
            b"getetag" => Self::Etag,
            b"getlastmodified" => Self::Modified,
            b"resourcetype" => Self::Kind,
            b"collection" => Self::Collection,
            _ => Self::Other,
        }
    }
}

/// Reading under way.
#[derive(Default)]
struct Reading {
    open: Vec<Tag>,
    is_begun: bool,
    is_done: bool,
    text: String,
    hrefs: Vec<String>,
    /// What is known of the response.
    entry: Entry,
    /// What a group of properties says, until its status is known.
    said: Entry,
}

/// Hands each entry to `each` as it comes, until that breaks; says whether it did.
pub(super) fn read<S: Source>(
    source: S,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Broken> {
    let mut reader = NsReader::from_reader(source);
    reader.config_mut().expand_empty_elements = true;
    let (mut reading, mut piece) = (Reading::default(), Vec::new());
    while !reading.is_done {
        piece.clear();
        let (namespace, event) = match reader.read_resolved_event_into(&mut piece) {
            Ok(read) => read,
            Err(quick_xml::Error::Io(_)) => return Err(Broken::Source),
            Err(_) => return Err(Broken::NotDav("it is not well-formed")),
        };
        match event {
            Event::Start(start) => reading.begin(Tag::of(&namespace, start.local_name().as_ref()))?,
            Event::End(_) => {
                if reading.end(each)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Event::Text(text) => reading.add(&text.decode().map_err(|_| NOT_TEXT)?)?,
            Event::CData(text) => reading.add(&text.decode().map_err(|_| NOT_TEXT)?)?,
            Event::GeneralRef(reference) => {
                let named = reference.decode().map_err(|_| NOT_TEXT)?;
                let text = match &*named {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => reference.resolve_char_ref().ok().flatten().ok_or(Broken::NotDav("it names an entity"))?,
                };
                reading.add(text.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(Broken::NotDav("it declares a document type")),
            Event::Eof => return Err(if reading.is_begun { Broken::Cut } else { Broken::NotDav("it is empty") }),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
        }
        reader.get_mut().understood();
    }
    Ok(ControlFlow::Continue(()))
}

const NOT_TEXT: Broken = Broken::NotDav("it is not UTF-8");

impl Reading {
    fn begin(&mut self, tag: Tag) -> Result<(), Broken> {
        if self.open.len() == DEPTH_MAX {
            return Err(Broken::NotDav("it is too deep"));
        }
        if self.open.is_empty() && tag != Tag::Multistatus {
            return Err(Broken::NotDav("it is no multistatus"));
        }
        self.is_begun = true;
        self.open.push(tag);
        self.text.clear();
        match self.open[..] {
            [Tag::Multistatus, Tag::Response] => {
                self.hrefs.clear();
                self.entry = Entry::default();
            }
            [Tag::Multistatus, Tag::Response, Tag::Propstat] => self.said = Entry::default(),
            [.., Tag::Propstat, Tag::Prop, Tag::Kind, Tag::Collection] => self.said.is_folder = true,
            _ => {}
        }
        Ok(())
    }

    /// Adds to the text of what is open, where that is kept.
    fn add(&mut self, text: &str) -> Result<(), Broken> {
        match self.open.last() {
            Some(Tag::Href | Tag::Status | Tag::Bytes | Tag::Etag | Tag::Modified) => {}
            _ => return Ok(()),
        }
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return Err(Broken::NotDav("one of its texts is too long"));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn end(&mut self, each: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<ControlFlow<()>, Broken> {
        let text = self.text.trim();
        match self.open[..] {
            [Tag::Multistatus] => self.is_done = true,
            [Tag::Multistatus, Tag::Response] => {
                for href in std::mem::take(&mut self.hrefs) {
                    if each(Entry { href, ..self.entry.clone() }).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            [Tag::Multistatus, Tag::Response, Tag::Href] => {
                if self.hrefs.len() == HREFS_MAX {
                    return Err(Broken::NotDav("one of its entries has too many names"));
                }
                self.hrefs.push(text.to_owned());
            }
            [Tag::Multistatus, Tag::Response, Tag::Status] => self.entry.status = status(text),
            // Properties that a server does not have come in a group of their own, with a 404.
            [Tag::Multistatus, Tag::Response, Tag::Propstat]
                if self.said.status.is_none_or(|status| (200..300).contains(&status)) =>
            {
                let said = std::mem::take(&mut self.said);
                self.entry.is_folder |= said.is_folder;
                self.entry.bytes = said.bytes.or(self.entry.bytes);
                self.entry.tag = said.tag.or(self.entry.tag.take());
                self.entry.modified = said.modified.or(self.entry.modified.take());
            }
            [.., Tag::Propstat, Tag::Status] => self.said.status = status(text),
            [.., Tag::Propstat, Tag::Prop, Tag::Bytes] => self.said.bytes = text.parse().ok(),
            [.., Tag::Propstat, Tag::Prop, Tag::Etag] => self.said.tag = Some(text.to_owned()),
            [.., Tag::Propstat, Tag::Prop, Tag::Modified] => self.said.modified = Some(text.to_owned()),
            _ => {}
        }
        self.text.clear();
        self.open.pop();
        Ok(ControlFlow::Continue(()))
    }
}

/// `HTTP/1.1 404 Not Found`.
fn status(text: &str) -> Option<u16> {
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests;
