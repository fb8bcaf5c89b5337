//! The model of `seaworthy.yaml`, version 1: services, ports, calls, ingress.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::contracts::Contracts;
use super::facts::{CheckSettings, Facts};
use super::image::Build;
use super::locate::Places;
use super::port::{Port, PortProtocol};
use crate::ids::{DEAD_LETTERS, EdgeId, ServiceName};
use crate::time::HumanDuration;

/// A set of services, as `seaworthy.yaml` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// The version of this format; 1.
    pub version: u32,
    /// The system's name, for reports.
    pub name: String,
    /// The services by name. There must be at least one.
    pub services: BTreeMap<ServiceName, Service>,
    /// Where the world comes in.
    #[serde(default)]
    pub ingress: BTreeMap<ServiceName, Ingress>,
    /// Message brokers by name: services of the system that carry messages between the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brokers: BTreeMap<String, Broker>,
    /// Where proxies and receiver listen when the system runs already and was told their addresses beforehand.
    #[serde(default)]
    pub attach: Attach,
    /// Flow files: paths relative to the system file; `*` stands for any file name part.
    #[serde(default)]
    pub flows: Vec<String>,
    /// Values for `${var.NAME}` in all flows: tokens, names. A flow's own come first.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// How telemetry is asked for.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// What no one can infer from watching.
    #[serde(default)]
    pub facts: Facts,
    /// Which contracts bind the services.
    #[serde(default)]
    pub contracts: Contracts,
    /// Which checks are run, with which thresholds, and checks of your own.
    #[serde(default)]
    pub checks: CheckSettings,
    /// Where the file lies; paths in it are relative to this folder.
    #[serde(skip)]
    #[schemars(skip)]
    pub folder: PathBuf,
    /// The file itself, for locations in findings.
    #[serde(skip)]
    #[schemars(skip)]
    pub file: PathBuf,
    /// On which runtime it runs: its overlays were laid over the services.
    #[serde(skip)]
    #[schemars(skip)]
    pub on: RunKind,
    /// Where each of its parts stands in the file; see [`System::locate`].
    #[serde(skip)]
    #[schemars(skip)]
    pub places: Places,
}

/// How an instance of a service is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Process {
    /// A binary of the Cargo workspace that the system file lies in; built once, before anything starts.
    Cargo {
        /// The binary's name.
        cargo: String,
    },
    /// Any program with its arguments. A relative path with a `/` is relative to the system file.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// One deployable of the system.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// Run it as a process of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Run it as a container from this image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Build the image from this folder (with a Dockerfile) when `image` is not given, or is neither on this
    /// machine nor to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// What is run in the container in place of the image's own command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Folders of the container that outlive an instance and end with the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// It is there on these runtimes only; elsewhere it is left out, and so are calls to it. All unless said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<RunKind>,
    /// It runs already, here: its address, or where it has several ports the address of each by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Address>,
    /// Its ports by name, with what is spoken there, and the number where it is fixed: `http`, `5432/tcp`.
    #[serde(default)]
    pub ports: BTreeMap<String, Port>,
    /// Its environment. Besides PATH it gets this, the calls' variables and OpenTelemetry's, and nothing else.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files that are written into its working folder (or, with an absolute path, into its container) before it
    /// starts: path → content, or `{from: FILE}`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, super::files::FileForm>")]
    pub files: BTreeMap<String, String>,
    /// How to ask whether it is well.
    #[serde(default)]
    pub health: Health,
    /// Whether it exports telemetry.
    #[serde(default)]
    pub telemetry: TelemetryMode,
    /// What its log lines on stdout are; not said: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogFormat>,
    /// Whom it calls: `provider` or `provider.port` → the variable that gets the edge's URL. May be cyclic.
    #[serde(default)]
    pub calls: BTreeMap<String, Call>,
    /// Services that must be ready before it starts. Must not be cyclic.
    #[serde(default)]
    pub after: Vec<ServiceName>,
    /// Keys that are different on one runtime; merged over the service when that runtime is chosen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub on: BTreeMap<RunKind, Box<Service>>,
}

impl Service {
    /// Whether spans, logs and metrics are expected of it.
    pub fn has_telemetry(&self) -> bool {
        self.telemetry == TelemetryMode::Otlp
    }

