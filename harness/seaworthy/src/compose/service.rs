//! One service of the system file, from one of the Compose file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use seaworthy_core::system::PortProtocol;

use super::addresses::{self, Address};
use super::ports::{self, Ports};
use super::project::{Mount, Project, Service};
use super::variables::Text;
use super::write::{Line, Yaml};
use super::{Place, read_text};

/// The largest file that is carried over, in bytes: what is larger belongs into an image.
const FILE_LIMIT: usize = 64 * 1024;
/// How many files of a mounted folder are carried over at most.
const FILES: usize = 64;

/// The order in which a service's keys are written; others come last.
const ORDER: [&str; 11] =
    ["image", "build", "command", "ports", "env", "files", "volumes", "health", "logs", "calls", "after"];

/// A service of the system file.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) name: String,
    /// What stands under its name.
    pub(super) lines: Vec<Line>,
    /// The port by which the world comes in.
    pub(super) ingress: Option<String>,
    /// What was left out or guessed.
    pub(super) notes: Vec<String>,
}

/// Makes a service of the system file.
pub(super) fn make(service: &Service, project: &Project, ports: &Ports, place: &Place) -> Made {
    let mut made = Made { name: service.name.clone(), notes: service.notes.clone(), ..Made::default() };
    let is_part = ports::part(service).is_some();
    let mut keys: Vec<(&str, Yaml)> = Vec::new();
    if let Some(image) = &service.image {
        keys.push(("image", Yaml::Text(template(image, &[], &|_| None))));
    }
    if let Some(build) = &service.build {
        keys.push(("build", build_of(build, place)));
    }
    let (env, calls, command) = addressed(service, project, ports, &mut made.notes);
    keys.push(("command", Yaml::list(command)));
    let numbered = ports.of(&service.name).map(|(number, port)| {
        if port.is_guess {
            let spoken = port.protocol.as_str();
            made.notes.push(format!("nothing says what is spoken on port {number}; `{spoken}` is a guess"));
        }
        (port.name.clone(), Yaml::Text(format!("{number}/{}", port.protocol.as_str())))
    });
    keys.push(("ports", Yaml::Map(numbered.collect())));
    keys.push(("env", Yaml::map(env)));
    let (files, volumes) = mounted(service, place, &mut made.notes);
    keys.push(("files", Yaml::Map(files)));
    keys.push(("volumes", Yaml::list(volumes)));
    keys.push(("health", health(service, ports, &mut made.notes)));
    keys.push(("calls", Yaml::Map(calls)));
    keys.push(("after", Yaml::list(service.after.iter().map(|(name, _)| name.clone()))));

    let own: Vec<&str> = service.extension.iter().map(|entry| entry.key.as_str()).collect();
    let has_telemetry = service.env.keys().any(|name| name.starts_with("OTEL_"));
    keys.retain(|(key, value)| !own.contains(key) && !value.is_empty());
    for entry in &service.extension {
        let value = match entry.key.as_str() {
            "build" => rebased(Yaml::of(&entry.value), place),
            _ => Yaml::of(&entry.value),
        };
        keys.push((&entry.key, value));
    }
    keys.sort_by_key(|(key, _)| ORDER.iter().position(|other| other == key).unwrap_or(ORDER.len()));
    made.lines = keys.into_iter().map(|(key, value)| Line::Key(key.to_owned(), value)).collect();
    if !has_telemetry && !own.contains(&"telemetry") {
        if !is_part {
            let remark = "Remove the next line once it exports OpenTelemetry; where to is told by seaworthy.";
            made.lines.push(Line::Remark(remark.to_owned()));
        }
        made.lines.push(Line::Key("telemetry".to_owned(), Yaml::Text("none".to_owned())));
    }
    if !is_part {
        ingress(service, ports, &mut made);
    }
    made
}

fn build_of(build: &super::project::Build, place: &Place) -> Yaml {
    let context = place.written(&build.context);
    if build.dockerfile.is_none() && build.args.is_empty() {
        return Yaml::Text(context);
    }
    let mut keys = vec![("context".to_owned(), Yaml::Text(context))];
    keys.extend(build.dockerfile.iter().map(|file| ("dockerfile".to_owned(), Yaml::Text(file.clone()))));
    if !build.args.is_empty() {
        keys.push(("args".to_owned(), Yaml::map(build.args.clone())));
    }
    Yaml::Map(keys)
}

/// A `build` that was written for the system file, with its folder as the system file must say it.
fn rebased(build: Yaml, place: &Place) -> Yaml {
    match build {
        Yaml::Text(context) => Yaml::Text(place.written(&context)),
        Yaml::Map(keys) => Yaml::Map(
            keys.into_iter()
                .map(|(key, value)| match value {
                    Yaml::Text(context) if key == "context" => (key, Yaml::Text(place.written(&context))),
                    value => (key, value),
                })
                .collect(),
        ),
        other => other,
    }
}

