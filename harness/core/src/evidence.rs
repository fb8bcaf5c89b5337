//! What checks read: the evidence of a run, final or provisional.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::completeness::Completeness;
use crate::context::TraceParent;
use crate::exchange::Exchange;
use crate::fault::FaultRecord;
use crate::finding::Location;
use crate::ids::{EdgeId, ExchangeId, FaultId, InstanceId, ServiceName, TraceId};
use crate::instance::{InstanceEvent, InstanceEventKind, InstanceFault};
use crate::log::{LogRecord, OutputLine};
use crate::metric::MetricPoint;
use crate::secret::SecretHit;
use crate::span::Span;
use crate::system::System;
use crate::time::Nanos;

/// What a service can be asked about its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Whether it can do its work.
    Ready,
    /// Whether its process is sound.
    Live,
}

/// Why a step was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Purpose {
    /// A flow's file says so.
    Flow,
    /// An unfaulted request beside faulted ones, to see that those disturb nobody.
    Control,
    /// The harness asks a protected route without, or with wrong, credentials.
    AuthProbe {
        /// What was sent: `no token`, `a token that is not valid`.
        credentials: String,
    },
    /// The harness asks a service how it is while an edge that it needs is cut, or once it is whole again.
    HealthProbe {
        /// The edge that its readiness depends on.
        edge: EdgeId,
        /// Whether its readiness path was asked, or its liveness path.
        asked: Health,
        /// Whether the edge was cut at that time.
        cut: bool,
    },
    /// The harness asks the producer of an event for the aggregate that the event is about.
    Audit {
        /// The exchange that delivered the event.
        event: ExchangeId,
        /// The event's subject.
        subject: String,
    },
}

/// Something that a step expected and did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// What, with expected and actual.
    pub message: String,
    /// Where the flow's file asks for it.
    pub location: Option<Location>,
    /// Whether it could only not be told (a selector that matched nothing, a fault that never fired).
    pub undecided: bool,
}

/// One step of a flow (or a request of the harness's own) as it went. Each carries its own trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The flow's name.
    pub flow: String,
    /// The experiment: the flow's name, or that with a number when it was repeated.
    pub experiment: String,
    /// The step's name.
    pub step: String,
    /// Why it was made.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The context that its request carried.
    pub trace: TraceParent,
    /// The correlation id that its request carried.
    pub correlation_id: String,
    /// When it began.
    pub started: Nanos,
    /// When all it waits for was there, or given up.
    pub ended: Nanos,
    /// The status of its answer, if it got one.
    pub status: Option<u16>,
    /// Rules that were installed for it alone or during it.
    pub faults: Vec<FaultId>,
    /// The instance fault that was carried out during it, and on which instance.
    pub instance_fault: Option<(InstanceFault, InstanceId)>,
    /// What it expected and did not get.
    pub failures: Vec<StepFailure>,
}

/// Evidence that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What kind: `exchanges`, `spans`, `logs`, `metric points`, `output lines`, `export requests`.
    pub what: String,
    /// Why: `store full`, `refused: larger than 4 MiB`, `duplicate`.
    pub why: String,
    /// How many.
    pub count: u64,
    /// Whose, where known.
    pub service: Option<ServiceName>,
    /// Whether absences may be due to this, so that checks on absence are inconclusive. Dropped duplicates are not.
    pub harmful: bool,
}

/// Whether more evidence may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finality {
    /// Every instance has flushed and ended; what is not here will not come.
    Final,
    /// The system goes on running; results on absence are provisional.
    Provisional,
}

/// The evidence of a run as checks see it.
pub trait Evidence {
    /// What was declared.
    fn system(&self) -> &System;
    /// Exchanges on all edges, by the time at which they began.
    fn exchanges(&self) -> &[Exchange];
    /// Spans, each (trace, span) once.
    fn spans(&self) -> &[Span];
    /// Log records over OTLP.
    fn logs(&self) -> &[LogRecord];
    /// Lines on stdout and stderr.
    fn output(&self) -> &[OutputLine];
    /// The last point of each series of each instance (all points, for delta temporality).
    fn metrics(&self) -> &[MetricPoint];
    /// What happened to instances.
    fn instances(&self) -> &[InstanceEvent];
    /// Fault rules with how often they fired.
    fn faults(&self) -> &[FaultRecord];
    /// Steps of flows, controls, probes and audits.
    fn steps(&self) -> &[StepRecord];
    /// Secrets found at intake.
    fn secrets(&self) -> &[SecretHit];
    /// What was not kept.
    fn losses(&self) -> &[Loss];
    /// Completeness of each trace that the run started.
    fn completeness(&self) -> &BTreeMap<TraceId, Completeness>;
    /// Whether more may come.
    fn finality(&self) -> Finality;

