//! Certificates for tests: an authority, and what it signs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::repo::write_file;

/// An authority of its own, that nobody else knows.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = named("Carry test authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a certificate can be signed");
        Self { issuer }
    }

    /// Its own certificate, as PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names and addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign("server", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate for this user.
    pub fn client(&self, user: &str) -> Identity {
        self.sign(user, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, name: &str, names: &[&str], purpose: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = named(name, names);
        params.extended_key_usages = vec![purpose];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate can be signed");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Writes `NAME.pem`, and `NAME.key` for its owner alone, into a folder; returns both paths.
    #[track_caller]
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        write_file(&certificate, self.certificate.as_bytes());
        write_file(&key, self.key.as_bytes());
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("the file is ours");
        (certificate, key)
    }
}

fn named(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}
