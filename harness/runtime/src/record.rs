//! What happens to instances and what they print, as every runtime keeps it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use seaworthy_core::ids::{InstanceId, ServiceName};
use seaworthy_core::instance::{InstanceEvent, InstanceEventKind};
use seaworthy_core::runtime::RuntimeError;
use seaworthy_core::time::RunClock;

use crate::output::Capture;

/// What the threads and tasks of all instances write to.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) clock: RunClock,
    pub(crate) capture: Capture,
    events: Mutex<Vec<InstanceEvent>>,
}

impl Record {
    pub(crate) fn new(clock: RunClock) -> Self {
        Self { clock, capture: Capture::default(), events: Mutex::default() }
    }

    /// Says that this happened now.
    pub(crate) fn add(&self, service: &ServiceName, instance: &InstanceId, kind: InstanceEventKind) {
        let mut events = locked(&self.events);
        // Read under the lock, so that events lie in the order of their times.
        let at = self.clock.now();
        events.push(InstanceEvent { at, service: service.clone(), instance: instance.clone(), kind });
    }

    /// What happened so far.
    pub(crate) fn events(&self) -> Vec<InstanceEvent> {
        locked(&self.events).clone()
    }
}

/// What a lock guards, also after a thread panicked while it held it: every write here is complete in itself.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn io_error(what: String) -> impl FnOnce(io::Error) -> RuntimeError {
    move |source| RuntimeError::Io { what, source }
}
