//! The broker tap, against a real RabbitMQ.

mod binding;
mod carrying;
mod dead_letters;
mod faulting;
mod rabbit;
mod support;
mod surviving;
