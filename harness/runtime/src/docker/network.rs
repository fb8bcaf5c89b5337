//! The run's own network: a bridge with a range of addresses that is chosen here, so that a container keeps its
//! address when it is taken off and put back.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Mutex;

use seaworthy_core::runtime::{RuntimeError, Vantage};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};

use super::engine::reason;
use super::labels::Owner;
use crate::record::locked;

/// How many ranges are tried before that is an error.
const TRIES: usize = 24;
/// The name by which containers reach the harness.
pub(super) const HOST: &str = "host.docker.internal";

/// The network of one run: a /24.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    pub(super) gateway: Ipv4Addr,
    /// Whether this machine has the gateway's address, so that the harness can listen on it.
    ours: bool,
    addresses: Mutex<Addresses>,
}

impl Network {
    /// Makes it.
    pub(super) async fn create(docker: &Docker, run: &str, owner: &Owner) -> Result<Self, RuntimeError> {
        let name = format!("seaworthy-{run}");
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let routes = routes_in(&routes);
        let mut last = "every range tried is in use".to_owned();
        for _ in 0..TRIES {
            let base = candidate(uuid::Uuid::new_v4().as_u128());
            if routes.iter().any(|route| route.overlaps(base)) {
                continue;
            }
            let gateway = host(base, 1);
            let range = IpamConfig {
                subnet: Some(format!("{base}/24")),
                gateway: Some(gateway.to_string()),
                ..IpamConfig::default()
            };
            let request = NetworkCreateRequest {
                name: name.clone(),
                driver: Some("bridge".to_owned()),
                ipam: Some(Ipam { config: Some(vec![range]), ..Ipam::default() }),
                labels: Some(owner.labels(run)),
                ..NetworkCreateRequest::default()
            };
            match docker.create_network(request).await {
                Ok(_) => {
                    // A bridge without members is down, and its address is there all the same.
                    let ours = TcpListener::bind((gateway, 0)).is_ok();
                    return Ok(Self { name, gateway, ours, addresses: Mutex::new(Addresses::of(base)) });
                }
                Err(error) => last = reason(error),
            }
            if !last.contains("overlap") {
                break;
            }
        }
        Err(RuntimeError::Engine {
            what: "make a network for the run".to_owned(),
            reason: format!("{last}; `docker network ls` shows those there are"),
        })
    }

    /// From where containers see the harness.
    pub(super) fn vantage(&self) -> Vantage {
        let mut listen = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        if self.ours {
            listen.push(IpAddr::V4(self.gateway));
        }
        Vantage { listen, host: HOST.to_owned() }
    }

    /// The line of `/etc/hosts` in each container. Where the gateway is not this machine's (Docker Desktop), the
    /// engine knows what is.
    pub(super) fn host_line(&self) -> String {
        match self.ours {
            true => format!("{HOST}:{}", self.gateway),
            false => format!("{HOST}:host-gateway"),
        }
    }

    /// Whether containers can be reached by their addresses from here.
    pub(super) fn is_here(&self) -> bool {
        self.ours
    }

    /// An address that no container has.
    pub(super) fn take(&self) -> Option<Ipv4Addr> {
        locked(&self.addresses).take()
    }

    /// Its container is gone.
    pub(super) fn give_back(&self, address: Ipv4Addr) {
        locked(&self.addresses).used.remove(&address.octets()[3]);
    }
}

/// The addresses of a /24 that containers may have: 2 to 254.
#[derive(Debug)]
struct Addresses {
    base: Ipv4Addr,
    next: u8,
    used: BTreeSet<u8>,
}

impl Addresses {
    fn of(base: Ipv4Addr) -> Self {
        Self { base, next: 2, used: BTreeSet::new() }
    }

    /// One that is free; one that was given back comes again as late as possible, for there may be those who still
    /// call it.
    fn take(&mut self) -> Option<Ipv4Addr> {
        let free = (self.next..=254).chain(2..self.next).find(|number| !self.used.contains(number))?;
        self.used.insert(free);
        self.next = if free == 254 { 2 } else { free + 1 };
        Some(host(self.base, free))
    }
}

fn host(base: Ipv4Addr, number: u8) -> Ipv4Addr {
    let [a, b, c, _] = base.octets();
    Ipv4Addr::new(a, b, c, number)
}

/// One of the /24 of the private ranges, most of them in the upper half of 10/8, where engines do not put their own.
fn candidate(random: u128) -> Ipv4Addr {
    let [kind, b, c, ..] = random.to_le_bytes();
    match kind % 4 {
        0 => Ipv4Addr::new(172, 24 + b % 8, c, 0),
        1 => Ipv4Addr::new(192, 168, 128 + c % 128, 0),
        _ => Ipv4Addr::new(10, 128 + b % 128, c, 0),
    }
}

/// A destination that this machine has a route to.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    network: u32,
    mask: u32,
}

impl Route {
    fn overlaps(&self, base: Ipv4Addr) -> bool {
        let mask = self.mask & 0xffff_ff00;
        self.network & mask == u32::from(base) & mask
    }
}

/// The routes to networks of up to 65,536 addresses; in larger ones (a VPN's 10/8, the way out) a /24 of ours harms
/// no one.
fn routes_in(table: &str) -> Vec<Route> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel writes addresses as they lie in memory.
        let number =
            |field: &str| u32::from_str_radix(field, 16).ok().map(|n| u32::from_be_bytes(n.to_le_bytes()));
        Some(Route { network: number(fields.get(1)?)?, mask: number(fields.get(7)?)? })
    };
    table.lines().skip(1).filter_map(row).filter(|route| route.mask.count_ones() >= 16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_and_come_again_late() {
        let mut addresses = Addresses::of(Ipv4Addr::new(10, 200, 7, 0));
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 200, 7, 2)));
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 200, 7, 3)));
        addresses.used.remove(&2);
        let rest: BTreeSet<Ipv4Addr> = std::iter::from_fn(|| addresses.take()).collect();
        assert_eq!(rest.len(), 252);
        assert!(
            rest.contains(&Ipv4Addr::new(10, 200, 7, 254)) && rest.contains(&Ipv4Addr::new(10, 200, 7, 2))
        );
        assert_eq!(addresses.take(), None);
        addresses.used.remove(&254);
        assert_eq!(addresses.take(), Some(Ipv4Addr::new(10, 200, 7, 254)));
    }

    #[test]
    fn candidates_are_private() {
        for random in 0..5000_u128 {
            let base = candidate(random * 977);
            assert!(base.is_private() && base.octets()[3] == 0, "{base}");
        }
    }

    #[test]
    fn networks_that_there_are_routes_to_are_left_alone() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n\
            br-1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            br-2\t4007C80A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\t0\t0\t0\n\
            nonsense\n";
        let routes = routes_in(table);
        assert_eq!(routes.len(), 2);
        let taken = |a, b, c| routes.iter().any(|route| route.overlaps(Ipv4Addr::new(a, b, c, 0)));
        assert!(taken(172, 18, 200), "within a wider one");
        assert!(taken(10, 200, 7), "a narrower one within it");
        assert!(!taken(10, 200, 8) && !taken(172, 19, 0));
    }
}
