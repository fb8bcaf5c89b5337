//! Contracts and the wire.

mod covering;
mod drifting;
mod events;
mod explained;
mod pinned;
mod properties;
mod recording;
mod world;
