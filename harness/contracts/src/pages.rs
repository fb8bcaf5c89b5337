//! The pages behind `seaworthy explain RULE` for the rules of contracts: one Markdown file per rule, under `pages/`.

use std::borrow::Cow;
use std::sync::LazyLock;

use seaworthy_core::page::Page;

/// The check of a run, and of `contracts verify`.
pub const CONTRACTS: &str = "contracts";

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
        "contracts": [
            "contract.mismatch", "contract.state-failed", "contract.request-failed", "contract.too-slow",
            "contract.teardown-failed", "contract.interference", "contract.state-not-set-up", "contract.undecided",
            "contract.not-verified", "contract.not-run",
        ],
        "contract-diff": [
            "contract.diff.added", "contract.diff.removed", "contract.diff.changed", "contract.diff.specification",
        ],
        "match": ["match.wrong"],
        "contract-record": ["contract.recorded", "contract.recorded.nothing"],
        "contract-drift": [
            "contract.drift.no-contract", "contract.drift.operation", "contract.drift.request",
            "contract.drift.response", "contract.drift.message", "contract.drift.status",
            "contract.drift.nothing-seen",
        ],
        "contract-coverage": ["contract.coverage.unexercised", "contract.coverage.nothing-seen"],
        "can-i-deploy": [
            "deploy.failed", "deploy.not-verified", "deploy.provider-missing", "deploy.unknown-service",
            "deploy.unknown-version", "deploy.unknown-environment", "deploy.order", "deploy.verified", "deploy.note",
            "deploy.recorded",
        ],
    }
});

static CHECKS: LazyLock<Vec<Page>> = LazyLock::new(|| Page::of_checks(&PAGES));

/// The pages of all rules.
pub fn pages() -> &'static [Page] {
    &PAGES
}

/// The page of a rule, or of a check by its id; `None` when there is no such rule.
pub fn explain(rule: &str) -> Option<&'static Page> {
    PAGES.iter().chain(CHECKS.iter()).find(|page| page.rule == rule)
}
