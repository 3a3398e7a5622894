//! Where a bucket is and who opens it: what the location leaves open, the environment and AWS's files say.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_kernel::clock::Clock;
use carry_kernel::disk::{self, DiskError};

use crate::location::{Bucket, LocationError, Origin};
use crate::remote::http::Http;
use crate::remote::http::pace::{BYTES_PER_SECOND_MIN, Pace};

use super::credentials::{Credentials, Keychain, Origin as From};
use super::profile::Profiles;
use super::wire::{Address, Patience, Wire};

/// The region of buckets that nobody said one of. Stores that have no regions take it too.
const REGION: &str = "us-east-1";

/// Longest file of certificates that is read, in bytes.
const BUNDLE_BYTES_MAX: u64 = 16 << 20;

/// Lets an endpoint be one without encryption although it is another machine.
const ALLOW_HTTP: &str = "CARRY_S3_ALLOW_HTTP";

/// What a bucket is opened with.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Looks a variable up. These are asked for: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_PROFILE`,
    /// `AWS_DEFAULT_PROFILE`, `AWS_SHARED_CREDENTIALS_FILE`, `AWS_CONFIG_FILE`, `AWS_REGION`, `AWS_DEFAULT_REGION`,
    /// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, `AWS_CA_BUNDLE`, `HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY` (these three in either case) and `CARRY_S3_ALLOW_HTTP`.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The user's home, in which `.aws` lies.
    pub home: Option<&'a Path>,
    /// What requests are dated with.
    pub clock: &'a Arc<dyn Clock>,
}

/// Why a bucket cannot be opened. Never repeats what may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One of two variables is there alone.
    #[error("{given} is set but {missing} is not: set both, or neither and use a profile")]
    Half {
        /// Which is there.
        given: &'static str,
        /// Which is not.
        missing: &'static str,
    },
    /// The credentials cannot be had. The source says what to do.
    #[error("{place} cannot be opened")]
    Credentials {
        /// The bucket.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Credentials would have to come from a service that Carry does not ask.
    #[error(
        "{variable} is set, and there are no other credentials; Carry does not ask that service: use a profile with \
         `credential_process = aws configure export-credentials`"
    )]
    Service {
        /// The variable.
        variable: &'static str,
    },
    /// The endpoint is none.
    #[error("{from} names no endpoint")]
    Endpoint {
        /// Who names it.
        from: String,
        /// Why.
        source: LocationError,
    },
    /// The endpoint has no encryption.
    #[error(
        "{from} is http:// and not this machine: everything would be sent unencrypted. Use https://, or set {ALLOW_HTTP}=1 if the \
         network between is trusted"
    )]
    Plain {
        /// Who names it.
        from: String,
    },
    /// The region is none.
    #[error("{from} names no region: it has up to 32 of a-z, 0-9 and -")]
    Region {
        /// Who names it.
        from: String,
    },
    /// The file of certificates cannot be read.
    #[error("the certificates that AWS_CA_BUNDLE names cannot be read")]
    Bundle(#[from] DiskError),
    /// The file of certificates is none, the proxy's address is none, or the system gives no connections.
    #[error("cannot {action}")]
    Client {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(&*value.to_ascii_lowercase(), "1" | "true" | "yes" | "on"))
    }

    /// The path that a variable names, or one in the home.
    fn path(&self, name: &str, in_home: &str) -> Option<PathBuf> {
        let Some(named) = (self.variable)(name).filter(|value| !value.is_empty()) else {
            return self.home.map(|home| home.join(in_home));
        };
        let named = PathBuf::from(named);
        match (named.strip_prefix("~"), self.home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(named),
        }
    }

    fn profiles(&self, bucket: &Bucket) -> Profiles {
        let named = [
            ("the address", bucket.profile.clone()),
            ("AWS_PROFILE", self.get("AWS_PROFILE")),
            ("AWS_DEFAULT_PROFILE", self.get("AWS_DEFAULT_PROFILE")),
        ];
        let named = named.into_iter().find_map(|(by, name)| Some((by, name?)));
        Profiles {
            credentials: self.path("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
            config: self.path("AWS_CONFIG_FILE", ".aws/config"),
            named_by: named.as_ref().map(|(by, _)| *by),
            name: named.map_or_else(|| "default".to_owned(), |(_, name)| name),
        }
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("home", &self.home).finish_non_exhaustive()
    }
}

