//! Buckets: `s3://bucket/prefix?endpoint=…&region=…&style=…&profile=…`.

use std::fmt;

use super::LocationError;
use super::url::Origin;

/// Longest prefix, in bytes: keys have 1024, and ours need 120 of them.
const PREFIX_BYTES_MAX: usize = 512;

/// A bucket and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What all keys begin with: empty, or without a slash at either end.
    pub prefix: String,
    /// The server, if it is not Amazon's.
    pub endpoint: Option<Origin>,
    /// The region, if it is said.
    pub region: Option<String>,
    /// Whether the bucket's name stands in the path (`style=path`) and not in the host (`style=host`); `None` leaves it to
    /// what the server is known to want.
    pub is_path_style: Option<bool>,
    /// The profile of AWS's tools whose credentials open it, if it is said.
    pub profile: Option<String>,
}

/// Reads what follows `s3://`.
pub(super) fn read(rest: &str) -> Result<Bucket, LocationError> {
    let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    if name.contains('@') || name.contains(':') {
        return Err(LocationError::Credentials);
    }
    if place.contains('#') || settings.contains('#') {
        return Err(LocationError::Address("# has no meaning in it"));
    }
    if !is_bucket(name) {
        return Err(LocationError::Address("a bucket's name has 3 to 63 of a-z, 0-9, - and ."));
    }
    let prefix = prefix.trim_matches('/');
    let is_segment = |part: &str| {
        !matches!(part, "" | "." | "..") && part.bytes().all(|b| b.is_ascii_graphic() && !b"\\%\"<>^`{|}".contains(&b))
    };
    if prefix.len() > PREFIX_BYTES_MAX || !(prefix.is_empty() || prefix.split('/').all(is_segment)) {
        return Err(LocationError::Address(
            "its prefix may hold up to 512 printed ASCII characters and single slashes",
        ));
    }
    let (name, prefix) = (name.to_owned(), prefix.to_owned());
    let mut bucket = Bucket { name, prefix, endpoint: None, region: None, is_path_style: None, profile: None };
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        bucket.set(setting)?;
    }
    Ok(bucket)
}

impl Bucket {
    fn set(&mut self, setting: &str) -> Result<(), LocationError> {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let is_new = match name {
            "endpoint" => self.endpoint.replace(Origin::parse(value, false)?).is_none(),
            "region" if is_region(value) => self.region.replace(value.to_owned()).is_none(),
            "region" => return Err(LocationError::Address("a region has up to 32 of a-z, 0-9 and -")),
            "style" => {
                let is_path = match value {
                    "path" => true,
                    "host" => false,
                    _ => return Err(LocationError::Address("style is path or host")),
                };
                self.is_path_style.replace(is_path).is_none()
            }
            "profile" if is_profile(value) => self.profile.replace(value.to_owned()).is_none(),
            "profile" => return Err(LocationError::Address("a profile has up to 64 letters, digits and - _ . + @")),
            _ => return Err(unknown(name)),
        };
        if is_new { Ok(()) } else { Err(LocationError::Address("a setting stands in it twice")) }
    }
}

/// What is said of a setting that there is not. Keys and tokens are what people try, so it is only repeated when it is none.
fn unknown(name: &str) -> LocationError {
    let lower = name.to_ascii_lowercase();
    let is_secret = ["key", "secret", "token", "password", "signature", "credential", "x-amz"]
        .iter()
        .any(|word| lower.contains(word));
    let is_word = name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'));
    match (is_secret, is_word) {
        (true, _) => LocationError::Credentials,
        (false, true) => LocationError::Setting(name.to_owned()),
        (false, false) => LocationError::Address("it takes only the settings endpoint, region, style and profile"),
    }
}

fn is_bucket(name: &str) -> bool {
    let is_end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !name.contains("..")
}

fn is_profile(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b'@'))
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.name)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let mut before = '?';
        let mut setting = |name: &str, value: Option<String>| match value {
            None => Ok(()),
            Some(value) => write!(f, "{}{name}={value}", std::mem::replace(&mut before, '&')),
        };
        setting("endpoint", self.endpoint.as_ref().map(Origin::to_string))?;
        setting("region", self.region.clone())?;
        setting("style", self.is_path_style.map(|is_path| if is_path { "path" } else { "host" }.to_owned()))?;
        setting("profile", self.profile.clone())
    }
}
