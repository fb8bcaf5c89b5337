//! What a harness is told by its data plane, read by a thread.

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seaworthy_core::exchange::{Exchange, Response};
use seaworthy_core::ids::{EdgeId, FaultId};
use seaworthy_core::time::Nanos;

use super::lines;
use super::protocol::{LONGEST_SAID, Reply, Said};
use crate::fault::Rule;
use crate::log::mirror::Mirror;
use crate::traffic::Traffic;

/// What was told and not taken yet.
#[derive(Default)]
pub(super) struct Inbox(Mutex<Content>);

#[derive(Default)]
struct Content {
    /// Who waits for which reply.
    awaited: HashMap<u64, SyncSender<Reply>>,
    rules: HashMap<FaultId, Arc<Rule>>,
    traffic: BTreeMap<EdgeId, Traffic>,
    shift: Shift,
    /// Why there will be nothing more.
    over: Option<String>,
    /// We end it ourselves.
    end_expected: bool,
}

/// From the data plane's clock to the run's, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shift(i128);

/// Starts the thread. It ends with the connection.
pub(super) fn open(stream: UnixStream, inbox: &Arc<Inbox>, mirror: Mirror) -> std::io::Result<()> {
    let inbox = Arc::clone(inbox);
    let reading = move || inbox.read(stream, mirror);
    std::thread::Builder::new().name("seaworthy-plane".to_owned()).spawn(reading).map(drop)
}

impl Inbox {
    fn read(&self, stream: UnixStream, mut mirror: Mirror) {
        let mut stream = BufReader::new(stream);
        let why = loop {
            match lines::read_blocking::<Said>(&mut stream, LONGEST_SAID) {
                Ok(Some(said)) => self.take(said, &mut mirror),
                Ok(None) => break "the data plane ended".to_owned(),
                Err(error) => break format!("the connection to the data plane broke: {error}"),
            }
        };
        self.is_over(&why);
        let mut content = self.content();
        if !content.end_expected {
            mirror.breaks_off(content.over.as_deref().unwrap_or(&why));
            // With the data plane went its rules.
            for (_, rule) in content.rules.drain() {
                rule.has_lapsed();
            }
        }
    }

    fn take(&self, said: Said, mirror: &mut Mirror) {
        let mut content = self.content();
        match said {
            Said::Reply { to, reply } => {
                if let Some(awaited) = content.awaited.remove(&to) {
                    // Whoever asked may have given up.
                    let _ = awaited.try_send(reply);
                } else if let Reply::Refused { reason } = reply {
                    // To no question of ours: it says why it hangs up.
                    content.over.get_or_insert(reason);
                }
            }
            Said::Fault { id, fired, lapsed } => {
                if let Some(rule) = content.rules.get(&id) {
                    rule.has_fired(fired);
                    if lapsed {
                        rule.has_lapsed();
                        content.rules.remove(&id);
                    }
                }
            }
            Said::Exchange { mut exchange, sealed } => {
                let shift = content.shift;
                drop(content);
                shift.exchange(&mut exchange);
                mirror.show(*exchange, sealed);
            }
            Said::Totals { losses, traffic } => {
                content.traffic = traffic.into_iter().collect();
                mirror.show_losses(losses);
            }
        }
    }

    /// Waits for a reply; the error says why none will come.
    pub(super) fn await_reply(&self, number: u64, replied: SyncSender<Reply>) -> Result<(), String> {
        let mut content = self.content();
        if let Some(over) = &content.over {
            return Err(over.clone());
        }
        content.awaited.insert(number, replied);
        Ok(())
    }

    /// Follows what becomes of a rule.
    pub(super) fn watch(&self, rule: &Arc<Rule>) {
        self.content().rules.insert(rule.rule.id.clone(), Arc::clone(rule));
    }

    pub(super) fn forget(&self, id: &FaultId) {
        self.content().rules.remove(id);
    }

    pub(super) fn traffic(&self, edge: &EdgeId) -> Traffic {
        self.content().traffic.get(edge).copied().unwrap_or_default()
    }

    pub(super) fn set_shift(&self, shift: Shift) {
        self.content().shift = shift;
    }

    /// There will be nothing more. Whoever waits is told.
    pub(super) fn is_over(&self, why: &str) {
        let mut content = self.content();
        content.over.get_or_insert_with(|| why.to_owned());
        content.awaited.clear();
    }

    pub(super) fn expect_the_end(&self) {
        self.content().end_expected = true;
    }

    pub(super) fn why(&self) -> String {
        self.content().over.clone().unwrap_or_default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shift {
    /// Both clocks show the same time when theirs shows `there` and ours `here`.
    pub(super) fn between(there: Nanos, here: Nanos) -> Self {
        Self(i128::from(here.0) - i128::from(there.0))
    }

    fn of(self, time: &mut Nanos) {
        let shifted = (i128::from(time.0) + self.0).clamp(0, i128::from(u64::MAX));
        // It fits: it was clamped.
        *time = Nanos(u64::try_from(shifted).unwrap_or_default());
    }

    fn exchange(self, exchange: &mut Exchange) {
        self.of(&mut exchange.started);
        exchange.ended.iter_mut().for_each(|time| self.of(time));
        exchange.response.iter_mut().for_each(|response| self.response(response));
        if let Some(provider) = &mut exchange.provider {
            self.of(&mut provider.started);
            provider.ended.iter_mut().for_each(|time| self.of(time));
            provider.response.iter_mut().for_each(|response| self.response(response));
        }
        for fault in &mut exchange.faults {
            self.of(&mut fault.at);
            fault.until.iter_mut().for_each(|time| self.of(time));
        }
    }

    fn response(self, response: &mut Response) {
        self.of(&mut response.first_byte);
        response.last_byte.iter_mut().for_each(|time| self.of(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_shift_there_and_back_changes_nothing(there in 0..u64::MAX / 2, here in 0..u64::MAX / 2, time in 0..u64::MAX / 4) {
            let shift = Shift::between(Nanos(there), Nanos(here));
            let mut moved = Nanos(there);
            shift.of(&mut moved);
            prop_assert_eq!(moved, Nanos(here));
            let mut later = Nanos(there + time);
            shift.of(&mut later);
            prop_assert_eq!(later, Nanos(here + time));
        }
    }
}
