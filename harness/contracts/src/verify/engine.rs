//! Runs the interactions as the schedule lets them, and those that failed beside others again, alone.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::findings::summary;
use super::options::{Options, Provider};
use super::run::{Ran, run};
use super::schedule::{Claim, Schedule};
use super::select::Job;
use super::session::Session;
use crate::outcome::{InteractionResult, Outcome, Warning};

/// After so many that ran out of time alone too, one after the other, the others that did are not run again: a provider
/// that hangs would cost the time limit for each.
const TIMEOUTS_ALONE: usize = 8;

pub(super) struct Engine<'a> {
    session: Arc<Session>,
    provider: &'a str,
    jobs: Vec<Arc<Job>>,
    schedule: Schedule,
    exit_on_first_error: bool,
    progress: &'a (dyn Fn(&InteractionResult) + Send + Sync),
    tasks: JoinSet<Ran>,
    /// Which interaction a task runs, and whether others ran beside it.
    running: HashMap<Id, (usize, bool)>,
    /// Failed beside others; to be run again alone.
    suspects: Vec<(usize, Ran)>,
    timeouts_alone: usize,
    results: Vec<Option<InteractionResult>>,
    /// One failed for good that ends the run.
    ended: bool,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        session: Arc<Session>,
        provider: &'a Provider,
        options: &Options,
        jobs: Vec<Job>,
        claims: Vec<Claim>,
        progress: &'a (dyn Fn(&InteractionResult) + Send + Sync),
    ) -> Self {
        Self {
            session,
            provider: &provider.name,
            results: jobs.iter().map(|_| None).collect(),
            jobs: jobs.into_iter().map(Arc::new).collect(),
            schedule: Schedule::new(claims, options.jobs),
            exit_on_first_error: options.exit_on_first_error,
            progress,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            suspects: Vec::new(),
            timeouts_alone: 0,
            ended: false,
        }
    }

    /// The results in the order of the jobs; `None` for those that were not run.
    pub(super) async fn run(mut self) -> Vec<Option<InteractionResult>> {
        loop {
            // One that failed beside others may end the run: nothing more starts before that is known.
            let waits = self.exit_on_first_error && !self.suspects.is_empty();
            if !self.ended && !waits {
                while let Some(item) = self.schedule.start() {
                    self.spawn(item);
                }
            }
            if let Some((item, beside_others, ran)) = self.next().await {
                self.schedule.finish(item);
                if beside_others && self.is_worth_repeating(&ran) {
                    self.suspects.push((item, ran));
                } else {
                    self.settle(item, ran);
                }
            } else if self.suspects.is_empty() {
                return self.results;
            } else {
                self.repeat_suspects().await;
            }
        }
    }

    fn spawn(&mut self, item: usize) {
        let (session, job) = (Arc::clone(&self.session), Arc::clone(&self.jobs[item]));
        let task = self.tasks.spawn(async move { run(&session, &job).await });
        if self.running.len() == 1 {
            self.running.values_mut().for_each(|(_, beside_others)| *beside_others = true);
        }
        let beside_others = !self.running.is_empty();
        self.running.insert(task.id(), (item, beside_others));
    }

    /// The next that finishes; `None` when nothing runs.
    async fn next(&mut self) -> Option<(usize, bool, Ran)> {
        let (id, ran) = match self.tasks.join_next_with_id().await? {
            Ok((id, ran)) => (id, ran),
            Err(error) => (error.id(), broken(&error)),
        };
        let (item, beside_others) = self.running.remove(&id)?;
        Some((item, beside_others, ran))
    }

    fn is_worth_repeating(&self, ran: &Ran) -> bool {
        ran.outcome.is_failure() && !ran.given_up
    }

    async fn repeat_suspects(&mut self) {
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.sort_by_key(|(item, _)| *item);
        for (item, before) in suspects {
            if before.timed_out && self.timeouts_alone >= TIMEOUTS_ALONE {
                self.settle(item, before);
                continue;
            }
            self.spawn(item);
            let Some((_, _, mut ran)) = self.next().await else { continue };
            self.timeouts_alone = if ran.timed_out { self.timeouts_alone + 1 } else { 0 };
            if ran.given_up {
                ran = before;
                self.settle(item, ran);
                continue;
            }
            // What could not be taken back is still there, however the second run went.
            let torn = before.warnings.iter().filter(|each| matches!(each, Warning::TeardownFailed { .. }));
            let torn: Vec<Warning> = torn.filter(|each| !ran.warnings.contains(each)).cloned().collect();
            ran.warnings.extend(torn);
            if ran.outcome.is_verified() {
                ran.warnings.push(Warning::Interference { was: summary(&before.outcome) });
            }
            self.settle(item, ran);
        }
    }

    fn settle(&mut self, item: usize, ran: Ran) {
        let result = self.result(item, ran);
        self.ended |= self.exit_on_first_error && result.outcome.is_failure() && !result.pending;
        (self.progress)(&result);
        self.results[item] = Some(result);
    }

    fn result(&self, item: usize, ran: Ran) -> InteractionResult {
        let job = &self.jobs[item];
        let interaction = &job.interaction;
        InteractionResult {
            consumers: job.consumers.iter().map(ToString::to_string).collect(),
            provider: self.provider.to_owned(),
            description: interaction.description.clone(),
            states: interaction.states.iter().map(|state| state.name.clone()).collect(),
            location: interaction.location.clone(),
            pending: interaction.pending,
            outcome: ran.outcome,
            warnings: ran.warnings,
            request: ran.request,
            trace: ran.trace,
            correlation_id: ran.correlation_id,
            exchange: None,
            latency: ran.latency,
            notes: interaction.notes(),
            test_name: interaction.test_name().map(str::to_owned),
        }
    }
}

/// A task that did not come to its end. It is our defect, not the provider's.
fn broken(error: &JoinError) -> Ran {
    let why = if error.is_panic() { "verifying it broke down" } else { "verifying it was broken off" };
    Ran::new(Outcome::Undecided {
        message: format!("{why}; that is a defect of this tool, please report it"),
    })
}
