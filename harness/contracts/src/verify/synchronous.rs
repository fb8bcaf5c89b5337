//! The door for those who make the calls of synchronous messages: gRPC comes in here.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use crate::mismatch::Mismatch;
use crate::model::{Interaction, MessageContents, Specification};
use crate::outcome::Outcome;

/// Makes the call of a synchronous message and judges what comes.
pub trait SynchronousCaller: fmt::Debug + Send + Sync {
    /// Whether this interaction is one of its own. The others go over the message endpoint.
    fn calls(&self, interaction: &Interaction) -> bool;

    /// Makes the call. It is given up after [`Call::timeout`].
    fn call<'a>(&'a self, call: Call<'a>) -> Pin<Box<dyn Future<Output = Called> + Send + 'a>>;

    /// Where a message that the provider gave differs from what the interaction agrees on, if its contents have a form
    /// that is read here (protobuf). `None`: it is compared as any other.
    fn compare(&self, _interaction: &Interaction, _came: &MessageContents) -> Option<Vec<Mismatch>> {
        None
    }
}

/// What is to be called.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The interaction; its contents are a synchronous message.
    pub interaction: &'a Interaction,
    /// The version of the specification by which it is judged.
    pub specification: Specification,
    /// What the provider states gave, by name.
    pub values: &'a HashMap<String, Value>,
    /// What the request carries besides the contract's own: `traceparent`, the correlation id, headers that were asked
    /// for. Where the contract states one of them itself, the contract's stands.
    pub headers: &'a [(String, String)],
    /// How long the answer may take.
    pub timeout: Duration,
    /// How many bytes of the answer are read.
    pub body_limit: usize,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Called {
    /// The judgement.
    pub outcome: Outcome,
    /// From the request's first byte to the answer's last; `None` where no answer came.
    pub latency: Option<Duration>,
    /// The request as a line for the shell (`grpcurl …`), secrets redacted.
    pub request: Option<String>,
    /// How far it came. Who has never answered is not asked for ever.
    pub reached: Reached,
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Nothing was sent: it says nothing of whether the provider is there.
    Nobody,
    /// The provider was not there.
    Silence,
    /// The provider said nothing whole before [`Call::timeout`].
    Timeout,
    /// The provider answered, if only with what is no answer to a call.
    Provider,
}
