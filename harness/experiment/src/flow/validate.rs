//! What is wrong in a flow that is well-formed YAML of the right shape.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use seaworthy_core::fault::FaultAction;
use seaworthy_core::ids::{EdgeId, is_name};
use seaworthy_core::system::System;
use serde_json_path::JsonPath;

use super::carried::misplaced;
use super::expect::{Expect, JsonExpect};
use super::load::{Problem, did_you_mean, key_problem, problem};
use super::model::{Awaited, Capture, Flow, RequestTemplate, Step, TraceAssertion};
use super::run::rules::rule_of;
use super::source::escape;
use super::text::{self, FORMS, Reference, TextError};

/// The longest that a step may be told to wait for one thing.
const LONGEST: Duration = Duration::from_secs(600);
/// The most times that a step may be repeated.
const MOST_REPEATS: u32 = 1000;

/// What is wrong whatever the system.
pub(super) fn alone(flow: &Flow) -> Vec<Problem> {
    let mut review = Review { flow, problems: Vec::new(), captures: BTreeSet::new() };
    review.all();
    review.problems
}

struct Review<'f> {
    flow: &'f Flow,
    problems: Vec<Problem>,
    /// What has been captured so far.
    captures: BTreeSet<&'f str>,
}

impl<'f> Review<'f> {
    fn say(&mut self, pointer: &str, message: impl Into<String>, help: Option<String>) {
        self.problems.push(problem(&self.flow.source, pointer, message.into(), help));
    }

    fn all(&mut self) {
        let flow = self.flow;
        self.name("/flow", &flow.name);
        for (name, value) in &flow.vars {
            let pointer = format!("/vars/{}", escape(name));
            self.texts(&pointer, [value.as_str()], |reference| !matches!(reference, Reference::Env { .. }));
        }
        if flow.steps.is_empty() {
            self.say(
                "/steps",
                "a flow without steps does nothing",
                Some("add a step with a `request`".into()),
            );
        }
        let mut names = BTreeSet::new();
        for (index, step) in flow.steps.iter().enumerate() {
            let here = format!("/steps/{index}");
            self.name(&format!("{here}/name"), &step.name);
            if !names.insert(step.name.as_str()) {
                self.say(
                    &format!("{here}/name"),
                    format!("another step is named `{}` already", step.name),
                    Some("steps are told apart by their names in findings; give each its own".into()),
                );
            }
            self.step(&here, step);
        }
    }

    fn name(&mut self, pointer: &str, name: &str) {
        if !is_name(name) {
            self.say(
                pointer,
                format!("`{name}` is not a name"),
                Some("use letters, digits, `-` and `_`, starting with a letter".into()),
            );
        }
    }

    fn step(&mut self, here: &str, step: &'f Step) {
        if !(1..=MOST_REPEATS).contains(&step.times()) {
            self.say(&format!("{here}/repeat"), format!("`repeat` must be from 1 to {MOST_REPEATS}"), None);
        }
        if step.instance.is_some() && (step.repeat.is_some() || step.until.is_some()) {
            self.say(
                &format!("{here}/instance"),
                "a step that does something to an instance cannot be repeated",
                Some("move the repeated request into a step of its own".into()),
            );
        }
        self.request(&format!("{here}/request"), &step.request);
        self.faults(here, step);
        self.expect(&format!("{here}/expect"), &step.expect);
        if let Some(until) = &step.until {
            self.expect(&format!("{here}/until/expect"), &until.expect);
            self.deadline(&format!("{here}/until/within"), until.within.0);
        }
        for (name, capture) in &step.capture {
            let pointer = format!("{here}/capture/{}", escape(name));
            self.name(&pointer, name);
            if let Capture::Json(path) = capture {
                self.json_path(&pointer, path, false);
            }
            self.captures.insert(name);
        }
        for (index, wait) in step.wait_until.iter().enumerate() {
            let here = format!("{here}/wait-until/{index}");
            self.deadline(&format!("{here}/within"), wait.within);
            match &wait.what {
                Awaited::Exchange { count, headers, .. } => {
                    if *count == 0 {
                        self.say(&format!("{here}/count"), "`count` must be at least 1", None);
                    }
                    self.map(&format!("{here}/headers"), headers);
                }
                Awaited::Span(query) => self.query(&format!("{here}/span"), query),
                Awaited::Poll(poll) => {
                    self.request(&format!("{here}/poll/request"), &poll.request);
                    self.expect(&format!("{here}/poll/expect"), &poll.expect);
                }
            }
        }
        for (index, assertion) in step.trace.iter().enumerate() {
            let here = format!("{here}/trace/{index}");
            match assertion {
                TraceAssertion::Some(query) => self.query(&format!("{here}/some"), query),
                TraceAssertion::None(query) => self.query(&format!("{here}/none"), query),
                TraceAssertion::Each { of, has } => {
                    self.query(&format!("{here}/each/of"), of);
                    self.query(&format!("{here}/each/has"), has);
                }
            }
        }
    }

