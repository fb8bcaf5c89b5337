//! The clients that this crate makes, and the TLS provider that they need: ring, installed once; and the
//! certificates that somebody names for them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Once;

use reqwest::{Certificate, Url};

/// More than this a file of certificates is not, in bytes.
const CERTIFICATES_LIMIT: u64 = 16 * 1024 * 1024;

/// A file of certificates that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read the certificates of {}: {reason}", path.display())]
pub(crate) struct CertificatesError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) reason: String,
}

/// A client that talks to the address it is given and to no other: no proxy from the environment, no redirects.
///
/// Where nothing is `secure` the system's certificates are not looked for: reading them takes longer than many a
/// request, and on a host that has none no client could be made.
///
/// `reqwest` is built without a TLS provider of its own, so one must be installed before a client is; whoever installed
/// one earlier keeps it.
pub(crate) fn client_builder(secure: bool) -> reqwest::ClientBuilder {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that this process has one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    if secure { builder } else { builder.tls_certs_only([]) }
}

/// Whether who is at this address is spoken to over TLS.
pub(crate) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
}

/// The certificates of a file in PEM form: at least one.
///
/// # Errors
/// It cannot be read, has more than [`CERTIFICATES_LIMIT`] bytes, or holds no certificate.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Certificate>, CertificatesError> {
    let failed = |reason: String| CertificatesError { path: path.to_owned(), reason };
    let mut pem = Vec::new();
    // What a file says of its size need not be what it gives: a pipe says 0.
    File::open(path)
        .and_then(|file| file.take(CERTIFICATES_LIMIT + 1).read_to_end(&mut pem))
        .map_err(|error| failed(error.to_string()))?;
    if pem.len() as u64 > CERTIFICATES_LIMIT {
        return Err(failed(format!("it has more than {CERTIFICATES_LIMIT} bytes")));
    }
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_that_gives_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let why = |path: &Path| certificates(path).unwrap_err().reason;
        let none = "it holds no certificate in PEM form";
        assert_eq!(why(&file("empty.pem", b"")), none);
        assert_eq!(why(&file("text.pem", b"no certificate\n")), none);
        assert!(!why(&folder.path().join("absent.pem")).is_empty());
        let large = file("large.pem", b"");
        File::options().write(true).open(&large).unwrap().set_len(CERTIFICATES_LIMIT + 1).unwrap();
        assert_eq!(why(&large), format!("it has more than {CERTIFICATES_LIMIT} bytes"));
    }

    /// Set in the process that the test below starts.
    const ALONE: &str = "SEAWORTHY_TEST_WITHOUT_CERTIFICATES";

    #[test]
    fn plain_http_needs_no_certificates_of_the_system() {
        if std::env::var_os(ALONE).is_some() {
            client_builder(false).build().unwrap();
            // Were there certificates to be found after all, the line above would prove nothing.
            client_builder(true).build().unwrap_err();
            return;
        }
        // Where certificates are looked for is said by the environment, which belongs to the whole process.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls::tests::plain_http_needs_no_certificates_of_the_system"])
            .env(ALONE, "1")
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
    }
}
