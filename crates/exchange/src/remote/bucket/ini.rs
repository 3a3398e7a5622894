//! The files in which AWS's tools keep profiles: `~/.aws/credentials` and `~/.aws/config`.
//!
//! Sections in brackets, `name = value` below them. A line that is indented belongs to the value above it, as settings of one
//! service do; nothing of ours stands there, and it is left out. What cannot be read is left out too: the files belong to other
//! tools, and only what is missing in the end is worth a word.

use std::collections::BTreeMap;

/// Sections by name, settings in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Ini(BTreeMap<String, BTreeMap<String, String>>);

impl Ini {
    /// Reads a file's text. Of a section or a setting that stands twice the later one counts.
    pub(super) fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut section = None;
        for line in text.trim_start_matches('\u{feff}').lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = trimmed.strip_prefix('[') {
                // A comment may follow.
                section = rest.split_once(']').map(|(name, _)| words(name));
                if let Some(name) = &section {
                    sections.entry(name.clone()).or_default();
                }
            } else if !line.starts_with([' ', '\t'])
                && let (Some(section), Some((name, value))) = (&section, trimmed.split_once('='))
            {
                let settings = sections.entry(section.clone()).or_default();
                settings.insert(name.trim().to_ascii_lowercase(), without_comment(value).to_owned());
            }
        }
        Self(sections)
    }

    /// The settings of a section.
    pub(super) fn section(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.0.get(name)
    }
}

/// A section's name with single spaces and without quotation marks: `profile "work"` is `profile work`.
fn words(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    words.join(" ")
}

/// A value ends where a space and a mark of comments follow.
fn without_comment(value: &str) -> &str {
    let end = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..end.unwrap_or(value.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::Ini;

    #[track_caller]
    fn check(text: &str, section: &str, name: &str, expected: Option<&str>) {
        let ini = Ini::read(text);
        assert_eq!(ini.section(section).and_then(|settings| settings.get(name)).map(String::as_str), expected);
    }

    #[test]
    fn settings_are_found_in_their_section() {
        let text = "\u{feff}# top\n[default]\naws_access_key_id=A\r\nRegion = eu-west-1 # here\n\n[ profile  \"work\" ] ; mine\nregion=x#y\n";
        check(text, "default", "aws_access_key_id", Some("A"));
        check(text, "default", "region", Some("eu-west-1"));
        check(text, "profile work", "region", Some("x#y"));
        check(text, "profile work", "aws_access_key_id", None);
        check(text, "work", "region", None);
    }

    #[test]
    fn what_is_indented_belongs_to_the_line_above_and_the_later_one_counts() {
        let text = "lost = 1\n[default]\ns3 =\n  endpoint_url = http://other\n\tregion = z\nregion = a\nregion = b\n[default]\nx = 1\n[broken\nregion = c\n";
        check(text, "default", "endpoint_url", None);
        check(text, "default", "s3", Some(""));
        check(text, "default", "region", Some("b"));
        check(text, "default", "x", Some("1"));
        check(text, "default", "lost", None);
    }
}