    fn faults(&mut self, here: &str, step: &'f Step) {
        for (index, fault) in step.faults.iter().enumerate() {
            let here = format!("{here}/faults/{index}");
            self.map(&format!("{here}/headers"), &fault.headers);
            if let FaultAction::Hold { .. } = fault.action {
                self.say(
                    &format!("{here}/action"),
                    "a `hold` has nobody to release it here",
                    Some("use `stall` with `for`, or hold it in `instance.held`".into()),
                );
            } else if let Err(error) = rule_of(fault, "check", None).validate() {
                let help = (fault.action.is_edge_wide() && !fault.whole_edge)
                    .then(|| "add `whole-edge: true` and name the edge alone".to_owned());
                self.say(&format!("{here}/action"), error.to_string(), help);
            } else if fault.action.is_edge_wide() && !fault.whole_edge {
                self.say(
                    &format!("{here}/action"),
                    format!("`{}` breaks the edge for everyone", fault.action.kind()),
                    Some("add `whole-edge: true`".into()),
                );
            }
        }
        if let Some(held) = step.instance.as_ref().and_then(|instance| instance.held.as_ref()) {
            self.map(&format!("{here}/instance/held/headers"), &held.headers);
        }
    }

    fn request(&mut self, here: &str, request: &RequestTemplate) {
        if request.method.is_empty() || !request.method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.say(
                &format!("{here}/method"),
                format!("`{}` is not a method", request.method),
                did_you_mean(
                    &request.method.to_uppercase(),
                    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"],
                )
                .or_else(|| Some("write it in capitals: `POST`".into())),
            );
        }
        if !request.path.starts_with('/') && !request.path.starts_with("${") {
            self.say(
                &format!("{here}/path"),
                format!("`{}` does not start with `/`", request.path),
                Some("the path alone; host and port are the ingress's".into()),
            );
        }
        if request.json.is_some() && request.body.is_some() {
            self.say(&format!("{here}/body"), "a request has one body: `json` or `body`", None);
        }
        if let Some(timeout) = request.timeout {
            self.deadline(&format!("{here}/timeout"), timeout.0);
        }
        for name in request.headers.keys() {
            let pointer = format!("{here}/headers/{}", escape(name));
            if http::HeaderName::try_from(name.as_str()).is_err() {
                self.say(&pointer, format!("`{name}` is not a header name"), None);
            } else if name.eq_ignore_ascii_case("traceparent") {
                self.say(
                    &pointer,
                    "`traceparent` cannot be given: each step has a trace of its own",
                    Some("`${trace_id}` stands for its id".into()),
                );
            }
        }
        self.any_texts(&format!("{here}/path"), [request.path.as_str()]);
        self.map(&format!("{here}/query"), &request.query);
        self.map(&format!("{here}/headers"), &request.headers);
        self.any_texts(&format!("{here}/body"), request.body.as_deref());
        if let Some(json) = &request.json {
            self.any_texts(&format!("{here}/json"), strings_of(json));
        }
    }

    fn expect(&mut self, here: &str, expect: &Expect) {
        if expect.wants_no_answer() && (!expect.headers.is_empty() || !expect.json.is_empty()) {
            self.say(
                &format!("{here}/status"),
                "where no answer must come, nothing can be expected of it",
                None,
            );
        }
        self.map(&format!("{here}/headers"), &expect.headers);
        for (path, value) in &expect.json {
            let pointer = format!("{here}/json/{}", escape(path));
            self.json_path(&pointer, path, true);
            if let JsonExpect::Equals(value) | JsonExpect::Any(value) = value {
                self.any_texts(&pointer, strings_of(value));
            }
        }
    }

    fn deadline(&mut self, pointer: &str, deadline: Duration) {
        if deadline.is_zero() || deadline > LONGEST {
            self.say(pointer, "a deadline must be more than nothing and at most 10 minutes", None);
        }
    }

    /// A JSONPath that is a value of the file, or a key of it.
    fn json_path(&mut self, pointer: &str, path: &str, is_key: bool) {
        if path.contains("${") {
            return self.any_texts(pointer, [path]);
        }
        let Err(error) = JsonPath::parse(path) else { return };
        let place = if is_key { key_problem } else { problem };
        let source = &self.flow.source;
        let found = if path.starts_with('$') {
            let message = format!("`{path}` is not a JSONPath: {}", error.message());
            let help = "RFC 9535 says what can stand there".to_owned();
            place(source, pointer, message, Some(help)).at_column(source, path, error.position())
        } else {
            let message = format!("`{path}` is not a JSONPath: it does not start at the root");
            place(source, pointer, message, Some(format!("did you mean `$.{path}`?")))
        };
        self.problems.push(found);
    }

    fn query(&mut self, pointer: &str, query: &str) {
        self.any_texts(pointer, [query]);
        if query.contains("${") {
            return;
        }
        if let Err(error) = query.parse::<seaworthy_telemetry::traceql::Query>() {
            let source = &self.flow.source;
            let found = problem(source, pointer, format!("not TraceQL: {}", error.message), None);
            self.problems.push(found.at_column(source, query, error.column));
        }
    }

    fn map(&mut self, here: &str, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.any_texts(&format!("{here}/{}", escape(key)), [value.as_str()]);
        }
    }

    fn any_texts<'t>(&mut self, pointer: &str, texts: impl IntoIterator<Item = &'t str>) {
        self.texts(pointer, texts, |_| false);
    }

    fn texts<'t>(
        &mut self,
        pointer: &str,
        texts: impl IntoIterator<Item = &'t str>,
        out_of_place: impl Fn(&Reference) -> bool,
    ) {
        for text in texts {
            let references = match text::references(text) {
                Ok(references) => references,
                Err(error) => {
                    let help = match &error {
                        TextError::Unknown(name) => did_you_mean(name, FORMS),
                        _ => None,
                    };
                    let forms = || format!("known: `${{{}}}`", FORMS.join("}`, `${"));
                    self.say(pointer, error.to_string(), Some(help.unwrap_or_else(forms)));
                    continue;
                }
            };
            for reference in references {
                if out_of_place(&reference) {
                    self.say(pointer, "a variable's value can use `${env.NAME}` only", None);
                    continue;
                }
                // Variables may come from the system file, so they are looked up against it.
                let Reference::Capture(name) = &reference else { continue };
                if self.captures.contains(name.as_str()) {
                    continue;
                }
                let help = did_you_mean(name, self.captures.iter().copied());
                self.say(
                    pointer,
                    format!("unknown capture `{name}`"),
                    help.or_else(|| Some("capture it in an earlier step".into())),
                );
            }
        }
    }
}

