//! The consumer's side: a test declares what the consumer relies on, runs the consumer's own code against a mock of
//! the provider, and the contract is written when all of it was used and nothing else was asked for.
//!
//! ```no_run
//! use seaworthy_contracts::consumer::{Pact, pattern::*};
//! use seaworthy_contracts::json_pattern;
//!
//! # async fn client(url: String) {}
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let mut pact = Pact::new("orders", "payments");
//! pact.interaction("a request to authorize a payment")
//!     .given("no payment for the order exists")
//!     .request(|request| {
//!         request
//!             .post("/payments")
//!             .header("Idempotency-Key", regex("^k-\\d+$", "k-1"))
//!             .json(json_pattern!({ "orderId": like("o-1"), "amount": integer(100) }))
//!     })
//!     .response(|response| {
//!         response
//!             .status(201)
//!             .json(json_pattern!({ "id": uuid(), "status": one_of(["authorized", "declined"]) }))
//!     });
//!
//! let server = pact.serve().await?;
//! client(server.url()).await;
//! server.finish("contracts/pacts")?;
//! # Ok(())
//! # }
//! ```

mod error;
mod mock;
mod pact;
mod parts;
pub mod pattern;
mod played;
mod playing;
pub mod property;

pub use error::ConsumerError;
pub use mock::MockProvider;
pub use pact::{HttpInteraction, MessageInteraction, Pact, Received};
pub use parts::{Request, Response};
pub use played::{Nearest, Report, Unmatched, Unused};
pub use property::{Cases, Counterexample};
