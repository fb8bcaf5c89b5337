//! Whether a span meets a condition.

use std::borrow::Cow;
use std::cmp::Ordering;

use seaworthy_core::span::{Span, SpanKind, SpanStatus, Value};

use super::forest::Forest;
use super::syntax::{Comparison, Condition, Field, Intrinsic, Literal, Operand, StatusWord};

/// What a field of a span, or a literal, has for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'v> {
    Text(Cow<'v, str>),
    Int(i64),
    Float(f64),
    /// In nanoseconds.
    Duration(u128),
    Bool(bool),
    Status(StatusWord),
    Kind(SpanKind),
    List(&'v [Value]),
    /// A map or bytes: there, and equal to nothing that can be written.
    Other,
    Nil,
}

pub(super) fn holds(condition: &Condition, span: &Span, forest: &Forest<'_>) -> bool {
    match condition {
        Condition::Constant(value) => *value,
        Condition::Holds(wanted) => any(&field(wanted, span, forest), &|value| *value == Scalar::Bool(true)),
        Condition::Compare(Operand::Literal(Literal::Nil), comparison, of)
        | Condition::Compare(of, comparison, Operand::Literal(Literal::Nil)) => {
            let absent = operand(of, span, forest) == Scalar::Nil;
            absent == (*comparison == Comparison::Equal)
        }
        Condition::Compare(left, comparison, right) => {
            let (left, right) = (operand(left, span, forest), operand(right, span, forest));
            compare(&left, *comparison, &right)
        }
        Condition::Matches { operand: of, pattern, positive } => {
            any(&operand(of, span, forest), &|value| match value {
                Scalar::Text(text) => pattern.regex.is_match(text) == *positive,
                _ => false,
            })
        }
        Condition::Not(inner) => !holds(inner, span, forest),
        Condition::And(left, right) => holds(left, span, forest) && holds(right, span, forest),
        Condition::Or(left, right) => holds(left, span, forest) || holds(right, span, forest),
    }
}

/// Whether the value, or one in the list that it is, is so.
fn any(value: &Scalar<'_>, is_so: &dyn Fn(&Scalar<'_>) -> bool) -> bool {
    match value {
        Scalar::List(values) => values.iter().any(|value| is_so(&scalar(value))),
        value => is_so(value),
    }
}

fn compare(left: &Scalar<'_>, comparison: Comparison, right: &Scalar<'_>) -> bool {
    any(left, &|left| {
        // Different types are neither equal nor unequal: the question does not arise.
        any(right, &|right| order(left, right).is_some_and(|order| comparison.accepts(order)))
    })
}

/// How two values stand; `None` when they cannot be compared.
pub(super) fn order(left: &Scalar<'_>, right: &Scalar<'_>) -> Option<Ordering> {
    let equality = |same: bool| Some(if same { Ordering::Equal } else { Ordering::Less });
    match (left, right) {
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        (Scalar::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
        (Scalar::Duration(a), Scalar::Duration(b)) => Some(a.cmp(b)),
        (Scalar::Bool(a), Scalar::Bool(b)) => equality(a == b),
        (Scalar::Status(a), Scalar::Status(b)) => equality(a == b),
        (Scalar::Kind(a), Scalar::Kind(b)) => equality(a == b),
        // An attribute that holds a time as a plain number is taken to be in nanoseconds, as Tempo does.
        (a, b) => number(a)?.partial_cmp(&number(b)?),
    }
}

/// The value as a number; durations in nanoseconds.
pub(super) fn number(value: &Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Int(number) => Some(*number as f64),
        Scalar::Float(number) => Some(*number),
        Scalar::Duration(nanos) => Some(*nanos as f64),
        _ => None,
    }
}

fn operand<'v>(operand: &'v Operand, span: &'v Span, forest: &Forest<'v>) -> Scalar<'v> {
    match operand {
        Operand::Field(wanted) => field(wanted, span, forest),
        Operand::Literal(value) => literal(value),
    }
}

pub(super) fn literal(literal: &Literal) -> Scalar<'_> {
    match literal {
        Literal::Text(text) => Scalar::Text(text.into()),
        Literal::Int(number) => Scalar::Int(*number),
        Literal::Float(number) => Scalar::Float(*number),
        Literal::Duration(duration) => Scalar::Duration(duration.as_nanos()),
        Literal::Bool(value) => Scalar::Bool(*value),
        Literal::Status(word) => Scalar::Status(*word),
        Literal::Kind(kind) => Scalar::Kind(*kind),
        Literal::Nil => Scalar::Nil,
    }
}

pub(super) fn field<'v>(field: &Field, span: &'v Span, forest: &Forest<'v>) -> Scalar<'v> {
    let value = match field {
        Field::Span(key) => span.attributes.get(key),
        Field::Resource(key) => span.resource.attributes.get(key),
        Field::Any(key) => span.attributes.get(key).or_else(|| span.resource.attributes.get(key)),
        Field::Intrinsic(intrinsic) => return intrinsic_of(*intrinsic, span, forest),
    };
    value.map_or(Scalar::Nil, scalar)
}

fn intrinsic_of<'v>(intrinsic: Intrinsic, span: &'v Span, forest: &Forest<'v>) -> Scalar<'v> {
    let text = |text: &'v str| Scalar::Text(text.into());
    match intrinsic {
        Intrinsic::Name => text(&span.name),
        Intrinsic::Kind => Scalar::Kind(span.kind),
        Intrinsic::Status => Scalar::Status(match span.status {
            SpanStatus::Error(_) => StatusWord::Error,
            SpanStatus::Ok => StatusWord::Ok,
            SpanStatus::Unset => StatusWord::Unset,
        }),
        Intrinsic::StatusMessage => match &span.status {
            SpanStatus::Error(message) => text(message),
            SpanStatus::Ok | SpanStatus::Unset => text(""),
        },
        Intrinsic::Duration => Scalar::Duration(span.duration().as_nanos()),
        Intrinsic::RootName => forest.root().map_or(Scalar::Nil, |root| text(&root.name)),
        Intrinsic::RootServiceName => {
            forest.root().map_or(Scalar::Nil, |root| text(root.resource.service.as_str()))
        }
        Intrinsic::TraceDuration => Scalar::Duration(u128::from(forest.duration())),
        Intrinsic::SpanId => Scalar::Text(span.span_id.to_string().into()),
        Intrinsic::TraceId => Scalar::Text(span.trace_id.to_string().into()),
    }
}

fn scalar(value: &Value) -> Scalar<'_> {
    match value {
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Int(number) => Scalar::Int(*number),
        Value::Double(number) => Scalar::Float(*number),
        Value::String(text) => Scalar::Text(text.into()),
        Value::Array(values) => Scalar::List(values),
        Value::Bytes { .. } | Value::Map(_) => Scalar::Other,
        Value::Empty => Scalar::Nil,
    }
}
