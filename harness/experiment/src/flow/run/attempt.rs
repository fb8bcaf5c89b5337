//! One sending of a step's request, from the fresh trace to the judged evidence.

use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::{StepFailure, StepRecord};
use seaworthy_core::ids::{FaultId, InstanceId};
use seaworthy_core::instance::InstanceFault;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::Nanos;
use seaworthy_wire::FaultLease;

use super::instance::Hold;
use super::request::{self, Identity};
use super::rules::{Marks, hold_rule, rule_of};
use super::{Run, deadlines, instance};
use crate::flow::expect::{Answer, Expect};
use crate::flow::model::{Capture, Lifetime, Moment, Step};
use crate::flow::text::{Scope, TextError};

/// A fault of the step that stands, with the place that asks for it.
pub(super) struct Standing {
    pub(super) lease: FaultLease,
    pub(super) on: String,
    pub(super) pointer: String,
    pub(super) must_fire: bool,
}

impl Standing {
    /// What is wrong when it should have fired and did not.
    pub(super) fn unfired(&self) -> Option<String> {
        (self.must_fire && self.lease.fired() == 0).then(|| {
            format!("the fault on `{}` never fired, so nothing is known of what it would have done", self.on)
        })
    }
}

/// One sending of a step's request.
pub(super) struct Attempt<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) step: &'a Step,
    /// JSON pointer of the step.
    pub(super) pointer: String,
    pub(super) trace: TraceParent,
    pub(super) correlation_id: String,
    pub(super) scope: Scope,
    /// The number of the first exchange that can be of this attempt.
    pub(super) first_exchange: u64,
    pub(super) failures: Vec<StepFailure>,
    /// Whether a service died meanwhile, so that the flow had better end here.
    pub(super) died: bool,
    name: String,
    started: Nanos,
    status: Option<u16>,
    faults: Vec<FaultId>,
    instance_fault: Option<(InstanceFault, InstanceId)>,
}

/// How an attempt went.
pub(super) struct Attempted {
    pub(super) record: StepRecord,
    /// What it keeps for later steps.
    pub(super) captures: Vec<(String, String)>,
    /// Faults that stay until the flow is over.
    pub(super) staying: Vec<Standing>,
    pub(super) died: bool,
    /// Whether the expectation that ends a repeated step holds; true for other steps.
    pub(super) is_last: bool,
    /// Whether the request could not even be sent.
    pub(super) unsent: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(run: &'a Run<'a>, index: usize, step: &'a Step, number: u32) -> Self {
        let trace = TraceParent::random();
        let unique = trace.parent_id.to_string();
        // Names are cut so that the id stays well within what services accept: 128 characters.
        let cut = |name: &str| name.chars().take(40).collect::<String>();
        let correlation_id = format!("sw-{}-{}-{unique}", cut(&run.flow.name), cut(&step.name));
        let name = if step.times() == 1 { step.name.clone() } else { format!("{}#{number}", step.name) };
        let mut scope = run.scope.clone();
        scope.trace_id = trace.trace_id.to_string();
        scope.correlation_id.clone_from(&correlation_id);
        scope.unique = unique;
        Self {
            run,
            step,
            pointer: format!("/steps/{index}"),
            trace,
            correlation_id,
            scope,
            first_exchange: run.session.wire().log().len() as u64 + 1,
            failures: Vec::new(),
            died: false,
            name,
            started: run.session.clock().now(),
            status: None,
            faults: Vec::new(),
            instance_fault: None,
        }
    }

    /// Notes something that did not go as it should, at this part of the step.
    pub(super) fn fail(&mut self, part: &str, message: String) {
        self.fail_at(part, message, false);
    }

    pub(super) fn fail_at(&mut self, part: &str, message: String, undecided: bool) {
        let location = self.run.flow.source.locate(&format!("{}/{part}", self.pointer));
        self.failures.push(StepFailure { message, location, undecided });
    }

