//! `breaker`: a dead provider is spared, and called again when it is back.

mod outage;

use std::collections::BTreeSet;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::{EdgeId, ExchangeId};
use seaworthy_core::system::Breaker;

use crate::cases::Cases;
use crate::causality::Causality;
use outage::{After, During, Outage};

const MISSING: &str = "breaker.missing";
const STUCK_OPEN: &str = "breaker.stuck-open";

pub(crate) struct Breakers;

/// What is asked about one declared breaker.
struct Scope<'e> {
    evidence: &'e dyn Evidence,
    breaker: &'e Breaker,
    /// The calls on the edge, in the order of their start.
    calls: Vec<&'e Exchange>,
    /// The exchanges that made the consumer call.
    causes: BTreeSet<ExchangeId>,
    /// Requests that reached the consumer and whose like (same edge, method and path) have made it call.
    requests: Vec<&'e Exchange>,
}

impl Check for Breakers {
    fn id(&self) -> &str {
        "breaker"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let declared = &evidence.system().facts.breakers;
        if declared.is_empty() {
            return vec![
                Finding::not_applicable(MISSING, "no circuit breaker is declared")
                    .hint("add `facts.breakers`, such as `\"orders -> payments\": {open: 30s}`"),
            ];
        }
        let causality = Causality::of(evidence);
        declared.iter().flat_map(|(edge, breaker)| judge_edge(evidence, &causality, edge, breaker)).collect()
    }
}

fn judge_edge<'e>(
    evidence: &'e dyn Evidence,
    causality: &Causality<'e>,
    edge: &'e EdgeId,
    breaker: &'e Breaker,
) -> Vec<Finding> {
    let outages = Outage::all_on(evidence, edge);
    if outages.is_empty() {
        return vec![
            Finding::undecided(MISSING, format!("the whole of `{edge}` was never down, so its breaker had no reason to open"))
                .hint("add a flow with a fault on the whole edge (`whole-edge: true`) and enough requests to fill the window")
                .edge(edge),
        ];
    }
    let scope = Scope::of(evidence, causality, edge, breaker);
    let (mut too_many, mut stuck) = (Cases::default(), Cases::default());
    let (mut refused, mut spared, mut recovered) = (None, false, false);
    for (at, outage) in outages.iter().enumerate() {
        match outage.during(&scope) {
            During::Spared => spared = true,
            During::NotTested => {}
            During::Flooded(calls) => calls.into_iter().for_each(|call| too_many.exchange(call)),
            During::FloodedUnseen { tries, allowed } => refused = Some((tries, allowed)),
        }
        match outage.after(&scope, outages.get(at + 1)) {
            After::Called => recovered = true,
            After::NotTested => {}
            After::Forgotten(requests) => requests.into_iter().for_each(|request| stuck.exchange(request)),
        }
    }
    let consumer = &edge.consumer;
    let mut findings = Vec::new();
    if too_many.count() > 0 || refused.is_some() {
        let message = match refused {
            Some((tries, allowed)) => {
                format!(
                    "`{consumer}` tried {tries} times to connect on `{edge}` while it refused everyone; a breaker lets at most {allowed} through"
                )
            }
            None => format!(
                "`{consumer}` made {} on `{edge}` while a breaker would have been open (at most {} are trials)",
                too_many.of("call"),
                breaker.trials
            ),
        };
        let hint = "put a circuit breaker round the calls that opens after the declared window of failures";
        findings.push(too_many.onto(Finding::error(MISSING, message).hint(hint).edge(edge)));
    } else if !spared {
        let message = format!("`{edge}` was down, but too few calls were made for its breaker to show");
        let hint = format!(
            "send more requests while the edge is down: {} failures open the breaker, those after it show that it is open",
            breaker.window
        );
        findings.push(Finding::undecided(MISSING, message).hint(hint).edge(edge));
    }
    if stuck.count() > 0 {
        let message = format!(
            "`{consumer}` did not call on `{edge}` again after it was back: {} made no call",
            stuck.of("request")
        );
        let hint = "let a few trial calls through once the open time is over, and close when they succeed";
        findings.push(stuck.onto(Finding::error(STUCK_OPEN, message).hint(hint).edge(edge)));
    } else if !recovered {
        let message = format!("nothing was asked that needs `{edge}` after it was back");
        let hint = format!(
            "go on sending requests for longer than the open time ({}) after the fault",
            breaker.open
        );
        findings.push(Finding::undecided(STUCK_OPEN, message).hint(hint).edge(edge));
    }
    findings
}

impl<'e> Scope<'e> {
    fn of(
        evidence: &'e dyn Evidence,
        causality: &Causality<'e>,
        edge: &EdgeId,
        breaker: &'e Breaker,
    ) -> Self {
        let calls: Vec<&Exchange> =
            evidence.exchanges().iter().filter(|one| one.edge.is_covered_by(edge)).collect();
        let incoming: Vec<&Exchange> = calls.iter().filter_map(|call| causality.incoming_of(call)).collect();
        let route = |one: &'e Exchange| (&one.edge, one.method.as_str(), one.path.as_str());
        let routes: BTreeSet<_> = incoming.iter().map(|one| route(one)).collect();
        let causes = incoming.iter().map(|one| one.id).collect();
        let requests = evidence
            .exchanges()
            .iter()
            .filter(|one| {
                one.edge.provider == edge.consumer && one.reached_provider() && routes.contains(&route(one))
            })
            .collect();
        Self { evidence, breaker, calls, causes, requests }
    }
}
