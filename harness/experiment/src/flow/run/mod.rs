//! Running a flow on a system.
//!
//! Each sending of a step goes: fresh trace and correlation id → faults for this request are put in force → the
//! request goes through the ingress proxy → the evidence that ends the work is awaited → the faults go → the trace
//! is awaited complete → what was expected is judged. What did not go as it should becomes a
//! [`StepFailure`](seaworthy_core::evidence::StepFailure) with its place in the flow's file; nothing here panics or
//! hangs, every wait has a deadline.

mod attempt;
mod deadlines;
mod instance;
mod request;
pub(in crate::flow) mod rules;
#[cfg(test)]
mod tests;
mod traces;
mod waits;

use std::net::SocketAddr;
use std::time::Duration;

use seaworthy_core::evidence::{Purpose, StepFailure, StepRecord};
use seaworthy_core::ids::{FaultId, ServiceName};
use seaworthy_core::system::RunKind;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::attempt::{Attempt, Attempted, Standing};
use self::rules::rule_of;
use super::model::{Flow, Lifetime, RequestTemplate, Step};
use super::text::Scope;
use super::validate::ingress_of;
use crate::session::Session;

/// What came of a flow: its steps, which the session has recorded as well.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlowOutcome {
    /// Each sending of each step, in order.
    pub steps: Vec<StepRecord>,
}

impl FlowOutcome {
    /// Whether every step went as it should.
    pub fn is_sound(&self) -> bool {
        self.steps.iter().all(|step| step.failures.is_empty())
    }
}

/// Runs a flow from its first step to its last. It ends early when a step needs what an earlier one did not keep,
/// or when a service died that nobody meant to.
pub async fn run_flow(flow: &Flow, session: &Session, experiment: &str, purpose: Purpose) -> FlowOutcome {
    let mut outcome = FlowOutcome::default();
    let mut record = |step: StepRecord| {
        session.record(step.clone());
        outcome.steps.push(step);
    };
    let client = match request::client() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "could not make an HTTP client");
            return outcome;
        }
    };
    let mut run = Run {
        flow,
        session,
        client,
        experiment,
        purpose,
        scope: Scope { flow: flow.name.clone(), ..Scope::default() },
        deaths: Deaths::watch(session),
    };
    run.fill_vars();
    let mut staying = Vec::new();
    for (index, step) in flow.steps.iter().enumerate() {
        let mut stepped = run.step(index, step).await;
        staying.append(&mut stepped.staying);
        let over = stepped.over || index + 1 == flow.steps.len();
        if over && let Some(last) = stepped.records.last_mut() {
            for standing in staying.drain(..) {
                last.failures.extend(run.unfired(&standing));
            }
        }
        stepped.records.into_iter().for_each(&mut record);
        if over {
            break;
        }
        run.scope.captures.extend(stepped.captures);
    }
    outcome
}

/// A flow that is being run.
struct Run<'r> {
    flow: &'r Flow,
    session: &'r Session,
    client: reqwest::Client,
    experiment: &'r str,
    purpose: Purpose,
    scope: Scope,
    deaths: Deaths,
}

/// How a step went.
#[derive(Default)]
struct Stepped {
    records: Vec<StepRecord>,
    captures: Vec<(String, String)>,
    staying: Vec<Standing>,
    /// Whether the flow had better end here.
    over: bool,
}

