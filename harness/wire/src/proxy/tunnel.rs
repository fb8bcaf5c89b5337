//! Two connections that have switched to another protocol: bytes go through, each direction ends by itself.

use std::io;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use seaworthy_core::exchange::Outcome;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::flight::Flight;
use crate::log::record::Capture;

const PIECE: usize = 16 * 1024;

/// Joins the two connections until both directions have ended, and records what passed.
pub(crate) async fn join(
    consumer: OnUpgrade,
    provider: OnUpgrade,
    flight: Flight,
    request: super::flight::RequestRecorder,
) {
    let (mut up, mut down) = (flight.capture(), flight.capture());
    let generation = Arc::clone(&flight.connection().generation);
    let link = flight.connection().link.clone();
    let work = async {
        let (consumer, provider) =
            tokio::try_join!(consumer, provider).map_err(|_| io::ErrorKind::ConnectionReset)?;
        let (from_consumer, to_consumer) = tokio::io::split(TokioIo::new(consumer));
        let (from_provider, to_provider) = tokio::io::split(TokioIo::new(provider));
        tokio::try_join!(
            copy(from_consumer, to_provider, &mut up),
            copy(from_provider, to_consumer, &mut down),
        )?;
        Ok::<_, io::Error>(())
    };
    let ended = tokio::select! {
        ended = work => Some(ended),
        () = generation.is_cut() => None,
    };
    request.record(up);
    let down = Arc::new(down);
    match ended {
        Some(Ok(())) => flight.both_over(Outcome::Answered, &down, None),
        Some(Err(_)) => {
            link.reset_on_close();
            flight.both_over(Outcome::Reset, &down, None);
        }
        // Dropping the flight records who cut it.
        None => flight.bodies_so_far(&down, &down),
    }
}

/// Copies until the end, then closes the writing side, so that a half-closed connection stays half-closed.
pub(crate) async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    capture: &mut Capture,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).await? {
            0 => return to.shutdown().await,
            count => {
                let Some(data) = piece.get(..count) else { return Ok(()) };
                capture.see(data);
                to.write_all(data).await?;
                to.flush().await?;
            }
        }
    }
}
