//! A call as a line for the shell, so that whoever reads of a failure can make it again.

use seaworthy_core::secret::{redact, redact_header};

/// Messages longer than this are cut; in characters.
const LONGEST: usize = 2_000;

/// Where a call goes: `-plaintext` and `127.0.0.1:50051`, or with TLS only `example.org:443`.
#[derive(Debug)]
pub(super) struct Target {
    tls: bool,
    address: String,
}

impl Target {
    /// The provider at this address.
    pub(super) fn at(base: &reqwest::Url) -> Target {
        let (host, port) =
            (base.host_str().unwrap_or_default(), base.port_or_known_default().unwrap_or_default());
        Target { tls: base.scheme() == "https", address: format!("{host}:{port}") }
    }

    /// Whatever provider there is: `$PROVIDER`.
    pub(super) fn any() -> Target {
        Target { tls: false, address: "$PROVIDER".to_owned() }
    }
}

/// `grpcurl …` for a call, secrets redacted. `message` is JSON.
pub(super) fn line(target: &Target, path: &str, message: &str, metadata: &[(String, String)]) -> String {
    let mut line = String::from(if target.tls { "grpcurl" } else { "grpcurl -plaintext" });
    for (name, value) in metadata {
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {}", redact_header(name, value)))));
    }
    let (message, _) = redact(message);
    let shown: String = message.chars().take(LONGEST).collect();
    line.push_str(&format!(" -d {} {} {}", quoted(&shown), target.address, path.trim_start_matches('/')));
    if shown.len() < message.len() {
        line.push_str(&format!(" # the message is cut, it has {} bytes", message.len()));
    }
    line
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
