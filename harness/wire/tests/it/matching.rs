//! The matcher against a naive account of the same rules.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use seaworthy_core::fault::{FaultAction, FaultMatcher, When};
use seaworthy_core::ids::{EdgeId, TraceId};
use seaworthy_wire::fault::matching::{RequestFacts, delay, is_about, is_chosen};
use std::time::Duration;

/// A request in plain words.
#[derive(Debug, Clone)]
struct Asked {
    edge: EdgeId,
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    trace: Option<u8>,
    correlation: Option<&'static str>,
    baggage: Option<&'static str>,
}

fn trace(number: u8) -> TraceId {
    let mut bytes = [0; 16];
    bytes[15] = number + 1;
    TraceId::from_bytes(bytes).unwrap()
}

fn asked() -> impl Strategy<Value = Asked> {
    let edge = prop::sample::select(vec!["a -> b", "a -> b.grpc", "c -> b", "a -> b#2"]);
    let header = prop::sample::select(vec![("x-a", "1"), ("x-a", "2"), ("x-b", "1")]);
    (
        edge,
        prop::sample::select(vec!["GET", "POST"]),
        prop::sample::select(vec!["/", "/orders", "/orders/7", "/orders/7/lines"]),
        prop::collection::vec(header, 0..3),
        prop::option::of(0u8..3),
        prop::option::of(prop::sample::select(vec!["c1", "c2"])),
        prop::option::of(prop::sample::select(vec!["k=1", "k=2,l=1", "k=%31", "nonsense"])),
    )
        .prop_map(|(edge, method, path, headers, trace, correlation, baggage)| Asked {
            edge: edge.parse().unwrap(),
            method,
            path,
            headers,
            trace,
            correlation,
            baggage,
        })
}

fn matcher() -> impl Strategy<Value = FaultMatcher> {
    let pair = |name: &'static str| {
        prop::option::of(prop::sample::select(vec!["1", "2"])).prop_map(move |value| {
            value.map(|value| BTreeMap::from([(name.to_owned(), value.to_owned())])).unwrap_or_default()
        })
    };
    (
        prop::option::of(prop::sample::select(vec!["a -> b", "a -> b.grpc", "c -> b"])),
        prop::option::of(prop::sample::select(vec!["/orders/{id}", "POST /orders", "GET /{rest..}"])),
        pair("x-a"),
        prop::option::of(0u8..3),
        prop::option::of(prop::sample::select(vec!["c1", "c2"])),
        pair("k"),
        prop::option::of(1u64..6),
        prop::option::of(1u64..6),
    )
        .prop_map(|(edge, route, headers, number, correlation, baggage, nth, first)| FaultMatcher {
            edge: edge.map(|edge| edge.parse().unwrap()),
            route: route.map(|route| route.parse().unwrap()),
            headers,
            trace_id: number.map(trace),
            correlation_id: correlation.map(str::to_owned),
            baggage,
            nth,
            first,
            probability: None,
        })
}

/// The oracle: every condition spelt out over the plain request.
fn naive(matcher: &FaultMatcher, asked: &Asked) -> bool {
    let mut conditions = Vec::new();
    if let Some(edge) = &matcher.edge {
        let name = asked.edge.to_string();
        let name = name.split('#').next().unwrap();
        conditions.push(name == edge.to_string() || name.split('.').next().unwrap() == edge.to_string());
    }
    if let Some(route) = &matcher.route {
        conditions.push(match route.to_string().as_str() {
            "/orders/{id}" => asked.path == "/orders/7",
            "POST /orders" => asked.method == "POST" && asked.path == "/orders",
            _ => asked.method == "GET",
        });
    }
    for (name, value) in &matcher.headers {
        conditions.push(asked.headers.contains(&(name.as_str(), value.as_str())));
    }
    let mut witnesses = Vec::new();
    if let Some(id) = matcher.trace_id {
        witnesses.push(asked.trace.map(trace) == Some(id));
    }
    if let Some(id) = &matcher.correlation_id {
        witnesses.push(asked.correlation == Some(id));
    }
    conditions.push(witnesses.is_empty() || witnesses.contains(&true));
    for value in matcher.baggage.values() {
        conditions.push(match asked.baggage {
            Some("k=1" | "k=%31") => value == "1",
            Some("k=2,l=1") => value == "2",
            _ => false,
        });
    }
    conditions.into_iter().all(|condition| condition)
}

proptest! {
    #[test]
    fn a_rule_applies_where_a_naive_reading_says_so(
        matcher in matcher(), requests in prop::collection::vec(asked(), 1..20), seed: u64,
    ) {
        let action = FaultAction::Reset { when: When::Before };
        let (mut counted, mut expected_counted) = (0, Vec::new());
        for asked in &requests {
            let mut headers = HeaderMap::new();
            for (name, value) in &asked.headers {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let mut facts = RequestFacts::new(&asked.edge, asked.method, asked.path, &headers)
                .with_baggage(asked.baggage);
            facts.trace_id = asked.trace.map(trace);
            facts.correlation_id = asked.correlation;
            let applies = is_about(&matcher, &action, &facts) && {
                counted += 1;
                is_chosen(&matcher, seed, counted)
            };
            let expected = naive(&matcher, asked) && {
                expected_counted.push(());
                let index = expected_counted.len() as u64;
                (matcher.nth.is_none() || matcher.nth == Some(index))
                    && (matcher.first.is_none() || (1..=matcher.first.unwrap()).contains(&index))
            };
            prop_assert_eq!(applies, expected, "{:?} of {:?}", asked, matcher);
        }
    }

    #[test]
    fn a_share_is_chosen_by_the_seed_alone(share in 0.0f64..=1.0, seed: u64) {
        let matcher = FaultMatcher { probability: Some(share), ..FaultMatcher::default() };
        let chosen = |seed| (1..=2000).filter(|&index| is_chosen(&matcher, seed, index)).collect::<Vec<u64>>();
        prop_assert_eq!(chosen(seed), chosen(seed));
        let found = chosen(seed).len() as f64 / 2000.0;
        // Five standard deviations: the seeds that proptest can reach do not exceed it.
        let tolerance = 5.0 * (share * (1.0 - share) / 2000.0).sqrt() + 0.001;
        prop_assert!((found - share).abs() <= tolerance, "{} for {}", found, share);
    }

    #[test]
    fn jitter_stays_within_its_bounds(by in 0u64..1000, jitter in 0u64..1000, seed: u64, index: u64) {
        let (by, jitter) = (Duration::from_millis(by), Duration::from_millis(jitter));
        let delay = delay(by, jitter, seed, index);
        prop_assert!(by <= delay && delay <= by + jitter);
    }
}

#[test]
fn an_abort_with_a_grpc_status_is_for_grpc_alone() {
    let edge = EdgeId::new("a", "b");
    let headers = HeaderMap::new();
    let mut facts = RequestFacts::new(&edge, "POST", "/", &headers);
    let abort = FaultAction::Abort {
        status: None,
        grpc_status: Some(14),
        headers: BTreeMap::new(),
        when: When::Before,
    };
    assert!(!is_about(&FaultMatcher::default(), &abort, &facts));
    facts.is_grpc = true;
    assert!(is_about(&FaultMatcher::default(), &abort, &facts));
}