    /// The port's name if there is exactly one.
    pub fn only_port(&self) -> Option<&str> {
        let mut names = self.ports.keys();
        names.next().filter(|_| self.ports.len() == 1).map(String::as_str)
    }

    /// The port that answers HTTP health probes: the one that `health.port` names, else `http`, else the only one
    /// that speaks HTTP.
    pub fn health_port(&self) -> Option<&str> {
        if let Some(port) = &self.health.port {
            return Some(port);
        }
        let speaks_http = |(_, port): &(&String, &Port)| port.protocol == PortProtocol::Http;
        let named = self.ports.get_key_value("http").filter(speaks_http);
        let mut http = self.ports.iter().filter(speaks_http);
        match (named, http.next(), http.next()) {
            (Some((name, _)), ..) | (None, Some((name, _)), None) => Some(name),
            _ => None,
        }
    }
}

/// A runtime that `--on` can choose.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Local processes.
    #[default]
    Process,
    /// Containers.
    Docker,
    /// Services that run already.
    Attach,
}

/// The variable that gets an edge's URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Call {
    /// Its name; the value is `http://127.0.0.1:PORT`.
    Env(String),
    /// Its name and a template for the value, in which `${url}`, `${host}` and `${port}` are the edge's.
    Template {
        /// The variable.
        env: String,
        /// Its value.
        value: String,
    },
    /// No request, but messages: they go over this broker, and the harness carries them.
    Broker {
        /// The broker's name.
        broker: String,
    },
    /// No variable: the edge is configured by `${edge.ID.url}` elsewhere.
    None(()),
}

/// A message broker: RabbitMQ, or another that speaks AMQP 0-9-1.
///
/// The harness stands between: a publisher publishes to the exchange `${broker.NAME.in}`, a subscriber binds its queue
/// to the exchange `${broker.NAME.out}`, and the harness moves each message from one to the other. Both are durable
/// topic exchanges of that service's own, which the harness declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Broker {
    /// The service that it is.
    pub service: ServiceName,
    /// On which of its ports; the only one unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// How the harness reaches it: `amqp://USER:PASSWORD@${host}:${port}/VHOST`.
    pub url: String,
    /// The exchanges to which subscribers' messages go that could not be handled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead_letters: BTreeMap<ServiceName, String>,
}

/// Where proxies and receiver listen when the system runs already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Attach {
    /// The receiver's address, to which the services' `OTEL_EXPORTER_OTLP_ENDPOINT` points: `127.0.0.1:4318`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub receiver: Option<SocketAddr>,
    /// Each proxy's address, which the edge's consumer was told in place of its provider's. An edge that is not here
    /// gets a free port, and nothing passes there before its consumer is told.
    #[schemars(with = "BTreeMap<String, String>")]
    pub edges: BTreeMap<EdgeId, SocketAddr>,
}

/// How to ask a service whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Health {
    /// The path that answers 2xx when it can do its work; without it, an accepted connection is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// The path that answers 2xx while the process is sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// Which port to ask; see [`Service::health_port`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// How long it may take to get ready; 30 s unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<HumanDuration>,
}

/// Whether a service exports telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum TelemetryMode {
    /// OTLP to the harness's receiver; absence is a finding.
    #[default]
    Otlp,
    /// None: checks that need it are skipped for this service.
    None,
}

/// What a service's lines on stdout are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Anything.
    Text,
}

/// A way in from the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ingress {
    /// Which port; the only one unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// How services are asked for telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Telemetry {
    /// The value of OTEL_EXPORTER_OTLP_PROTOCOL: `grpc`, `http/protobuf` or `http/json`.
    pub protocol: String,
    /// How long services may hold spans and logs back; sets OTEL_BSP_SCHEDULE_DELAY and
    /// OTEL_BLRP_SCHEDULE_DELAY.
    pub export_delay: HumanDuration,
    /// How long evidence may take beyond that before a trace counts as incomplete.
    pub patience: HumanDuration,
    /// Sets OTEL_METRIC_EXPORT_INTERVAL.
    pub metric_interval: HumanDuration,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            protocol: "http/protobuf".to_owned(),
            export_delay: HumanDuration::millis(100),
            patience: HumanDuration::millis(3000),
            metric_interval: HumanDuration::millis(1000),
        }
    }
}

