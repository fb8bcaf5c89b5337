//! What a service says: its histogram of request durations, added up.

use std::collections::BTreeMap;

use seaworthy_core::evidence::Evidence;
use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::metric::{MetricPoint, MetricValue};
use seaworthy_core::span::Value;

use super::Family;

/// The names of a family's histogram as OpenTelemetry published them, newest first, with the unit of each.
fn names(family: Family) -> [(&'static str, &'static str); 2] {
    match family {
        Family::Http => [("http.server.request.duration", "s"), ("http.server.duration", "ms")],
        Family::Rpc => [("rpc.server.call.duration", "s"), ("rpc.server.duration", "ms")],
    }
}

/// The names of gRPC's statuses, by number.
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// One instance's totals.
pub(super) struct Said {
    pub(super) family: Family,
    /// The histogram's name.
    pub(super) name: &'static str,
    /// The unit that it claims.
    pub(super) unit: String,
    /// All measurements.
    pub(super) count: u64,
    /// Their sum in seconds, by the claimed unit; `None` when a point has no sum.
    sum_seconds: Option<f64>,
    /// Measurements by class of status; `None` for those without a status.
    pub(super) by_class: BTreeMap<Option<u16>, u64>,
}

impl Said {
    /// Adds up the newest of the family's histograms that the instance exports; `None` when it exports none.
    pub(super) fn of(
        evidence: &dyn Evidence,
        service: &ServiceName,
        instance: Option<&InstanceId>,
        family: Family,
    ) -> Option<Self> {
        names(family).into_iter().find_map(|(name, published_unit)| {
            let mine = |point: &&MetricPoint| {
                point.name == name
                    && point.resource.service == *service
                    && (instance.is_none() || point.resource.instance.as_ref() == instance)
            };
            let points: Vec<&MetricPoint> = evidence.metrics().iter().filter(mine).collect();
            let unit = match points.first()?.unit.as_str() {
                "" => published_unit.to_owned(),
                unit => unit.to_owned(),
            };
            let mut said =
                Self { family, name, unit, count: 0, sum_seconds: Some(0.0), by_class: BTreeMap::new() };
            for point in points {
                let Some((count, sum)) = measured(&point.value) else { continue };
                said.count += count;
                said.sum_seconds = said
                    .sum_seconds
                    .zip(sum)
                    .zip(in_seconds(&said.unit))
                    .map(|((all, sum), unit)| all + sum * unit);
                *said.by_class.entry(class(point, family)).or_default() += count;
            }
            Some(said)
        })
    }

    /// The mean in seconds.
    pub(super) fn mean_seconds(&self) -> Option<f64> {
        (self.count > 0).then_some(self.sum_seconds? / self.count as f64)
    }
}

fn measured(value: &MetricValue) -> Option<(u64, Option<f64>)> {
    match value {
        MetricValue::Histogram { count, sum, .. } | MetricValue::ExponentialHistogram { count, sum, .. } => {
            Some((*count, *sum))
        }
        MetricValue::Summary { count, sum } => Some((*count, Some(*sum))),
        MetricValue::Gauge { .. } | MetricValue::Sum { .. } => None,
    }
}

/// UCUM's units of time.
fn in_seconds(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" | "µs" => Some(1e-6),
        "ns" => Some(1e-9),
        "min" => Some(60.0),
        _ => None,
    }
}

/// HTTP: the status' first digit; gRPC: the status itself.
fn class(point: &MetricPoint, family: Family) -> Option<u16> {
    let attribute = |keys: &[&str]| keys.iter().find_map(|key| point.attributes.get(*key));
    match family {
        Family::Http => {
            let status = attribute(&["http.response.status_code", "http.status_code"])?;
            number(status).map(|status| status / 100)
        }
        Family::Rpc => {
            let status = attribute(&["rpc.response.status_code", "rpc.grpc.status_code"])?;
            number(status).or_else(|| {
                let name = status.as_str()?;
                let at = GRPC_STATUSES.iter().position(|status| status.eq_ignore_ascii_case(name))?;
                u16::try_from(at).ok()
            })
        }
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
