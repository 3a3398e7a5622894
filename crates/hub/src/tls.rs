//! The server's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_kernel::disk::{self, DiskError};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Largest file of a certificate or key, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why the server cannot encrypt.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or the key is not for its owner alone.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file does not hold what it should.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The two do not fit, or are of a kind that is not known.
    #[error("the certificate and the key cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Reads certificate (with those between it and its root) and key.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let pem = |path: &Path, what| TlsError::Pem { path: path.to_owned(), what };
    let bytes = disk::read_bounded(certificate, FILE_BYTES_MAX)?.ok_or_else(|| pem(certificate, "certificate"))?;
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| pem(certificate, "certificate"))?;
    let bytes = disk::open_private(key).and_then(|file| disk::read_at_most(file, FILE_BYTES_MAX));
    let bytes = bytes.map_err(DiskError::at("use", key))?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| pem(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = versions.with_no_client_auth().with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
