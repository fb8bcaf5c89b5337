//! The pages behind `seaworthy explain RULE`: one Markdown file per rule, under `pages/`.

use std::borrow::Cow;
use std::sync::LazyLock;

pub use seaworthy_core::page::Page;

macro_rules! pages {
    ($($check:literal: [$($rule:literal),+ $(,)?]),+ $(,)?) => {
        vec![$($(Page {
            rule: $rule,
            check: $check,
            text: Cow::Borrowed(include_str!(concat!("../pages/", $rule, ".md"))),
        }),+),+]
    };
}

static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    pages! {
        "attach": ["attach.edge-unused", "attach.no-telemetry", "attach.messages-unseen"],
        "flows": ["flow.expectation", "flow.undecided"],
        "trace-context": ["trace.context-lost", "trace.context-invalid", "trace.context-foreign"],
        "trace-completeness": [
            "trace.span-missing", "trace.not-linked", "trace.parent-missing", "trace.no-exchange", "trace.in-flight",
        ],
        "correlation": [
            "correlation.wire", "correlation.event", "correlation.echo", "correlation.span", "correlation.log",
        ],
        "auth": ["auth.open-route"],
        "secrets": ["secrets.exposed"],
        "logs": ["logs.not-structured"],
        "telemetry": ["telemetry.silent"],
        "metrics": ["metrics.count", "metrics.unit"],
        "saga": ["saga.not-compensated", "saga.wrong-order", "saga.unfinished"],
        "outbox": ["outbox.event-lost", "outbox.event-without-state"],
        "dead-letters": ["dead-letters.lost", "dead-letters.blocked", "dead-letters.no-reason"],
        "health": ["health.ready-lies", "health.live-checks-deps", "health.not-ready-again"],
        "idempotency": ["idempotency.different-answer", "idempotency.event-twice"],
        "retries": [
            "retry.final-answer", "retry.no-backoff", "retry.not-idempotent", "retry.too-many", "retry.amplification",
        ],
        "timeouts": ["timeout.missing", "timeout.inversion"],
        "breaker": ["breaker.missing", "breaker.stuck-open"],
        "shutdown": ["shutdown.in-flight-lost", "shutdown.too-slow", "shutdown.crashed"],
        "instances": ["instance.died"],
        "database": ["database.shared"],
        "controls": ["control.disturbed"],
        "faults": ["fault.never-fired", "fault.lapsed"],
        "evidence": ["evidence.lost"],
    }
});

static CHECKS: LazyLock<Vec<Page>> = LazyLock::new(|| Page::of_checks(&PAGES));

/// The pages of all rules, by check in the order of the catalogue.
pub fn pages() -> &'static [Page] {
    &PAGES
}

/// The page of a rule, or of a check by its id; `None` when there is no such rule.
pub fn explain(rule: &str) -> Option<&'static Page> {
    PAGES.iter().chain(CHECKS.iter()).find(|page| page.rule == rule)
}
