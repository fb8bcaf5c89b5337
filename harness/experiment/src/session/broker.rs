//! Standing between publishers and subscribers: one tap for each broker, opened as soon as the broker is ready.

use seaworthy_core::ids::ServiceName;

use super::{Session, StartError};

pub(super) use seaworthy_wire::broker::{exchange_in, exchange_out};

/// The taps of a session.
#[derive(Default)]
pub(super) struct Taps {
    /// Each with the service that is its broker.
    #[cfg(feature = "amqp")]
    open: std::sync::Mutex<Vec<(ServiceName, seaworthy_wire::broker::Tap)>>,
}

impl Session {
    /// Opens the taps of the brokers that this service is.
    #[cfg(not(feature = "amqp"))]
    pub(super) async fn open_taps(&self, service: &ServiceName) -> Result<(), StartError> {
        match self.system().brokers.iter().find(|(_, broker)| broker.service == *service) {
            None => Ok(()),
            Some((name, _)) => Err(StartError::Broker {
                broker: name.clone(),
                reason: "this build knows no brokers: build it with the feature `amqp`".to_owned(),
            }),
        }
    }

    /// A subscriber is ready: what it has not bound to by now, it does not want.
    #[cfg(not(feature = "amqp"))]
    pub(super) fn tell_taps(&self, _: &ServiceName) {}

    /// Carries no message any more.
    #[cfg(not(feature = "amqp"))]
    pub(super) async fn close_taps(&self) {}

    /// Opens the taps of the brokers that this service is.
    #[cfg(feature = "amqp")]
    pub(super) async fn open_taps(&self, service: &ServiceName) -> Result<(), StartError> {
        use seaworthy_core::system::interpolate::{Placeholder, resolve};
        use seaworthy_wire::broker::TapConfig;

        let system = self.system();
        // A broker that was started again may be somewhere else.
        self.close_taps_of(Some(service)).await;
        for (name, broker) in system.brokers.iter().filter(|(_, broker)| broker.service == *service) {
            let wrong = |reason: String| StartError::Broker { broker: name.clone(), reason };
            let declared = system.services.get(service);
            let port = broker.port.as_deref().or_else(|| declared?.only_port()).unwrap_or_default();
            let ports = self.ports(service);
            let address =
                ports.get(port).ok_or_else(|| wrong(format!("`{service}` has no port `{port}`")))?;
            let value = |placeholder: &Placeholder| match placeholder {
                Placeholder::Call(part) => Some(part.of(&address.ip().to_string(), address.port())),
                Placeholder::Env { name, default } => std::env::var(name).ok().or_else(|| default.clone()),
                _ => None,
            };
            let url = resolve(&broker.url, &value).map_err(|error| wrong(error.to_string()))?;
            let routes = system.message_edges().into_iter().filter(|(_, over)| over == name);
            let routes: Vec<_> =
                routes.map(|(edge, _)| (edge.consumer.clone(), edge.provider.clone(), edge)).collect();
            let subscribers: Vec<ServiceName> =
                routes.iter().map(|(_, subscriber, _)| subscriber.clone()).collect();
            let config = TapConfig::new(name.clone(), url, routes);
            let tap = self.wire().tap(config).await.map_err(|error| wrong(error.to_string()))?;
            for (subscriber, exchange) in &broker.dead_letters {
                let watched = tap.watch_dead_letters(subscriber, exchange).await;
                watched.map_err(|error| wrong(error.to_string()))?;
            }
            // Those that were ready before it was there.
            for subscriber in subscribers.iter().filter(|subscriber| self.is_ready(subscriber)) {
                tap.subscriber_is_ready(subscriber);
            }
            let mut open = self.inner.taps.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            open.push((service.clone(), tap));
        }
        Ok(())
    }

    /// Whether the running instance of a service was seen ready.
    #[cfg(feature = "amqp")]
    fn is_ready(&self, service: &ServiceName) -> bool {
        use seaworthy_core::instance::InstanceEventKind;
        let Some(instance) = self.instance(service) else { return false };
        self.instance_events()
            .iter()
            .any(|event| event.instance == instance && event.kind == InstanceEventKind::Ready)
    }

    /// A subscriber is ready: what it has not bound to by now, it does not want.
    #[cfg(feature = "amqp")]
    pub(super) fn tell_taps(&self, subscriber: &ServiceName) {
        let open = self.inner.taps.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (_, tap) in &*open {
            tap.subscriber_is_ready(subscriber);
        }
    }

    /// Carries no message any more. What was not carried stays with the broker.
    #[cfg(feature = "amqp")]
    pub(super) async fn close_taps(&self) {
        self.close_taps_of(None).await;
    }

    /// Closes the taps of one broker, or all.
    #[cfg(feature = "amqp")]
    async fn close_taps_of(&self, service: Option<&ServiceName>) {
        let closing: Vec<_> = {
            let mut open = self.inner.taps.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            open.extract_if(.., |(broker, _)| service.is_none_or(|service| broker == service)).collect()
        };
        for (_, tap) in closing {
            tap.close().await;
        }
    }
}
