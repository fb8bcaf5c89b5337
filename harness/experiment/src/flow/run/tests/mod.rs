//! Flows run on a real session: real proxies, a real receiver, two services in this process.

mod answers;
mod copies;
mod edges;
mod evidence;
mod instances;
mod shop;
