//! Free ports, each given out once.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// How often the system may offer ports that were given out before, until that counts as running out of ports.
const TRIES: usize = 1000;

/// The ports given out so far.
#[derive(Debug, Default)]
pub(super) struct Ports {
    given: HashSet<u16>,
}

impl Ports {
    /// This many ports of 127.0.0.1 that are free now and were never given out here before. Another program may
    /// still take one before the service does; then the service says so, and is started again with others.
    pub(super) fn free(&mut self, count: usize) -> io::Result<Vec<SocketAddr>> {
        let mut held = Vec::new();
        let mut free = Vec::new();
        for _ in 0..count + TRIES {
            if free.len() == count {
                return Ok(free);
            }
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            if self.given.insert(address.port()) {
                free.push(address);
            }
            // Held until all are found, so that the system offers another one each time.
            held.push(listener);
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "every free port was given out before"))
    }
}
