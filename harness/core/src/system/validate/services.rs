//! Each service by itself.

use std::path::{Component, Path};

use super::settings::above_zero;
use super::{Review, is_variable};
use crate::ids::{DEAD_LETTERS, INGRESS, PROBE, is_name};
use crate::system::address::{Address, Endpoint};
use crate::system::model::{Call, Process, RunKind, Service};
use crate::system::port::{Port, PortProtocol};

const NAME_RULE: &str = "use letters, digits, `-` and `_`, starting with a letter";

pub(super) fn review(review: &mut Review<'_>) {
    if review.system.services.is_empty() {
        let help = "add one:\n\nservices:\n  orders:\n    process: {cargo: orders}\n    ports: {http: http}\n    env: {PORT: \"${port.http}\"}";
        review.key(&["services"], "there are no services", help.to_owned());
    }
    for (name, service) in review.services() {
        let path = ["services", name];
        if !is_name(name) {
            review.key(&path, format!("`{name}` cannot name a service"), NAME_RULE.to_owned());
        }
        if [INGRESS, PROBE, DEAD_LETTERS].contains(&name) {
            let help = "choose another name".to_owned();
            review.key(
                &path,
                format!(
                    "`{name}` stands for the world outside or for a part of the harness, not for a service"
                ),
                help,
            );
        }
        run(review, name, service);
        ports(review, name, service);
        environment(review, name, service);
        files(review, name, service);
        health(review, name, service);
    }
}

/// There is a way to run it on the chosen runtime, and what is said of each way is whole.
fn run(review: &mut Review<'_>, name: &str, service: &Service) {
    let (missing, help) = match review.on {
        RunKind::Process => {
            (service.process.is_none(), "add `process: {cargo: BIN}` or `process: {command: [PROGRAM, …]}`")
        }
        RunKind::Docker => {
            (service.image.is_none() && service.build.is_none(), "add `image: NAME:TAG` or `build: FOLDER`")
        }
        // Without ports there is nothing to reach.
        RunKind::Attach => {
            (service.url.is_none() && !service.ports.is_empty(), "add `url: http://HOST:PORT`")
        }
    };
    if missing {
        let message = format!("`{name}` cannot be run on `{}`: nothing says how", review.on.as_str());
        review.key(&["services", name], message, help.to_owned());
    }
    let named = |text: &str| !text.trim().is_empty() && !text.contains('\0');
    match &service.process {
        Some(Process::Cargo { cargo }) if !named(cargo) => {
            review.value(&["services", name, "process", "cargo"], "this names no binary", None);
        }
        Some(Process::Command { command }) if !command.first().is_some_and(|program| named(program)) => {
            let help = "write the program and its arguments: `[PROGRAM, …]`".to_owned();
            review.value(&["services", name, "process", "command"], "this names no program", help);
        }
        _ => {}
    }
    if service.image.as_ref().is_some_and(|image| !named(image)) {
        review.value(&["services", name, "image"], "`image` is empty", None);
    }
    if let Some(build) = &service.build {
        let details = build.details();
        if !named(&details.context) {
            let help = "name the folder with the Dockerfile".to_owned();
            review.value(&["services", name, "build"], "`build` names no folder", help);
        }
        if details.cargo.as_ref().is_some_and(|cargo| !named(cargo)) {
            review.value(&["services", name, "build", "cargo"], "this names no binary", None);
        }
    }
    for (index, volume) in service.volumes.iter().enumerate() {
        let parts = Path::new(volume).components().skip(1);
        let plain = volume.starts_with('/')
            && parts.clone().count() > 0
            && parts.clone().all(|part| matches!(part, Component::Normal(_)));
        if !plain || volume.contains([':', '\0']) {
            let path = ["services", name, "volumes", &index.to_string()];
            let help = "write the folder from `/` on: `/var/lib/data`".to_owned();
            review.value(&path, format!("`{volume}` is no folder of a container"), help);
        }
    }
    addresses(review, name, service);
}

