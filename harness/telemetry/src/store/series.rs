//! Metric points by series: the last one where points are totals, every one where they add up.

use std::collections::BTreeMap;

use seaworthy_core::metric::{MetricPoint, MetricValue, Temporality};

use super::StoreLimits;

/// Points by series.
#[derive(Default)]
pub(super) struct Series {
    last: BTreeMap<String, (MetricPoint, usize)>,
    deltas: Vec<MetricPoint>,
}

impl Series {
    /// Keeps a point of `bytes` bytes when there is `room` for it. Returns by how many bytes the store grew;
    /// `None` when there was no room.
    pub(super) fn keep(
        &mut self,
        point: MetricPoint,
        bytes: usize,
        room: usize,
        limits: &StoreLimits,
    ) -> Option<usize> {
        if temporality(&point.value) == Some(Temporality::Delta) {
            if self.deltas.len() >= limits.delta_points || bytes > room {
                return None;
            }
            self.deltas.push(point);
            return Some(bytes);
        }
        let full = self.last.len() >= limits.series;
        match self.last.entry(key(&point)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                if full || bytes > room {
                    return None;
                }
                free.insert((point, bytes));
                Some(bytes)
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                let (known, size) = taken.get_mut();
                // Exports may overtake each other; a total never goes back.
                if point.time_unix < known.time_unix {
                    return Some(0);
                }
                let grown = bytes.saturating_sub(*size);
                if grown > room {
                    return None;
                }
                *known = point;
                *size = bytes.max(*size);
                Some(grown)
            }
        }
    }

    pub(super) fn points(&self) -> impl Iterator<Item = &MetricPoint> {
        self.last.values().map(|(point, _)| point).chain(&self.deltas)
    }

    pub(super) fn len(&self) -> usize {
        self.last.len() + self.deltas.len()
    }
}

fn temporality(value: &MetricValue) -> Option<Temporality> {
    match value {
        MetricValue::Sum { temporality, .. }
        | MetricValue::Histogram { temporality, .. }
        | MetricValue::ExponentialHistogram { temporality, .. } => Some(*temporality),
        MetricValue::Gauge { .. } | MetricValue::Summary { .. } => None,
    }
}

/// What tells one series from another: exporter, name, kind, attributes, and for totals the start of counting,
/// for a counter that began again does not replace what it had counted before.
fn key(point: &MetricPoint) -> String {
    let (kind, start) = match &point.value {
        MetricValue::Gauge { .. } => ("gauge", 0),
        MetricValue::Summary { .. } => ("summary", point.start_unix),
        MetricValue::Sum { .. } => ("sum", point.start_unix),
        MetricValue::Histogram { .. } => ("histogram", point.start_unix),
        MetricValue::ExponentialHistogram { .. } => ("exponential", point.start_unix),
    };
    let resource = &point.resource;
    format!(
        "{:?}\u{0}{:?}\u{0}{:?}\u{0}{kind}\u{0}{start}\u{0}{:?}",
        resource.service, resource.instance, point.name, point.attributes
    )
}
