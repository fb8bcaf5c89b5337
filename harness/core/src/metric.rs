//! What services say of themselves, part three: metric points.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::span::{Attributes, Resource};
use crate::time::Nanos;

/// Whether a sum or histogram counts since its start or since the last export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    /// Since the series' start; the last point has the total.
    Cumulative,
    /// Since the last export; points add up.
    Delta,
}

/// The number or distribution of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum MetricValue {
    /// A value now.
    Gauge {
        /// The value.
        value: f64,
    },
    /// A running sum.
    Sum {
        /// The value.
        value: f64,
        /// Whether it only grows.
        monotonic: bool,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// A distribution over explicit buckets.
    Histogram {
        /// How many measurements.
        count: u64,
        /// Their sum, when given.
        sum: Option<f64>,
        /// Upper bounds of the buckets, without infinity.
        bounds: Vec<f64>,
        /// Measurements by bucket; one more than bounds.
        buckets: Vec<u64>,
        /// The least measurement, when given.
        min: Option<f64>,
        /// The greatest measurement, when given.
        max: Option<f64>,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// A distribution over exponential buckets; only what the checks use is kept.
    ExponentialHistogram {
        /// How many measurements.
        count: u64,
        /// Their sum, when given.
        sum: Option<f64>,
        /// Since when it counts.
        temporality: Temporality,
    },
    /// Quantiles as the service computed them.
    Summary {
        /// How many measurements.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

/// One data point of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// The metric's name.
    pub name: String,
    /// Its unit in UCUM, as said (`s`, `ms`, `By`, `{request}`).
    pub unit: String,
    /// The series' attributes.
    pub attributes: Attributes,
    /// Start of the interval that it covers, nanoseconds since the Unix epoch; 0 when not said.
    pub start_unix: u64,
    /// Its time, nanoseconds since the Unix epoch.
    pub time_unix: u64,
    /// The value.
    pub value: MetricValue,
    /// Who exported it.
    pub resource: Arc<Resource>,
    /// When the receiver got it.
    pub received: Nanos,
}
