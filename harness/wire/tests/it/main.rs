//! The proxies as a consumer and a provider see them: real sockets, real HTTP, no sleeps.

mod breaking;
mod faults;
mod forwarding;
mod leases;
mod limits;
mod matching;
mod recording;
mod support;
mod tunnels;
