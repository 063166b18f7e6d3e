//! Which certificate authorities vouch for the game server.
//!
//! With a file, those in it and no others. Without one, those of the system, as for every other program on it; where the system has
//! none, as in a small container, those that browsers trust, which are compiled in.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The authorities of `file`, or else the usual ones.
///
/// # Errors
/// When the file cannot be read or names no authority, in words that do not name the file.
pub fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let Some(file) = file else { return Ok(usual()) };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| format!("it cannot be read: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("it is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("it has a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err("it has no certificate".to_owned()) } else { Ok(roots) }
}

fn usual() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Single files that cannot be read are no reason to trust nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() } } else { roots }
}

/// TLS as a client, with rustls and ring.
///
/// # Errors
/// Never with the versions of TLS that are compiled in.
pub(super) fn client_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_file_names_all_authorities_that_are_trusted() {
        let certificate = include_str!("testdata/loopback-certificate.pem");
        let file = written(&format!("a comment\n{certificate}"));
        assert_eq!(authorities(Some(file.path())).unwrap().len(), 1);
    }

    #[test]
    fn without_a_file_there_are_the_usual_ones() {
        assert!(authorities(None).unwrap().len() > 10);
    }

    #[test]
    fn a_file_that_names_nobody_is_an_error() {
        for text in
            ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n"]
        {
            assert!(authorities(Some(written(text).path())).is_err(), "{text}");
        }
        assert!(authorities(Some(Path::new("not/there.pem"))).is_err());
    }
}