    /// The exchanges of a trace, in order; includes those that carry no `traceparent` but one of its
    /// correlation ids.
    fn exchanges_of(&self, trace: TraceId) -> Vec<&Exchange>;
    /// The spans of a trace.
    fn spans_of(&self, trace: TraceId) -> Vec<&Span>;

    /// Whether the harness killed this instance on purpose, so that it could not flush.
    fn was_killed(&self, instance: &InstanceId) -> bool {
        self.instances()
            .iter()
            .any(|event| event.instance == *instance && event.kind == InstanceEventKind::Killed)
    }
}

/// Evidence in memory.
#[derive(Debug, Clone)]
pub struct EvidenceSet {
    /// See [`Evidence::system`].
    pub system: System,
    /// See [`Evidence::exchanges`].
    pub exchanges: Vec<Exchange>,
    /// See [`Evidence::spans`].
    pub spans: Vec<Span>,
    /// See [`Evidence::logs`].
    pub logs: Vec<LogRecord>,
    /// See [`Evidence::output`].
    pub output: Vec<OutputLine>,
    /// See [`Evidence::metrics`].
    pub metrics: Vec<MetricPoint>,
    /// See [`Evidence::instances`].
    pub instances: Vec<InstanceEvent>,
    /// See [`Evidence::faults`].
    pub faults: Vec<FaultRecord>,
    /// See [`Evidence::steps`].
    pub steps: Vec<StepRecord>,
    /// See [`Evidence::secrets`].
    pub secrets: Vec<SecretHit>,
    /// See [`Evidence::losses`].
    pub losses: Vec<Loss>,
    /// See [`Evidence::completeness`].
    pub completeness: BTreeMap<TraceId, Completeness>,
    /// See [`Evidence::finality`].
    pub finality: Finality,
    /// Traces of a batch in which a control was disturbed. They happened, so they are counted, but nothing is
    /// concluded from them: see [`EvidenceSet::without_void`].
    pub void: BTreeSet<TraceId>,
    exchanges_by_trace: HashMap<TraceId, Vec<usize>>,
    spans_by_trace: HashMap<TraceId, Vec<usize>>,
}

impl EvidenceSet {
    /// No evidence at all about this system; fill the parts, then [`EvidenceSet::index`].
    pub fn empty(system: System) -> Self {
        Self {
            system,
            exchanges: Vec::new(),
            spans: Vec::new(),
            logs: Vec::new(),
            output: Vec::new(),
            metrics: Vec::new(),
            instances: Vec::new(),
            faults: Vec::new(),
            steps: Vec::new(),
            secrets: Vec::new(),
            losses: Vec::new(),
            completeness: BTreeMap::new(),
            finality: Finality::Final,
            void: BTreeSet::new(),
            exchanges_by_trace: HashMap::new(),
            spans_by_trace: HashMap::new(),
        }
    }

    /// Sorts exchanges by their start and builds the index by trace; to be called after the parts were filled.
    pub fn index(&mut self) {
        self.exchanges.sort_by_key(|exchange| (exchange.started, exchange.id));
        let mut by_correlation: HashMap<&str, TraceId> = HashMap::new();
        for step in &self.steps {
            by_correlation.insert(&step.correlation_id, step.trace.trace_id);
        }
        for exchange in &self.exchanges {
            if let (Some(trace), Some(correlation)) = (exchange.trace_id(), &exchange.correlation_id) {
                by_correlation.entry(correlation).or_insert(trace);
            }
        }
        self.exchanges_by_trace.clear();
        for (at, exchange) in self.exchanges.iter().enumerate() {
            let correlated = || by_correlation.get(exchange.correlation_id.as_deref()?).copied();
            if let Some(trace) = exchange.trace_id().or_else(correlated) {
                self.exchanges_by_trace.entry(trace).or_default().push(at);
            }
        }
        self.spans_by_trace.clear();
        for (at, span) in self.spans.iter().enumerate() {
            self.spans_by_trace.entry(span.trace_id).or_default().push(at);
        }
    }