    /// Sends, waits and judges. Rules for the whole edge stand already; `edge_faults` are their ids.
    pub(super) async fn go(mut self, edge_faults: &[FaultId]) -> Attempted {
        self.faults.extend_from_slice(edge_faults);
        let mut captures = Vec::new();
        let (mut is_last, mut unsent) = (true, false);
        let standing = match self.exchange().await {
            Ok((answer, standing)) => {
                self.status = answer.status;
                is_last = self.ends_repeating(&answer);
                if is_last {
                    captures = self.judge_answer(&answer);
                    if !self.died {
                        self.wait_for_all().await;
                    }
                }
                if self.instance_fault.is_some()
                    && let Some(step) = &self.step.instance
                    && let Some(trouble) = instance::undo(self.run.session, step).await
                {
                    self.fail_at("instance", trouble, true);
                }
                standing
            }
            Err(message) => {
                unsent = true;
                self.fail_at("request", message, true);
                Vec::new()
            }
        };
        let (staying, leaving): (Vec<Standing>, Vec<Standing>) =
            standing.into_iter().partition(|standing| self.stays(standing));
        for standing in leaving {
            if let Some(message) = standing.unfired() {
                let location = self.run.flow.source.locate(&standing.pointer);
                self.failures.push(StepFailure { message, location, undecided: true });
            }
        }
        // Always, so that the evidence is in before anybody judges it.
        let session = self.run.session;
        session.complete(self.trace.trace_id, deadlines::evidence(session.system())).await;
        if is_last {
            self.judge_trace();
        }
        if !self.died
            && let Some(death) = self.run.deaths.so_far()
        {
            self.died = true;
            self.fail("request", death);
        }
        let died = self.died;
        Attempted { record: self.record(), captures, staying, died, is_last, unsent }
    }

    fn stays(&self, standing: &Standing) -> bool {
        let faults = self.step.faults.iter().enumerate();
        faults
            .filter(|(_, fault)| fault.until == Lifetime::Flow)
            .any(|(index, _)| standing.pointer == self.fault_pointer(index))
    }

    fn fault_pointer(&self, index: usize) -> String {
        format!("{}/faults/{index}", self.pointer)
    }

    /// Breaks what is to be broken for this request, sends it, and carries out what is to be done to an instance.
    async fn exchange(&mut self) -> Result<(Answer, Vec<Standing>), String> {
        let run = self.run;
        let session = run.session;
        let told = |error: TextError| error.to_string();
        if let Some(given) =
            request::given_correlation(&self.step.request, session.system(), &self.scope).map_err(told)?
        {
            self.scope.correlation_id.clone_from(&given);
            self.correlation_id = given;
        }
        let identity =
            Identity { trace: self.trace, correlation_id: &self.correlation_id, experiment: run.experiment };
        let address = run.address_of(&self.step.request)?;
        let prepared = request::prepare(
            &run.client,
            &self.step.request,
            address,
            &identity,
            session.system(),
            &self.scope,
        )
        .map_err(|error| format!("was not sent: {error}"))?;

        let standing = self.break_edges()?;
        let Some(step) = &self.step.instance else {
            return Ok((request::send(&run.client, prepared).await, standing));
        };
        let (answer, done) = match &step.held {
            None if step.at == Moment::Answered => {
                let answer = request::send(&run.client, prepared).await;
                (answer, instance::carry_out(session, step, None).await)
            }
            None => {
                let done = instance::carry_out(session, step, None).await;
                (request::send(&run.client, prepared).await, done)
            }
            Some(held) => {
                let id = format!("{}.{}.hold-{}", run.flow.name, self.name, self.scope.unique);
                let system = session.system();
                let of_bytes = system.protocol(&held.on.edge) == Some(PortProtocol::Tcp)
                    && !system.message_edges().contains_key(&held.on.edge);
                let marks = Some(self.marks()).filter(|_| !of_bytes);
                let rule = hold_rule(held, &id, marks);
                let lease = session.wire().install(rule).map_err(|error| error.to_string())?;
                self.faults.push(lease.id().clone());
                let work = instance::carry_out(session, step, Some((Hold { on: held, of_bytes }, lease)));
                tokio::join!(request::send(&run.client, prepared), work)
            }
        };
        self.instance_fault = done.fault;
        for (message, undecided) in done.trouble {
            self.fail_at("instance", message, undecided);
        }
        Ok((answer, standing))
    }

