//! One request under a trace of its own, with faults for it alone.

use std::time::Duration;

use seaworthy_core::context::{EXPERIMENT_BAGGAGE, TraceParent};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule, When};
use seaworthy_core::ids::{EdgeId, FaultId, TraceId};
use seaworthy_core::time::HumanDuration;
use seaworthy_experiment::flow::Target;
use seaworthy_experiment::session::http_client;

use crate::control::{Ask, Reply};
use crate::system::{Error, System, unexpected};
use crate::trace::Trace;

/// How long a request may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Faults are renewed this many times per lease.
const RENEWALS_PER_LEASE: u32 = 4;

/// What is done to an edge, for one request alone: see [`abort`], [`delay`], [`reset`], [`stall`].
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    action: FaultAction,
    first: Option<u64>,
    nth: Option<u64>,
    must_fire: bool,
}

/// Answer with this HTTP status instead of the provider.
pub fn abort(status: u16) -> Fault {
    Fault::new(FaultAction::Abort {
        status: Some(status),
        grpc_status: None,
        headers: Default::default(),
        when: When::Before,
    })
}

/// Answer with this gRPC status instead of the provider.
pub fn grpc_abort(status: u16) -> Fault {
    Fault::new(FaultAction::Abort {
        status: None,
        grpc_status: Some(status),
        headers: Default::default(),
        when: When::Before,
    })
}

/// Hold the request back for this long, then go on.
pub fn delay(by: Duration) -> Fault {
    Fault::new(FaultAction::Delay { by: HumanDuration(by), jitter: HumanDuration::default() })
}

/// Break the connection before the provider gets the request; with [`Fault::after`], once it has answered.
pub fn reset() -> Fault {
    Fault::new(FaultAction::Reset { when: When::Before })
}

/// Let nothing move for this long, then go on as if nothing had been.
pub fn stall(length: Duration) -> Fault {
    Fault::new(FaultAction::Stall { length: HumanDuration(length), when: When::Before })
}

/// Deliver a message this many times more.
pub fn duplicate(copies: u32) -> Fault {
    Fault::new(FaultAction::Duplicate { copies })
}

/// Make a message vanish: its subscriber never gets it, and the broker is told that it was delivered.
pub fn lose() -> Fault {
    Fault::new(FaultAction::Drop)
}

/// Let this many later messages overtake a message.
pub fn reorder(behind: u32) -> Fault {
    Fault::new(FaultAction::Reorder { behind })
}

/// Replace a message's body by bytes that nobody can read; its headers stay.
pub fn poison() -> Fault {
    Fault::new(FaultAction::Poison)
}

impl Fault {
    /// Any action.
    pub fn new(action: FaultAction) -> Self {
        Self { action, first: None, nth: None, must_fire: true }
    }

    /// Only to the first this many exchanges that match.
    #[must_use]
    pub fn first(mut self, count: u64) -> Self {
        self.first = Some(count);
        self
    }

    /// Only to the nth exchange that matches, from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// That it never comes to anything is fine. Otherwise [`Answer::trace`] is an error then: a test whose fault never
    /// fired proves nothing.
    #[must_use]
    pub fn may_not_fire(mut self) -> Self {
        self.must_fire = false;
        self
    }

    /// Once the provider has answered: the work is done and the answer lost. For actions that know no such
    /// difference, nothing changes.
    #[must_use]
    pub fn after(mut self) -> Self {
        match &mut self.action {
            FaultAction::Abort { when, .. }
            | FaultAction::Reset { when }
            | FaultAction::Stall { when, .. }
            | FaultAction::Hold { when } => *when = When::After,
            _ => {}
        }
        self
    }
}

/// A request to be sent through an ingress of the system.
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    system: System,
    method: String,
    path: String,
    edge: Option<EdgeId>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    faults: Vec<(String, Fault)>,
    timeout: Duration,
    wrong: Option<Error>,
}

