//! A ruling for people: the answer, the matrix, why not, and what to do.

use super::{Answer, Order, Question, Row, Ruling, State};

/// The ruling as text, ending with a line feed.
pub fn text(ruling: &Ruling) -> String {
    let mut lines = vec![headline(ruling)];
    if !ruling.rows.is_empty() {
        lines.push(String::new());
        lines.extend(matrix(&ruling.rows));
    }
    for reason in &ruling.reasons {
        let sign = if reason.answer == Answer::No { "✗" } else { "?" };
        lines.push(String::new());
        lines.push(format!("{sign} {}: {}", reason.rule, reason.message));
        for way in reason.hint.split("; or ").filter(|way| !way.is_empty()) {
            lines.push(format!("  → {way}"));
        }
    }
    if !ruling.notes.is_empty() {
        lines.push(String::new());
        lines.extend(ruling.notes.iter().map(|note| format!("– {note}")));
    }
    lines.push(String::new());
    clean(&lines.join("\n"))
}

/// The answer, and one line for each reason, ending with a line feed.
pub fn brief(ruling: &Ruling) -> String {
    let mut lines = vec![headline(ruling)];
    lines.extend(ruling.reasons.iter().map(|reason| {
        let sign = if reason.answer == Answer::No { "✗" } else { "?" };
        format!("{sign} {}: {}", reason.rule, reason.message)
    }));
    lines.push(String::new());
    clean(&lines.join("\n"))
}

fn headline(ruling: &Ruling) -> String {
    let Question { wanted, environment, .. } = &ruling.question;
    let list: Vec<String> = wanted.iter().map(|(service, version)| format!("{service} {version}")).collect();
    let says = match ruling.answer {
        Answer::Yes => "YES",
        Answer::No => "NO",
        Answer::Unknown => "UNKNOWN",
    };
    let pairs = match ruling.rows.len() {
        1 => "1 pair".to_owned(),
        count => format!("{count} pairs"),
    };
    let verified = ruling.rows.iter().filter(|row| row.state == State::Verified).count();
    format!("{says} · {} → {environment} · {pairs} judged, {verified} verified", list.join(", "))
}

/// Names of one kind below each other.
fn matrix(rows: &[Row]) -> Vec<String> {
    let head = ["consumer", "version", "provider", "version", "verified?", "when"].map(str::to_owned);
    let table: Vec<[String; 6]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            [
                row.consumer.clone(),
                row.consumer_version.clone(),
                row.provider.clone(),
                row.provider_version.clone().unwrap_or_else(|| "–".to_owned()),
                word(row.state).to_owned(),
                row.when.clone().unwrap_or_default(),
            ]
        }))
        .collect();
    let mut widths = [0; 6];
    for row in &table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 6]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

fn word(state: State) -> &'static str {
    match state {
        State::Verified => "yes",
        State::Failed => "no, it failed",
        State::NotVerified => "never",
        State::ProviderMissing => "not there",
    }
}

/// A row in one sentence.
pub(super) fn told(row: &Row) -> String {
    let consumer = format!("{} {}", row.consumer, row.consumer_version);
    let provider = format!("{} {}", row.provider, row.provider_version.as_deref().unwrap_or_default());
    let when = row.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
    match row.state {
        State::Verified => format!("{provider} keeps what {consumer} relies on{when}"),
        State::Failed => format!("{provider} does not keep what {consumer} relies on{when}"),
        State::NotVerified => format!("{provider} was never verified against {consumer}"),
        State::ProviderMissing => format!("no version of {} is there for {consumer}", row.provider),
    }
}

/// The order as text, ending with a line feed.
pub fn order_text(order: &Order, question: &Question) -> String {
    let version = |service: &String| match question.wanted.get(service) {
        Some(version) => format!("{service} {version}"),
        None => service.clone(),
    };
    let mut lines = Vec::new();
    match order {
        Order::Safe(names) => {
            lines.push("A safe order: after each step, everything that is there works together.".to_owned());
            for (at, name) in names.iter().enumerate() {
                lines.push(format!("  {}. {}", at + 1, version(name)));
            }
        }
        Order::TooMany { looked_at } => {
            lines.push(format!(
                "No order was found among {looked_at} states; ask for fewer services at once."
            ));
        }
        Order::Breaks { after, blocked, together, could_be } => {
            lines.push(match could_be {
                true => "No order is known to be safe; verifying what is missing could show one.".to_owned(),
                false => "Every order breaks.".to_owned(),
            });
            for (at, name) in after.iter().enumerate() {
                lines.push(format!("  {}. {}", at + 1, version(name)));
            }
            for step in blocked {
                let sign = if step.row.state == State::Failed { "✗" } else { "?" };
                let next = after.len() + 1;
                lines.push(format!("  {next}. {sign} {}: {}", version(&step.service), told(&step.row)));
            }
            if let Some(group) = together {
                let group: Vec<String> = group.iter().map(version).collect();
                lines.push(format!(
                    "  → {} can go together at step {}",
                    group.join(" and "),
                    after.len() + 1
                ));
            }
        }
    }
    lines.push(String::new());
    clean(&lines.join("\n"))
}

/// The text for a terminal: names come from files and sockets, and nothing of them steers it.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
