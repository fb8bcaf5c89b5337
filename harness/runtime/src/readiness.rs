//! Waits until an instance is ready, has ended, or has had its time.

use std::future::Future;
use std::time::Duration;

use seaworthy_core::runtime::{Exit, Launch, Program, Runtime, RuntimeError};

/// How many of an instance's last lines an error shows.
const SHOWN_LINES: usize = 20;
/// The pause between two probes: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// Asks `probe` again and again until it says that the launched instance is ready, and then records that
/// ([`Runtime::mark_ready`]). The probe answers `Err` with what it saw. There is nothing to be notified by, so
/// it is asked in pauses from 10 to 200 ms; a probe that takes longer than `within` is given up.
///
/// # Errors
/// [`RuntimeError::EndedEarly`] as soon as the instance ends, with its last lines; [`RuntimeError::NotReady`]
/// after `within`, with what the last probe saw.
pub async fn until_ready<P, F>(
    runtime: &dyn Runtime,
    launch: &Launch,
    within: Duration,
    mut probe: P,
) -> Result<(), RuntimeError>
where
    P: FnMut() -> F,
    F: Future<Output = Result<(), String>>,
{
    let mut last = "no probe was answered".to_owned();
    let probing = async {
        let mut pause = PAUSES.0;
        loop {
            match probe().await {
                Ok(()) => return,
                Err(seen) => last = seen,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    };
    let output = || runtime.last_lines(&launch.instance, SHOWN_LINES).join("\n");
    let image = || match &launch.program {
        Program::Image { image, .. } => Some(image.clone()),
        Program::Command(_) => None,
    };
    tokio::select! {
        // An instance that has ended is not ready, even if something else answers at its address.
        biased;
        exit = runtime.ended(&launch.instance) => Err(RuntimeError::EndedEarly {
            service: launch.service.clone(),
            image: image(),
            how: describe(exit?),
            output: output(),
        }),
        ready = tokio::time::timeout(within, probing) => match ready {
            Ok(()) => {
                runtime.mark_ready(&launch.instance);
                Ok(())
            }
            Err(_) => Err(RuntimeError::NotReady {
                service: launch.service.clone(),
                image: image(),
                after: within,
                last,
                output: output(),
            }),
        },
    }
}

/// `exit code 2`, `signal 9`.
pub fn describe(exit: Exit) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// Whether these lines say that an address was taken, as programs in the common languages put it. Then the
/// instance is worth starting again: it gets fresh ports.
pub fn address_in_use(lines: &[String]) -> bool {
    const SIGNS: [&str; 8] = [
        "address already in use",
        "addrinuse",
        "eaddrinuse",
        "address in use",
        "port is already in use",
        "was already in use",
        "only one usage of each socket address",
        "failed to bind to address",
    ];
    lines.iter().any(|line| {
        let line = line.to_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign))
    })
}

/// Whether an instance could not be started because its address was taken; see [`address_in_use`].
pub fn is_address_in_use(error: &RuntimeError) -> bool {
    match error {
        RuntimeError::EndedEarly { output, .. } | RuntimeError::NotReady { output, .. } => {
            address_in_use(std::slice::from_ref(output))
        }
        _ => false,
    }
}