/// Every text in a JSON value, keys too.
fn strings_of(value: &serde_json::Value) -> Vec<&str> {
    use serde_json::Value;
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings_of).collect(),
        Value::Object(entries) => {
            entries.iter().flat_map(|(key, value)| [vec![key.as_str()], strings_of(value)].concat()).collect()
        }
        _ => Vec::new(),
    }
}

/// What does not fit the system.
pub(super) fn against(flow: &Flow, system: &System) -> Vec<Problem> {
    let mut problems = Vec::new();
    let edges = system.edges();
    let mut say = |pointer: &str, message: String, help: Option<String>| {
        problems.push(problem(&flow.source, pointer, message, help));
    };
    let seen_only = system.dead_letter_edges();
    let known = |edge: &EdgeId| edges.iter().chain(&seen_only).any(|known| known.is_covered_by(edge));
    let nearest = |edge: &EdgeId| {
        let names: Vec<String> = edges.iter().map(EdgeId::to_string).collect();
        did_you_mean(&edge.to_string(), names.iter().map(String::as_str))
            .or_else(|| Some(format!("the system has: {}", names.join(", "))))
    };
    for (pointer, text) in texts_of(flow) {
        for reference in text::references(&text).unwrap_or_default() {
            match &reference {
                Reference::Env { name, default: None } if std::env::var_os(name).is_none() => say(
                    &pointer,
                    format!("`{name}` is not set in the environment"),
                    Some(format!("set it, or give a default: `${{env.{name}:-…}}`")),
                ),
                Reference::Var(name) if !flow.vars.contains_key(name) && !system.vars.contains_key(name) => {
                    say(
                        &pointer,
                        format!("unknown variable `{name}`"),
                        did_you_mean(name, flow.vars.keys().chain(system.vars.keys()).map(String::as_str))
                            .or_else(|| Some("declare it under `vars:`, here or in the system file".into())),
                    );
                }
                _ => {}
            }
        }
    }
    for (index, step) in flow.steps.iter().enumerate() {
        let here = format!("/steps/{index}");
        let mut requests = vec![(format!("{here}/request"), &step.request)];
        let mut targets = Vec::new();
        for (index, fault) in step.faults.iter().enumerate() {
            targets.push((format!("{here}/faults/{index}/on"), &fault.on));
        }
        for (index, wait) in step.wait_until.iter().enumerate() {
            match &wait.what {
                Awaited::Exchange { on, .. } => {
                    targets.push((format!("{here}/wait-until/{index}/exchange"), on));
                }
                Awaited::Poll(poll) => {
                    requests.push((format!("{here}/wait-until/{index}/poll/request"), &poll.request));
                }
                Awaited::Span(_) => {}
            }
        }
        if let Some(instance) = &step.instance {
            if !system.services.contains_key(&instance.service) {
                say(
                    &format!("{here}/instance/service"),
                    format!("the system has no service `{}`", instance.service),
                    did_you_mean(instance.service.as_str(), system.services.keys().map(AsRef::as_ref)),
                );
            }
            if let Some(held) = &instance.held {
                targets.push((format!("{here}/instance/held/on"), &held.on));
                for edge in edges.iter().filter(|edge| edge.is_covered_by(&held.on.edge)) {
                    let hold = FaultAction::Hold { when: held.when };
                    if let Some((message, help)) = misplaced(&hold, true, edge, system) {
                        say(&format!("{here}/instance/held/on"), message, help);
                    }
                }
            }
        }
        for (index, fault) in step.faults.iter().enumerate() {
            for edge in edges.iter().filter(|edge| edge.is_covered_by(&fault.on.edge)) {
                if let Some((message, help)) = misplaced(&fault.action, fault.whole_edge, edge, system) {
                    say(&format!("{here}/faults/{index}/action"), message, help);
                }
            }
        }
        for (pointer, target) in targets {
            if !known(&target.edge) {
                say(&pointer, format!("the system has no edge `{}`", target.edge), nearest(&target.edge));
            }
        }
        for (pointer, request) in requests {
            if let Err(message) = ingress_of(request, system) {
                let help = request.edge.as_ref().and_then(&nearest);
                say(&format!("{pointer}/edge"), message, help);
            }
        }
    }
    problems
}

