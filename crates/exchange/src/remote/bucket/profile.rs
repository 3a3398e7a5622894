//! Profiles of AWS's tools: what `~/.aws/credentials` and `~/.aws/config` say of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use carry_kernel::disk::{self, DiskError};

use super::credentials::Credentials;
use super::ini::Ini;

/// Longest file that is read, in bytes: thousands of profiles.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Ways to sign in that take a browser, or requests to a service that gives out keys. AWS's own program knows them all.
const OTHER_WAYS: &[&str] = &[
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "role_arn",
    "credential_source",
    "login_session",
    "web_identity_token_file",
];

/// Where profiles lie, and which is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profiles {
    /// `~/.aws/credentials`, if there is a home.
    pub(super) credentials: Option<PathBuf>,
    /// `~/.aws/config`, if there is a home.
    pub(super) config: Option<PathBuf>,
    /// The profile.
    pub(super) name: String,
    /// Who named it, e.g. `AWS_PROFILE`; `None` if nobody did.
    pub(super) named_by: Option<&'static str>,
}

/// What a profile gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Keys.
    Keys(Credentials),
    /// A command that gives them.
    Process {
        /// As it stands there.
        command: String,
        /// Where it stands, in words.
        from: String,
    },
}

/// Why a profile gives nothing. Never repeats a value.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProfileError {
    #[error(
        "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE or with \
         profile=NAME in the address, or write keys for the profile \"default\" to {file}"
    )]
    Nothing { file: String },
    #[error("there is no profile {name:?}, which {by} names: neither {files} has it")]
    Missing { name: String, by: &'static str, files: String },
    #[error("the profile {name:?} has no {missing}: add it in {file}")]
    Half { name: String, missing: &'static str, file: String },
    #[error(
        "the profile {name:?} signs in by {way}, which Carry leaves to AWS's own program: write \
         `credential_process = aws configure export-credentials --profile {name}` to a profile of its own and name that one"
    )]
    OtherWay { name: String, way: &'static str },
    #[error(transparent)]
    File(#[from] DiskError),
}

/// What both files say of a profile.
#[derive(Debug, Default)]
struct Said {
    credentials: BTreeMap<String, String>,
    config: BTreeMap<String, String>,
    is_there: bool,
}

impl Profiles {
    /// What the profile gives now.
    pub(super) fn find(&self) -> Result<Found, ProfileError> {
        let said = self.read()?;
        for (settings, file) in [(&said.credentials, &self.credentials), (&said.config, &self.config)] {
            let get = |name: &str| settings.get(name).map(String::as_str).filter(|value| !value.is_empty());
            let file = shown(file.as_deref());
            let from = format!("the profile {:?} in {file}", self.name);
            let half = |missing| ProfileError::Half { name: self.name.clone(), missing, file: file.clone() };
            match (get("aws_access_key_id"), get("aws_secret_access_key")) {
                (Some(id), Some(secret)) => {
                    return Ok(Found::Keys(Credentials::new(id, secret, get("aws_session_token"), None, &from)));
                }
                (Some(_), None) => return Err(half("aws_secret_access_key")),
                (None, Some(_)) => return Err(half("aws_access_key_id")),
                (None, None) => {}
            }
            if let Some(command) = get("credential_process") {
                return Ok(Found::Process { command: command.to_owned(), from });
            }
        }
        let has = |way: &str| said.credentials.contains_key(way) || said.config.contains_key(way);
        if let Some(way) = OTHER_WAYS.iter().find(|way| has(way)) {
            return Err(ProfileError::OtherWay { name: self.name.clone(), way });
        }
        Err(match self.named_by {
            Some(by) if !said.is_there => {
                let files = format!("{} nor {}", shown(self.credentials.as_deref()), shown(self.config.as_deref()));
                ProfileError::Missing { name: self.name.clone(), by, files }
            }
            Some(_) => ProfileError::Half {
                name: self.name.clone(),
                missing: "aws_access_key_id",
                file: shown(self.credentials.as_deref()),
            },
            None => ProfileError::Nothing { file: shown(self.credentials.as_deref()) },
        })
    }

    /// One setting of the profile, e.g. `region`.
    pub(super) fn setting(&self, name: &str) -> Result<Option<String>, ProfileError> {
        let mut said = self.read()?;
        Ok(said.config.remove(name).or_else(|| said.credentials.remove(name)).filter(|value| !value.is_empty()))
    }

    fn read(&self) -> Result<Said, ProfileError> {
        let (credentials, config) = (file(self.credentials.as_deref())?, file(self.config.as_deref())?);
        let of_config = match &*self.name {
            "default" => config.section("default").or_else(|| config.section("profile default")),
            name => config.section(&format!("profile {name}")),
        };
        let of_credentials = credentials.section(&self.name);
        Ok(Said {
            is_there: of_config.is_some() || of_credentials.is_some(),
            credentials: of_credentials.cloned().unwrap_or_default(),
            config: of_config.cloned().unwrap_or_default(),
        })
    }
}

/// A file that is absent says nothing.
fn file(path: Option<&Path>) -> Result<Ini, DiskError> {
    let Some(path) = path else { return Ok(Ini::default()) };
    let bytes = disk::read_bounded(path, FILE_BYTES_MAX)?;
    Ok(bytes.map(|bytes| Ini::read(&String::from_utf8_lossy(&bytes))).unwrap_or_default())
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "~/.aws".to_owned(), |path| path.display().to_string())
}
