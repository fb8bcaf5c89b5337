//! What is going on, on stderr: a live line on a terminal, nothing elsewhere.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use seaworthy_experiment::plan::Progress;
use tracing_subscriber::EnvFilter;

/// A spinner with what runs now.
pub(super) struct Live {
    bar: ProgressBar,
    running: Mutex<BTreeSet<String>>,
}

impl Live {
    pub(super) fn new(quiet: bool) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, running: Mutex::default() }
    }

    /// Says what is being done besides flows.
    pub(super) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        self.bar.set_message(running.iter().cloned().collect::<Vec<_>>().join(", "));
    }
}

impl Progress for Live {
    fn began(&self, experiment: &str) {
        self.show(|running| {
            running.insert(experiment.to_owned());
        });
    }

    fn ended(&self, experiment: &str, failed: bool) {
        if failed {
            self.bar.println(format!("✗ {experiment}"));
        }
        self.show(|running| {
            running.remove(experiment);
        });
    }
}

/// The harness's own log goes to stderr, with `-vv` or as `SEAWORTHY_LOG` says.
pub(super) fn log_to_stderr(verbose: u8) {
    let filter = match std::env::var("SEAWORTHY_LOG") {
        Ok(filter) => EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn")),
        // The AMQP client warns of each message that comes back, with all that is in it: secrets, too.
        Err(_) => EnvFilter::new(match verbose {
            0 => "off",
            1 => "warn,lapin=error",
            _ => "info,lapin=error,seaworthy=debug",
        }),
    };
    // A second call (in a test of the library) keeps the first subscriber.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
