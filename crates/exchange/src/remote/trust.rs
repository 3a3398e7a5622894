//! What it means that a server gave no answer, or not all of one: gone, or not to be trusted.

use std::error::Error;
use std::io;

use super::error::RemoteError;

/// The failure that an error of the client is. The address stands in the place; what else a message would repeat of it is of no
/// use.
pub(super) fn unanswered(place: &str, error: reqwest::Error) -> RemoteError {
    let (place, error) = (place.to_owned(), error.without_url());
    match encryption(&error) {
        Some(problem @ rustls::Error::InvalidCertificate(_)) => {
            RemoteError::Untrusted { place, source: named(&problem).into() }
        }
        Some(problem) => RemoteError::Unreachable { place, source: named(&problem).into() },
        None => RemoteError::Unreachable { place, source: error.into() },
    }
}

/// What is wrong with the encryption, if that is what failed.
fn encryption(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let of_inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(problem) = error.downcast_ref::<rustls::Error>().or(of_inner) {
            return Some(problem.clone());
        }
        // An io::Error's source is its inner error's: the inner one itself may be what we look for.
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn named(problem: &rustls::Error) -> String {
    use rustls::CertificateError as E;
    let what = match problem {
        rustls::Error::InvalidCertificate(E::UnknownIssuer) => {
            "its certificate is signed by nobody this machine trusts"
        }
        rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => {
            "its certificate has expired; check this machine's clock, too"
        }
        rustls::Error::InvalidCertificate(E::NotValidYet | E::NotValidYetContext { .. }) => {
            "its certificate is not valid yet; check this machine's clock"
        }
        rustls::Error::InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. }) => {
            "its certificate is for another name than the address says"
        }
        rustls::Error::InvalidCertificate(_) => "its certificate is not valid",
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there; is the port the right one?",
        _ => "no encrypted connection came about",
    };
    format!("{what} ({problem})")
}
