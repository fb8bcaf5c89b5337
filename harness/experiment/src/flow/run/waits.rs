//! Waiting for the evidence that ends a step's work: by being told of changes, never by sleeping.

use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::StepFailure;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::ids::{ExchangeId, TraceId};
use seaworthy_core::span::Span;
use seaworthy_core::time::HumanDuration;
use seaworthy_telemetry::traceql::Query;
use seaworthy_wire::ExchangeLog;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::attempt::Attempt;
use super::deadlines;
use super::request::{self, Identity};
use crate::flow::expect::StatusExpect;
use crate::flow::model::{Awaited, Poll, Wait};
use crate::flow::target::Target;
use crate::flow::text::Scope;
use crate::session::Session;

/// The exchanges of a step: those of its trace, and those that lost the trace and kept its correlation id.
pub(super) struct OwnExchanges<'l> {
    log: &'l ExchangeLog,
    trace: TraceId,
    correlation_id: &'l str,
    /// The number of the next exchange to look at.
    next: u64,
    found: Vec<ExchangeId>,
}

impl<'l> OwnExchanges<'l> {
    /// Looks at exchanges from the one numbered `from`.
    pub(super) fn new(log: &'l ExchangeLog, trace: TraceId, correlation_id: &'l str, from: u64) -> Self {
        Self { log, trace, correlation_id, next: from, found: Vec::new() }
    }

    /// As they are now.
    pub(super) fn look(&mut self) -> Vec<Exchange> {
        while let Some(exchange) = self.log.get(ExchangeId(self.next)) {
            let correlated = exchange.correlation_id.as_deref() == Some(self.correlation_id);
            if correlated || exchange.trace_id() == Some(self.trace) {
                self.found.push(exchange.id);
            }
            self.next += 1;
        }
        self.found.iter().filter_map(|id| self.log.get(*id)).collect()
    }
}

/// The spans of a trace and of those that it goes on in by links.
pub(super) fn spans_from(session: &Session, trace: TraceId) -> Vec<Span> {
    let traces = session.store().traces_from(trace);
    traces.into_iter().flat_map(|trace| session.store().spans_of(trace)).collect()
}

