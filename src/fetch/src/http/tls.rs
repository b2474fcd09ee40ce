//! Trusted certificates: those of the system, or those of the settings; and TLS errors in words.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::CertificateError;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::words;
use crate::{Network, Problem, Url};

/// The largest file of certificates that is read, in bytes: all that a system trusts take less
/// than one MiB.
const LARGEST: u64 = 64 << 20;

/// Returns how TLS is spoken.
///
/// # Errors
/// When certificates cannot be read.
pub fn config(network: &Network) -> Result<TlsConfig, Problem> {
    let roots = if network.certificate_file.is_none() && network.certificate_directory.is_none() {
        RootCerts::PlatformVerifier
    } else {
        RootCerts::Specific(Arc::new(read_certificates(network)?))
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file of the user's own settings, which no build can change"
)]
fn read_certificates(network: &Network) -> Result<Vec<Certificate<'static>>, Problem> {
    let mut certificates = Vec::new();
    let unreadable = |path: &Path, error: &io::Error| Problem::Lasting {
        reason: format!(
            "the trusted certificates: cannot read {}: {}",
            path.display(),
            words(error)
        ),
        hint: Some("SSL_CERT_FILE and SSL_CERT_DIR say where they are".to_owned()),
    };
    if let Some(file) = &network.certificate_file {
        add(&mut certificates, file).map_err(|error| unreadable(file, &error))?;
    }
    if let Some(directory) = &network.certificate_directory {
        let names = std::fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in names.map_err(|error| unreadable(directory, &error))? {
            let path = entry.path();
            // Includes links of `c_rehash`; skips anything that is not a file.
            if path.is_file() {
                add(&mut certificates, &path).map_err(|error| unreadable(&path, &error))?;
            }
        }
    }
    Ok(certificates)
}

fn add(certificates: &mut Vec<Certificate<'static>>, path: &Path) -> io::Result<()> {
    let text = syslua_reading::read(path, LARGEST)?;
    certificates.extend(parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    }));
    Ok(())
}

/// Returns the problem if an error is one of TLS.
pub fn problem(error: &ureq::Error, url: &Url) -> Option<Problem> {
    let cause = match error {
        ureq::Error::Rustls(cause) => cause,
        ureq::Error::Io(io) => io.get_ref()?.downcast_ref::<rustls::Error>()?,
        ureq::Error::Tls(text) => return Some(Problem::lasting(format!("TLS failed: {text}"))),
        _ => return None,
    };
    let host = &url.host;
    let (reason, hint) = match cause {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => (
                format!("the certificate of {host} is signed by an unknown authority"),
                Some(
                    "if you trust its authority, name the certificate in SSL_CERT_FILE or add it \
                     to the system",
                ),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (format!("the certificate is not for {host}"), None)
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                format!("the certificate of {host} has expired"),
                Some("is the clock of this machine right?"),
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                format!("the certificate of {host} is not valid yet"),
                Some("is the clock of this machine right?"),
            ),
            other => (format!("the certificate of {host} is not acceptable: {other}"), None),
        },
        other => (format!("TLS failed: {other}"), None),
    };
    Some(Problem::Lasting { reason, hint: hint.map(ToOwned::to_owned) })
}
