//! A call as a line for the shell, so that whoever reads of a failure can make it again.

use seaworthy_core::secret::{redact, redact_header};

/// Messages longer than this are cut; in characters.
const LONGEST: usize = 2_000;

/// `grpcurl …` for a call, secrets redacted. `target` is `127.0.0.1:50051`, `message` is JSON.
pub(super) fn line(target: &str, path: &str, message: &str, metadata: &[(String, String)]) -> String {
    let mut line = String::from("grpcurl -plaintext");
    for (name, value) in metadata {
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {}", redact_header(name, value)))));
    }
    let (message, _) = redact(message);
    let shown: String = message.chars().take(LONGEST).collect();
    line.push_str(&format!(" -d {} {target} {}", quoted(&shown), path.trim_start_matches('/')));
    if shown.len() < message.len() {
        line.push_str(&format!(" # the message is cut, it has {} bytes", message.len()));
    }
    line
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