/// Makes the way to a bucket. Nothing is sent, and no command is run.
pub(super) fn open(bucket: &Bucket, environment: &Environment<'_>, patience: Patience) -> Result<Wire, OpenError> {
    let profiles = environment.profiles(bucket);
    let address = address(bucket, environment, &profiles)?;
    let keychain = Keychain::new(credentials(bucket, environment, profiles)?);
    // Another part of the program may have done so; they all want the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(&address, environment, patience)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| OpenError::Client { action: "prepare connections", source: e.into() })?;
    let silence = patience.silence;
    let pace = Pace::new(silence, BYTES_PER_SECOND_MIN);
    let http = Http { place: bucket.to_string(), client, runtime, silence, pace };
    Ok(Wire { address, keychain, http, clock: environment.clock.clone() })
}

/// Keys in the environment, then the profile; the other way round if the address names one.
fn credentials(bucket: &Bucket, environment: &Environment<'_>, profiles: Profiles) -> Result<From, OpenError> {
    const ID: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    if bucket.profile.is_none() {
        match (environment.get(ID), environment.get(SECRET)) {
            (Some(id), Some(secret)) => {
                let token = environment.get("AWS_SESSION_TOKEN");
                let from = match token {
                    Some(_) => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
                    None => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                };
                return Ok(From::Fixed(Credentials::new(&id, &secret, token.as_deref(), None, from)));
            }
            (Some(_), None) => return Err(OpenError::Half { given: ID, missing: SECRET }),
            (None, Some(_)) => return Err(OpenError::Half { given: SECRET, missing: ID }),
            (None, None) => {}
        }
    }
    // Better now than in the middle of the night.
    match profiles.find() {
        Ok(_) => Ok(From::Profile(profiles)),
        Err(error) => {
            let services = [
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            ];
            let service = services.into_iter().find(|name| environment.get(name).is_some());
            Err(match service {
                Some(variable) if profiles.named_by.is_none() => OpenError::Service { variable },
                _ => OpenError::Credentials { place: bucket.to_string(), source: error.into() },
            })
        }
    }
}

/// Where the bucket is: as the address says, else the environment, else the profile, else Amazon.
fn address(bucket: &Bucket, environment: &Environment<'_>, profiles: &Profiles) -> Result<Address, OpenError> {
    let setting = |name: &str| {
        let failed = |source: super::profile::ProfileError| OpenError::Credentials {
            place: bucket.to_string(),
            source: source.into(),
        };
        profiles.setting(name).map_err(failed)
    };
    let of_profile = || format!("the profile {:?}", profiles.name);
    let named = |names: [&str; 2]| names.into_iter().find_map(|name| Some((name.to_owned(), environment.get(name)?)));

    let region = match &bucket.region {
        Some(region) => region.clone(),
        None => {
            let found = match named(["AWS_REGION", "AWS_DEFAULT_REGION"]) {
                None => setting("region")?.map(|region| (of_profile(), region)),
                found => found,
            };
            match found {
                None => REGION.to_owned(),
                Some((_, region)) if super::answer::is_region(&region) => region,
                Some((from, _)) => return Err(OpenError::Region { from }),
            }
        }
    };
    let endpoint = match &bucket.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None if environment.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") => None,
        None => {
            let found = match named(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
                None => setting("endpoint_url")?.map(|url| (of_profile(), url)),
                found => found,
            };
            found.map(|(from, url)| endpoint(&url, from, environment)).transpose()?
        }
    };
    Ok(Address::new(bucket, endpoint.as_ref(), region))
}

