//! The readers of both encodings against each other, against another reader, and against the specification's
//! examples.

mod conformance;
mod json;
#[path = "../../../tests/it/sample.rs"]
#[allow(dead_code, reason = "shared with the tests over sockets")]
mod sample;

use prost::Message;

use super::{DecodeError, Format, schema};

const PARTS: usize = 1_000_000;

fn traces_from_json(
    json: &[u8],
) -> Result<opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest, DecodeError> {
    super::message(json, Format::Json, &schema::TRACES, PARTS)
}

fn logs_from_json(
    json: &[u8],
) -> Result<opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest, DecodeError> {
    super::message(json, Format::Json, &schema::LOGS, PARTS)
}

fn metrics_from_json(
    json: &[u8],
) -> Result<opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest, DecodeError> {
    super::message(json, Format::Json, &schema::METRICS, PARTS)
}

#[test]
fn parts_are_counted_at_every_depth() {
    let request = sample::traces("payments", vec![sample::span(), sample::span()]);
    let parts = super::parts::count(&request.encode_to_vec(), &schema::TRACES);
    // Group, resource with 2 attributes and their values, scope group, scope; of each span: itself, 7 attributes
    // with values, list with 2 values, map with 2 entries and values, event and link with an attribute, status.
    let span = 1 + 7 * 2 + 3 + 5 + 3 + 3 + 1;
    assert_eq!(parts, 1 + 1 + 4 + 1 + 1 + 2 * span);
    let refused = super::spans(&request.encode_to_vec(), Format::Protobuf, parts - 1, Default::default());
    assert_eq!(refused, Err(DecodeError::TooManyParts(parts - 1)));
    assert!(super::spans(&request.encode_to_vec(), Format::Protobuf, parts, Default::default()).is_ok());
}
