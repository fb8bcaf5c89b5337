//! What an instance is started with: command, environment and files, with every address that of a proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use seaworthy_core::ids::{EdgeId, InstanceId, ServiceName};
use seaworthy_core::runtime::{Launch, Program};
use seaworthy_core::system::interpolate::{self, BrokerSide, Placeholder};
use seaworthy_core::system::{Call, Process, RunKind, Service, System};

use super::{Built, broker};

/// Why a service's start could not be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// A placeholder stands for nothing.
    #[error("could not fill in {place} of service `{service}`: {reason}")]
    Placeholder {
        /// Whose.
        service: ServiceName,
        /// Where: `env.PORT`, `command`, `files.config.toml`.
        place: String,
        /// Why.
        reason: String,
    },
    /// The service cannot be run as a process.
    #[error(
        "could not start service `{0}`: it has no `process:`; add `process: {{cargo: BIN}}` or `process: {{command: [PROGRAM]}}`"
    )]
    NoProcess(ServiceName),
    /// The image is not known.
    #[error("could not start service `{0}`: no image was built or found for it")]
    NoImage(ServiceName),
    /// The binary was not built.
    #[error("could not start service `{service}`: no binary `{binary}` was built")]
    NotBuilt {
        /// Whose.
        service: ServiceName,
        /// Which.
        binary: String,
    },
}

/// Everything that is known when an instance is started, but for its own ports.
pub(super) struct Surroundings<'a> {
    pub(super) system: &'a System,
    pub(super) addresses: &'a BTreeMap<EdgeId, SocketAddr>,
    /// By which name or address instances reach proxies and receiver.
    pub(super) host: &'a str,
    pub(super) receiver: SocketAddr,
    pub(super) built: &'a Built,
}

impl Surroundings<'_> {
    /// Puts together what `instance` of the service `name` is started with.
    pub(super) fn launch(
        &self,
        name: &ServiceName,
        service: &Service,
        instance: InstanceId,
    ) -> Result<Launch, LaunchError> {
        let fill = |place: &str, text: &str| {
            // The instance's own ports are left for the runtime, which chooses them.
            let value = |placeholder: &Placeholder| self.value(name, placeholder);
            interpolate::resolve_known(text, &value).map_err(|error| LaunchError::Placeholder {
                service: name.clone(),
                place: place.to_owned(),
                reason: error.to_string(),
            })
        };
        let mut env = self.telemetry_env(name, service, &instance);
        for (target, call) in &service.calls {
            let Some(address) = self.call_address(name, target) else { continue };
            let (key, value) = match call {
                Call::None(()) | Call::Broker { .. } => continue,
                Call::Env(key) => (key, format!("http://{}:{}", self.host, address.port())),
                Call::Template { env, value } => {
                    let part = |placeholder: &Placeholder| match placeholder {
                        Placeholder::Call(part) => Some(part.of(self.host, address.port())),
                        other => self.value(name, other),
                    };
                    let place = || format!("calls.{target}");
                    let value = interpolate::resolve_known(value, &part).map_err(|error| {
                        LaunchError::Placeholder {
                            service: name.clone(),
                            place: place(),
                            reason: error.to_string(),
                        }
                    })?;
                    (env, value)
                }
            };
            env.insert(key.clone(), value);
        }
        for (key, value) in &service.env {
            env.insert(key.clone(), fill(&format!("env.{key}"), value)?);
        }
        let mut files = BTreeMap::new();
        for (path, content) in &service.files {
            files.insert(path.clone(), fill(&format!("files.{path}"), content)?);
        }
        let program = match self.system.on {
            RunKind::Docker => {
                let image = self.built.images.get(name).ok_or_else(|| LaunchError::NoImage(name.clone()))?;
                let command = service.command.iter().map(|part| fill("command", part));
                Program::Image { image: image.clone(), command: command.collect::<Result<_, _>>()? }
            }
            RunKind::Process | RunKind::Attach => Program::Command(self.command(name, service, &fill)?),
        };
        let (ports, volumes) = (service.ports.clone(), service.volumes.clone());
        Ok(Launch { service: name.clone(), instance, program, env, files, ports, volumes })
    }

    /// The program of this machine and its arguments.
    fn command(
        &self,
        name: &ServiceName,
        service: &Service,
        fill: &dyn Fn(&str, &str) -> Result<String, LaunchError>,
    ) -> Result<Vec<String>, LaunchError> {
        match &service.process {
            Some(Process::Cargo { cargo }) => {
                let built = self.built.executables.get(cargo);
                let built = built
                    .ok_or_else(|| LaunchError::NotBuilt { service: name.clone(), binary: cargo.clone() })?;
                Ok(vec![built.to_string_lossy().into_owned()])
            }
            Some(Process::Command { command }) => {
                let mut command =
                    command.iter().map(|part| fill("command", part)).collect::<Result<Vec<_>, _>>()?;
                if let Some(program) = command.first_mut()
                    && program.contains('/')
                {
                    *program = self.system.folder.join(&*program).to_string_lossy().into_owned();
                }
                Ok(command)
            }
            None => Err(LaunchError::NoProcess(name.clone())),
        }
    }

    fn telemetry_env(
        &self,
        name: &ServiceName,
        service: &Service,
        instance: &InstanceId,
    ) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        if !service.has_telemetry() {
            return env;
        }
        let settings = &self.system.telemetry;
        let delay = settings.export_delay.0.as_millis().to_string();
        for (key, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}:{}", self.host, self.receiver.port())),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", settings.protocol.clone()),
            ("OTEL_SERVICE_NAME", name.to_string()),
            ("OTEL_RESOURCE_ATTRIBUTES", format!("service.instance.id={instance}")),
            ("OTEL_BSP_SCHEDULE_DELAY", delay.clone()),
            ("OTEL_BLRP_SCHEDULE_DELAY", delay),
            ("OTEL_METRIC_EXPORT_INTERVAL", settings.metric_interval.0.as_millis().to_string()),
        ] {
            env.insert(key.to_owned(), value);
        }
        env
    }

    fn call_address(&self, consumer: &ServiceName, target: &str) -> Option<SocketAddr> {
        let (provider, port) = match target.split_once('.') {
            Some((provider, port)) => (provider, Some(port)),
            None => (target, None),
        };
        self.addresses.get(&self.system.edge(consumer.as_str(), provider, port)).copied()
    }

    /// What a placeholder stands for; `None` for the instance's own ports, which the runtime fills in.
    fn value(&self, consumer: &ServiceName, placeholder: &Placeholder) -> Option<String> {
        match placeholder {
            Placeholder::Port(_) | Placeholder::Call(_) => None,
            Placeholder::Env { name, default } => std::env::var(name).ok().or_else(|| default.clone()),
            Placeholder::Edge { id, part } => {
                let edge = self.system.edge_named(consumer, id)?;
                Some(part.of(self.host, self.addresses.get(&edge)?.port()))
            }
            Placeholder::Broker { name, side } => Some(match side {
                BrokerSide::In => broker::exchange_in(name, consumer),
                BrokerSide::Out => broker::exchange_out(name, consumer),
            }),
        }
    }
}
