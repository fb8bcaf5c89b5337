//! The consumer's side: what a test declares, how it is played, what is written.

mod playing;
mod property;
mod writing;

/// A client as consumers have it.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
