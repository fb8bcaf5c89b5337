//! Flows: scripted uses of a system, from the file to what came of each step.
//!
//! A flow is a YAML file. Each of its steps sends one request under a trace of its own, maybe breaks something
//! for that request alone, waits for the evidence that ends the work, and says what must be so of the answer
//! and of the trace.
//!
//! | module | what it does |
//! |---|---|
//! | [`model`] | what a file can say |
//! | [`expect`] | what an answer must look like, and whether it does |
//! | [`target`] | an edge with a route on it, as steps name it |
//! | [`text`] | `${…}` in texts |
//! | [`mod@load`] | reading a file strictly, with a place for each complaint |
//! | [`isolation`] | whether a flow may run beside others |
//! | [`run`] | running a flow on a system |
//!
//! ```
//! use seaworthy_experiment::flow::Flow;
//!
//! let flow = Flow::parse(
//!     r#"
//! flow: buy-a-book
//! steps:
//!   - name: order
//!     request: {method: POST, path: /api/v1/orders, json: {items: [{sku: book, quantity: 1}]}}
//!     expect: {status: 201, json: {"$.status": CONFIRMED}}
//!     capture: {order: "$.id"}
//!     wait-until:
//!       - {exchange: "orders -> notifications POST /events", succeeded: true}
//! "#,
//!     "buy-a-book.yaml",
//! )?;
//! assert_eq!(flow.steps[0].name, "order");
//! # Ok::<(), seaworthy_experiment::flow::FlowFileError>(())
//! ```

mod carried;
#[cfg(test)]
mod complaints;
pub mod expect;
pub mod isolation;
pub mod load;
pub mod model;
pub mod run;
pub mod source;
pub mod target;
pub mod text;
mod validate;

pub use expect::{Expect, JsonExpect, StatusExpect};
pub use isolation::Isolation;
pub use load::{FlowFileError, load, load_all};
pub use model::{
    Aftermath, Awaited, Capture, Flow, Held, InstanceStep, Lifetime, Poll, RequestTemplate, Step, StepFault,
    TraceAssertion, Until, Wait,
};
pub use run::{FlowOutcome, run_flow};
pub use target::Target;

/// The JSON Schema of a flow file.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Flow).to_value()
}
