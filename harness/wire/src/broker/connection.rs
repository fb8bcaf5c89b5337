//! Connections to a broker.

use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};

use super::tap::TapError;

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How often broker and tap say that they are there, in seconds, unless the URL says otherwise. After twice this time of
/// silence a connection counts as lost.
const HEARTBEAT: u16 = 5;

/// Reads a broker's URL.
pub(super) fn read(url: &str) -> Result<AMQPUri, TapError> {
    // The parser's own message may hold the password.
    let mut uri: AMQPUri = url
        .parse()
        .map_err(|_: String| TapError::Url("not of the form amqp://user:password@host:port/vhost"))?;
    if uri.scheme == AMQPScheme::AMQPS {
        return Err(TapError::Url("for TLS, which the tap does not speak"));
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    Ok(uri)
}

/// Connects once.
pub(super) async fn connect(uri: &AMQPUri, broker: &str) -> Result<Connection, TapError> {
    let properties =
        ConnectionProperties::default().with_connection_name(format!("seaworthy tap {broker}").into());
    tokio::time::timeout(ATTEMPT, Connection::connect_uri(uri.clone(), properties))
        .await
        .map_err(|_| TapError::Silent)?
        .map_err(TapError::from)
}

/// How long to wait before another attempt.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(Duration::from_millis(20))
    }

    /// The next pause; each is longer than the one before, up to a second.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Duration::from_secs(1));
        pause
    }
}