    /// What tells this request's exchanges from all others.
    fn marks(&self) -> Marks<'_> {
        Marks { trace: self.trace.trace_id, correlation_id: &self.correlation_id }
    }

    /// Installs the rules that are for this request alone.
    fn break_edges(&mut self) -> Result<Vec<Standing>, String> {
        let mut standing = Vec::new();
        for (index, fault) in self.step.faults.iter().enumerate().filter(|(_, fault)| !fault.whole_edge) {
            let id = format!("{}.{}.{index}-{}", self.run.flow.name, self.name, self.scope.unique);
            let mut rule = rule_of(fault, &id, Some(self.marks()));
            rule.seed = self.run.session.seed();
            let lease = self.run.session.wire().install(rule).map_err(|error| error.to_string())?;
            self.faults.push(lease.id().clone());
            standing.push(Standing {
                lease,
                on: fault.on.to_string(),
                pointer: self.fault_pointer(index),
                must_fire: fault.must_fire,
            });
        }
        Ok(standing)
    }

    /// Whether what a repeated step is repeated for holds now; true for a step without `until`.
    fn ends_repeating(&self, answer: &Answer) -> bool {
        let Some(until) = &self.step.until else { return true };
        until.expect.judge(answer, &self.scope).is_ok_and(|mismatches| mismatches.is_empty())
    }

    /// Judges the answer and keeps of it what later steps need.
    fn judge_answer(&mut self, answer: &Answer) -> Vec<(String, String)> {
        let mut captures = Vec::new();
        let step = self.step;
        self.judge(&step.expect, answer);
        let body = answer.json();
        for (name, capture) in &step.capture {
            let value = match capture {
                Capture::Header { header } => answer.header(header).map(str::to_owned),
                Capture::Json(path) => self
                    .scope
                    .fill(path)
                    .ok()
                    .and_then(|path| serde_json_path::JsonPath::parse(&path).ok())
                    .zip(body.as_ref())
                    .and_then(|(path, body)| path.query(body).first().map(as_text)),
            };
            match value {
                Some(value) => {
                    self.scope.captures.insert(name.clone(), value.clone());
                    captures.push((name.clone(), value));
                }
                // The failed expectation says it already when there is one.
                None if self.failures.is_empty() => {
                    self.fail(
                        &format!("capture/{name}"),
                        format!("the answer has nothing to keep as `{name}`"),
                    );
                }
                None => {}
            }
        }
        captures
    }

    fn judge(&mut self, expect: &Expect, answer: &Answer) {
        match expect.judge(answer, &self.scope) {
            Ok(mismatches) => {
                for mismatch in mismatches {
                    self.fail(&format!("expect{}", mismatch.pointer), mismatch.message);
                }
            }
            Err(error) => self.fail_at("expect", error.to_string(), true),
        }
    }

    /// What is kept of it.
    pub(super) fn record(self) -> StepRecord {
        StepRecord {
            flow: self.run.flow.name.clone(),
            experiment: self.run.experiment.to_owned(),
            step: self.name,
            purpose: self.run.purpose.clone(),
            trace: self.trace,
            correlation_id: self.correlation_id,
            started: self.started,
            ended: self.run.session.clock().now(),
            status: self.status,
            faults: self.faults,
            instance_fault: self.instance_fault,
            failures: self.failures,
        }
    }
}

fn as_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