/// Each address of a service that runs already is one, of a port that it has, and each port has one.
fn addresses(review: &mut Review<'_>, name: &str, service: &Service) {
    let Some(url) = &service.url else { return };
    let path = ["services", name, "url"];
    if matches!(url, Address::Only(_)) && service.ports.len() > 1 {
        let each: Vec<String> = service.ports.keys().map(|port| format!("{port}: …")).collect();
        let help = format!("write an address for each: `url: {{{}}}`", each.join(", "));
        return review.value(&path, format!("`{name}` has several ports; which one is here?"), help);
    }
    for (port, url) in url.written() {
        let path = ["services", name, "url", port.unwrap_or_default()];
        let path = if port.is_some() { &path[..] } else { &path[..3] };
        let declared = match port {
            Some(port) if !service.ports.contains_key(port) => {
                let known = service.ports.keys().map(String::as_str);
                let help = review.meant(port, known);
                review.key(path, format!("`{name}` has no port `{port}`"), help);
                continue;
            }
            Some(port) => service.ports.get(port),
            None => service.ports.values().next(),
        };
        let mistake = match (url.parse::<Endpoint>(), declared) {
            (Err(error), _) => error.to_string(),
            (Ok(endpoint), Some(port)) if !endpoint.speaks(port.protocol) => {
                format!("`{url}` does not fit what is spoken there, {}", port.protocol.as_str())
            }
            _ => continue,
        };
        let scheme =
            if declared.is_some_and(|port| port.protocol == PortProtocol::Tcp) { "tcp" } else { "http" };
        review.value(path, mistake, format!("write `{scheme}://HOST:PORT`"));
    }
    if let Address::Ports(urls) = url {
        for port in service.ports.keys().filter(|port| !urls.contains_key(*port)) {
            let help = format!("add `{port}: http://HOST:PORT`");
            review.key(&path, format!("nothing says where port `{port}` of `{name}` is"), help);
        }
    }
}

fn ports(review: &mut Review<'_>, name: &str, service: &Service) {
    for port in service.ports.keys().filter(|port| !is_name(port)) {
        let path = ["services", name, "ports", port];
        review.key(&path, format!("`{port}` cannot name a port"), NAME_RULE.to_owned());
    }
}

fn environment(review: &mut Review<'_>, name: &str, service: &Service) {
    for (key, value) in &service.env {
        let path = ["services", name, "env", key];
        if !is_variable(key) {
            review.key(&path, format!("`{key}` cannot name an environment variable"), None);
        }
        if value.contains('\0') {
            review.value(&path, "an environment variable cannot hold a zero byte", None);
        }
    }
    let mut taken: Vec<(&str, &str)> = Vec::new();
    for (target, call) in &service.calls {
        let path = ["services", name, "calls", target];
        let variable = match call {
            Call::Env(variable) | Call::Template { env: variable, .. } => variable.as_str(),
            Call::Broker { .. } | Call::None(()) => continue,
        };
        if !is_variable(variable) {
            review.value(&path, format!("`{variable}` cannot name an environment variable"), None);
        } else if service.env.contains_key(variable) {
            let message = format!("`{variable}` is set under `env` too");
            review.value(&path, message, "remove one of the two".to_owned());
        } else if let Some((other, _)) = taken.iter().find(|(_, name)| *name == variable) {
            let message = format!("`{variable}` is to get the address of `{other}` and of `{target}`");
            review.value(&path, message, "give each call a variable of its own".to_owned());
        }
        taken.push((target, variable));
    }
}

fn files(review: &mut Review<'_>, name: &str, service: &Service) {
    for file in service.files.keys() {
        let path = Path::new(file);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        // A container is all the service's own; a process shares this machine.
        let parts = path.components().skip(usize::from(review.on == RunKind::Docker && path.is_absolute()));
        if path.file_name().is_none() || !parts.clone().all(plain) || file.contains('\0') {
            let help =
                "files are written into the service's own working folder: write a relative path without `..`";
            let path = ["services", name, "files", file];
            review.key(&path, format!("`{file}` does not lie below the working folder"), help.to_owned());
        }
    }
}

fn health(review: &mut Review<'_>, name: &str, service: &Service) {
    let health = &service.health;
    let at = |key| ["services", name, "health", key];
    for (key, path) in [("ready", &health.ready), ("live", &health.live)] {
        if let Some(path) = path
            && (!path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()))
        {
            let help = "write the path from `/` on: `/health/ready`".to_owned();
            review.value(&at(key), format!("`{path}` is not a path"), help);
        }
    }
    if let Some(deadline) = health.deadline {
        above_zero(review, &at("deadline"), deadline);
    }
    let asked = health.ready.is_some() || health.live.is_some();
    match &health.port {
        Some(port) => match service.ports.get(port) {
            None => {
                let known = service.ports.keys().map(String::as_str);
                review.value(
                    &at("port"),
                    format!("`{name}` has no port `{port}`"),
                    review.meant(port, known),
                );
            }
            Some(port) if asked && port.protocol != PortProtocol::Http => {
                let help = "name one that speaks `http`, or ask no path".to_owned();
                review.value(&at("port"), format!("no HTTP is spoken on port `{port}`"), help);
            }
            Some(_) => {}
        },
        None if asked && service.health_port().is_none() => {
            let several =
                service.ports.values().filter(|port: &&Port| port.protocol == PortProtocol::Http).count() > 1;
            let (message, help) = if several {
                ("several ports speak HTTP; which one is to be asked?", "add `port: NAME` under `health`")
            } else {
                ("no port of this service speaks HTTP, so no path can be asked", "add `ports: {http: http}`")
            };
            review.key(&["services", name, "health"], message, help.to_owned());
        }
        None => {}
    }
}