type Calls = Vec<(String, Yaml)>;

/// Environment, calls and command: each address of another service is that of its proxy.
fn addressed(
    service: &Service,
    project: &Project,
    ports: &Ports,
    notes: &mut Vec<String>,
) -> (BTreeMap<String, String>, Calls, Vec<String>) {
    let hosts = project.hosts();
    let mut calls: BTreeMap<String, Option<(String, String)>> = BTreeMap::new();
    let mut env = BTreeMap::new();
    let by_edge = |address: &Address| {
        let edge = format!("edge.{}", ports.target(&address.service, address.port)?);
        Some(written(address, &edge))
    };
    for (name, text) in &service.env {
        // Where to is for the harness to say.
        if name.starts_with("OTEL_EXPORTER_OTLP") {
            continue;
        }
        let mut found = addresses::find(&text.whole, &hosts);
        without_own(&mut found, service, &format!("`{name}`"), notes);
        let targets: Vec<String> =
            found.iter().filter_map(|address| ports.target(&address.service, address.port)).collect();
        match (found.as_slice(), targets.as_slice()) {
            ([address], [target]) if !calls.contains_key(target) => {
                let value = template(text, &found, &|_| {
                    Some(if address.is_url { "${url}".to_owned() } else { "${host}:${port}".to_owned() })
                });
                calls.insert(target.clone(), Some((name.clone(), value)));
            }
            _ => {
                for target in targets {
                    calls.entry(target).or_default();
                }
                env.insert(name.clone(), template(text, &found, &by_edge));
            }
        }
    }
    for pair in addresses::pairs(&service.env, &hosts).into_iter().filter(|pair| pair.service != service.name)
    {
        let number = pair.port.as_ref().map(|(_, number)| *number);
        let target = number.and_then(|number| ports.target(&pair.service, number));
        match (pair.port, target) {
            (Some((port, _)), Some(target)) => {
                env.insert(pair.host, format!("${{edge.{target}.host}}"));
                env.insert(port, format!("${{edge.{target}.port}}"));
                calls.entry(target).or_default();
            }
            _ => notes.push(format!(
                "`{}` names `{}`, and no variable says on which port; make it a call, with a port that can be told",
                pair.host, pair.service
            )),
        }
    }
    let mut command = Vec::new();
    for text in &service.command {
        let mut found = addresses::find(&text.whole, &hosts);
        without_own(&mut found, service, "`command`", notes);
        for address in &found {
            calls.extend(
                ports
                    .target(&address.service, address.port)
                    .map(|target| (target, None))
                    .filter(|(target, _)| !calls.contains_key(target)),
            );
        }
        command.push(template(text, &found, &by_edge));
    }
    let calls = calls.into_iter().map(|(target, call)| (target, call_of(call))).collect();
    (env, calls, command)
}

/// Takes out addresses of the service itself, which stay as they are.
fn without_own(found: &mut Vec<Address>, service: &Service, holder: &str, notes: &mut Vec<String>) {
    let before = found.len();
    found.retain(|address| address.service != service.name);
    if found.len() < before {
        notes.push(format!(
            "{holder} holds its own address, by which nobody else reaches it; see that this does no harm"
        ));
    }
}

fn call_of(call: Option<(String, String)>) -> Yaml {
    match call {
        None => Yaml::Nothing,
        Some((variable, value)) if value == "${url}" => Yaml::Text(variable),
        Some((env, value)) => {
            Yaml::Map(vec![("env".to_owned(), Yaml::Text(env)), ("value".to_owned(), Yaml::Text(value))])
        }
    }
}

fn written(address: &Address, edge: &str) -> String {
    if address.is_url { format!("${{{edge}.url}}") } else { format!("${{{edge}.host}}:${{{edge}.port}}") }
}