impl Run<'_> {
    /// Variables of the system file, and the flow's own over them, filled in from the environment.
    fn fill_vars(&mut self) {
        let vars = self.session.system().vars.iter().chain(&self.flow.vars);
        for (name, value) in vars {
            // One that cannot be filled in is left out; the text that uses it says so.
            if let Ok(value) = self.scope.fill(value) {
                self.scope.vars.insert(name.clone(), value);
            }
        }
    }

    /// The proxy through which a request goes in.
    fn address_of(&self, request: &RequestTemplate) -> Result<SocketAddr, String> {
        let edge = ingress_of(request, self.session.system())?;
        self.session.address(&edge).ok_or_else(|| format!("there is no proxy on `{edge}`"))
    }

    fn unfired(&self, standing: &Standing) -> Option<StepFailure> {
        let location = self.flow.source.locate(&standing.pointer);
        standing.unfired().map(|message| StepFailure { message, location, undecided: true })
    }

    async fn step(&self, index: usize, step: &Step) -> Stepped {
        let mut stepped = Stepped::default();
        if let Some(record) = self.cannot_be_done(index, step) {
            stepped.records.push(record);
            stepped.over = true;
            return stepped;
        }
        let (standing, trouble) = self.break_whole_edges(index, step);
        let edge_faults: Vec<FaultId> = standing.iter().map(|(rule, _)| rule.lease.id().clone()).collect();
        let (stay, leave): (Vec<_>, Vec<_>) =
            standing.into_iter().partition(|(_, lifetime)| *lifetime == Lifetime::Flow);
        stepped.staying.extend(stay.into_iter().map(|(rule, _)| rule));
        let patience = step.until.as_ref().map(|until| until.within.0);
        let deadline = patience.map(|patience| Instant::now() + patience);
        let times = step.times();
        for number in 1..=times {
            let attempted = Attempt::new(self, index, step, number).go(&edge_faults).await;
            let Attempted { record, captures, staying, died, is_last, unsent } = attempted;
            stepped.staying.extend(staying);
            stepped.captures = captures;
            stepped.over = died || unsent;
            stepped.records.push(record);
            if stepped.over || (step.until.is_some() && is_last) {
                break;
            }
            let Some(until) = &step.until else { continue };
            let next = Instant::now() + until.every.0;
            if number == times || deadline.is_some_and(|deadline| next >= deadline) {
                self.never_held(index, step, patience, &mut stepped);
                break;
            }
            tokio::select! {
                () = sleep_until(next) => {}
                _ = self.deaths.next() => {}
            }
        }
        if let Some(last) = stepped.records.last_mut() {
            last.failures.extend(trouble);
            for (standing, _) in leave {
                last.failures.extend(self.unfired(&standing));
            }
        }
        stepped
    }

    /// A step that breaks an instance, of a system that runs already: it is not the harness's to break, and without
    /// that the step, and what comes after it, would show something else than it is for.
    fn cannot_be_done(&self, index: usize, step: &Step) -> Option<StepRecord> {
        let instance = step.instance.as_ref().filter(|_| self.session.system().on == RunKind::Attach)?;
        let mut attempt = Attempt::new(self, index, step, 1);
        let message = format!(
            "`{}` cannot be done to a service that runs already, so the flow ends before this step; run it on `process` \
             or `docker`",
            instance.fault.as_str()
        );
        attempt.fail_at("instance", message, true);
        Some(attempt.record())
    }

    /// Puts the rules in force that are for everyone on an edge; also says which could not be.
    fn break_whole_edges(&self, index: usize, step: &Step) -> (Vec<(Standing, Lifetime)>, Vec<StepFailure>) {
        let (mut standing, mut trouble) = (Vec::new(), Vec::new());
        for (at, fault) in step.faults.iter().enumerate().filter(|(_, fault)| fault.whole_edge) {
            let unique = seaworthy_core::ids::SpanId::random();
            let id = format!("{}.{}.{at}-{unique}", self.flow.name, step.name);
            let pointer = format!("/steps/{index}/faults/{at}");
            let mut rule = rule_of(fault, &id, None);
            rule.seed = self.session.seed();
            match self.session.wire().install(rule) {
                Ok(lease) => {
                    let on = fault.on.to_string();
                    standing.push((Standing { lease, on, pointer, must_fire: fault.must_fire }, fault.until));
                }
                Err(error) => trouble.push(StepFailure {
                    message: format!("could not break `{}`: {error}", fault.on),
                    location: self.flow.source.locate(&pointer),
                    undecided: true,
                }),
            }
        }
        (standing, trouble)
    }

    fn never_held(&self, index: usize, step: &Step, patience: Option<Duration>, stepped: &mut Stepped) {
        let sent = stepped.records.len();
        let Some(last) = stepped.records.last_mut() else { return };
        let within = seaworthy_core::time::HumanDuration(patience.unwrap_or_default());
        let wanted = step.until.as_ref().and_then(|until| until.expect.status.as_ref());
        let wanted = wanted.map_or_else(|| "`until`".to_owned(), |status| format!("status {status}"));
        let got = last.status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
        last.failures.push(StepFailure {
            message: format!("expected {wanted} within {within}; sent {sent} times, the last time got {got}"),
            location: self.flow.source.locate(&format!("/steps/{index}/until")),
            undecided: false,
        });
    }
}

/// Services that die while the flow runs.
struct Deaths {
    deaths: watch::Receiver<Vec<(ServiceName, String)>>,
    /// How many had died before; they are not this flow's.
    before: usize,
}

impl Deaths {
    fn watch(session: &Session) -> Self {
        let deaths = session.deaths();
        let before = deaths.borrow().len();
        Self { deaths, before }
    }

    /// What happened, if a service has died.
    fn so_far(&self) -> Option<String> {
        let deaths = self.deaths.borrow();
        deaths.get(self.before).map(|(service, how)| format!("`{service}` died in mid-flow: {how}"))
    }

    /// Returns with what happened as soon as a service has died.
    async fn next(&self) -> String {
        let mut deaths = self.deaths.clone();
        // An error means that the session is gone, and with it this flow.
        let died = deaths.wait_for(|deaths| deaths.len() > self.before).await.is_ok();
        match self.so_far().filter(|_| died) {
            Some(death) => death,
            None => std::future::pending().await,
        }
    }
}
