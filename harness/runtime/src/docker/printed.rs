//! What a container prints, read from the engine to the last line.
//!
//! Engines end a stream of log lines with the container, and some (Docker 20.10) before its last lines were in it. So
//! after the end all is read once more, and what was seen before is passed over; likewise after a stream broke.

use std::time::Duration;

use futures_util::StreamExt;
use seaworthy_core::log::Stream;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::query_parameters::LogsOptionsBuilder;
use tokio::sync::watch;

use super::Inner;
use super::instance::Instance;
use crate::output::{Lines, Source};

/// How long after the end the stream may go on.
const AFTER_THE_END: Duration = Duration::from_secs(3);
/// The pause before a stream that broke is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// Keeps what an instance prints; returns when it has ended, as `ended` says, and all was read.
pub(super) async fn listen(inner: &Inner, instance: &Instance, mut ended: watch::Receiver<bool>) {
    let lines = |stream: Stream| {
        let source = Source { service: instance.service.clone(), instance: instance.id.clone(), stream };
        Printed { lines: inner.record.capture.lines(source, inner.record.clock), seen: 0 }
    };
    let mut printed = [lines(Stream::Stdout), lines(Stream::Stderr)];
    while !*ended.borrow() {
        let mut end = ended.clone();
        let long_after_the_end = async {
            // An error means that nobody will tell, which is an end too.
            let _ = end.wait_for(|ended| *ended).await;
            tokio::time::sleep(AFTER_THE_END).await;
        };
        tokio::select! {
            () = read(inner, instance, true, &mut printed) => {}
            () = long_after_the_end => {}
        }
        // It ended with the container, which shows in a moment, or it broke.
        let _ = tokio::time::timeout(PAUSE, ended.wait_for(|ended| *ended)).await;
    }
    read(inner, instance, false, &mut printed).await;
}

/// One of the two streams, and how much of it was seen, in bytes.
struct Printed<'p> {
    lines: Lines<'p>,
    seen: u64,
}

/// Reads from the beginning, to what there is or, when it follows, until the engine ends it.
async fn read(inner: &Inner, instance: &Instance, follow: bool, printed: &mut [Printed<'_>; 2]) {
    let options = LogsOptionsBuilder::new().follow(follow).stdout(true).stderr(true).build();
    let mut told = inner.docker.logs(&instance.container, Some(options));
    let mut passed = [0; 2];
    while let Some(Ok(output)) = told.next().await {
        let (which, bytes) = match output {
            LogOutput::StdOut { message } | LogOutput::Console { message } => (0, message),
            LogOutput::StdErr { message } => (1, message),
            LogOutput::StdIn { .. } => continue,
        };
        let Printed { lines, seen } = &mut printed[which];
        lines.push(unseen(&bytes, &mut passed[which], seen));
    }
}

/// The part of the next bytes of a stream that was not seen in an earlier reading of it. `passed` is how far this
/// reading has got, `seen` how far any has.
fn unseen<'b>(bytes: &'b [u8], passed: &mut u64, seen: &mut u64) -> &'b [u8] {
    let known = usize::try_from(seen.saturating_sub(*passed)).unwrap_or(usize::MAX).min(bytes.len());
    *passed += bytes.len() as u64;
    *seen = (*seen).max(*passed);
    &bytes[known..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts a text into pieces of these lengths and reads as many of them.
    fn reading(text: &[u8], lengths: &[usize], seen: &mut u64) -> Vec<u8> {
        let (mut rest, mut passed, mut new) = (text, 0, Vec::new());
        for length in lengths {
            let (piece, others) = rest.split_at((*length).min(rest.len()));
            new.extend_from_slice(unseen(piece, &mut passed, seen));
            rest = others;
        }
        new
    }

    proptest! {
        #[test]
        fn several_readings_give_each_byte_once(
            text in proptest::collection::vec(any::<u8>(), 0..60),
            readings in proptest::collection::vec(proptest::collection::vec(0_usize..20, 0..6), 0..4),
        ) {
            let mut seen = 0;
            let mut all = Vec::new();
            for lengths in &readings {
                all.extend(reading(&text, lengths, &mut seen));
            }
            all.extend(reading(&text, &[7; 10], &mut seen));
            prop_assert_eq!(all, text);
        }
    }
}
