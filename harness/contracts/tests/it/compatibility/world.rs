//! What one scenario knows.

use std::collections::HashMap;
use std::path::Path;

use cucumber::World;
use seaworthy_contracts::consumer::{MockProvider, Received, Report};
use seaworthy_contracts::generate::GenerateContext;
use seaworthy_contracts::mismatch::Mismatch;
use seaworthy_contracts::model::{
    Contents, Contract, HttpRequest, HttpResponse, Interaction, MessageContents, ProviderState, Specification,
};
use seaworthy_contracts::outcome::InteractionResult;
use seaworthy_core::finding::Location;
use serde_json::Map;
use tempfile::TempDir;

use super::doubles::Double;

/// What a mock answered: status, headers, body.
pub(crate) type Answer = (u16, Vec<(String, String)>, bytes::Bytes);

/// What one scenario knows. Each subject has its own part.
#[derive(Debug, World)]
#[world(init = Self::new)]
pub(crate) struct Suite {
    /// The version that the feature is about.
    pub version: Specification,
    /// The interactions of the feature's table.
    pub interactions: Vec<(HttpRequest, HttpResponse)>,
    /// Where files of this scenario are written.
    pub folder: TempDir,

    /// Matching: what is expected, what came, what differs.
    pub expected_request: HttpRequest,
    pub expected_response: HttpResponse,
    pub requests: Vec<HttpRequest>,
    pub responses: Vec<HttpResponse>,
    pub mismatches: Vec<Mismatch>,

    /// Generating: what generators may draw upon, and what came of it.
    pub context: GenerateContext,
    pub made_request: HttpRequest,
    pub made_response: HttpResponse,

    /// Consuming: the mock, what it answered, what it says, what was written.
    pub mock: Option<MockProvider>,
    pub answer: Option<Answer>,
    pub report: Option<Report>,
    pub written: Option<Contract>,
    pub declared: Vec<Interaction>,
    pub received: Vec<Received>,
    pub failure: Option<String>,

    /// Verifying: who is asked, for what, and what came of it.
    pub provider: Option<Double>,
    pub states: Option<Double>,
    pub brokers: Vec<Double>,
    pub publishing: bool,
    pub messages: HashMap<String, MessageContents>,
    pub contracts: Vec<Contract>,
    pub request_headers: Vec<(String, String)>,
    pub results: Vec<InteractionResult>,
}

impl Suite {
    fn new() -> Self {
        Self {
            version: Specification::V4,
            interactions: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            expected_request: HttpRequest::default(),
            expected_response: HttpResponse::default(),
            requests: Vec::new(),
            responses: Vec::new(),
            mismatches: Vec::new(),
            context: GenerateContext::default(),
            made_request: HttpRequest::default(),
            made_response: HttpResponse::default(),
            mock: None,
            answer: None,
            report: None,
            written: None,
            declared: Vec::new(),
            received: Vec::new(),
            failure: None,
            provider: None,
            states: None,
            brokers: Vec::new(),
            publishing: false,
            messages: HashMap::new(),
            contracts: Vec::new(),
            request_headers: Vec::new(),
            results: Vec::new(),
        }
    }

    /// The folder that a feature stands in names its version.
    pub(crate) fn begin(&mut self, feature: Option<&Path>) {
        let folder = feature.and_then(|path| path.parent()?.file_name()?.to_str());
        self.version = match folder {
            Some("V1") => Specification::V1,
            Some("V2") => Specification::V2,
            Some("V3") => Specification::V3,
            _ => Specification::V4,
        };
    }

    /// An interaction of the feature's table, counted from 1.
    pub(crate) fn interaction(&self, number: usize) -> &(HttpRequest, HttpResponse) {
        &self.interactions[number - 1]
    }

    /// What was declared last.
    pub(crate) fn last(&mut self) -> &mut Interaction {
        self.declared.last_mut().expect("an interaction is being defined")
    }

    /// An interaction of the contract that was written.
    pub(crate) fn written(&self, number: usize) -> &Interaction {
        &self.written.as_ref().expect("a contract was written").interactions[number]
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        // A mock that is not finished speaks up when it is dropped; the scenario has said all there is to say.
        if let Some(mock) = self.mock.take() {
            let _ = mock.finish(self.folder.path());
        }
    }
}

/// An interaction with nothing but its contents.
pub(crate) fn interaction(description: &str, contents: Contents) -> Interaction {
    Interaction {
        description: description.to_owned(),
        key: None,
        states: Vec::new(),
        pending: false,
        comments: Map::new(),
        transport: None,
        plugin_configuration: Map::new(),
        contents,
        location: Location { file: "scenario".to_owned(), line: 1, column: 1, pointer: None },
    }
}

/// An interaction over HTTP.
pub(crate) fn http(description: &str, (request, response): &(HttpRequest, HttpResponse)) -> Interaction {
    let contents =
        Contents::Http { request: Box::new(request.clone()), response: Box::new(response.clone()) };
    interaction(description, contents)
}

/// An interaction with one message.
pub(crate) fn message(description: &str, contents: MessageContents) -> Interaction {
    interaction(description, Contents::Message(Box::new(contents)))
}

/// A contract of a version.
pub(crate) fn contract(consumer: &str, version: Specification, interactions: Vec<Interaction>) -> Contract {
    Contract {
        consumer: consumer.to_owned(),
        provider: "p".to_owned(),
        specification: version,
        metadata: Map::new(),
        interactions: interactions.into_iter().map(Into::into).collect(),
        source: String::new(),
        consumer_version: None,
    }
}

/// A provider state with parameters.
pub(crate) fn state(
    name: &str,
    params: impl IntoIterator<Item = (String, serde_json::Value)>,
) -> ProviderState {
    ProviderState { name: name.to_owned(), params: params.into_iter().collect() }
}
