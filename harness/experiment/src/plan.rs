//! In which order experiments run: all that cannot disturb each other at once, the rest alone.
//!
//! * Flows with faults for their own requests share the running system ([`Isolation::Shared`]).
//! * Those that make an edge with a circuit breaker fail share it too, but one at a time on that edge, with
//!   enough unfaulted requests between them that the breaker stays closed ([`Isolation::Lane`]).
//! * Faults on instances and on whole edges run alone.
//!
//! Unfaulted control requests run beside the shared ones and after each that runs alone. A disturbed control
//! voids its batch, which is then run again one by one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{self, StreamExt};
use seaworthy_core::evidence::Purpose;
use seaworthy_core::ids::EdgeId;

use crate::flow::{Flow, Isolation, run_flow};
use crate::probes;
use crate::session::Session;

/// How many flows run at once.
const AT_ONCE: usize = 16;
/// How far apart controls beside a batch begin, at least: they are there to be disturbed, not to be load.
const CONTROL_PACE: Duration = Duration::from_millis(200);
/// How many controls between two flows of a lane, at most: a control that does not use an edge never fills its
/// breaker's window.
const MOST_CONTROLS_BETWEEN: usize = 10;

/// Tells whoever watches what is being done.
pub trait Progress: Send + Sync {
    /// A flow begins.
    fn began(&self, experiment: &str);
    /// A flow ended; `failed` when a step of it did not go as it should.
    fn ended(&self, experiment: &str, failed: bool);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn began(&self, _: &str) {}
    fn ended(&self, _: &str, _: bool) {}
}

/// Runs all flows on the system, asks protected routes as a stranger, does what `also` is once the flows are done and
/// the system is whole, and looks after events. What comes of it is in the session's evidence.
pub async fn run(session: &Session, flows: &[Flow], also: impl Future<Output = ()>, progress: &dyn Progress) {
    session.plan_begins();
    let plan = Plan::new(session, flows);
    let runner = Runner { session, progress, control: plan.control };
    runner.shared(&plan).await;
    for flow in &plan.alone {
        runner.flow(flow, &flow.name).await;
        runner.control("after").await;
    }
    also.await;
    if !session.system().facts.readiness.is_empty() {
        probes::cut_what_readiness_needs(session).await;
        runner.control("after").await;
    }
    probes::audit_events(session).await;
}

/// The flows, by how they may share the system.
struct Plan<'f> {
    /// Sends the control requests: the first flow without any fault.
    control: Option<&'f Flow>,
    shared: Vec<&'f Flow>,
    lanes: Vec<Lane<'f>>,
    /// Instance faults first: a breaker that stays open would disturb what comes after it. Poison last: a queue that it
    /// blocks stays blocked.
    alone: Vec<&'f Flow>,
}

/// Flows that make the same edges fail, to be run one after the other.
struct Lane<'f> {
    edges: Vec<EdgeId>,
    /// How many calls that succeed it takes on each of its edges before the next flow: more than half of the
    /// largest window among their breakers.
    successes_between: usize,
    flows: Vec<&'f Flow>,
}

impl<'f> Plan<'f> {
    fn new(session: &Session, flows: &'f [Flow]) -> Self {
        let system = session.system();
        let mut plan = Plan { control: None, shared: Vec::new(), lanes: Vec::new(), alone: Vec::new() };
        let mut lanes: Vec<Lane<'f>> = Vec::new();
        for flow in flows {
            match flow.isolation(system) {
                Isolation::Shared => {
                    if plan.control.is_none() && flow.is_plain() {
                        plan.control = Some(flow);
                    }
                    plan.shared.push(flow);
                }
                Isolation::Lane(edges) => {
                    let (joined, apart): (Vec<_>, Vec<_>) = lanes
                        .into_iter()
                        .partition(|lane| lane.edges.iter().any(|edge| edges.contains(edge)));
                    let mut lane = Lane { edges, successes_between: 0, flows: Vec::new() };
                    for other in joined {
                        lane.edges.extend(other.edges);
                        lane.flows.extend(other.flows);
                    }
                    lane.flows.push(flow);
                    lanes = apart;
                    lanes.push(lane);
                }
                Isolation::Alone => plan.alone.push(flow),
            }
        }
        for lane in &mut lanes {
            let windows = system.facts.breakers.iter().filter(|(edge, _)| {
                lane.edges.iter().any(|lane| lane.is_covered_by(edge) || edge.is_covered_by(lane))
            });
            let window = windows.map(|(_, breaker)| breaker.window).max().unwrap_or(0);
            lane.successes_between = window as usize / 2 + 1;
        }
        plan.lanes = lanes;
        plan.alone.sort_by_key(|flow| (flow.poisons(), flow.faults_whole_edge()));
        plan
    }
}