impl System {
    /// A system of which nothing but its name is known: for reports on what was judged without one.
    pub fn named(name: impl Into<String>) -> Self {
        System {
            version: 1,
            name: name.into(),
            services: BTreeMap::new(),
            ingress: BTreeMap::new(),
            brokers: BTreeMap::new(),
            attach: Attach::default(),
            flows: Vec::new(),
            vars: BTreeMap::new(),
            telemetry: Telemetry::default(),
            facts: Facts::default(),
            contracts: Contracts::default(),
            checks: CheckSettings::default(),
            folder: PathBuf::new(),
            file: PathBuf::new(),
            on: RunKind::default(),
            places: Places::default(),
        }
    }

    /// Every declared edge: calls between services and ingress. Ports are filled in where the provider has
    /// several.
    pub fn edges(&self) -> Vec<EdgeId> {
        let mut edges = Vec::new();
        for (provider, ingress) in &self.ingress {
            edges.push(self.edge(crate::ids::INGRESS, provider.as_str(), ingress.port.as_deref()));
        }
        for (consumer, service) in &self.services {
            for target in service.calls.keys() {
                let (provider, port) = match target.split_once('.') {
                    Some((provider, port)) => (provider, Some(port)),
                    None => (target.as_str(), None),
                };
                edges.push(self.edge(consumer.as_str(), provider, port));
            }
        }
        edges
    }

    /// The edge in its canonical form: the port is named only when the provider has several.
    pub fn edge(&self, consumer: &str, provider: &str, port: Option<&str>) -> EdgeId {
        let edge = EdgeId::new(consumer, provider);
        let several = self.services.get(provider).is_some_and(|service| service.ports.len() > 1);
        match port {
            Some(port) if several => edge.with_port(port),
            _ => edge,
        }
    }

    /// The declared edge that a placeholder `${edge.ID.url}` of `consumer` names: `provider`, `provider.port`, or
    /// the full id of any edge.
    pub fn edge_named(&self, consumer: &ServiceName, id: &str) -> Option<EdgeId> {
        self.edge_of_placeholder(consumer.as_str(), id).filter(|edge| self.edges().contains(edge))
    }

    /// The edge that a placeholder of `consumer` names, declared or not.
    pub(super) fn edge_of_placeholder(&self, consumer: &str, id: &str) -> Option<EdgeId> {
        let edge: EdgeId = match id.parse() {
            Ok(edge) => edge,
            Err(_) => format!("{consumer} -> {id}").parse().ok()?,
        };
        Some(self.edge(edge.consumer.as_str(), edge.provider.as_str(), edge.port.as_deref()))
    }

    /// The edges on which messages go over a broker: the edge with the broker's name.
    pub fn message_edges(&self) -> BTreeMap<EdgeId, &str> {
        let mut edges = BTreeMap::new();
        for (consumer, service) in &self.services {
            for (target, call) in &service.calls {
                if let Call::Broker { broker } = call {
                    let (provider, port) = match target.split_once('.') {
                        Some((provider, port)) => (provider, Some(port)),
                        None => (target.as_str(), None),
                    };
                    edges.insert(self.edge(consumer.as_str(), provider, port), broker.as_str());
                }
            }
        }
        edges
    }

    /// The edges on which subscribers give messages up: each from a subscriber to [`DEAD_LETTERS`].
    pub fn dead_letter_edges(&self) -> Vec<EdgeId> {
        let subscribers = self.brokers.values().flat_map(|broker| broker.dead_letters.keys());
        subscribers.map(|subscriber| EdgeId::new(subscriber.clone(), DEAD_LETTERS)).collect()
    }

    /// What is spoken at the provider's end of an edge; `None` where the edge names no port of a service.
    pub fn protocol(&self, edge: &EdgeId) -> Option<PortProtocol> {
        let service = self.services.get(&edge.provider)?;
        let port = edge.port.as_deref().or_else(|| service.only_port())?;
        Some(service.ports.get(port)?.protocol)
    }

    /// The canonical edges that a pattern (with or without port) covers.
    pub fn edges_like(&self, pattern: &EdgeId) -> Vec<EdgeId> {
        self.edges().into_iter().filter(|edge| edge.is_covered_by(pattern)).collect()
    }
}