    /// The evidence without the traces that are void. Only checks of totals need those, because a service counts
    /// every request.
    #[must_use]
    pub fn without_void(&self) -> EvidenceSet {
        let mut sound = self.clone();
        let void = |trace: Option<TraceId>| trace.is_some_and(|trace| self.void.contains(&trace));
        // An exchange that lost its trace belongs to the step whose correlation id it carries.
        let of_void = self.exchanges.iter().filter(|exchange| void(exchange.trace_id()));
        let steps = self.steps.iter().filter(|step| void(Some(step.trace.trace_id)));
        let correlated: BTreeSet<&str> = of_void
            .filter_map(|exchange| exchange.correlation_id.as_deref())
            .chain(steps.map(|step| step.correlation_id.as_str()))
            .collect();
        let is_correlated = |id: &Option<String>| id.as_deref().is_some_and(|id| correlated.contains(id));
        sound
            .exchanges
            .retain(|exchange| !void(exchange.trace_id()) && !is_correlated(&exchange.correlation_id));
        sound.faults.retain(|fault| !void(fault.rule.matcher.trace_id));
        sound.spans.retain(|span| !void(Some(span.trace_id)));
        sound.logs.retain(|log| !void(log.trace_id));
        sound.steps.retain(|step| !void(Some(step.trace.trace_id)));
        sound.secrets.retain(|hit| !void(hit.trace_id));
        sound.completeness.retain(|trace, _| !void(Some(*trace)));
        sound.index();
        sound
    }

    /// The exchange of this number.
    pub fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.id == id)
    }
}

impl Evidence for EvidenceSet {
    fn system(&self) -> &System {
        &self.system
    }
    fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }
    fn spans(&self) -> &[Span] {
        &self.spans
    }
    fn logs(&self) -> &[LogRecord] {
        &self.logs
    }
    fn output(&self) -> &[OutputLine] {
        &self.output
    }
    fn metrics(&self) -> &[MetricPoint] {
        &self.metrics
    }
    fn instances(&self) -> &[InstanceEvent] {
        &self.instances
    }
    fn faults(&self) -> &[FaultRecord] {
        &self.faults
    }
    fn steps(&self) -> &[StepRecord] {
        &self.steps
    }
    fn secrets(&self) -> &[SecretHit] {
        &self.secrets
    }
    fn losses(&self) -> &[Loss] {
        &self.losses
    }
    fn completeness(&self) -> &BTreeMap<TraceId, Completeness> {
        &self.completeness
    }
    fn finality(&self) -> Finality {
        self.finality
    }
    fn exchanges_of(&self, trace: TraceId) -> Vec<&Exchange> {
        let indices = self.exchanges_by_trace.get(&trace);
        indices.into_iter().flatten().filter_map(|&at| self.exchanges.get(at)).collect()
    }
    fn spans_of(&self, trace: TraceId) -> Vec<&Span> {
        let indices = self.spans_by_trace.get(&trace);
        indices.into_iter().flatten().filter_map(|&at| self.spans.get(at)).collect()
    }
}

/// One line of evidence on disk (JSON Lines).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EvidenceLine {
    /// The first line.
    Header {
        /// The version of this format, additive within a major.
        schema_version: String,
        /// The run.
        run: String,
        /// The wall-clock time of nanosecond 0, in nanoseconds since the Unix epoch.
        anchor_unix_nanos: u64,
        /// Whether the evidence is final.
        finality: Finality,
    },
    /// An exchange.
    Exchange(Box<Exchange>),
    /// A span.
    Span(Box<Span>),
    /// A log record.
    Log(Box<LogRecord>),
    /// A line of output.
    Output(OutputLine),
    /// A metric point.
    Metric(Box<MetricPoint>),
    /// An instance event.
    Instance(InstanceEvent),
    /// A fault rule.
    Fault(Box<FaultRecord>),
    /// A step.
    Step(Box<StepRecord>),
    /// A secret.
    Secret(SecretHit),
    /// A loss.
    Loss(Loss),
    /// The last line: how many lines stand between the first and this.
    Footer {
        /// How many.
        lines: u64,
    },
    /// A trace that is void.
    Void {
        /// Which.
        trace_id: TraceId,
    },
}
