//! Steering a running system from outside the process that runs it: one request and one reply per line of JSON,
//! over a Unix socket that only its owner can open. `seaworthy up` serves it; tests in other processes join
//! through `SEAWORTHY_SOCKET`.
//!
//! The same requests serve a system inside this process: see [`serve`].

mod client;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use seaworthy_core::completeness::Completeness;
use seaworthy_core::context::TraceParent;
use seaworthy_core::evidence::{Purpose, StepRecord};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::fault::FaultRule;
use seaworthy_core::ids::{EdgeId, FaultId, ServiceName, TraceId};
use seaworthy_core::instance::InstanceFault;
use seaworthy_core::log::LogRecord;
use seaworthy_core::span::Span;
use seaworthy_core::time::HumanDuration;
use seaworthy_experiment::flow::Target;
use seaworthy_experiment::session::Session;
use serde::{Deserialize, Serialize};

pub use client::Client;
pub use server::Server;

/// The variable that holds the socket's path.
pub const SOCKET_VARIABLE: &str = "SEAWORTHY_SOCKET";
/// No line is longer than this.
pub const LONGEST_LINE: usize = 64 << 20;
/// What requests of tests are called where a flow would have its name.
const TEST: &str = "test";
/// No request waits for evidence longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What can be asked of a running system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Its name and where its edges are.
    Describe,
    /// Put a fault rule in force; it lapses unless renewed.
    Install {
        /// The rule.
        rule: Box<FaultRule>,
    },
    /// Prolong a rule's lease.
    Renew {
        /// Which.
        id: FaultId,
    },
    /// How often a rule was applied so far.
    Fired {
        /// Which.
        id: FaultId,
    },
    /// Let go what a rule holds, and end it.
    Release {
        /// Which.
        id: FaultId,
    },
    /// Take a rule away.
    Remove {
        /// Which.
        id: FaultId,
    },
    /// Note how a request of a test went, so that checks know whose its trace is.
    Record {
        /// Its method and path.
        request: String,
        /// The context that it carried.
        trace: TraceParent,
        /// The correlation id that it carried.
        correlation_id: String,
        /// The status of its answer, if it got one.
        status: Option<u16>,
        /// The rules that were for it.
        faults: Vec<FaultId>,
    },
    /// Wait until so many exchanges of a trace have ended on an edge, or a route of it.
    Await {
        /// Which trace.
        trace_id: TraceId,
        /// Where.
        on: Target,
        /// How many, at least.
        count: usize,
        /// How long to wait, at most.
        patience: HumanDuration,
    },
    /// The evidence of a trace, as soon as it is complete.
    Trace {
        /// Which.
        trace_id: TraceId,
        /// How long to wait for completeness, at most.
        patience: HumanDuration,
    },
    /// Carry out a fault on a service's instance.
    Inject {
        /// Which service.
        service: ServiceName,
        /// What.
        fault: InstanceFault,
    },
    /// Start a new instance of a service whose instance has ended.
    StartAgain {
        /// Which service.
        service: ServiceName,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Ask::Describe`].
    System {
        /// The system's name.
        name: String,
        /// Where each edge's proxy listens.
        edges: Vec<(EdgeId, SocketAddr)>,
        /// The header that carries the correlation id.
        correlation_header: String,
        /// How long evidence may take.
        patience: HumanDuration,
    },
    /// Done. `fired` says how often the rule was applied so far, where a rule was named.
    Done {
        /// How often.
        fired: u64,
    },
    /// To [`Ask::Trace`].
    Trace(Box<TraceEvidence>),
    /// It cannot be done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// All that was seen of one trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEvidence {
    /// On the wire.
    pub exchanges: Vec<Exchange>,
    /// From the services.
    pub spans: Vec<Span>,
    /// From the services.
    pub logs: Vec<LogRecord>,
    /// What is missing.
    pub completeness: Completeness,
}

/// Answers a request on a system in this process.
pub async fn serve(session: &Session, ask: Ask) -> Reply {
    let refused = |reason: String| Reply::Refused { reason };
    let faults = session.wire().faults();
    let fired = |id: &FaultId| {
        let record = faults.records().into_iter().rev().find(|record| record.rule.id == *id);
        record.map(|record| Reply::Done { fired: record.fired })
    };
    let unknown = |id: &FaultId| refused(format!("there is no fault rule `{id}`; it may have lapsed"));
    match ask {
        Ask::Describe => {
            let correlation = session.system().facts.correlation.clone().unwrap_or_default();
            Reply::System {
                name: session.system().name.clone(),
                edges: session.wire().addresses().into_iter().collect(),
                correlation_header: correlation.headers.first().cloned().unwrap_or_default(),
                patience: session.system().telemetry.patience,
            }
        }
        Ask::Install { rule } => match faults.install(*rule) {
            Ok(()) => Reply::Done { fired: 0 },
            Err(error) => refused(error.to_string()),
        },
        Ask::Renew { id } => {
            if faults.renew(&id) {
                Reply::Done { fired: 0 }
            } else {
                unknown(&id)
            }
        }
        Ask::Fired { id } => fired(&id).unwrap_or_else(|| unknown(&id)),
        Ask::Release { id } => {
            faults.release(&id);
            fired(&id).unwrap_or_else(|| unknown(&id))
        }
        Ask::Remove { id } => {
            faults.remove(&id);
            fired(&id).unwrap_or_else(|| unknown(&id))
        }
        Ask::Record { request, trace, correlation_id, status, faults } => {
            let ended = session.clock().now();
            let sent = session.wire().log().of_trace(trace.trace_id).first().map(|exchange| exchange.started);
            session.record(StepRecord {
                flow: TEST.to_owned(),
                experiment: TEST.to_owned(),
                step: request,
                purpose: Purpose::Flow,
                trace,
                correlation_id,
                started: sent.unwrap_or(ended),
                ended,
                status,
                faults,
                instance_fault: None,
                failures: Vec::new(),
            });
            Reply::Done { fired: 0 }
        }
        Ask::Await { trace_id, on, count, patience } => {
            let within = patience.0.min(LONGEST_WAIT);
            let seen = await_exchanges(session, trace_id, &on, count);
            match tokio::time::timeout(within, seen).await {
                Ok(()) => Reply::Done { fired: 0 },
                Err(_) => refused(format!("{count} exchanges on `{on}` did not end within {within:?}")),
            }
        }
        Ask::Trace { trace_id, patience } => {
            let completeness = session.complete(trace_id, patience.0.min(LONGEST_WAIT)).await;
            Reply::Trace(Box::new(TraceEvidence {
                exchanges: session.wire().log().of_trace(trace_id),
                spans: session.store().spans_of(trace_id),
                logs: session.store().logs_of(trace_id),
                completeness,
            }))
        }
        Ask::Inject { service, fault } => match session.inject(&service, fault).await {
            Ok(instance) => {
                if matches!(fault, InstanceFault::Kill | InstanceFault::Term)
                    && let Err(error) = session.stop(&instance).await
                {
                    return refused(error.to_string());
                }
                Reply::Done { fired: 1 }
            }
            Err(error) => refused(error.to_string()),
        },
        Ask::StartAgain { service } => match session.start_again(&service).await {
            Ok(_) => Reply::Done { fired: 1 },
            Err(error) => refused(error.to_string()),
        },
    }
}

/// Returns when `count` exchanges of the trace have ended on `on`.
async fn await_exchanges(session: &Session, trace: TraceId, on: &Target, count: usize) {
    let log = session.wire().log();
    let mut changes = log.changes();
    loop {
        changes.mark_unchanged();
        let exchanges = log.of_trace(trace);
        if exchanges.iter().filter(|exchange| on.matches(exchange) && exchange.is_over()).count() >= count {
            return;
        }
        if changes.changed().await.is_err() {
            // The log is gone, and with it the system; whoever waits has a deadline.
            return std::future::pending().await;
        }
    }
}