impl Request {
    pub(crate) fn new(system: System, method: &str, path: &str) -> Self {
        Self {
            system,
            method: method.to_owned(),
            path: path.to_owned(),
            edge: None,
            headers: Vec::new(),
            body: None,
            faults: Vec::new(),
            timeout: TIMEOUT,
            wrong: None,
        }
    }

    /// Through this edge; needed only where the system has several ways in.
    pub fn through(mut self, edge: EdgeId) -> Self {
        self.edge = Some(edge);
        self
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a bearer token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body = Some(body),
            Err(error) => self.wrong = Some(Error::Usage(format!("could not make a JSON body: {error}"))),
        }
        self.header("content-type", "application/json")
    }

    /// With this fault, for this request alone: `edge` is an edge with or without a route,
    /// `orders -> payments POST /payments`.
    pub fn fault(mut self, edge: &str, fault: Fault) -> Self {
        self.faults.push((edge.to_owned(), fault));
        self
    }

    /// Gives up after this long; 30 s unless said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it and returns the answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer: a reset, a time-out. Or a fault names no edge.
    pub async fn send(self) -> Result<Answer, Error> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let edge = match self.edge {
            Some(edge) => edge,
            None => self.system.ingress()?,
        };
        let address = self.system.address(&edge);
        let address = address.ok_or_else(|| Error::Usage(format!("the system has no edge `{edge}`")))?;
        let context = TraceParent::random();
        let correlation_id = format!("sw-test-{}", context.parent_id);
        let mut leases = Vec::new();
        for (number, (on, fault)) in self.faults.iter().enumerate() {
            leases.push(
                Lease::take(&self.system, (context.trace_id, &correlation_id), number, on, fault).await?,
            );
        }
        let what = format!("{} {}", self.method, self.path);
        let no_answer = |reason: String| Error::NoAnswer { request: what.clone(), reason };
        // A client of its own: connections of a shared one die with the runtime of the test that made them.
        let client = http_client().map_err(|error| no_answer(error.to_string()))?;
        let method = reqwest::Method::from_bytes(self.method.as_bytes())
            .map_err(|_| Error::Usage(format!("`{}` is no HTTP method", self.method)))?;
        let mut request = client
            .request(method, format!("http://{address}{}", self.path))
            .timeout(self.timeout)
            .header("traceparent", context.to_string())
            .header("baggage", format!("{EXPERIMENT_BAGGAGE}=test"));
        if !self.system.correlation_header.is_empty() {
            request = request.header(&*self.system.correlation_header, &correlation_id);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let sent = request.send().await;
        let record = Ask::Record {
            request: what.clone(),
            trace: context,
            correlation_id: correlation_id.clone(),
            status: sent.as_ref().ok().map(|answer| answer.status().as_u16()),
            faults: leases.iter().map(|lease| lease.id.clone()).collect(),
        };
        self.system.done("note a request", record).await?;
        let answer = sent.map_err(|error| no_answer(chain(&error)))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let body = answer.bytes().await.map_err(|error| no_answer(chain(&error)))?.to_vec();
        Ok(Answer { system: self.system, status, headers, body, context, correlation_id, leases })
    }
}

