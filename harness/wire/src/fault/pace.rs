//! A rate that all connections of an edge share, in one direction.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes pass in pieces, about this many a second, so that a slow link trickles and does not burst.
const PIECES_PER_SECOND: u64 = 20;

/// Deals out the times at which pieces may pass.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the link is free again.
    free: Mutex<Option<Instant>>,
}

impl Pace {
    /// A place for as many of `wanted` bytes as pass in one piece: how many, and when. A piece passes when the time
    /// that its bytes take is over, as the last byte of it would on a slow link.
    pub(crate) fn take(&self, now: Instant, wanted: usize, bytes_per_second: u64) -> (usize, Instant) {
        let piece = (bytes_per_second / PIECES_PER_SECOND).max(1);
        let piece = usize::try_from(piece).unwrap_or(usize::MAX).min(wanted);
        let takes = Duration::from_secs_f64(piece as f64 / bytes_per_second as f64);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = free.map_or(now, |free| free.max(now)) + takes;
        *free = Some(passes);
        (piece, passes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_more_passes_than_the_rate_allows_whoever_shares_it(
            rate in 1u64..1_000_000, asked in prop::collection::vec((0u64..300, 1usize..5000), 1..60),
        ) {
            let start = Instant::now();
            let pace = Pace::default();
            let mut now = start;
            let mut total = 0;
            let mut last = start;
            let mut busy_from = start;
            for (pause, wanted) in asked {
                now += Duration::from_millis(pause);
                if now > last {
                    (busy_from, total) = (now, 0);
                }
                let (piece, at) = pace.take(now, wanted, rate);
                prop_assert!((1..=wanted).contains(&piece));
                prop_assert!(at > last, "pieces pass one after the other");
                total += piece;
                let ideal = total as f64 / rate as f64;
                let took = at.duration_since(busy_from).as_secs_f64();
                prop_assert!((took - ideal).abs() < 1e-6 * (1.0 + ideal), "{took} for {ideal}");
                last = at;
            }
        }
    }
}