struct Runner<'r> {
    session: &'r Session,
    progress: &'r dyn Progress,
    control: Option<&'r Flow>,
}

impl Runner<'_> {
    /// Runs everything that can share the system; when a control is disturbed, again one by one.
    async fn shared(&self, plan: &Plan<'_>) {
        let before = self.session.steps().len();
        // The first control warms connections up and shows that the system works at all.
        let sound = self.control("first").await;
        let over = AtomicBool::new(false);
        let over = &over;
        let work = async {
            // Boxed one by one: the compiler cannot see that a closure over them is good for any lifetime.
            let flows: Vec<_> = plan.shared.iter().map(|flow| self.flow(flow, &flow.name).boxed()).collect();
            let shared = stream::iter(flows).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
            let lanes: Vec<_> = plan.lanes.iter().map(|lane| self.lane(lane).boxed()).collect();
            let lanes = join_all(lanes);
            let strangers = probes::ask_as_stranger(self.session);
            tokio::join!(shared, lanes, strangers);
            over.store(true, Ordering::Relaxed);
        };
        let beside = async {
            let mut pace = tokio::time::interval(CONTROL_PACE);
            let mut undisturbed = true;
            while !over.load(Ordering::Relaxed) && undisturbed && self.control.is_some() {
                pace.tick().await;
                undisturbed = self.control("beside").await;
            }
            undisturbed
        };
        let ((), undisturbed) = tokio::join!(work, beside);
        if !sound || undisturbed {
            return;
        }
        // Something of the batch disturbed a request that had no fault, so nothing of it can be trusted: it is
        // run again, one by one, and only that counts.
        let steps = self.session.void_steps(before);
        tracing::info!(steps, "a control was disturbed; the batch is void and is run again one by one");
        for flow in &plan.shared {
            self.flow(flow, &format!("{} (alone)", flow.name)).await;
            self.control("between").await;
        }
        for lane in &plan.lanes {
            for flow in &lane.flows {
                self.flow(flow, &format!("{} (alone)", flow.name)).await;
                self.controls_between(lane).await;
            }
        }
        probes::ask_as_stranger(self.session).await;
    }

    async fn lane(&self, lane: &Lane<'_>) {
        for flow in &lane.flows {
            self.flow(flow, &flow.name).await;
            self.controls_between(lane).await;
        }
    }

    /// Unfaulted requests until so many calls succeeded on the lane's edges that failures of one flow do not add
    /// up with those of the next.
    async fn controls_between(&self, lane: &Lane<'_>) {
        let since = self.session.clock().now();
        for _ in 0..MOST_CONTROLS_BETWEEN {
            if !self.control("lane").await {
                // One that goes wrong fills no window; the check of controls says so.
                return;
            }
            let log = self.session.wire().log().snapshot();
            let calls = log.iter().filter(|exchange| exchange.started >= since && exchange.succeeded());
            let calls: Vec<_> = calls.collect();
            let enough = |edge: &EdgeId| {
                let on_edge = calls.iter().filter(|exchange| exchange.edge.is_covered_by(edge)).count();
                on_edge >= lane.successes_between
            };
            if lane.edges.iter().all(enough) {
                return;
            }
        }
    }

    async fn flow(&self, flow: &Flow, experiment: &str) -> bool {
        self.progress.began(experiment);
        let outcome = run_flow(flow, self.session, experiment, Purpose::Flow).await;
        let failed = outcome.steps.iter().any(|step| !step.failures.is_empty());
        self.progress.ended(experiment, failed);
        !failed
    }

    /// Sends an unfaulted request; whether it went as it should.
    async fn control(&self, place: &str) -> bool {
        let Some(flow) = self.control else { return true };
        let experiment = format!("control-{place}");
        let outcome = run_flow(flow, self.session, &experiment, Purpose::Control).await;
        outcome.steps.iter().all(|step| step.failures.is_empty())
    }
}
