//! The proxy: an [`edge::Edge`] accepts, [`forward`] serves one exchange, [`pool::Pool`] knows the provider.

mod body;
mod broken;
mod connection;
pub(crate) mod edge;
mod flight;
pub(crate) mod forward;
mod headers;
mod pipe;
pub(crate) mod pool;
mod reply;
mod shape;
mod tunnel;
mod turns;
mod withhold;

pub(crate) use connection::Generation;
