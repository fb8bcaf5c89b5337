//! The consumer's side of gRPC: a test declares the calls it relies on, runs the consumer's own client against a mock
//! server, and the contract is written as the protobuf plugin of other Pact tools writes it.
//!
//! ```no_run
//! use seaworthy_contracts::consumer::{Pact, pattern::*};
//! use seaworthy_contracts::grpc::consumer::Descriptors;
//! use seaworthy_contracts::json_pattern;
//!
//! # async fn client(url: String) {}
//! # async fn test(file_descriptor_set: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! // An encoded `FileDescriptorSet`: what `protoc --include_imports --descriptor_set_out` writes, or
//! // `protox::compile(["inventory/v1/inventory.proto"], ["contracts/protobuf"])?.encode_to_vec()`.
//! let inventory = Descriptors::new(file_descriptor_set)?;
//!
//! let mut pact = Pact::new("orders", "inventory");
//! pact.grpc(&inventory)
//!     .call("a reservation of two mugs", "shop.inventory.v1.Inventory/Reserve")
//!     .given("the mug is in stock")
//!     .request(json_pattern!({
//!         "order_id": like("ord_1"),
//!         "lines": each_like(json_pattern!({ "sku": regex("^[a-z-]+$", "mug"), "quantity": integer(2) })),
//!     }))
//!     .response(json_pattern!({
//!         "reservation_id": regex("^res_", "res_1"),
//!         "status": "RESERVATION_STATUS_HELD",
//!     }));
//! pact.grpc(&inventory)
//!     .call("a reservation of what is not sold", "shop.inventory.v1.Inventory/Reserve")
//!     .request(json_pattern!({ "order_id": "ord_2", "lines": [{ "sku": "unicorn", "quantity": 1 }] }))
//!     .status("NOT_FOUND", regex("unicorn", "no such SKU: unicorn"));
//!
//! let server = pact.serve_grpc().await?;
//! client(server.url()).await;
//! server.finish("contracts/pacts")?;
//! # Ok(())
//! # }
//! ```
//!
//! Fields have the names of the proto file, enums those of their values. A field of the request that is not declared
//! must not be set by the consumer; one of the response may be anything. Where several calls fit, the first declared
//! one that was not used yet answers, as for HTTP.

mod form;
mod mock;

use std::panic::Location as Caller;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pact_models::provider_states::ProviderState;
use pact_models::v4::message_parts::MessageContents;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorSet;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};
use seaworthy_core::finding::Location;
use serde_json::{Map, Value, json};

use super::descriptors;
use super::status;
use crate::consumer::Pact;
use crate::consumer::pattern::Pattern;
use crate::model::{Contents, Interaction};

pub use mock::MockGrpc;

/// What services and messages look like: the contract carries it, so that the provider can be asked without code of
/// either side.
#[derive(Debug, Clone)]
pub struct Descriptors {
    pool: DescriptorPool,
    /// The MD5 of the set: other Pact tools check it.
    key: String,
    encoded: String,
    proto: String,
}

/// Why descriptors cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not use the descriptors: {0}")]
pub struct DescriptorsError(String);

impl Descriptors {
    /// Reads an encoded `FileDescriptorSet` that holds the imported files too. Comments and places in the source are
    /// left out, so that a contract does not change with them.
    ///
    /// # Errors
    /// When the bytes are no such set, or a file that is imported is not in it.
    pub fn new(file_descriptor_set: &[u8]) -> Result<Descriptors, DescriptorsError> {
        let mut set = FileDescriptorSet::decode(file_descriptor_set)
            .map_err(|error| DescriptorsError(format!("they are no FileDescriptorSet ({error})")))?;
        for file in &mut set.file {
            file.source_code_info = None;
        }
        let bytes = set.encode_to_vec();
        let pool = descriptors::pool(&bytes).map_err(DescriptorsError)?;
        let key = format!("{:x}", md5::compute(&bytes));
        Ok(Descriptors { pool, key, encoded: STANDARD.encode(&bytes), proto: String::new() })
    }

