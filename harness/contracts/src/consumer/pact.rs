//! What a consumer's test declares: the interactions of one consumer with one provider.

use std::panic::Location as Caller;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pact_models::provider_states::ProviderState;
use seaworthy_core::finding::Location;
use serde_json::{Map, Value};

use super::error::ConsumerError;
use super::mock::MockProvider;
use super::parts::{Message, Request, Response};
use super::pattern::Pattern;
use super::played::{Played, Report};
use super::property::{self, Cases};
use crate::model::{
    Contents, Contract, HttpRequest, HttpResponse, Interaction, MessageContents, Specification,
};
use crate::write::{self, Mode};

/// The interactions of one consumer with one provider, as a test declares them.
#[derive(Debug)]
pub struct Pact {
    pub(super) consumer: String,
    pub(super) provider: String,
    specification: Specification,
    mode: Option<Mode>,
    drafts: Vec<Draft>,
    /// The contract's `metadata`: descriptors, say.
    metadata: Map<String, Value>,
    /// Descriptions of what was exercised without the mock (messages).
    exercised: Vec<String>,
}

/// An interaction in the making.
#[derive(Debug)]
struct Draft {
    interaction: Interaction,
    problems: Vec<String>,
}

impl Pact {
    /// What `consumer` relies on at `provider`; Pact specification 4.0.
    pub fn new(consumer: impl Into<String>, provider: impl Into<String>) -> Pact {
        Pact {
            consumer: consumer.into(),
            provider: provider.into(),
            specification: Specification::V4,
            mode: None,
            drafts: Vec::new(),
            metadata: Map::new(),
            exercised: Vec::new(),
        }
    }

    /// Writes another version of the specification: for tools that read no V4 yet.
    #[must_use]
    pub fn specification(mut self, specification: Specification) -> Pact {
        self.specification = specification;
        self
    }

    /// What [`Pact::finish`] does with the file, whatever the environment says (see [`Mode::from_environment`]).
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Pact {
        self.mode = Some(mode);
        self
    }

