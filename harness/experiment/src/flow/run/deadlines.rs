//! Every deadline of a run that its flow's file does not give, in one place: nothing hangs.

use std::time::Duration;

use seaworthy_core::system::System;

/// How long the exchange that an instance fault waits for may take to come.
pub(super) const HELD: Duration = Duration::from_secs(5);
/// How long an instance that was asked to end has until it must show it: it has ended, or is not ready any more.
/// After that what is held is let go anyway.
pub(super) const ENDING_SHOWS: Duration = Duration::from_secs(2);
/// Between two readiness probes of an instance that was asked to end.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// How long sending a signal may take.
pub(super) const SIGNAL: Duration = Duration::from_secs(5);
/// How long a killed instance may take to be gone.
pub(super) const KILLED: Duration = Duration::from_secs(5);
/// How long starting an instance again may take in all. The service's own readiness deadline is shorter.
pub(super) const START: Duration = Duration::from_secs(180);

/// How long an instance that was asked to end may take: what was declared, and a second for the signal's way.
pub(super) fn end_in_order(system: &System) -> Duration {
    system.facts.shutdown.map_or(Duration::from_secs(10), |shutdown| shutdown.0) + Duration::from_secs(1)
}

/// How long the evidence of a trace may take to come in.
pub(super) fn evidence(system: &System) -> Duration {
    system.telemetry.export_delay.0 + system.telemetry.patience.0
}

/// What a step waits for after an answer that was not the expected one, at most.
pub(super) const AFTER_WRONG_ANSWER: Duration = Duration::from_secs(1);
