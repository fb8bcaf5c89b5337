//! OTLP receiver, telemetry store, causal completeness and TraceQL.