    /// One request with its response. `description` and states together name it within the contract.
    #[track_caller]
    pub fn interaction(&mut self, description: impl Into<String>) -> HttpInteraction<'_> {
        let contents = Contents::Http {
            request: Box::new(HttpRequest::default()),
            response: Box::new(HttpResponse::default()),
        };
        HttpInteraction { draft: self.draft(description.into(), contents, Caller::caller()) }
    }

    /// One message that the provider sends and the consumer handles.
    #[track_caller]
    pub fn message(&mut self, description: impl Into<String>) -> MessageInteraction<'_> {
        let contents = Contents::Message(Box::default());
        MessageInteraction {
            draft: self.draft(description.into(), contents, Caller::caller()),
            message: Message::default(),
        }
    }

    /// Adds an interaction that was made otherwise (gRPC, say). Its author says with [`Pact::exercised`] that the
    /// consumer's code has used it.
    pub fn add(&mut self, interaction: Interaction) {
        self.drafts.push(Draft { interaction, problems: Vec::new() });
    }

    /// As [`Pact::add`], with what is wrong with it, if anything is.
    pub(crate) fn add_declared(&mut self, interaction: Interaction, problems: Vec<String>) {
        self.drafts.push(Draft { interaction, problems });
    }

    /// What the contract's `metadata` will hold.
    pub(crate) fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.metadata
    }

    /// Says that the consumer's code has used the interaction of this description (or name: states and
    /// description, where several share one description).
    pub fn exercised(&mut self, description: impl Into<String>) {
        self.exercised.push(description.into());
    }

    fn draft(&mut self, description: String, contents: Contents, caller: &Caller<'_>) -> &mut Draft {
        let location = Location {
            file: caller.file().to_owned(),
            line: caller.line() as usize,
            column: caller.column() as usize,
            pointer: None,
        };
        let interaction = Interaction {
            description,
            key: None,
            states: Vec::new(),
            pending: false,
            comments: Map::new(),
            transport: matches!(contents, Contents::Http { .. }).then(|| "http".to_owned()),
            plugin_configuration: Map::new(),
            contents,
            location,
        };
        self.drafts.push(Draft { interaction, problems: Vec::new() });
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    /// The contract as declared so far.
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Declaration`] for an interaction that cannot be: a rule that is none, or two interactions
    /// of one name.
    pub fn contract(&self) -> Result<Contract, ConsumerError> {
        for (index, draft) in self.drafts.iter().enumerate() {
            let declaration = |message: String| ConsumerError::Declaration {
                name: draft.interaction.name(),
                location: draft.interaction.location.clone(),
                message,
            };
            if let Some(problem) = draft.problems.first() {
                return Err(declaration(problem.clone()));
            }
            let earlier = self.drafts[..index].iter().find(|earlier| {
                earlier.interaction.description == draft.interaction.description
                    && earlier.interaction.states == draft.interaction.states
            });
            if let Some(earlier) = earlier {
                let place = &earlier.interaction.location;
                return Err(declaration(format!(
                    "an interaction with the same description and states stands at {}:{}; give one of them \
                     another description or state",
                    place.file, place.line
                )));
            }
        }
        Ok(Contract {
            consumer: self.consumer.clone(),
            provider: self.provider.clone(),
            specification: self.specification,
            metadata: self.metadata.clone(),
            interactions: self.drafts.iter().map(|draft| Arc::new(draft.interaction.clone())).collect(),
            source: String::new(),
            consumer_version: None,
        })
    }

    /// Starts a server on 127.0.0.1 that plays the provider: HTTP interactions are answered as declared.
    ///
    /// Where several interactions fit a request, the first declared one that was not used yet answers; once all of
    /// them were used, the last declared one does. So two answers to the same request play one after the other.
    ///
    /// # Errors
    ///
    /// As [`Pact::contract`]; also where an example does not keep its own rules, and where no port can be had.
    pub async fn serve(self) -> Result<MockProvider, ConsumerError> {
        MockProvider::start(self).await
    }

    /// Hands the message of this description to the consumer's handler, and notes that it was handled. Values with
    /// generators are generated.
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Handler`] with what the handler said; [`ConsumerError::Unknown`] where there is no such
    /// message.
    pub async fn consume<H, E>(&mut self, description: &str, handler: H) -> Result<(), ConsumerError>
    where
        H: AsyncFnOnce(Received) -> Result<(), E>,
        E: std::fmt::Display,
    {
        let contract = self.contract()?;
        let interaction = find(&contract, description)?;
        let Contents::Message(message) = &interaction.contents else {
            return Err(ConsumerError::Unknown {
                description: description.to_owned(),
                known: "it is an interaction, not a message".to_owned(),
            });
        };
        let received = Received::from(super::playing::message(&interaction.name(), message)?);
        handler(received).await.map_err(|error| ConsumerError::Handler {
            name: interaction.name(),
            location: interaction.location.clone(),
            message: error.to_string(),
        })?;
        self.exercised.push(interaction.name());
        Ok(())
    }

    /// Tries answers that the contract allows for this interaction on the consumer's client: other values, edge
    /// cases, lists of other lengths, fields that nobody agreed on. The client gets the mock's address, asks as it
    /// always does, and says with its `Result` (or a panic) whether it can live with the answer. When all went well,
    /// the interaction counts as used.
    ///
    /// The other interactions of the pact are answered with their examples.
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Broken`] with the answer nearest to the example that breaks the consumer;
    /// [`ConsumerError::NotAsked`] for a client that did not ask; what [`Pact::serve`] says.
    pub async fn every_response<C, T, E>(
        &mut self,
        description: &str,
        cases: impl Into<Cases>,
        client: C,
    ) -> Result<(), ConsumerError>
    where
        C: AsyncFnMut(String) -> Result<T, E>,
        E: std::fmt::Display,
    {
        let contract = self.contract()?;
        let interaction = find(&contract, description)?;
        property::every_response(&contract, interaction, cases.into(), client).await?;
        self.exercised.push(interaction.name());
        Ok(())
    }

    /// As [`Pact::every_response`], for a message and the consumer's handler.
    ///
    /// # Errors
    ///
    /// As [`Pact::every_response`].
    pub async fn every_message<H, T, E>(
        &mut self,
        description: &str,
        cases: impl Into<Cases>,
        handler: H,
    ) -> Result<(), ConsumerError>
    where
        H: AsyncFnMut(Received) -> Result<T, E>,
        E: std::fmt::Display,
    {
        let contract = self.contract()?;
        super::playing::check_examples(&contract)?;
        let interaction = find(&contract, description)?;
        property::every_message(&contract, interaction, cases.into(), handler).await?;
        self.exercised.push(interaction.name());
        Ok(())
    }

    /// Checks that all was used, then writes the contract into `folder`, or compares it with the file there: see
    /// [`Mode`]. For a pact without a mock server; with one, use [`MockProvider::finish`].
    ///
    /// # Errors
    ///
    /// [`ConsumerError::Unfulfilled`] with what was not used; what [`write::merge_into`] says.
    pub fn finish(self, folder: impl AsRef<Path>) -> Result<PathBuf, ConsumerError> {
        let played = Played::new(self.contract()?);
        self.conclude(&played, folder.as_ref())
    }

    /// What is missing or too much, with what was exercised without the mock.
    pub(super) fn report(&self, played: &Played) -> Option<Report> {
        played.report(&self.exercised)
    }

    /// The end that all pacts come to, with a server and without.
    pub(super) fn conclude(&self, played: &Played, folder: &Path) -> Result<PathBuf, ConsumerError> {
        if let Some(report) = self.report(played) {
            return Err(ConsumerError::Unfulfilled { report: Box::new(report) });
        }
        let mode = self.mode.map_or_else(Mode::from_environment, Ok)?;
        Ok(write::keep(folder, played.contract(), mode)?)
    }
}

/// Whether `name` means this interaction: its description, or its description with the states before it.
pub(super) fn is_named(interaction: &Interaction, name: &str) -> bool {
    interaction.description == name || interaction.name() == name
}

/// The interaction that `description` means; the first one where states alone tell several apart.
pub(super) fn find<'a>(
    contract: &'a Contract,
    description: &str,
) -> Result<&'a Arc<Interaction>, ConsumerError> {
    let found = contract.interactions.iter().find(|known| is_named(known, description));
    found.ok_or_else(|| {
        let known: Vec<String> =
            contract.interactions.iter().map(|known| format!("{:?}", known.description)).collect();
        ConsumerError::Unknown {
            description: description.to_owned(),
            known: if known.is_empty() {
                "there is none".into()
            } else {
                format!("there are {}", known.join(", "))
            },
        }
    })
}

macro_rules! declarations {
    ($type:ident) => {
        impl $type<'_> {
            /// What must hold at the provider beforehand. Call it again for more than one.
            pub fn given(self, state: impl Into<String>) -> Self {
                self.draft
                    .interaction
                    .states
                    .push(ProviderState { name: state.into(), params: Default::default() });
                self
            }

            /// What must hold at the provider beforehand, with parameters: `json!({"id": "o-1"})`.
            pub fn given_with(self, state: impl Into<String>, params: Value) -> Self {
                match params {
                    Value::Object(params) => {
                        let params = params.into_iter().collect();
                        self.draft.interaction.states.push(ProviderState { name: state.into(), params });
                    }
                    other => {
                        let problem = format!("the parameters of a state are a JSON object, not {other}");
                        self.draft.problems.push(problem);
                    }
                }
                self
            }

            /// A key that keeps its identity when description or states change (V4).
            pub fn key(self, key: impl Into<String>) -> Self {
                self.draft.interaction.key = Some(key.into());
                self
            }

            /// It may fail at the provider without failing the provider's verification (V4).
            pub fn pending(self) -> Self {
                self.draft.interaction.pending = true;
                self
            }

            /// A line that the contract carries for its readers (V4).
            pub fn comment(self, line: impl Into<String>) -> Self {
                let lines = self
                    .draft
                    .interaction
                    .comments
                    .entry("text")
                    .or_insert_with(|| Vec::<Value>::new().into());
                if let Value::Array(lines) = lines {
                    lines.push(Value::String(line.into()));
                }
                self
            }
        }
    };
}

/// An HTTP interaction being declared.
#[derive(Debug)]
#[must_use = "declare its request and response"]
pub struct HttpInteraction<'a> {
    draft: &'a mut Draft,
}
declarations!(HttpInteraction);

impl HttpInteraction<'_> {
    /// What the consumer sends.
    pub fn request(self, declare: impl FnOnce(Request) -> Request) -> Self {
        let built = declare(Request::default()).build();
        self.set(built, |contents, built| {
            if let Contents::Http { request, .. } = contents {
                **request = built;
            }
        })
    }

    /// What the provider answers. The declaration is complete with it.
    #[allow(unused_must_use, clippy::must_use_candidate, reason = "the last word of a sentence")]
    pub fn response(self, declare: impl FnOnce(Response) -> Response) {
        let built = declare(Response::default()).build();
        self.set(built, |contents, built| {
            if let Contents::Http { response, .. } = contents {
                **response = built;
            }
        });
    }

    fn set<T>(self, built: Result<T, String>, put: impl FnOnce(&mut Contents, T)) -> Self {
        match built {
            Ok(built) => put(&mut self.draft.interaction.contents, built),
            Err(problem) => self.draft.problems.push(problem),
        }
        self
    }
}

/// A message being declared.
#[derive(Debug)]
#[must_use = "declare its contents"]
pub struct MessageInteraction<'a> {
    draft: &'a mut Draft,
    message: Message,
}
declarations!(MessageInteraction);

impl MessageInteraction<'_> {
    /// Something that comes with the message: a header, a routing key, `contentType`.
    pub fn metadata(mut self, name: &str, value: impl Into<Pattern>) -> Self {
        self.message.metadata(name, value.into());
        self
    }

    /// What it holds, as JSON. The declaration is complete with it.
    pub fn contents(mut self, contents: impl Into<Pattern>) {
        self.message.json(contents.into());
        self.complete();
    }

    /// What it holds, exactly. The declaration is complete with it.
    pub fn contents_of_type(mut self, content_type: &str, bytes: impl AsRef<[u8]>) {
        self.message.bytes(content_type, bytes.as_ref());
        self.complete();
    }

    fn complete(self) {
        match self.message.build() {
            Ok(built) => self.draft.interaction.contents = Contents::Message(Box::new(built)),
            Err(problem) => self.draft.problems.push(problem),
        }
    }
}

/// A message as the consumer's handler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// What came with it.
    pub metadata: Map<String, Value>,
    /// What it holds.
    pub contents: bytes::Bytes,
}

impl Received {
    /// What it holds, as JSON.
    ///
    /// # Errors
    ///
    /// Where it holds no JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.contents)
    }
}

impl From<MessageContents> for Received {
    fn from(message: MessageContents) -> Received {
        Received {
            contents: message.contents.value().unwrap_or_default(),
            metadata: message.metadata.into_iter().collect(),
        }
    }
}
