//! Where proxies listen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use seaworthy_core::ids::EdgeId;
use seaworthy_core::system::PortProtocol;
use seaworthy_core::time::RunClock;
use seaworthy_wire::{Upstream, Wire, WireConfig, WireError};
use tokio::net::TcpStream;

use crate::support::*;

/// A second address of this host that is not for others.
const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn wire_on(listen: Vec<IpAddr>) -> Wire {
    Wire::new(RunClock::start(), WireConfig { listen, ..WireConfig::default() })
}

#[tokio::test]
async fn a_proxy_has_one_port_on_every_address_and_is_on_no_other() {
    let provider = Provider::echo().await;
    let wire = wire_on(vec![LOOPBACK, BRIDGE]);
    let edge = EdgeId::new("orders", "payments");
    let address = wire.open(edge.clone(), PortProtocol::Http).await.unwrap();
    assert_eq!(address.ip(), LOOPBACK, "processes on this host are told the loopback address");
    assert_eq!(wire.address(&edge), Some(address));
    wire.set_upstream(&edge, Some(Upstream { address: provider.address, instance: None }));
    for at in [LOOPBACK, BRIDGE] {
        let mut request = post("/", "body");
        let host = format!("host.docker.internal:{}", address.port());
        request.headers_mut().insert("host", host.parse().unwrap());
        let to = SocketAddr::new(at, address.port());
        let answer = within(ask(to, Speaks::Http1, request)).await.unwrap();
        assert_eq!((answer.header("got-host"), &answer.body[..]), (&host[..], &b"body"[..]));
    }
    let elsewhere = SocketAddr::from(([127, 0, 0, 3], address.port()));
    assert!(TcpStream::connect(elsewhere).await.is_err());
    within(wire.close()).await;
    for at in [LOOPBACK, BRIDGE] {
        assert!(TcpStream::connect(SocketAddr::new(at, address.port())).await.is_err(), "closed on {at}");
    }
}

#[tokio::test]
async fn a_proxy_listens_neither_on_all_interfaces_nor_on_none() {
    let edge = EdgeId::new("orders", "payments");
    let mapped = "::ffff:0.0.0.0".parse().unwrap();
    let all = [vec!["0.0.0.0".parse().unwrap()], vec![LOOPBACK, "::".parse().unwrap()], vec![mapped], vec![]];
    for listen in all {
        let error = wire_on(listen).open(edge.clone(), PortProtocol::Http).await.unwrap_err();
        assert!(matches!(error, WireError::Interfaces { .. }), "{error}");
    }
    let wire = wire_on(vec![LOOPBACK]);
    let all = "0.0.0.0:0".parse().unwrap();
    let error = wire.open_at(edge.clone(), PortProtocol::Tcp, all).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a proxy may not listen on all interfaces (0.0.0.0), so the one for the edge `orders -> payments` could not \
         be opened; name addresses"
    );
    assert!(wire.open(edge, PortProtocol::Http).await.is_ok(), "what was refused is not taken for open");
}

#[tokio::test]
async fn a_proxy_listens_at_the_address_that_its_consumers_know() {
    let provider = Provider::echo().await;
    let first = wire_on(vec![LOOPBACK]);
    let edge = EdgeId::new("orders", "payments");
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let address = first.open_at(edge.clone(), PortProtocol::Http, free).await.unwrap();

    let second = wire_on(vec![LOOPBACK]);
    let error = second.open_at(edge.clone(), PortProtocol::Http, address).await.unwrap_err();
    assert!(matches!(&error, WireError::Taken { address: taken, .. } if *taken == address), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");

    within(first.close()).await;
    assert_eq!(second.open_at(edge.clone(), PortProtocol::Http, address).await.unwrap(), address);
    second.set_upstream(&edge, Some(Upstream { address: provider.address, instance: None }));
    let answer = within(ask(address, Speaks::Http1, post("/", "again"))).await.unwrap();
    assert_eq!(answer.body, "again");
}
