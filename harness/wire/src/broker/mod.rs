//! The broker tap: the harness stands between those who publish messages and those who subscribe to them.
//!
//! Each publisher publishes to an exchange of its own ([`exchange_in`]), each subscriber binds its queue to an exchange
//! of its own ([`exchange_out`]); both are durable topic exchanges, and what comes into the one gets into the other
//! through the `Tap` alone. So every message from one service to another passes here and becomes an
//! [`Exchange`](seaworthy_core::exchange::Exchange) of protocol `message`, and a fault rule can single one out by its
//! trace, as it can a request.
//!
//! # What is kept
//!
//! - **Every message.** For each publisher the tap has a durable queue with all that comes into its exchange, and
//!   acknowledges a message there only when the broker has confirmed that each subscriber's side has it. A tap that
//!   dies leaves the rest with the broker; the next one carries on. A message that was on its way at that moment is
//!   carried again, as with any broker: its exchange has the header `redelivered` then.
//! - **The message**: routing key, properties, headers and body go on as they came. Of the properties `user-id` alone
//!   cannot always: the broker takes none but the user who is connected. Another one is left out, and counted as lost.
//! - **The order** of a route (one publisher, one subscriber): messages go out in the order in which they came in. A fault
//!   that holds one up holds up later ones of the same subject (`ce-partitionkey`, `ce-subject`, else its trace, else its
//!   correlation id), because that is what a slow partition of a real broker does; it does not hold up others, because
//!   a fault on one trace is not to be felt by the others. `reorder` is the fault that breaks this order.
//!
//! # Subscribers that are not there yet
//!
//! A message that no queue of the subscriber is bound for is kept and tried again until one is. Once a subscriber has
//! taken a first message it has `TapConfig::binding_time` to make the rest of its bindings; what still finds none is
//! not for it, as with a real topic exchange. (`Tap::subscriber_is_ready` says the same of one that takes none.) Such a message's exchange ends with status 404, one that was delivered with
//! 202; while it waits it is in flight, with status 404 so far.

#[cfg(feature = "amqp")]
mod bindings;
#[cfg(feature = "amqp")]
mod carrier;
#[cfg(feature = "amqp")]
mod connection;
#[cfg(feature = "amqp")]
mod dead_letters;
#[cfg(feature = "amqp")]
mod lanes;
#[cfg(feature = "amqp")]
mod message;
#[cfg(feature = "amqp")]
mod parcel;
#[cfg(feature = "amqp")]
mod record;
#[cfg(feature = "amqp")]
mod returns;
#[cfg(feature = "amqp")]
mod tap;
#[cfg(feature = "amqp")]
mod topology;

#[cfg(feature = "amqp")]
pub use tap::{Tap, TapConfig, TapError};

use seaworthy_core::ids::ServiceName;

/// The exchange that this publisher publishes to: `${broker.NAME.in}` in its part of the system file.
pub fn exchange_in(broker: &str, publisher: &ServiceName) -> String {
    format!("seaworthy.{broker}.in.{publisher}")
}

/// The exchange that this subscriber binds its queue to: `${broker.NAME.out}` in its part of the system file.
pub fn exchange_out(broker: &str, subscriber: &ServiceName) -> String {
    format!("seaworthy.{broker}.out.{subscriber}")
}
