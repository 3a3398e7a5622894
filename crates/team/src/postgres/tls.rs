//! Encryption: whether there must be, and how the other side proves who it is.
//!
//! A certificate is always verified where one is shown. Without encryption only this machine is spoken to.

use std::path::Path;
use std::sync::Arc;

use carry_kernel::disk;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;

use super::address::{Host, Tls, TlsMode};
use super::password::read_private;
use crate::sink::{Class, SinkError};

#[cfg(test)]
mod tests;

/// Largest file of certificates.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// It is not.
    Plain,
    /// It is if the server can.
    IfOffered,
    /// It is.
    Encrypted {
        /// Whether the certificate must be for this host, too.
        for_name: bool,
    },
}

impl Security {
    /// What a host needs.
    ///
    /// # Errors
    /// [`Class::AuthRequired`]: what is asked for is not allowed.
    pub(super) fn of(host: &Host, mode: Option<TlsMode>, allow_insecure: bool) -> Result<Self, SinkError> {
        let is_free = host.is_here() || allow_insecure;
        match (host, mode) {
            (Host::Unix(_), _) => Ok(Self::Plain),
            (_, Some(TlsMode::Disable)) if is_free => Ok(Self::Plain),
            (_, Some(TlsMode::Disable)) => {
                Err(SinkError::new(Class::AuthRequired, format!("{host} is another machine, and sslmode=disable would speak to it in the clear"))
                    .with_hint("Take sslmode=disable out of the store's URL; or, if nobody can listen on the way there, set team.allow_insecure."))
            }
            (_, Some(TlsMode::VerifyCa)) => Ok(Self::Encrypted { for_name: false }),
            (_, Some(TlsMode::Require)) => Ok(Self::Encrypted { for_name: true }),
            (_, None | Some(TlsMode::Prefer)) if host.is_here() => Ok(Self::Plain),
            (_, None | Some(TlsMode::Prefer)) if allow_insecure => Ok(Self::IfOffered),
            (_, None | Some(TlsMode::Prefer)) => Ok(Self::Encrypted { for_name: true }),
        }
    }

    /// For the client.
    pub(super) fn mode(self) -> SslMode {
        match self {
            Self::Plain => SslMode::Disable,
            Self::IfOffered => SslMode::Prefer,
            Self::Encrypted { .. } => SslMode::Require,
        }
    }
}

/// What TLS is done with.
///
/// # Errors
/// [`Class::AuthRequired`]: files of certificates cannot be read.
pub(super) fn config(tls: &Tls, security: Security) -> Result<ClientConfig, SinkError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(match (&tls.roots, security) {
        (Some(file), _) => from_file(file)?,
        (None, Security::Plain) => RootCertStore::empty(),
        (None, _) => of_machine()?,
    });
    let internal = |error: &dyn std::fmt::Display| {
        SinkError::new(Class::AuthRequired, format!("encryption cannot be set up: {error}"))
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(&error))?;
    let builder = match security {
        Security::Encrypted { for_name: false } => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| internal(&error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName { inner, provider }))
        }
        _ => builder.with_root_certificates(roots),
    };
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let text = read_private(key, "the certificate's key")?;
            let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
                .map_err(|_| SinkError::new(Class::AuthRequired, format!("{} holds no key as PEM", key.display())))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| internal(&error))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let refused =
        |why: &str| SinkError::new(Class::AuthRequired, format!("the certificates in {} {why}", path.display()));
    let bytes = disk::read_bounded(path, FILE_BYTES_MAX)
        .map_err(|error| refused(&format!("cannot be read: {error}")))?
        .ok_or_else(|| refused("are not there"))?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| refused("cannot be understood: they are no PEM"))
}

fn from_file(path: &Path) -> Result<RootCertStore, SinkError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(SinkError::new(
            Class::AuthRequired,
            format!("none of the certificates in {} can be used", path.display()),
        ));
    }
    Ok(roots)
}

fn of_machine() -> Result<RootCertStore, SinkError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(SinkError::new(Class::AuthRequired, "this machine has no certificates of authorities")
            .with_hint("Install them (Debian: ca-certificates), or name a file with the right one as sslrootcert in the store's URL."));
    }
    Ok(roots)
}

/// Verifies everything but the name.
#[derive(Debug)]
struct AnyName {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is what is looked at last: all else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
