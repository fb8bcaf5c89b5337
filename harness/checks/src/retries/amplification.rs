//! Retries on two hops of one causal path: n tries above, each with m tries below, make n × m.

use std::collections::BTreeSet;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::ExchangeId;

use crate::attempts::{Call, delivers_event};

/// How many tries make a retry.
const SEVERAL: usize = 2;

/// The attempts of each call on an upper hop that was tried again after a try that had caused retries below.
///
/// One such try is enough: that the next one caused fewer may be thanks to a breaker or a deadline below, which is
/// what amplification uses up.
///
/// Events are left out: delivering them again until they are acknowledged is meant.
pub(super) fn upper_attempts<'e>(evidence: &dyn Evidence, calls: &[Call<'e>]) -> Vec<&'e Exchange> {
    let retried_below: BTreeSet<ExchangeId> = calls
        .iter()
        .filter(|call| call.attempts.len() >= SEVERAL)
        .filter_map(|call| call.incoming.map(|incoming| incoming.id))
        .collect();
    let mut upper = Vec::new();
    for call in calls {
        if call.attempts.iter().any(|attempt| delivers_event(evidence, attempt)) {
            continue;
        }
        let tried_again = call.attempts.split_last().map_or(&[][..], |(_, earlier)| earlier);
        if tried_again.iter().any(|attempt| retried_below.contains(&attempt.id)) {
            upper.extend(call.attempts.iter().copied());
        }
    }
    upper
}
