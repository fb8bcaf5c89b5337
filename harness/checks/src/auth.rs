//! `auth`: protected routes refuse strangers.

use std::collections::{BTreeMap, BTreeSet};

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::{Evidence, Purpose, StepRecord};
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::ServiceName;

use crate::cases::{Cases, listed};

const OPEN: &str = "auth.open-route";

pub(crate) struct Auth;

/// What an answer says about a route.
#[derive(PartialEq)]
enum Says {
    Refuses,
    Open,
    Nothing,
}

impl Check for Auth {
    fn id(&self) -> &str {
        "auth"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let protected = &evidence.system().facts.protected;
        if protected.is_empty() {
            return vec![Finding::not_applicable(OPEN, "no protected route is declared").hint(
                "add `facts.protected`, such as `- {edge: \"ingress -> api\", route: \"POST /orders\"}`",
            )];
        }
        let mut judged = vec![false; protected.len()];
        let mut open: BTreeMap<&ServiceName, (Cases, BTreeSet<String>)> = BTreeMap::new();
        for (step, credentials) in probes(evidence) {
            let exchanges = evidence.exchanges_of(step.trace.trace_id);
            for exchange in exchanges.iter().filter(|exchange| !exchange.edge.is_internal()) {
                let says = what_it_says(exchange, &exchanges);
                for (route, judged) in protected.iter().zip(&mut judged) {
                    let here = exchange.edge.is_covered_by(&route.edge)
                        && route.route.matches(&exchange.method, &exchange.path);
                    if !here || says == Says::Nothing {
                        continue;
                    }
                    *judged = true;
                    if says == Says::Open {
                        let (cases, routes) = open.entry(&exchange.edge.provider).or_default();
                        cases.exchange(exchange);
                        routes.insert(format!("{} with {credentials}", route.route));
                    }
                }
            }
        }
        let mut findings = Vec::new();
        for (service, (cases, routes)) in open {
            let message =
                format!("`{service}` answers protected routes without valid credentials: {}", listed(routes));
            let finding = Finding::error(OPEN, message)
                .hint("refuse with 401 before anything else is done, or take the route off `facts.protected`")
                .service(service);
            findings.push(cases.onto(finding));
        }
        let unasked: Vec<String> = protected
            .iter()
            .zip(&judged)
            .filter(|(_, judged)| !**judged)
            .map(|(route, _)| format!("{} {}", route.edge, route.route))
            .collect();
        if !unasked.is_empty() {
            let message = format!("no stranger got an answer that tells from: {}", listed(unasked));
            findings.push(Finding::undecided(OPEN, message).hint(
                "let the harness ask each protected route without credentials while the service is well",
            ));
        }
        findings
    }
}

fn probes(evidence: &dyn Evidence) -> impl Iterator<Item = (&StepRecord, &str)> {
    evidence.steps().iter().filter_map(|step| match &step.purpose {
        Purpose::AuthProbe { credentials } => Some((step, credentials.as_str())),
        _ => None,
    })
}

/// A refusal closes a route. A request that went on to another service proves it open, whatever came back; a server
/// error or throttling alone proves nothing.
fn what_it_says(exchange: &Exchange, of_trace: &[&Exchange]) -> Says {
    let answer = exchange.provider.as_ref().and_then(|provider| provider.response.as_ref());
    let went_on = of_trace.iter().any(|other| other.edge.consumer == exchange.edge.provider);
    match answer.map(|answer| (answer.status, answer.grpc_status)) {
        Some((401 | 403, _) | (_, Some(7 | 16))) => Says::Refuses,
        _ if went_on => Says::Open,
        None | Some((429 | 500.., _)) => Says::Nothing,
        Some(_) => Says::Open,
    }
}