/// Every text of a flow in which `${…}` is filled in, with its JSON pointer.
fn texts_of(flow: &Flow) -> Vec<(String, String)> {
    fn walk(pointer: &str, value: &serde_json::Value, texts: &mut Vec<(String, String)>) {
        use serde_json::Value;
        match value {
            Value::String(text) if text.contains("${") => texts.push((pointer.to_owned(), text.clone())),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(&format!("{pointer}/{index}"), item, texts);
                }
            }
            Value::Object(entries) => {
                for (key, item) in entries {
                    let here = format!("{pointer}/{}", escape(key));
                    if key.contains("${") {
                        texts.push((here.clone(), key.clone()));
                    }
                    walk(&here, item, texts);
                }
            }
            _ => {}
        }
    }
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::to_value(flow) {
        walk("", &value, &mut texts);
    }
    texts
}

/// The ingress that a request goes through.
pub(super) fn ingress_of(request: &RequestTemplate, system: &System) -> Result<EdgeId, String> {
    let ingress: Vec<EdgeId> = system.edges().into_iter().filter(EdgeId::is_ingress).collect();
    match (&request.edge, ingress.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err("the system has no ingress to send a request through".to_owned()),
        (None, several) => {
            let names: Vec<String> = several.iter().map(EdgeId::to_string).collect();
            Err(format!("the system has several ways in; say which with `edge`: {}", names.join(", ")))
        }
        (Some(edge), ingress) => ingress
            .iter()
            .find(|known| known.is_covered_by(edge))
            .cloned()
            .ok_or_else(|| format!("the system has no ingress `{edge}`")),
    }
}
