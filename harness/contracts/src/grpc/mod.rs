//! gRPC calls and protobuf messages of contracts, through the descriptors that a contract carries: no plugin runs, no
//! code is generated.
mod answer;
mod call;
mod caller;
pub(crate) mod carried;
mod compare;
pub mod consumer;
mod contents;
mod descriptors;
mod error;
mod frame;
mod grpcurl;
mod inject;
mod path;
mod rules;
mod scalar;
mod status;
mod value;
mod well_known;
mod wire;

pub use answer::Answer;
pub use call::{Call, Outgoing};
pub use caller::{Caller, CallerError, Carried, Played};
pub use descriptors::{Pools, descriptors};
pub use error::GrpcError;
pub use status::Status;
