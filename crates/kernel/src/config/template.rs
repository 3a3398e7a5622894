//! A configuration file to start from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Key, Kind};

/// Width at which reasons are wrapped, in characters.
const WIDTH: usize = 100;

/// A commented configuration file that lists every key with default and reason.
///
/// Prose begins with `# `, settings with `#` alone: taking that one character away switches a setting
/// on, and gives valid TOML for any choice of them.
pub fn template(keys: &[&'static [Key]]) -> String {
    let mut sections: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for key in keys.iter().copied().flatten() {
        let section = key.name.rsplit_once('.').map_or("", |(section, _)| section);
        sections.entry(section).or_default().push(key);
    }
    let mut text = String::from(
        "# Configuration of Carry. Every setting is listed with its default, switched off by the # before it.\n",
    );
    for (section, keys) in sections {
        if !section.is_empty() {
            add(&mut text, format_args!("\n[{section}]\n"));
        }
        for key in keys {
            setting(&mut text, key);
        }
    }
    text
}

fn setting(text: &mut String, key: &Key) {
    let leaf = key.name.rsplit('.').next().unwrap_or(key.name);
    text.push('\n');
    let mut reason = key.doc.to_owned();
    if !key.aliases.is_empty() {
        add(&mut reason, format_args!(" Also known as {}.", key.aliases.join(", ")));
    }
    if key.default.is_empty() {
        reason.push_str(" Not set by default; for example:");
    }
    wrap(text, &reason);
    let value = if key.default.is_empty() { example(key.kind) } else { key.default.to_owned() };
    add(text, format_args!("#{leaf} = {value}\n"));
}

/// A valid value of a setting that has no default.
fn example(kind: Kind) -> String {
    match kind {
        Kind::Bool => "false".to_owned(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Duration => "\"10 min\"".to_owned(),
        Kind::Size => "\"1 GiB\"".to_owned(),
        Kind::Text => "\"\"".to_owned(),
        Kind::Choice(words) => toml_edit::Value::from(words.first().copied().unwrap_or_default()).to_string(),
        Kind::List => "[]".to_owned(),
    }
}

/// Adds prose as comment lines.
fn wrap(text: &mut String, prose: &str) {
    let mut width = 0;
    for word in prose.split_whitespace() {
        let word_chars = word.chars().count();
        if width == 0 || width + 1 + word_chars > WIDTH {
            text.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        text.push(' ');
        text.push_str(word);
        width += 1 + word_chars;
    }
    text.push('\n');
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a string does not fail");
}
