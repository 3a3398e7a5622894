//! Which folder or file a path names. It is read once, from the bytes that came: what an encoded slash or dot could turn it into
//! is refused as a name.

use axum::http::StatusCode;
use carry_exchange::name::{Entry, Folder, Form, ObjectName};
use carry_exchange::remote::RemoteFile;

use crate::answer::Refusal;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Folder(Folder),
    File(Named),
}

/// A file, and what its name says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) remote: RemoteFile,
    pub(super) entry: Entry,
}

impl Named {
    /// The object that may be put under this name.
    pub(super) fn object(&self) -> Option<&ObjectName> {
        match &self.entry {
            Entry::Object(object, Form::Itself | Form::Replica(_)) => Some(object),
            _ => None,
        }
    }
}

/// Reads a path below the base.
pub(super) fn read(path: &str) -> Result<Asked, Refusal> {
    let segments: Vec<&str> = path.split('/').collect();
    let (folder, name) = match segments[..] {
        [name] => (Some(Folder::Root), name),
        ["h", name] => (Some(Folder::Heads), name),
        ["l", log, name] => (log.parse().ok().map(Folder::Log), name),
        _ => (None, ""),
    };
    let folder = folder.ok_or_else(|| wrong("the exchange has format.json, h/ and l/<log>/, and files in these"))?;
    if name.is_empty() {
        return Ok(Asked::Folder(folder));
    }
    let name = decode(name).ok_or_else(|| wrong("the name is not encoded as names in addresses are"))?;
    let remote = RemoteFile::new(folder, &name).map_err(Refusal::of)?;
    Ok(Asked::File(Named { remote, entry: Entry::read(folder, &name) }))
}

fn wrong(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_name", message)
}

/// Percent-decodes once; `None` if that is not how it is encoded, or gives no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "00112233445566778899aabbccddeeff";

    fn at(path: &str) -> Option<String> {
        match read(path).ok()? {
            Asked::Folder(folder) => Some(format!("{folder}/")),
            Asked::File(file) => Some(file.remote.to_string()),
        }
    }

    #[test]
    fn paths_name_folders_and_files() {
        assert_eq!(at("").unwrap(), "carry/");
        assert_eq!(at("h/").unwrap(), "carry/h/");
        assert_eq!(at(&format!("l/{LOG}/")).unwrap(), format!("carry/l/{LOG}/"));
        assert_eq!(at("format.json").unwrap(), "carry/format.json");
        assert_eq!(at("h/a%20%28copy%29.head").unwrap(), "carry/h/a (copy).head");
        assert_eq!(at("h/%C3%BC%2520").unwrap(), "carry/h/ü%20", "decoded once");
    }

    #[test]
    fn no_path_leads_out() {
        for wrong in [
            "..",
            ".",
            "h/..",
            "h/.",
            "h/../format.json",
            "%2e%2e",
            "h/%2e%2e",
            "h/%2E%2E%2Fx",
            "h/a%2Fb",
            "h/a%5Cb",
            "h/a\\b",
            "h/C%3Ax",
            "h/a%00",
            "h/a%0A",
            "h/%",
            "h/%2",
            "h/%zz",
            "h/%+1",
            "h/%ff",
            "h/a/b",
            "h//",
            "/h/",
            "//",
            "/etc/passwd",
            "l/",
            "l/x/",
            "l/00/x",
            "H/x/y",
            "l/../h/x",
            "l/00112233445566778899AABBCCDDEEFF/",
            "h%2Fx/y",
            "%68/x",
            "h/.hidden",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
        assert_eq!(at(&format!("h/{}", "x".repeat(256))), None);
    }
}
