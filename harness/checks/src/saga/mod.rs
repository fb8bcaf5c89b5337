//! `saga`: of a chain of operations all stand at the end, or none.

mod run;

use std::collections::BTreeMap;

use seaworthy_core::check::{Check, Needs};
use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::finding::Finding;
use seaworthy_core::ids::TraceId;
use seaworthy_core::system::Saga;

use crate::cases::Cases;
use crate::causality::Causality;
use run::{Run, State};

const NOT_COMPENSATED: &str = "saga.not-compensated";
const WRONG_ORDER: &str = "saga.wrong-order";
const UNFINISHED: &str = "saga.unfinished";

pub(crate) struct Sagas;

impl Check for Sagas {
    fn id(&self) -> &str {
        "saga"
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn judge(&self, evidence: &dyn Evidence) -> Vec<Finding> {
        let sagas = &evidence.system().facts.sagas;
        if sagas.is_empty() {
            return vec![Finding::not_applicable(NOT_COMPENSATED, "no saga is declared").hint(
                "add `facts.sagas` with a name, an owner, and steps of `forward` and `undo` operations",
            )];
        }
        let causality = Causality::of(evidence);
        sagas.iter().flat_map(|saga| judge_saga(evidence, &causality, saga)).collect()
    }
}

fn judge_saga(evidence: &dyn Evidence, causality: &Causality<'_>, saga: &Saga) -> Vec<Finding> {
    let (mut begun, mut failed) = (0, 0);
    let mut cases: BTreeMap<&str, Cases> = BTreeMap::new();
    let mut unclear = Cases::default();
    let mut undone_what: BTreeMap<&str, String> = BTreeMap::new();
    for exchanges in runs(evidence, causality, saga) {
        let run = Run::of(saga, &exchanges);
        if !run.has_done_anything() {
            continue;
        }
        begun += 1;
        failed += usize::from(!run.is_complete());
        let (rule, step, what) = match run.state(evidence) {
            State::Stands | State::TakenBack => continue,
            State::CannotTell(exchange) => {
                unclear.exchange(exchange);
                continue;
            }
            State::LeftStanding { step, failed: true } => (NOT_COMPENSATED, step, "was not taken back"),
            State::LeftStanding { step, failed: false } => {
                (UNFINISHED, step, "was neither followed up nor taken back")
            }
            State::WrongOrder { step, .. } => (WRONG_ORDER, step, "was taken back before a later step"),
        };
        let cases = cases.entry(rule).or_default();
        cases.exchange(step.exchange);
        undone_what.entry(rule).or_insert_with(|| format!("`{}` {what}", step.forward));
    }
    let name = &saga.name;
    let mut findings = Vec::new();
    for (rule, cases) in cases {
        let first = undone_what.remove(rule).unwrap_or_default();
        let (said, hint) = match rule {
            NOT_COMPENSATED => (
                "stayed half done after a step had failed",
                "undo every step that was done, or whose outcome is not known, and go on until each undo succeeds",
            ),
            WRONG_ORDER => (
                "was taken back in another order than the reverse",
                "undo the last step first: later steps may rest on earlier ones",
            ),
            _ => (
                "stopped half-way and nobody took it up again",
                "store the state of the saga before each step, and take unfinished ones up again on start-up",
            ),
        };
        let message = format!("saga `{name}` {said} ({}): {first}", cases.of("time"));
        findings.push(cases.onto(Finding::error(rule, message).hint(hint).service(&saga.owner)));
    }
    if unclear.count() > 0 {
        let message =
            format!("{} of saga `{name}` had not come to an end that can be judged", unclear.of("run"));
        let hint =
            format!("let the flow wait for the last undo, and start `{}` again after a kill", saga.owner);
        findings.push(unclear.onto(Finding::undecided(UNFINISHED, message).hint(hint).service(&saga.owner)));
    }
    if findings.is_empty() {
        let missing = match (begun, failed) {
            (0, _) => Some(("was never begun", "add a flow that makes its first step happen")),
            (_, 0) => Some((
                "always went through, so taking it back was not seen",
                "add a flow in which a later step fails: a fault `abort` on its edge",
            )),
            _ => None,
        };
        if let Some((what, hint)) = missing {
            let message = format!("saga `{name}` {what}");
            findings.push(Finding::undecided(NOT_COMPENSATED, message).hint(hint).service(&saga.owner));
        }
    }
    findings
}

/// The exchanges of each run of the saga: those that one incoming exchange of the owner caused.
fn runs<'e>(evidence: &'e dyn Evidence, causality: &Causality<'e>, saga: &Saga) -> Vec<Vec<&'e Exchange>> {
    type Key = (Option<TraceId>, Option<seaworthy_core::ids::ExchangeId>);
    let mut runs: BTreeMap<Key, Vec<&Exchange>> = BTreeMap::new();
    for exchange in evidence.exchanges() {
        let is = |operation: &seaworthy_core::route::Operation| {
            operation.matches(&exchange.edge, &exchange.method, &exchange.path)
        };
        let ours = saga.steps.iter().any(|step| is(&step.forward) || step.undo.as_ref().is_some_and(is));
        if ours {
            let incoming = causality.incoming_of(exchange).map(|incoming| incoming.id);
            runs.entry((causality.trace_of(exchange), incoming)).or_default().push(exchange);
        }
    }
    let mut runs: Vec<Vec<&Exchange>> = runs.into_values().collect();
    runs.sort_by_key(|exchanges| exchanges.first().map(|first| (first.started, first.id)));
    runs
}