    /// The text of the proto file, which the contract then carries for its readers.
    #[must_use]
    pub fn proto_file(mut self, text: impl Into<String>) -> Descriptors {
        self.proto = text.into();
        self
    }

    fn configuration(&self) -> Value {
        json!({ "protoDescriptors": self.encoded, "protoFile": self.proto })
    }
}

impl Pact {
    /// Calls of services that these descriptors have. Needs Pact specification 4.0, which is the default.
    pub fn grpc<'a>(&'a mut self, descriptors: &'a Descriptors) -> Calls<'a> {
        Calls { pact: self, descriptors }
    }

    /// Starts a server on 127.0.0.1, over HTTP/2 without TLS, that answers the calls as declared. HTTP interactions
    /// and messages of the same pact are not played by it: give them a pact of their own, whose contract is merged
    /// into the same file.
    ///
    /// # Errors
    /// As [`Pact::contract`]; also where an example does not keep its own rules, and where no port can be had.
    pub async fn serve_grpc(self) -> Result<MockGrpc, crate::consumer::ConsumerError> {
        MockGrpc::start(self).await
    }
}

/// The services to call.
#[derive(Debug)]
pub struct Calls<'a> {
    pact: &'a mut Pact,
    descriptors: &'a Descriptors,
}

impl<'a> Calls<'a> {
    /// One call with its answer. `description` and states together name it within the contract; `method` is
    /// `package.Service/Method`.
    #[track_caller]
    pub fn call(self, description: impl Into<String>, method: &str) -> GrpcCall<'a> {
        let caller = Caller::caller();
        let location = Location {
            file: caller.file().to_owned(),
            line: caller.line() as usize,
            column: caller.column() as usize,
            pointer: None,
        };
        let mut problems = Vec::new();
        let found = descriptors::method(&self.descriptors.pool, method, &location);
        let method = found.map_err(|error| problems.push(format!("{error}"))).ok();
        let interaction = Interaction {
            description: description.into(),
            key: None,
            states: Vec::new(),
            pending: false,
            comments: Map::new(),
            transport: Some("grpc".to_owned()),
            plugin_configuration: Map::new(),
            contents: Contents::SynchronousMessage { request: Box::default(), responses: Vec::new() },
            location,
        };
        GrpcCall {
            pact: self.pact,
            descriptors: self.descriptors,
            method,
            interaction,
            request: MessageContents::default(),
            metadata: Vec::new(),
            problems,
        }
    }
}

/// A call being declared.
#[derive(Debug)]
#[must_use = "declare its answer"]
pub struct GrpcCall<'a> {
    pact: &'a mut Pact,
    descriptors: &'a Descriptors,
    method: Option<MethodDescriptor>,
    interaction: Interaction,
    request: MessageContents,
    metadata: Vec<(String, Pattern)>,
    problems: Vec<String>,
}

