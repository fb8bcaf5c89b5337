//! The clients that this crate makes, and the TLS provider that they need: ring, installed once.

use std::sync::Once;

/// A client that talks to the address it is given and to no other: no proxy from the environment, no redirects.
///
/// `reqwest` is built without a TLS provider of its own, so one must be installed before a client is; whoever installed
/// one earlier keeps it.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that this process has one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// The same for one address: where it is not https, the system's certificates are not looked for. Reading them takes
/// longer than many a request, and there may be none.
pub(crate) fn client_builder_for(url: &reqwest::Url) -> reqwest::ClientBuilder {
    let builder = client_builder();
    if url.scheme() == "https" { builder } else { builder.tls_certs_only([]) }
}
