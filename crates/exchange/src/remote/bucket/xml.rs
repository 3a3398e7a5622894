//! What servers answer in XML: elements in elements, and text.
//!
//! Only that is read: attributes and comments are skipped, and a document with declarations of its own, through which text can
//! grow without bound, is none of S3's.

/// Deepest element: S3's lie four deep.
const DEPTH_MAX: usize = 16;

/// A document that is not what S3 sends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the server's answer is not the XML that S3 sends")]
pub(super) struct NotXml;

/// An element that ended.
#[derive(Debug)]
pub(super) struct Ended<'a, 'b> {
    /// The names of the elements that it lies in, then its own, the outermost left out.
    pub(super) path: &'b [&'a str],
    /// The text directly in it, with its references resolved.
    pub(super) text: String,
}

/// Hands each element to `each` as it ends, inner ones first. The outermost has an empty path.
pub(super) fn elements<'a>(xml: &'a str, mut each: impl FnMut(Ended<'a, '_>)) -> Result<(), NotXml> {
    let mut open: Vec<(&'a str, String)> = Vec::new();
    let mut path: Vec<&'a str> = Vec::new();
    let mut rest = xml.trim_start_matches('\u{feff}');
    let mut seen = false;
    while let Some(at) = rest.find('<') {
        if let Some((_, text)) = open.last_mut() {
            text.push_str(&resolved(&rest[..at])?);
        }
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or(NotXml)?.1;
            continue;
        }
        if let Some(instruction) = rest.strip_prefix('?') {
            rest = instruction.split_once("?>").ok_or(NotXml)?.1;
            continue;
        }
        let (tag, after) = rest.split_once('>').ok_or(NotXml)?;
        rest = after;
        let mut end = |name: &str, open: &mut Vec<(&'a str, String)>| {
            let (opened, text) = open.pop().ok_or(NotXml)?;
            if opened != name {
                return Err(NotXml);
            }
            path.clear();
            path.extend(open.iter().skip(1).map(|(name, _)| *name));
            if !open.is_empty() {
                path.push(opened);
            }
            each(Ended { path: &path, text });
            Ok(())
        };
        if tag.starts_with('!') {
            return Err(NotXml);
        }
        if let Some(name) = tag.strip_prefix('/') {
            end(name.trim(), &mut open)?;
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split_whitespace().next().ok_or(NotXml)?;
        if open.len() == DEPTH_MAX || (open.is_empty() && seen) {
            return Err(NotXml);
        }
        seen = true;
        open.push((name, String::new()));
        if is_empty {
            end(name, &mut open)?;
        }
    }
    if seen && open.is_empty() { Ok(()) } else { Err(NotXml) }
}

/// Text with its references resolved.
fn resolved(text: &str) -> Result<String, NotXml> {
    let mut parts = text.split('&');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').ok_or(NotXml)?;
        whole.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#').ok_or(NotXml)?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                code.ok().and_then(char::from_u32).ok_or(NotXml)?
            }
        });
        whole.push_str(rest);
    }
    Ok(whole)
}

/// The text of the element at `path` of a document, the first if there are several.
pub(super) fn text_at(xml: &str, at: &[&str]) -> Option<String> {
    let mut found = None;
    elements(xml, |ended| {
        if found.is_none() && ended.path == at {
            found = Some(ended.text);
        }
    })
    .ok()?;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(xml: &str, expected: &str) {
        let mut seen = Vec::new();
        let read = elements(xml, |ended| seen.push(format!("{}={}", ended.path.join("/"), ended.text)));
        let shown = match read {
            Ok(()) => seen.join(" "),
            Err(NotXml) => "not XML".to_owned(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn elements_come_as_they_end() {
        check(
            "<?xml version=\"1.0\"?>\n<A xmlns=\"http://x/\"><B><C>1&amp;&#x32;&#51;</C><D/></B><!-- > --></A>\n",
            "B/C=1&23 B/D= B= =",
        );
        check("<A>&quot;x&quot;</A>", "=\"x\"");
    }

    #[test]
    fn what_is_none_is_refused() {
        let deep = "<a>".repeat(20);
        for xml in ["", "text", "<A>", "</A>", "<A></B>", "<A>&x;</A>", "<A>&#xD800;</A>", "<A", "<A/><B/>", &deep] {
            check(xml, "not XML");
        }
        check("<!DOCTYPE a [<!ENTITY b \"c\">]><A>&b;</A>", "not XML");
    }

    #[test]
    fn one_text_can_be_asked_for() {
        assert_eq!(text_at("<Error><Code>SlowDown</Code></Error>", &["Code"]).as_deref(), Some("SlowDown"));
        assert_eq!(text_at("<Error><X><Code>a</Code></X></Error>", &["Code"]), None);
    }
}
