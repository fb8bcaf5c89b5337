//! Taking a provider's answer without passing it on, for faults that let the work be done and lose the answer.

use std::collections::VecDeque;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::config::WireConfig;
use crate::log::record::Capture;

/// What was taken of an answer.
pub(crate) struct Taken {
    pub(crate) frames: VecDeque<Frame<Bytes>>,
    pub(crate) capture: Capture,
    pub(crate) end: End,
}

/// Where the taking ended.
pub(crate) enum End {
    /// With the answer.
    Whole,
    /// At a limit; this is the rest.
    Limit(Incoming),
    /// With the connection.
    Broken(hyper::Error),
}

/// Takes an answer until it is whole or a limit of `config` is reached.
pub(crate) async fn take(mut body: Incoming, mut capture: Capture, config: &WireConfig) -> Taken {
    let deadline = Instant::now() + config.withheld_time;
    let mut frames = VecDeque::new();
    let mut bytes = 0;
    let end = loop {
        if body.is_end_stream() {
            break End::Whole;
        }
        if bytes >= config.withheld_bytes {
            break End::Limit(body);
        }
        match tokio::time::timeout_at(deadline, body.frame()).await {
            Err(_) => break End::Limit(body),
            Ok(None) => break End::Whole,
            Ok(Some(Err(error))) => break End::Broken(error),
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    bytes += data.len();
                    capture.see(data);
                }
                frames.push_back(frame);
            }
        }
    };
    Taken { frames, capture, end }
}
