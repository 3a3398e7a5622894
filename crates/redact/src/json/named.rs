//! Values whose names stand in another string.

use memchr::memchr3;

use crate::rules::Confidence;
use crate::scan::{Hit, Scan};
use crate::{cluster, placeholder};

/// Longer values are no secrets for their name alone.
const VALUE_MAX: usize = 16 << 10;

/// Shorter values are no secrets.
const VALUE_MIN: usize = 3;

/// Longer names are prose.
const NAME_MAX: usize = 128;

/// Looks at `value` as if it stood behind `name` in a file of settings, in headers, or on a command line.
pub(crate) fn look(scan: &Scan<'_>, name: &str, value: &str) -> Vec<Hit> {
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'/' | b':' | b'$');
    let mut hits = Vec::new();
    if name.is_empty()
        || name.len() > NAME_MAX
        || value.len() < VALUE_MIN
        || value.len() > VALUE_MAX
        || !name.bytes().all(is_name)
    {
        return hits;
    }
    // A quote or a break in the value is part of it here.
    let whole: String = value.chars().map(|c| if matches!(c, '"' | '\'' | '\\' | '`') { '0' } else { c }).collect();
    let rules = rules(scan, name);
    let is_folded = memchr3(b'\n', b'%', b'&', value.as_bytes()).is_some() || value.contains('\u{1b}');
    let mut forms = vec![(format!("\"{name}\": \""), "\"\n"), (format!("{name}="), "\n"), (format!("{name}: "), "\n")];
    if name.starts_with('-') {
        forms.push((format!("{name} "), "\n"));
    }
    for (before, after) in forms {
        let text = [before.as_str(), &whole, after].concat();
        if rules.is_empty() || !scan.spend(text.len()) {
            return hits;
        }
        let mut found = Vec::new();
        let placeholders = placeholder::find(&text);
        if is_folded {
            let mut spots = scan.redactor.rules().set().spots(&text);
            // Keywords in the value were looked at where it stands alone.
            spots.retain(|spot| (spot.start as usize) < before.len());
            cluster::look(scan, &text, &spots, &placeholders, &mut found);
        } else {
            for rule in &rules {
                cluster::apply(scan, &text, *rule, 0..text.len(), &placeholders, &mut found);
            }
        }
        hits.extend(found.into_iter().filter_map(|hit| within(hit, before.len(), value)));
        if hits.iter().any(|hit| hit.span.start == 0) {
            break;
        }
    }
    hits
}

/// The rules that what is called `name` is of interest to.
fn rules(scan: &Scan<'_>, name: &str) -> Vec<u16> {
    let set = scan.redactor.rules().set();
    let mut rules = Vec::new();
    for spot in set.whole(&format!("\"{name}\": {name}={name}: {name} ")) {
        let (named, other) = set.owners(spot);
        rules.extend(named.iter().chain(other));
    }
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// `hit` as it stands in the value.
fn within(mut hit: Hit, before: usize, value: &str) -> Option<Hit> {
    let start = hit.span.start.checked_sub(before)?;
    let mut end = (hit.span.end - before).min(value.len());
    // A value without blanks is one secret, whatever characters are in it.
    if start == 0 && hit.confidence != Confidence::Certain && !value.bytes().any(|byte| byte.is_ascii_whitespace()) {
        end = value.len();
    }
    hit.secret = value.get(start..end)?.to_owned();
    hit.span = start..end;
    Some(hit)
}