fn endpoint(url: &str, from: String, environment: &Environment<'_>) -> Result<Origin, OpenError> {
    match Origin::parse(url, environment.is_on(ALLOW_HTTP)) {
        Ok(origin) => Ok(origin),
        Err(LocationError::Plain) => Err(OpenError::Plain { from }),
        Err(source) => Err(OpenError::Endpoint { from, source }),
    }
}

impl Address {
    pub(super) fn new(bucket: &Bucket, endpoint: Option<&Origin>, region: String) -> Self {
        // The certificate of Amazon's hosts covers one more label, not two.
        let is_path_style = bucket.is_path_style.unwrap_or(endpoint.is_some() || bucket.name.contains('.'));
        let host = match endpoint {
            Some(origin) => origin.authority(),
            // China's regions have a domain of their own.
            None if region.starts_with("cn-") => format!("s3.{region}.amazonaws.com.cn"),
            None => format!("s3.{region}.amazonaws.com"),
        };
        let scheme = if endpoint.is_none_or(|origin| origin.is_encrypted) { "https" } else { "http" };
        let is_amazon = endpoint.is_none();
        if is_path_style {
            Self { scheme, host, root: format!("/{}", bucket.name), region, is_amazon }
        } else {
            Self { scheme, host: format!("{}.{host}", bucket.name), root: String::new(), region, is_amazon }
        }
    }
}

fn client(address: &Address, environment: &Environment<'_>, patience: Patience) -> Result<reqwest::Client, OpenError> {
    let failed = |action| move |e: reqwest::Error| OpenError::Client { action, source: e.without_url().into() };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("carry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(address.scheme == "https")
        .connect_timeout(patience.connect)
        // Servers close what is idle, and nobody drives our side between two calls: a connection is not kept until they do.
        .pool_idle_timeout(patience.idle)
        .tcp_nodelay(true);
    if let Some(path) = environment.path("AWS_CA_BUNDLE", "").filter(|_| environment.get("AWS_CA_BUNDLE").is_some()) {
        let pem = disk::read_bounded(&path, BUNDLE_BYTES_MAX)?
            .ok_or_else(|| DiskError::at("read", &path)(std::io::ErrorKind::NotFound.into()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(failed("read the certificates that AWS_CA_BUNDLE names"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    let either = |upper: &str| environment.get(&upper.to_ascii_lowercase()).or_else(|| environment.get(upper));
    if address.scheme == "https"
        && let Some(proxy) = either("HTTPS_PROXY").or_else(|| either("ALL_PROXY"))
    {
        let proxy = reqwest::Proxy::all(&proxy).map_err(failed("use the proxy that HTTPS_PROXY or ALL_PROXY names"))?;
        let except = either("NO_PROXY").and_then(|hosts| reqwest::NoProxy::from_string(&hosts));
        builder = builder.proxy(proxy.no_proxy(except));
    }
    builder.build().map_err(failed("prepare connections"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Location;

    #[track_caller]
    fn check(text: &str, region: &str, expected: &str) {
        let Ok(Location::Bucket(bucket)) = Location::parse(text, Path::new("/")) else { panic!("{text} is no bucket") };
        let address = Address::new(&bucket, bucket.endpoint.as_ref(), region.to_owned());
        assert_eq!(format!("{}://{}{}", address.scheme, address.host, address.root), expected);
    }

    #[test]
    fn the_bucket_stands_in_the_host_or_in_the_path() {
        check("s3://box", "eu-west-1", "https://box.s3.eu-west-1.amazonaws.com");
        check("s3://box", "cn-north-1", "https://box.s3.cn-north-1.amazonaws.com.cn");
        check("s3://my.box", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.box");
        check("s3://box?style=path", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/box");
        check("s3://box?endpoint=https://s3.example.org", "x", "https://s3.example.org/box");
        check("s3://box?endpoint=https://s3.example.org:8443&style=host", "x", "https://box.s3.example.org:8443");
        check("s3://box?endpoint=http://127.0.0.1:9000", "x", "http://127.0.0.1:9000/box");
        check("s3://box?endpoint=http://[::1]:9000", "x", "http://[::1]:9000/box");
    }
}
