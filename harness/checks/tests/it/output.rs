//! `logs` and `secrets`.

use seaworthy_core::log::{OutputLine, Stream};
use seaworthy_core::secret::{Secret, SecretHit};
use seaworthy_core::time::Nanos;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, judge, request, service};

fn line(world: &mut World, name: &str, stream: Stream, text: &str) {
    let instance = world.instance(name);
    let line = OutputLine {
        service: service(name),
        instance,
        stream,
        at: Nanos(0),
        text: text.to_owned(),
        truncated: text.ends_with('…'),
    };
    world.set.output.push(line);
}

fn world() -> World {
    let mut world = World::plain();
    for name in ["gateway", "orders", "payments", "shipping", "mail"] {
        line(&mut world, name, Stream::Stdout, r#"{"level":"INFO","message":"up"}"#);
    }
    world
}

#[test]
fn json_lines_pass_and_so_do_empty_ones_those_on_stderr_and_those_that_were_cut() {
    let mut world = world();
    line(&mut world, "orders", Stream::Stdout, "  ");
    line(&mut world, "orders", Stream::Stderr, "a warning of the linker");
    line(&mut world, "orders", Stream::Stdout, r#"{"message":"very lo…"#);
    assert_passes("logs", &world.finish());
}

#[test]
fn other_lines_are_counted_by_service() {
    let mut world = world();
    for text in ["2026-01-01 INFO up", "[1, 2]", "\"text\"", "{broken"] {
        line(&mut world, "shipping", Stream::Stdout, text);
    }
    let evidence = world.finish();
    assert_eq!(blamed("logs", &evidence), ["logs.not-structured@shipping"]);
    let finding = &judge("logs", &evidence).findings[0];
    assert!(finding.message.contains("4 lines of 5"), "{}", finding.message);
    assert_eq!(finding.evidence.len(), 3);
}

#[test]
fn a_service_that_is_to_log_and_does_not_is_undecided() {
    let mut world = world();
    world.set.output.retain(|line| line.service != "orders");
    assert_undecided("logs", &world.finish());
}

#[test]
fn without_a_declared_format_logs_are_skipped() {
    let mut evidence = world().finish();
    evidence.system.services.values_mut().for_each(|service| service.logs = None);
    assert_skipped("logs", &evidence, "logs: json");
}

#[test]
fn a_secret_is_its_services_fault() {
    let mut world = world();
    let hit = SecretHit {
        secret: Secret { kind: "jwt".to_owned(), fingerprint: "0a1b2c3d".to_owned() },
        place: "log body".to_owned(),
        service: service("gateway"),
        instance: None,
        trace_id: None,
        excerpt: "authorization: Bearer [redacted jwt 0a1b2c3d]".to_owned(),
    };
    world.set.secrets = vec![hit; 5];
    let evidence = world.finish();
    assert_eq!(blamed("secrets", &evidence), ["secrets.exposed@gateway"]);
    assert!(judge("secrets", &evidence).findings[0].message.contains("5 times: jwt in log body"));
}

#[test]
fn telemetry_without_secrets_passes_and_none_at_all_is_undecided() {
    let mut speaking = World::plain();
    let step = speaking.step();
    speaking.call(&step, request("ingress -> gateway", "GET /"), 200);
    assert_passes("secrets", &speaking.finish());
    assert_undecided("secrets", &World::plain().finish());
}