/// The text as the system file writes it: addresses by placeholders, variables as variables, all else as it is.
fn template(text: &Text, addresses: &[Address], written: &dyn Fn(&Address) -> Option<String>) -> String {
    let mut pieces: Vec<(std::ops::Range<usize>, String)> =
        addresses.iter().filter_map(|address| Some((address.range.clone(), written(address)?))).collect();
    for variable in &text.variables {
        let range = &variable.range;
        let is_within = pieces.iter().any(|(taken, _)| taken.start < range.end && range.start < taken.end);
        let value = text.whole.get(range.clone()).unwrap_or_default();
        let can_be_default = !value.contains(['}', '\n']) && !value.contains("${");
        if !is_within && can_be_default {
            let default =
                if variable.required && value.is_empty() { String::new() } else { format!(":-{value}") };
            pieces.push((range.clone(), format!("${{env.{}{default}}}", variable.name)));
        }
    }
    pieces.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::new();
    let mut plain = String::new();
    let mut from = 0;
    for (range, piece) in pieces {
        plain.push_str(text.whole.get(from..range.start).unwrap_or_default());
        from = range.end;
        if plain.ends_with('$') {
            // `$${` would be an escape: here only the value itself can stand.
            plain.push_str(text.whole.get(range).unwrap_or_default());
            continue;
        }
        out.push_str(&escaped(&std::mem::take(&mut plain)));
        out.push_str(&piece);
    }
    plain.push_str(text.whole.get(from..).unwrap_or_default());
    out.push_str(&escaped(&plain));
    out
}

fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// Files and volumes.
fn mounted(service: &Service, place: &Place, notes: &mut Vec<String>) -> (Vec<(String, Yaml)>, Vec<String>) {
    let (mut files, mut volumes) = (BTreeMap::new(), Vec::new());
    for mount in &service.mounts {
        let target = match mount {
            Mount::Volume(target) | Mount::Bind { target, .. } => target.trim_end_matches('/'),
        };
        let parts = Path::new(target).components();
        let sound = target.starts_with('/')
            && parts.skip(1).all(|part| matches!(part, Component::Normal(_)))
            && !target.contains([':', '\0']);
        if !sound {
            notes.push(format!("what is mounted at `{}` was left out", target.escape_debug()));
            continue;
        }
        match mount {
            Mount::Volume(_) => volumes.push(target.to_owned()),
            Mount::Bind { source, read_only, .. } => match texts(source, target, place) {
                Ok(found) => {
                    if !read_only {
                        notes.push(format!(
                            "`{source}` was mounted for writing; it gets a copy at `{target}`"
                        ));
                    }
                    files.extend(found);
                }
                Err(reason) => notes.push(format!("`{source}` was left out: {reason}")),
            },
        }
    }
    volumes.sort();
    volumes.dedup();
    let from = |path: String| Yaml::Map(vec![("from".to_owned(), Yaml::Text(path))]);
    (files.into_iter().map(|(target, path)| (target, from(path))).collect(), volumes)
}

/// The text files that a bind mount brings, by their paths in the container.
fn texts(source: &str, target: &str, place: &Place) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    let mut open = vec![(source.to_owned(), target.to_owned())];
    while let Some((path, target)) = open.pop() {
        let kind = fs::metadata(place.open(&path)).map_err(|error| error.to_string())?;
        if kind.is_dir() {
            let entries = fs::read_dir(place.open(&path)).map_err(|error| error.to_string())?;
            for entry in entries.take(FILES + 1) {
                let name = entry.map_err(|error| error.to_string())?.file_name();
                let name = name.to_str().ok_or("a file's name is not UTF-8")?.to_owned();
                open.push((format!("{path}/{name}"), format!("{target}/{name}")));
            }
        } else if kind.is_file() {
            read_text(&place.open(&path), FILE_LIMIT).map_err(|error| error.to_string())?;
            found.push((target, place.written(&path)));
        } else {
            return Err("it is neither a file nor a folder".to_owned());
        }
        if found.len() + open.len() > FILES {
            return Err(format!("it holds more than {FILES} files"));
        }
    }
    Ok(found)
}

fn health(service: &Service, ports: &Ports, notes: &mut Vec<String>) -> Yaml {
    let Some(words) = &service.health else { return Yaml::Map(Vec::new()) };
    let found =
        ports::health_url(words).and_then(|(number, path)| Some((ports.get(&service.name, number)?, path)));
    match found {
        Some((port, path)) if port.protocol == PortProtocol::Http => Yaml::Map(vec![
            ("ready".to_owned(), Yaml::Text(path)),
            ("port".to_owned(), Yaml::Text(port.name.clone())),
        ]),
        _ => {
            if ports::part(service).is_none() {
                let note =
                    "its health check asks no URL; it counts as ready when its ports accept connections";
                notes.push(note.to_owned());
            }
            Yaml::Map(Vec::new())
        }
    }
}

fn ingress(service: &Service, ports: &Ports, made: &mut Made) {
    let mut published = service.published.iter().filter_map(|number| ports.get(&service.name, *number));
    let Some(first) = published.next() else { return };
    made.ingress = Some(first.name.clone());
    for other in published.filter(|other| *other != first) {
        made.notes
            .push(format!("the world comes in by its port `{}`; `{}` was left out", first.name, other.name));
    }
}
