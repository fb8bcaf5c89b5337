//! What the engine tells of by itself: that the kernel ended a process for want of memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::query_parameters::EventsOptionsBuilder;

use super::Inner;
use super::labels::RUN;

/// The pause before the engine is asked again, when it stopped telling.
const PAUSE: Duration = Duration::from_millis(500);

/// Listens for as long as the run lasts. What is missed is seen when the container ends.
pub(super) async fn listen(inner: Arc<Inner>) {
    let filters = HashMap::from([
        ("type", vec!["container".to_owned()]),
        ("event", vec!["oom".to_owned()]),
        ("label", vec![format!("{RUN}={}", inner.run)]),
    ]);
    loop {
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut told = inner.docker.events(Some(options));
        while let Some(Ok(event)) = told.next().await {
            let container = event.actor.and_then(|actor| actor.id).unwrap_or_default();
            if let Some(instance) = inner.of_container(&container) {
                instance.ran_out_of_memory(&inner.record);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