impl GrpcCall<'_> {
    /// What must hold at the provider beforehand. Call it again for more than one.
    pub fn given(mut self, state: impl Into<String>) -> Self {
        self.interaction.states.push(ProviderState { name: state.into(), params: Default::default() });
        self
    }

    /// What must hold at the provider beforehand, with parameters: `json!({"sku": "mug"})`.
    pub fn given_with(mut self, state: impl Into<String>, params: Value) -> Self {
        match params {
            Value::Object(params) => {
                let params = params.into_iter().collect();
                self.interaction.states.push(ProviderState { name: state.into(), params });
            }
            other => self.problems.push(format!("the parameters of a state are a JSON object, not {other}")),
        }
        self
    }

    /// A key that keeps its identity when description or states change.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.interaction.key = Some(key.into());
        self
    }

    /// It may fail at the provider without failing the provider's verification.
    pub fn pending(mut self) -> Self {
        self.interaction.pending = true;
        self
    }

    /// Metadata that the consumer sends with the call.
    pub fn metadata(mut self, name: &str, value: impl Into<Pattern>) -> Self {
        self.metadata.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The message that the consumer sends. A call without one sends an empty message.
    pub fn request(mut self, message: impl Into<Pattern>) -> Self {
        if let Some(contents) = self.contents("the request", MethodDescriptor::input, &message.into()) {
            self.request = contents;
        }
        self
    }

    /// The message that the provider answers. The declaration is complete with it.
    pub fn response(mut self, message: impl Into<Pattern>) {
        let contents = self.contents("the response", MethodDescriptor::output, &message.into());
        self.complete(contents.into_iter().collect());
    }

    /// The messages that the provider answers, of a method with a stream of them. The declaration is complete with it.
    pub fn responses<P: Into<Pattern>>(mut self, messages: impl IntoIterator<Item = P>) {
        let patterns: Vec<Pattern> = messages.into_iter().map(Into::into).collect();
        let contents = patterns
            .iter()
            .enumerate()
            .filter_map(|(index, pattern)| {
                self.contents(&format!("response {}", index + 1), MethodDescriptor::output, pattern)
            })
            .collect();
        self.complete(contents);
    }

    /// An end that is not `OK`: its code by name (`NOT_FOUND`), and what the message with it says. The declaration is
    /// complete with it. Agree on a text only if the consumer reads it; else pass `like("…")`.
    pub fn status(mut self, code: &str, message: impl Into<Pattern>) {
        let contents = match status::parse(code).and_then(status::name) {
            None => self.kept("the status", Err(format!("`{code}` is no status of gRPC"))),
            Some("OK") => self
                .kept("the status", Err("a call that ends with OK has a response; declare that".to_owned())),
            Some(code) => {
                let entries = [
                    ("grpc-status".to_owned(), Pattern::from(code)),
                    ("grpc-message".to_owned(), message.into()),
                ];
                self.with_metadata("the status", MessageContents::default(), &entries)
            }
        };
        self.complete(contents.into_iter().collect());
    }

    /// What a pattern says of a message; what is wrong with it is kept.
    fn contents(
        &mut self,
        what: &str,
        descriptor: impl Fn(&MethodDescriptor) -> MessageDescriptor,
        pattern: &Pattern,
    ) -> Option<MessageContents> {
        let descriptor = descriptor(self.method.as_ref()?);
        self.kept(what, form::contents(&descriptor, pattern))
    }

    fn with_metadata(
        &mut self,
        what: &str,
        mut contents: MessageContents,
        metadata: &[(String, Pattern)],
    ) -> Option<MessageContents> {
        let added = form::metadata(&mut contents, metadata);
        self.kept(what, added.map(|()| contents))
    }

    fn kept<T>(&mut self, what: &str, made: Result<T, String>) -> Option<T> {
        made.map_err(|problem| self.problems.push(format!("{what}: {problem}"))).ok()
    }

    fn complete(mut self, responses: Vec<MessageContents>) {
        if let Some(method) = self.method.clone() {
            let mut request = std::mem::take(&mut self.request);
            if request == MessageContents::default() {
                let empty = Pattern::object(Vec::new());
                request = form::contents(&method.input(), &empty).unwrap_or_default();
            }
            let metadata = std::mem::take(&mut self.metadata);
            let request = self.with_metadata("the metadata", request, &metadata).unwrap_or_default();
            self.interaction.contents =
                Contents::SynchronousMessage { request: Box::new(request), responses };
            let service = format!(".{}/{}", method.parent_service().full_name(), method.name());
            let configuration = json!({ "descriptorKey": self.descriptors.key, "service": service });
            self.interaction.plugin_configuration.insert(descriptors::PLUGIN.to_owned(), configuration);
            form::carry(self.pact.metadata_mut(), &self.descriptors.key, self.descriptors.configuration());
        }
        self.pact.add_declared(self.interaction, self.problems);
    }
}
