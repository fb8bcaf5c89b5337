//! Faults that change a response's body on its way: truncate, corrupt, slow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use seaworthy_core::fault::FaultAction;
use tokio::time::Sleep;

use super::flight::Flight;
use crate::fault::Match;
use crate::fault::matching::mix;
use crate::log::record::Capture;

/// A slowed body passes in pieces, this many a second.
const PIECES_PER_SECOND: u64 = 20;

/// Changes one response's body. A fault counts as applied when it first does something: truncation when there are
/// bytes to be cut off, corruption with the first changed byte, slowness with the first byte.
pub(crate) struct Shaper {
    steps: Vec<Step>,
    /// What came from the provider and has not passed yet.
    backlog: Bytes,
    /// Bytes passed so far.
    passed: u64,
    capture: Capture,
    pause: Option<Pin<Box<Sleep>>>,
}

struct Step {
    found: Match,
    kind: Kind,
    fired: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Truncate { after: u64 },
    Corrupt { every: u64, seed: u64 },
    Slow { bytes_per_second: u64 },
}

/// What comes next.
pub(crate) enum Shaped {
    /// Nothing until more is pushed.
    Wants,
    /// These bytes.
    Data(Bytes),
    /// The response breaks off here.
    Cut,
}

impl Shaper {
    /// The shaper for these faults; `None` when there are none.
    pub(crate) fn new(faults: &[Match], flight: &Flight) -> Option<Box<Self>> {
        let step = |found: &Match| {
            let kind = match *found.action() {
                FaultAction::Truncate { after_bytes } => Kind::Truncate { after: after_bytes },
                FaultAction::Corrupt { every_bytes } => {
                    Kind::Corrupt { every: every_bytes, seed: mix(found.rule.rule.seed, found.index) }
                }
                FaultAction::SlowBody { bytes_per_second } => Kind::Slow { bytes_per_second },
                _ => return None,
            };
            Some(Step { found: found.clone(), kind, fired: false })
        };
        let steps: Vec<_> = faults.iter().filter_map(step).collect();
        (!steps.is_empty()).then(|| {
            Box::new(Self { steps, backlog: Bytes::new(), passed: 0, capture: flight.capture(), pause: None })
        })
    }

    /// Takes what the provider sent; only after [`Shaped::Wants`].
    pub(crate) fn push(&mut self, data: Bytes) {
        self.backlog = data;
    }

    /// Whether nothing waits to pass.
    pub(crate) fn is_drained(&self) -> bool {
        self.backlog.is_empty()
    }

    /// What the consumer got.
    pub(crate) fn into_passed(self) -> Capture {
        self.capture
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>, flight: &Flight) -> Poll<Shaped> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.backlog.is_empty() {
            return Poll::Ready(Shaped::Wants);
        }
        let mut piece = self.backlog.len() as u64;
        let mut pause = Duration::ZERO;
        for step in &mut self.steps {
            if let Kind::Slow { bytes_per_second } = step.kind {
                step.fire(flight);
                piece = piece.min((bytes_per_second / PIECES_PER_SECOND).max(1));
                pause = pause.max(Duration::from_secs_f64(piece as f64 / bytes_per_second as f64));
            }
        }
        for step in &mut self.steps {
            if let Kind::Truncate { after } = step.kind {
                let room = after.saturating_sub(self.passed);
                if room == 0 {
                    step.fire(flight);
                    return Poll::Ready(Shaped::Cut);
                }
                piece = piece.min(room);
            }
        }
        // It fits: it is no more than the backlog's length.
        let mut data = self.backlog.split_to(piece as usize);
        for step in &mut self.steps {
            if let Kind::Corrupt { every, seed } = step.kind
                && let Some(corrupted) = corrupt(&data, self.passed, every, seed)
            {
                step.fire(flight);
                data = corrupted;
            }
        }
        self.passed += piece;
        self.capture.see(&data);
        if !pause.is_zero() {
            self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        }
        Poll::Ready(Shaped::Data(data))
    }
}

impl Step {
    fn fire(&mut self, flight: &Flight) {
        if !std::mem::replace(&mut self.fired, true) {
            flight.apply(&self.found);
        }
    }
}

/// `data`, which starts at `offset` of its body, with one byte changed in each whole stretch of `every` bytes, if one
/// of those lies in it.
fn corrupt(data: &[u8], offset: u64, every: u64, seed: u64) -> Option<Bytes> {
    let end = offset + data.len() as u64;
    let mut changed: Option<BytesMut> = None;
    for stretch in offset / every..=(end - 1) / every {
        let dice = mix(seed, stretch);
        let Some(at) = (stretch * every).checked_add(dice % every) else { break };
        if (offset..end).contains(&at) {
            let bytes = changed.get_or_insert_with(|| BytesMut::from(data));
            // Never 0, so that the byte does change.
            bytes[(at - offset) as usize] ^= ((dice >> 56) as u8) | 1;
        }
    }
    changed.map(BytesMut::freeze)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn corruption_changes_one_byte_in_each_stretch_however_the_body_is_cut_up(
            length in 1usize..2000, every in 1u64..300, seed: u64, cut in 0usize..2000,
        ) {
            let body = vec![0u8; length];
            let cut = cut.min(length);
            let mut pieces = Vec::new();
            for (offset, piece) in [(0, &body[..cut]), (cut, &body[cut..])] {
                if !piece.is_empty() {
                    let changed = corrupt(piece, offset as u64, every, seed);
                    pieces.extend_from_slice(changed.as_deref().unwrap_or(piece));
                }
            }
            let whole = corrupt(&body, 0, every, seed).map_or(body, |changed| changed.to_vec());
            prop_assert_eq!(&pieces, &whole);
            for stretch in whole.chunks_exact(every as usize) {
                prop_assert_eq!(stretch.iter().filter(|byte| **byte != 0).count(), 1);
            }
        }
    }
}
