//! Containers from outside: a real engine, real networks, real signals.
//!
//! These tests fail where there is no engine. `SEAWORTHY_NO_DOCKER=1` leaves them out.

mod faults;
mod images;
mod leaving;
mod starting;
mod support;