/// The error with what caused it: reqwest's own message alone says too little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// What came back. Faults of the request stay in force until this is dropped.
#[derive(Debug)]
pub struct Answer {
    system: System,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    context: TraceParent,
    correlation_id: String,
    leases: Vec<Lease>,
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::Usage(format!("the body is not the JSON asked for: {error}: {}", self.text()))
        })
    }

    /// The correlation id that the request carried.
    pub fn correlation_id(&self) -> &str {
        &self.correlation_id
    }

    /// The trace that the request was sent under.
    pub fn trace_id(&self) -> TraceId {
        self.context.trace_id
    }

    /// How often the request's faults were applied so far.
    ///
    /// # Errors
    /// The system cannot be reached.
    pub async fn faults_fired(&self) -> Result<u64, Error> {
        let mut fired = 0;
        for lease in &self.leases {
            fired += lease.fired().await?;
        }
        Ok(fired)
    }

    /// Waits for work that goes on after the answer: until `count` exchanges of the request's trace have ended on an
    /// edge, or a route of it (`notifications -> mailbox POST /mail`).
    ///
    /// # Errors
    /// They do not come within the system's patience, or `on` is no edge.
    pub async fn until(&self, on: &str, count: usize) -> Result<&Self, Error> {
        let target = on.parse().map_err(|error| Error::Usage(format!("could not read `{on}`: {error}")))?;
        let patience = HumanDuration(self.system.patience);
        let ask = Ask::Await { trace_id: self.context.trace_id, on: target, count, patience };
        self.system.done("await the request's work", ask).await?;
        Ok(self)
    }

    /// The request's trace as soon as it is complete. What has not begun by then is not waited for; name what ends
    /// such work with [`Answer::until`] first.
    ///
    /// # Errors
    /// It does not become complete: the error names each span that never came and the hop that lost it. Or a fault of
    /// the request never fired, unless it [may not](Fault::may_not_fire).
    pub async fn trace(&self) -> Result<Trace, Error> {
        let trace = self.incomplete_trace().await?;
        for lease in self.leases.iter().filter(|lease| lease.must_fire) {
            if lease.fired().await? == 0 {
                return Err(Error::NeverFired { on: lease.on.clone(), trace: trace.to_string() });
            }
        }
        match trace.missing() {
            None => Ok(trace),
            Some(missing) => Err(Error::Incomplete(missing)),
        }
    }

    /// The request's trace with whatever came of it in time.
    ///
    /// # Errors
    /// The system cannot be reached.
    pub async fn incomplete_trace(&self) -> Result<Trace, Error> {
        let ask =
            Ask::Trace { trace_id: self.context.trace_id, patience: HumanDuration(self.system.patience) };
        match self.system.ask(ask).await? {
            Reply::Trace(evidence) => Ok(Trace::new(*evidence)),
            other => Err(unexpected("get the trace", &other)),
        }
    }
}

/// A fault rule that is kept in force while this lives, and taken away when it is dropped. If this process dies, it
/// lapses at the proxy.
#[derive(Debug)]
struct Lease {
    system: System,
    id: FaultId,
    on: String,
    must_fire: bool,
    renewing: tokio::task::JoinHandle<()>,
}

impl Lease {
    async fn fired(&self) -> Result<u64, Error> {
        self.system.done("count a fault", Ask::Fired { id: self.id.clone() }).await
    }

    async fn take(
        system: &System,
        (trace, correlation_id): (TraceId, &str),
        number: usize,
        on: &str,
        fault: &Fault,
    ) -> Result<Self, Error> {
        let target: Target =
            on.parse().map_err(|error| Error::Usage(format!("could not read a fault: {error}")))?;
        if system.address(&target.edge).is_none() {
            return Err(Error::Usage(format!("the system has no edge `{}`", target.edge)));
        }
        let matcher = FaultMatcher {
            edge: Some(target.edge),
            route: target.route,
            trace_id: Some(trace),
            correlation_id: Some(correlation_id.to_owned()),
            first: fault.first,
            nth: fault.nth,
            ..FaultMatcher::default()
        };
        let id: FaultId = format!("test-{trace}-{number}").into();
        let must_fire = fault.must_fire;
        let rule = FaultRule { must_fire, ..FaultRule::new(id.clone(), matcher, fault.action.clone()) };
        let pause = rule.lease.0 / RENEWALS_PER_LEASE;
        system.done("install a fault", Ask::Install { rule: Box::new(rule) }).await?;
        let renewing = tokio::spawn({
            let (system, id) = (system.clone(), id.clone());
            async move {
                loop {
                    tokio::time::sleep(pause).await;
                    if system.done("renew a fault", Ask::Renew { id: id.clone() }).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { system: system.clone(), id, on: on.to_owned(), must_fire: fault.must_fire, renewing })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
        let (system, ask) = (self.system.clone(), Ask::Remove { id: self.id.clone() });
        // Where the runtime is gone already, the rule lapses by itself; it concerns this one trace anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { system.ask(ask).await.map(drop) });
        }
    }
}
