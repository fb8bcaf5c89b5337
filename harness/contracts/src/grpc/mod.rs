//! gRPC calls and protobuf messages of contracts, through the descriptors that a contract carries: no plugin runs, no
//! code is generated.
mod answer;
mod call;
mod compare;
mod contents;
mod descriptors;
mod error;
mod inject;
mod path;
mod rules;
mod scalar;
mod status;
mod value;
mod well_known;

pub use answer::Answer;
pub use call::{Call, Outgoing};
pub use descriptors::{Pools, descriptors};
pub use error::GrpcError;
pub use status::Status;
