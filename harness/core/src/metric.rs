//! What services say of themselves, part three: metric points.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

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
        #[serde(deserialize_with = "number")]
        value: f64,
    },
    /// A running sum.
    Sum {
        /// The value.
        #[serde(deserialize_with = "number")]
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
        #[serde(deserialize_with = "number")]
        sum: f64,
    },
}

/// JSON has no word for what is not a number, and writes `null`: read back as NaN, so that one odd gauge does not make
/// a whole run's evidence unreadable.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_that_is_no_number_can_be_kept_and_read_back() {
        let text = serde_json::to_string(&MetricValue::Gauge { value: f64::NAN }).unwrap();
        let MetricValue::Gauge { value } = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        assert!(value.is_nan());
    }
}
