//! Writes a tree as text.

use std::sync::LazyLock;

use regex::Regex;

use super::build::without_ids;
use super::{Content, Node, TreeOptions};
use crate::completeness::End;
use crate::span::SpanStatus;
use crate::time::for_people;

/// The longest status message that is shown, in characters.
const MESSAGE: usize = 120;

pub(super) fn text(roots: &[Node], options: &TreeOptions) -> String {
    let mut lines = Vec::new();
    for root in roots {
        lines.push(line(&root.content, options));
        branch(&root.children, "", options, &mut lines);
    }
    if lines.is_empty() { "(no spans)".to_owned() } else { lines.join("\n") }
}

fn branch(nodes: &[Node], indent: &str, options: &TreeOptions, lines: &mut Vec<String>) {
    for (at, node) in nodes.iter().enumerate() {
        let last = at + 1 == nodes.len();
        let (turn, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{indent}{turn}{}", line(&node.content, options)));
        branch(&node.children, &format!("{indent}{below}"), options, lines);
    }
}

fn line(content: &Content, options: &TreeOptions) -> String {
    match content {
        Content::Span { id, service, kind, name, status, duration, linked } => {
            let mut line = String::new();
            if *linked {
                line += "linked: ";
            }
            line += &format!("{service} {} \"{}\"", kind.as_str(), one_line(name));
            if let SpanStatus::Error(message) = status {
                line += " error";
                if !message.is_empty() {
                    line += &format!(": {}", message_without_times(message));
                }
            }
            if options.with_durations {
                line += &format!(" [{}]", for_people(*duration));
            }
            if options.marked.contains(id) {
                line += "  ◀ here";
            }
            line
        }
        Content::Fault { edge, actions, summary } => {
            format!("⚡ {} on {edge}: {}", actions.join(", "), one_line(summary))
        }
        Content::MissingSpan { service, .. } if options.without_telemetry.contains(service) => {
            format!("({service} has no telemetry)")
        }
        Content::MissingSpan { end, service, request } => {
            let kind = match end {
                End::Sender => "client",
                End::Receiver => "server",
            };
            format!("(missing {kind} span of {service}: {})", one_line(request))
        }
        Content::MissingParent { service } => format!("(missing parent, below it spans of {service})"),
        Content::InFlight { edge, request } => format!("(in flight on {edge}: {})", one_line(request)),
        Content::Untraced { edge, request } => format!("(no traceparent on {edge}: {})", one_line(request)),
        Content::Deeper => "(deeper levels are left out)".to_owned(),
    }
}

/// Ports and lengths of time, which differ from run to run.
static PORTS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(127\.0\.0\.1|localhost|\[::1\]):[0-9]+").ok());
static TIMES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b[0-9]+(?:\.[0-9]+)? ?(?:ns|µs|us|ms|s|seconds)\b").ok());

fn message_without_times(message: &str) -> String {
    let message = one_line(&without_ids(message));
    let Some((ports, times)) = PORTS.as_ref().zip(TIMES.as_ref()) else { return message };
    let message = ports.replace_all(&message, "$1:{port}");
    let message = times.replace_all(&message, "{time}");
    let mut short: String = message.chars().take(MESSAGE).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    short
}

/// Control characters, line breaks above all, would break the tree.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
