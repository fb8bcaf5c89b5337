//! The consumer's side: a test declares what the consumer relies on, runs the consumer's own code against a mock of
//! the provider, and the contract is written when all of it was used and nothing else was asked for.
//!
//! ```
//! use seaworthy_contracts::consumer::{Pact, pattern::*};
//! use seaworthy_contracts::json_pattern;
//! # use std::io::{Read, Write};
//! # use seaworthy_contracts::write::Mode;
//!
//! # // What stands for the consumer's own client.
//! # fn authorize(url: &str) -> String {
//! #     let mut socket = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
//! #     let body = r#"{"orderId":"o-77","amount":5}"#;
//! #     write!(socket, "POST /payments HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: k-9\r\n\
//! #         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
//! #     let mut answer = String::new();
//! #     socket.read_to_string(&mut answer).unwrap();
//! #     answer
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let mut pact = Pact::new("orders", "payments");
//! # let mut pact = pact.mode(Mode::Merge);
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
//! let answer = authorize(&server.url()); // the consumer's own client
//! assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("authorized"));
//! # let folder = folder.path();
//! let file = server.finish(folder)?; // `contracts/pacts`, say
//! assert!(file.ends_with("orders-payments.json"));
//! # Ok(())
//! # }
//! ```
//!
//! `finish` compares with the committed file; with `UPDATE_PACTS=1` it writes. See [`Mode`](crate::write::Mode).
//!
//! One example is one answer; the contract allows many. [`Pact::every_response`] tries them on the consumer's code and
//! shows the smallest that breaks it. Messages are handed over with [`Pact::consume`].

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
