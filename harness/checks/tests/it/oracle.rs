//! What the checks find out by following ids, held against what is known because the traffic was made up.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use crate::world::{Context, World, blamed, judge, request};

const SERVICES: [&str; 5] = ["gateway", "orders", "payments", "shipping", "mail"];

/// A call with the calls that it causes.
#[derive(Debug, Clone)]
struct Call {
    /// Whom it goes to.
    provider: usize,
    /// Whether it bears the correlation id.
    bears: bool,
    /// Whether the span of its provider, and that of its consumer, got lost.
    lost: (bool, bool),
    below: Vec<Call>,
}

fn any_call() -> impl Strategy<Value = Call> {
    let leaf = (0..5_usize, prop::bool::weighted(0.7), any::<(bool, bool)>())
        .prop_map(|(provider, bears, lost)| Call { provider, bears, lost, below: Vec::new() });
    leaf.prop_recursive(5, 24, 4, |inner| {
        let call = (
            0..5_usize,
            prop::bool::weighted(0.7),
            any::<(bool, bool)>(),
            prop::collection::vec(inner, 0..4),
        );
        call.prop_map(|(provider, bears, lost, below)| Call { provider, bears, lost, below })
    })
}

/// Makes the calls one after the other; puts the edges on which the id went missing into `guilty`.
fn play(
    world: &mut World,
    context: &Context,
    consumer: usize,
    calls: &[Call],
    given: bool,
    lossy: bool,
    guilty: &mut BTreeSet<String>,
) {
    for call in calls {
        let edge = format!("{} -> {}", SERVICES[consumer], SERVICES[call.provider]);
        let made = world.open(context, request(&edge, "POST /work"));
        if !call.bears {
            world.exchange(&made).correlation_id = None;
            if given {
                guilty.insert(format!("correlation.wire@{}", edge.replace(' ', "")));
            }
        }
        play(world, &made, call.provider, &call.below, call.bears, lossy, guilty);
        world.answer(&made, 200);
        let sender = world.exchange(&made).trace.unwrap().parent_id;
        if lossy {
            let (receiver_lost, sender_lost) = call.lost;
            world.set.spans.retain(|span| {
                !(receiver_lost && span.span_id == made.span || sender_lost && span.span_id == sender)
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_hop_that_lost_the_id_is_blamed_whoever_calls_whom(
        calls in prop::collection::vec(any_call(), 1..4),
        lossy: bool,
    ) {
        let mut world = World::new(json!({"correlation": {}}));
        let step = world.step();
        let gateway = world.open(&step, request("ingress -> gateway", "POST /work"));
        let mut guilty = BTreeSet::new();
        play(&mut world, &gateway, 0, &calls, true, lossy, &mut guilty);
        world.answer(&gateway, 200);
        let found: BTreeSet<String> = blamed("correlation", &world.finish())
            .into_iter()
            .filter(|blame| blame.starts_with("correlation.wire"))
            .collect();
        prop_assert_eq!(found, guilty);
    }

    /// Requests by their body, each with how often it fails and whether it succeeds in the end, made in turns.
    #[test]
    fn each_repetition_of_a_failed_request_is_counted_once(
        failures in prop::collection::vec((0..4_usize, any::<bool>()), 1..5),
        turns in prop::collection::vec(0..5_usize, 0..30),
        in_one_request: bool,
    ) {
        let mut world = World::plain();
        let mut contexts = Vec::new();
        for _ in &failures {
            if contexts.is_empty() || !in_one_request {
                let step = world.step();
                contexts.push(world.open(&step, request("ingress -> orders", "POST /orders")));
            }
        }
        let mut left: Vec<(usize, bool)> = failures.clone();
        // The turns first, then whatever is left in order.
        let rest = (0..failures.len()).flat_map(|number| std::iter::repeat_n(number, 5));
        for number in turns.into_iter().chain(rest) {
            let status = match left.get_mut(number) {
                Some((failures, _)) if *failures > 0 => {
                    *failures -= 1;
                    503
                }
                Some((_, succeeds)) if *succeeds => {
                    *succeeds = false;
                    200
                }
                _ => continue,
            };
            let context = contexts.get(number).unwrap_or(&contexts[0]).clone();
            let sending = request("orders -> payments", "POST /work").body(&format!("body {number}"));
            world.call(&context, sending, status);
        }
        for context in &contexts {
            world.answer(context, 200);
        }
        let tries = failures.iter().map(|(failures, succeeds)| failures + usize::from(*succeeds));
        let retries: usize = tries.map(|tries| tries.saturating_sub(1)).sum();
        let report = judge("retries", &world.finish());
        let found = report.findings.iter().find(|finding| finding.rule == "retry.not-idempotent");
        match found {
            None => prop_assert_eq!(retries, 0),
            Some(finding) => {
                let says = if retries == 1 { ", 1 time".to_owned() } else { format!(", {retries} times") };
                prop_assert!(finding.message.ends_with(&says), "{} for {retries}", finding.message);
            }
        }
    }
}
