//! The HTTP client: encryption, roots of trust, bounds in time.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use carry_kernel::disk;
use rustix::fs::OFlags;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;

use crate::location::Origin;

/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection that nobody uses is kept: less than servers keep one, so that none is used that they just closed.
pub(in crate::remote) const IDLE: Duration = Duration::from_secs(10);

/// Connections kept for later, as many as a round moves objects at once.
const IDLE_MAX: usize = 4;

/// Why a remote could not be set up. Nothing was asked yet.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with certificates cannot be used.
    #[error("cannot use the certificates in {}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client could not be made.
    #[error("cannot set up HTTP")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A client for this server, which keeps a connection that nobody uses for `idle`.
pub(in crate::remote) fn build(
    origin: &Origin,
    ca: Option<&Path>,
    idle: Duration,
) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(origin, ca)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(idle)
        .pool_max_idle_per_host(IDLE_MAX)
        .http1_only()
        .user_agent(concat!("carry/", env!("CARGO_PKG_VERSION")));
    if origin.is_loopback() {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| ClientError::Client(e.without_url().into()))
}

/// The runtime that one remote's calls run on, in the threads that call.
pub(in crate::remote) fn runtime() -> Result<Runtime, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    runtime.map_err(|e| ClientError::Client(e.into()))
}

fn tls(origin: &Origin, ca: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    if origin.is_encrypted {
        // Those that cannot be read are left out: one bad file of the system's must not stop all.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(path) = ca {
        let authority = |source| ClientError::Authority { path: path.to_owned(), source };
        for certificate in certificates(path).map_err(authority)? {
            roots.add(certificate).map_err(|e| authority(e.into()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|e| ClientError::Client(e.into()))?;
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Box<dyn std::error::Error + Send + Sync>> {
    let bytes = disk::read_at_most(disk::open_regular(path, OFlags::empty())?, CA_BYTES_MAX)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, pem::Error>>()?;
    if certificates.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no certificate in PEM").into());
    }
    Ok(certificates)
}