impl Attempt<'_> {
    /// Waits for all that the step waits for, each under its own deadline from now on. A service that dies
    /// meanwhile ends every wait.
    pub(super) async fn wait_for_all(&mut self) {
        let waits = &self.step.wait_until;
        if waits.is_empty() {
            return;
        }
        let started = Instant::now();
        // After a wrong answer what was to follow it will hardly come; it gets a chance, not its whole time.
        let most = if self.failures.is_empty() { Duration::MAX } else { deadlines::AFTER_WRONG_ANSWER };
        let this = &*self;
        let all = futures_util::future::join_all(waits.iter().enumerate().map(|(index, wait)| async move {
            let within = wait.within.min(most);
            let failure = this.wait_for(wait, started + within, within).await;
            failure.map(|message| {
                let pointer = format!("{}/wait-until/{index}", this.pointer);
                StepFailure { message, location: this.run.flow.source.locate(&pointer), undecided: false }
            })
        }));
        let waited = tokio::select! {
            failures = all => Ok(failures),
            death = self.run.deaths.next() => Err(death),
        };
        match waited {
            Ok(failures) => self.failures.extend(failures.into_iter().flatten()),
            Err(death) => {
                self.died = true;
                self.fail("wait-until", format!("waiting ended early: {death}"));
            }
        }
    }

    async fn wait_for(&self, wait: &Wait, deadline: Instant, within: Duration) -> Option<String> {
        let (wait_within, within) = (within, HumanDuration(within));
        match &wait.what {
            Awaited::Exchange { on, count, succeeded, status, headers } => {
                let headers = match self.scope.fill_map(headers) {
                    Ok(headers) => headers,
                    Err(error) => return Some(error.to_string()),
                };
                let wanted = Wanted { on, succeeded: *succeeded, status: status.as_ref(), headers: &headers };
                self.wait_for_exchanges(&wanted, *count, deadline, within).await
            }
            Awaited::Span(query) => self.wait_for_span(query, deadline, within).await,
            Awaited::Poll(poll) => self.poll(poll, deadline, wait_within).await,
        }
    }

    async fn wait_for_exchanges(
        &self,
        wanted: &Wanted<'_>,
        count: u32,
        deadline: Instant,
        within: HumanDuration,
    ) -> Option<String> {
        let log = self.run.session.wire().log();
        let mut changes = log.changes();
        let mut own = OwnExchanges::new(log, self.trace.trace_id, &self.correlation_id, self.first_exchange);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        loop {
            changes.mark_unchanged();
            let seen = own.look();
            let matching = seen.iter().filter(|exchange| wanted.is_met_by(exchange)).count();
            if matching >= count {
                return None;
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                let mut message = format!(
                    "expected {count} {}{} within {within}, saw {matching}",
                    if count == 1 { "exchange" } else { "exchanges" },
                    wanted.describe(),
                );
                for exchange in seen.iter().filter(|exchange| wanted.on.matches(exchange)).take(10) {
                    message += &format!("\n  {}: {}", exchange.id, exchange.summary());
                }
                return Some(message);
            }
        }
    }

    async fn wait_for_span(&self, query: &str, deadline: Instant, within: HumanDuration) -> Option<String> {
        let session = self.run.session;
        let text = match self.scope.fill(query) {
            Ok(text) => text,
            Err(error) => return Some(error.to_string()),
        };
        let query: Query = match text.parse() {
            Ok(query) => query,
            Err(error) => return Some(format!("`{text}` is not TraceQL: {error}")),
        };
        let mut changes = session.store().changes();
        loop {
            changes.mark_unchanged();
            let spans = spans_from(session, self.trace.trace_id);
            if !query.evaluate(&spans).is_empty() {
                return None;
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return Some(format!(
                    "expected a span `{text}` within {within}; none of the {} spans that came is one",
                    spans.len()
                ));
            }
        }
    }

    async fn poll(&self, poll: &Poll, deadline: Instant, within: Duration) -> Option<String> {
        let mut last = "no answer came".to_owned();
        let asking = async {
            let mut pace = interval(poll.every.0.max(Duration::from_millis(1)));
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                match self.ask(poll).await {
                    Ok(None) => return,
                    Ok(Some(mismatch)) | Err(mismatch) => last = mismatch,
                }
            }
        };
        match timeout_at(deadline, asking).await {
            Ok(()) => None,
            Err(_) => Some(format!(
                "`{} {}` did not answer as expected within {}; the last time: {last}",
                poll.request.method,
                self.scope.fill(&poll.request.path).unwrap_or_else(|_| poll.request.path.clone()),
                HumanDuration(within),
            )),
        }
    }

    /// Asks once. The request has a trace of its own that is not sampled, so that polling adds no spans to any
    /// trace that is judged.
    async fn ask(&self, poll: &Poll) -> Result<Option<String>, String> {
        let run = self.run;
        let trace = TraceParent { sampled: false, ..TraceParent::random() };
        let correlation_id = format!("{}-poll", self.correlation_id);
        let scope = Scope { correlation_id: correlation_id.clone(), ..self.scope.clone() };
        let identity = Identity { trace, correlation_id: &correlation_id, experiment: run.experiment };
        let address = run.address_of(&poll.request)?;
        let prepared =
            request::prepare(&run.client, &poll.request, address, &identity, run.session.system(), &scope)
                .map_err(|error| error.to_string())?;
        let answer = request::send(&run.client, prepared).await;
        let mismatches = poll.expect.judge(&answer, &scope).map_err(|error| error.to_string())?;
        Ok(mismatches.into_iter().next().map(|mismatch| mismatch.message))
    }
}

/// Which exchanges are waited for.
struct Wanted<'w> {
    on: &'w Target,
    succeeded: Option<bool>,
    status: Option<&'w StatusExpect>,
    headers: &'w std::collections::BTreeMap<String, String>,
}

impl Wanted<'_> {
    fn is_met_by(&self, exchange: &Exchange) -> bool {
        let has_headers = || {
            self.headers.iter().all(|(name, value)| {
                seaworthy_core::exchange::header(&exchange.request.headers, name) == Some(value.as_str())
            })
        };
        self.on.matches(exchange)
            && exchange.is_over()
            && self.succeeded.is_none_or(|succeeded| exchange.succeeded() == succeeded)
            && self.status.is_none_or(|status| match &exchange.response {
                Some(response) => status.matches(response.status),
                None => *status == StatusExpect::NoAnswer,
            })
            && has_headers()
    }

    fn describe(&self) -> String {
        let mut text = format!(" `{}`", self.on);
        match self.succeeded {
            Some(true) => text += " that succeeded",
            Some(false) => text += " that did not succeed",
            None => {}
        }
        if let Some(status) = self.status {
            text += &format!(" with status {status}");
        }
        for (name, value) in self.headers {
            text += &format!(" with `{name}: {value}`");
        }
        text
    }
}
