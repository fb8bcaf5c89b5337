//! Retries on two hops of one causal path: n tries above, each with m tries below, make n × m.

use std::collections::BTreeSet;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::ExchangeId;

use crate::attempts::{Call, delivers_event};

/// How many tries above must each have caused several below.
const SEVERAL: usize = 2;

/// The attempts on an upper hop that each caused retries below, where at least two of one call did.
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
        let multiplied: Vec<&Exchange> =
            call.attempts.iter().copied().filter(|attempt| retried_below.contains(&attempt.id)).collect();
        if multiplied.len() >= SEVERAL {
            upper.extend(multiplied);
        }
    }
    upper
}
