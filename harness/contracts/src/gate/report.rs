//! A ruling as findings, so that every format can say it: 0 yes, 1 no, 3 unknown.

use seaworthy_core::check::verdict_of;
use seaworthy_core::finding::{EvidenceRef, Finding, Severity};
use seaworthy_core::ids::EdgeId;
use seaworthy_core::report::CheckReport;

use super::table::told;
use super::{Answer, Order, Question, Row, Ruling, State};

/// The findings of a ruling: one for each reason, and an info for each pair that is verified.
pub fn findings(ruling: &Ruling) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reason in &ruling.reasons {
        let finding = match reason.answer {
            Answer::No => Finding::error(reason.rule, reason.message.clone()),
            _ => Finding::undecided(reason.rule, reason.message.clone()),
        };
        let finding = finding.hint(reason.hint.clone());
        findings.push(match (&reason.row, &reason.service) {
            (Some(row), _) => of_row(finding, row),
            (None, Some(service)) => finding.service(&service.as_str().into()),
            (None, None) => finding,
        });
    }
    for row in ruling.rows.iter().filter(|row| row.state == State::Verified) {
        let mut finding = Finding::warning("deploy.verified", told(row));
        finding.severity = Severity::Info;
        findings.push(of_row(finding, row));
    }
    for note in &ruling.notes {
        let mut finding = Finding::warning("deploy.note", note.clone());
        finding.severity = Severity::Info;
        findings.push(finding);
    }
    findings
}

/// At the edge, with the row as evidence.
fn of_row(finding: Finding, row: &Row) -> Finding {
    let id = match &row.provider_version {
        Some(version) => {
            format!("{} {} / {} {version}", row.consumer, row.consumer_version, row.provider)
        }
        None => format!("{} {} / {}", row.consumer, row.consumer_version, row.provider),
    };
    let finding = finding
        .edge(&EdgeId::new(row.consumer.as_str(), row.provider.as_str()))
        .evidence(EvidenceRef::other("matrix-row", id, told(row)));
    match &row.build_url {
        Some(url) => finding.evidence(EvidenceRef::other("build", url.clone(), "verified there")),
        None => finding,
    }
}

/// What an order amounts to.
pub fn answer_of_order(order: &Order) -> Answer {
    match order {
        Order::Safe(_) => Answer::Yes,
        Order::Breaks { could_be: false, .. } => Answer::No,
        Order::Breaks { .. } | Order::TooMany { .. } => Answer::Unknown,
    }
}

/// The findings of a search for an order (rule `deploy.order`).
pub fn order_findings(order: &Order, question: &Question) -> Vec<Finding> {
    const RULE: &str = "deploy.order";
    match order {
        Order::Safe(names) => {
            let mut finding = Finding::warning(RULE, format!("a safe order is {}", names.join(", ")));
            finding.severity = Severity::Info;
            vec![finding]
        }
        Order::TooMany { looked_at } => vec![
            Finding::undecided(
                RULE,
                format!("no order was found among {looked_at} states, which is as many as are looked at"),
            )
            .hint("ask for fewer services at once"),
        ],
        Order::Breaks { after, blocked, together, could_be } => {
            let place = match after.as_slice() {
                [] => "at the first step".to_owned(),
                after => format!("after {}", after.join(", ")),
            };
            let message = format!("every order breaks, at the latest {place}");
            let hint = match together {
                Some(group) => format!("{} can go together at that point", group.join(" and ")),
                None => "no group of them can go together at that point either".to_owned(),
            };
            let mut finding = match could_be {
                false => Finding::error(RULE, message),
                true => Finding::undecided(RULE, message),
            }
            .hint(hint);
            for step in blocked {
                let version = question.wanted.get(&step.service).map(String::as_str).unwrap_or_default();
                let id = format!("{} {version}", step.service);
                finding = finding.evidence(EvidenceRef::other("step", id, told(&step.row)));
            }
            vec![finding]
        }
    }
}

/// The ruling as the one check of a run, with the order where one was asked for.
pub fn check_report(ruling: &Ruling, order: Option<&Order>) -> CheckReport {
    let mut findings = findings(ruling);
    findings.extend(order.into_iter().flat_map(|order| order_findings(order, &ruling.question)));
    CheckReport { id: "can-i-deploy".to_owned(), verdict: verdict_of(&findings), findings }
}
