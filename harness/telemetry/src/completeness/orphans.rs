//! Parents that never came.

use std::collections::{HashMap, HashSet};

use seaworthy_core::completeness::Gap;
use seaworthy_core::ids::{ServiceName, TraceId};

use super::mercy::{Waivers, was_killed};
use super::trail::Trail;

/// Spans whose parent is neither in the telemetry nor on the wire: one gap for each such parent, with its first
/// child.
///
/// A parent under which something was sent is on the wire: whether it is owed was settled there. As many parents
/// of a service as it has receiver spans missing (`absent`) are these spans themselves.
pub(super) fn find(
    trail: &Trail<'_>,
    mut absent: HashMap<(TraceId, ServiceName), usize>,
    waivers: &mut Waivers<'_>,
) -> Vec<Gap> {
    let killed =
        trail.exchanges.iter().chain(&trail.untraced).find_map(|exchange| {
            waivers.killed_provider(exchange).or_else(|| waivers.killed_consumer(exchange))
        });
    let mut gaps = Vec::new();
    let mut named = HashSet::new();
    for span in &trail.spans {
        let Some(parent) = span.parent_id else { continue };
        let place = (span.trace_id, parent);
        let known = trail.by_place.contains_key(&place) || trail.on_the_wire.contains(&place);
        if known || !named.insert(place) {
            continue;
        }
        let service = &span.resource.service;
        match absent.get_mut(&(span.trace_id, service.clone())) {
            Some(left) if *left > 0 => *left -= 1,
            _ => match killed {
                Some(instance) => waivers.waive(was_killed(instance)),
                None => {
                    gaps.push(Gap::MissingParent { span: span.span_id, parent, service: service.clone() });
                }
            },
        }
    }
    gaps
}
