//! One run of a saga: what was done, what was taken back, and whether that adds up.

use seaworthy_core::evidence::Evidence;
use seaworthy_core::exchange::Exchange;
use seaworthy_core::route::Operation;
use seaworthy_core::system::Saga;
use seaworthy_core::time::Nanos;

use crate::attempts::failed;
use crate::timeline;

/// A forward step that the provider did.
#[derive(Clone, Copy)]
pub(super) struct Done<'s, 'e> {
    pub(super) forward: &'s Operation,
    /// Its last doing.
    pub(super) exchange: &'e Exchange,
    /// Whether it can be taken back at all.
    undoable: bool,
    /// The first undo after it that the provider did.
    undo: Option<&'e Exchange>,
}

/// What became of a run.
pub(super) enum State<'s, 'e> {
    /// All steps are done, none was taken back.
    Stands,
    /// All that was done was taken back, in reverse.
    TakenBack,
    /// A done step was not taken back though the run is not complete.
    LeftStanding {
        /// The last such step.
        step: Done<'s, 'e>,
        /// Whether the owner saw a step fail, rather than just stop.
        failed: bool,
    },
    /// A step was taken back before a later one.
    WrongOrder {
        /// The earlier step.
        step: Done<'s, 'e>,
    },
    /// Something is still in flight, or the owner ended for good.
    CannotTell(&'e Exchange),
}

/// One run.
pub(super) struct Run<'s, 'e> {
    saga: &'s Saga,
    exchanges: &'s [&'e Exchange],
    done: Vec<Done<'s, 'e>>,
}

impl<'s, 'e> Run<'s, 'e> {
    /// Reads a run off its exchanges, which are in the order of their start.
    pub(super) fn of(saga: &'s Saga, exchanges: &'s [&'e Exchange]) -> Self {
        let mut done = Vec::new();
        for step in &saga.steps {
            let Some(exchange) =
                exchanges.iter().rev().find(|one| is(&step.forward, one) && one.done_by_provider())
            else {
                continue;
            };
            let undo = step.undo.as_ref().and_then(|undo| {
                let after = |one: &&&Exchange| {
                    is(undo, one) && one.done_by_provider() && one.started > exchange.started
                };
                exchanges.iter().find(after).copied()
            });
            done.push(Done { forward: &step.forward, exchange, undoable: step.undo.is_some(), undo });
        }
        Self { saga, exchanges, done }
    }

    /// Whether any step was done that can be taken back, or all of them.
    pub(super) fn has_done_anything(&self) -> bool {
        self.is_complete() || self.done.iter().any(|done| done.undoable)
    }

    /// Whether every step was done.
    pub(super) fn is_complete(&self) -> bool {
        self.done.len() == self.saga.steps.len()
    }

    pub(super) fn state(&self, evidence: &dyn Evidence) -> State<'s, 'e> {
        let undoable = || self.done.iter().filter(|done| done.undoable);
        if self.is_complete() && undoable().all(|done| done.undo.is_none()) {
            return State::Stands;
        }
        if let Some(open) = self.exchanges.iter().find(|exchange| !exchange.is_over()) {
            return State::CannotTell(open);
        }
        if let Some(step) = undoable().rev().find(|done| done.undo.is_none()) {
            return self.left_standing(evidence, *step);
        }
        let in_forward_order = |pair: &&[&Done<'s, 'e>]| done_at(pair[0].undo) < done_at(pair[1].undo);
        let undone: Vec<&Done<'s, 'e>> = undoable().collect();
        match undone.windows(2).find(in_forward_order) {
            Some(pair) => State::WrongOrder { step: *pair[0] },
            None => State::TakenBack,
        }
    }

    fn left_standing(&self, evidence: &dyn Evidence, step: Done<'s, 'e>) -> State<'s, 'e> {
        let owner = &self.saga.owner;
        let mut saw_failure = false;
        for exchange in self.exchanges.iter().filter(|exchange| failed(exchange)) {
            // What broke off because the owner itself was ended is no failure that it could have acted on.
            let until = exchange.ended.unwrap_or(exchange.started);
            let interrupted = exchange.response.is_none()
                && timeline::ended_between(evidence, owner, exchange.started, until).is_some();
            saw_failure |= !interrupted && self.is_forward(exchange);
        }
        if !saw_failure && timeline::out_of_action(evidence, owner).is_some() {
            return State::CannotTell(step.exchange);
        }
        State::LeftStanding { step, failed: saw_failure }
    }

    fn is_forward(&self, exchange: &Exchange) -> bool {
        self.saga.steps.iter().any(|step| is(&step.forward, exchange))
    }
}

fn is(operation: &Operation, exchange: &Exchange) -> bool {
    operation.matches(&exchange.edge, &exchange.method, &exchange.path)
}

/// When the provider had answered.
fn done_at(exchange: Option<&Exchange>) -> Option<Nanos> {
    let provider = exchange?.provider.as_ref()?;
    provider.response.as_ref().map(|response| response.first_byte)
}
