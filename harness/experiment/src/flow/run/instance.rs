//! Doing something to an instance in the middle of a step, while an exchange is being held.

use seaworthy_core::ids::InstanceId;
use seaworthy_core::instance::InstanceFault;
use seaworthy_core::runtime::RuntimeError;
use seaworthy_core::time::HumanDuration;
use seaworthy_wire::FaultLease;
use std::time::Duration;
use tokio::time::{interval, timeout};

use super::deadlines;
use crate::flow::model::{Aftermath, Held, InstanceStep};
use crate::session::Session;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// On which instance it was carried out.
    pub(super) fault: Option<(InstanceFault, InstanceId)>,
    /// What did not go as it should, and whether that leaves the step undecided.
    pub(super) trouble: Vec<(String, bool)>,
}

impl Done {
    fn trouble(&mut self, message: String) {
        self.trouble.push((message, false));
    }
}

/// What is to be held meanwhile.
pub(super) struct Hold<'h> {
    /// Which.
    pub(super) on: &'h Held,
    /// Whether it is an edge whose bytes nobody understands, so that all of it is held.
    pub(super) of_bytes: bool,
}

/// Undoes what was done to an instance that goes on running. Says what did not work.
pub(super) async fn undo(session: &Session, step: &InstanceStep) -> Option<String> {
    let undoing = step.fault.undone_by().filter(|_| step.then == Aftermath::StartAgain)?;
    let undone = timed(deadlines::SIGNAL, session.inject(&step.service, undoing)).await;
    undone.err().map(|error| format!("could not {} `{}` again: {error}", undoing.as_str(), step.service))
}

/// Carries it out: waits until the exchange is held (where one is to be), sends the signal, lets the exchange go at
/// the right moment, and starts a new instance.
pub(super) async fn carry_out(
    session: &Session,
    step: &InstanceStep,
    hold: Option<(Hold<'_>, FaultLease)>,
) -> Done {
    let mut done = Done::default();
    let hold = match hold {
        Some((held, lease)) => {
            let held_back = match held.of_bytes {
                // No exchange shows that bytes are held; the rule does.
                true => timeout(deadlines::HELD, lease.first_fired()).await.is_ok(),
                false => is_held(session, &lease).await,
            };
            if !held_back {
                let within = HumanDuration(deadlines::HELD);
                let message = match held.of_bytes {
                    true => format!("nothing came to be held on `{}` within {within}", held.on.on),
                    false => format!("no exchange `{}` came to be held within {within}", held.on.on),
                };
                done.trouble.push((format!("{message}, so nothing was done to `{}`", step.service), true));
                return done;
            }
            Some((lease, held.of_bytes))
        }
        None => None,
    };
    // A restart is a request to end and a new instance; here the exchange is let go in between.
    let signal = match step.fault {
        InstanceFault::Stop | InstanceFault::Restart => InstanceFault::Term,
        other => other,
    };
    let (what, service) = (step.fault.as_str(), &step.service);
    let instance = match timeout(deadlines::SIGNAL, session.inject(service, signal)).await {
        Ok(Ok(instance)) => instance,
        Ok(Err(error)) => {
            done.trouble(format!("could not {what} `{service}`: {error}"));
            return done;
        }
        Err(_) => {
            let within = HumanDuration(deadlines::SIGNAL);
            done.trouble(format!("could not {what} `{service}`: it took longer than {within}"));
            // It may be done in the end.
            if let Some(trouble) = undo(session, step).await {
                done.trouble(trouble);
            }
            return done;
        }
    };
    done.fault = Some((step.fault, instance.clone()));
    match signal {
        InstanceFault::Kill => {
            if timeout(deadlines::KILLED, session.ended(&instance)).await.is_err() {
                done.trouble(format!("`{instance}` was killed and is still there"));
            }
            if let Some((lease, of_bytes)) = hold {
                // Let go before the proxy has seen its consumer die, the request would still reach the provider.
                if !of_bytes {
                    let _ = timeout(deadlines::KILLED, is_over(session, &lease)).await;
                }
                // And before a new instance needs the edge.
                drop(lease);
            }
        }
        InstanceFault::Term => {
            if hold.is_some() {
                ending_shows(session, step, &instance).await;
                drop(hold);
            }
            let allowed = deadlines::end_in_order(session.system());
            if timeout(allowed, session.ended(&instance)).await.is_err() {
                let within = HumanDuration(allowed);
                done.trouble(format!(
                    "`{instance}` was asked to end and had not within {within}; it was killed"
                ));
                // Asks again and then kills: a new instance must not run beside it.
                let _ = timeout(deadlines::START, session.stop(&instance)).await;
            }
        }
        // It goes on running; what was held is let go.
        _ => return done,
    }
    let again = step.fault == InstanceFault::Restart || step.then == Aftermath::StartAgain;
    if again && let Err(error) = timed(deadlines::START, session.start_again(&step.service)).await {
        done.trouble(format!("`{}` did not come back: {error}", step.service));
    }
    done
}

async fn timed<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<T, String> {
    match timeout(deadline, work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it took longer than {}", HumanDuration(deadline))),
    }
}

/// Whether the rule came to hold an exchange.
async fn is_held(session: &Session, lease: &FaultLease) -> bool {
    let held = session.wire().log().wait_for(|exchange| {
        exchange.faults.iter().any(|applied| applied.fault == *lease.id() && applied.until.is_none())
    });
    timeout(deadlines::HELD, held).await.is_ok()
}

/// Returns when no exchange is held by the rule any more: whoever waited for it is gone.
async fn is_over(session: &Session, lease: &FaultLease) {
    let over = session.wire().log().wait_for(|exchange| {
        exchange.faults.iter().any(|applied| applied.fault == *lease.id()) && exchange.ended.is_some()
    });
    over.await;
}

/// Returns when an instance that was asked to end shows it: by having ended, or by not being ready any more.
async fn ending_shows(session: &Session, step: &InstanceStep, instance: &InstanceId) {
    let not_ready = async {
        let mut pace = interval(deadlines::PROBE_INTERVAL);
        loop {
            pace.tick().await;
            if !session.probe_ready(&step.service).await {
                return;
            }
        }
    };
    let shows = async {
        tokio::select! {
            () = not_ready => {}
            _ = session.ended(instance) => {}
        }
    };
    // One that shows nothing is let go all the same; what comes of it is for the checks to judge.
    let _ = timeout(deadlines::ENDING_SHOWS, shows).await;
}
