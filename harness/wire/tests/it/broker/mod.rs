//! The broker tap, against a real RabbitMQ.

mod carrying;
mod rabbit;
mod support;
