//! Asks a query of spans, trace by trace.

use std::collections::BTreeMap;

use seaworthy_core::ids::TraceId;
use seaworthy_core::span::Span;

use super::condition::{Scalar, field, holds, literal, number, order};
use super::forest::{Forest, Places};
use super::syntax::{Aggregate, Function, Spanset, Stage};
use super::{Selected, Selection};

pub(super) fn evaluate<'s>(query: &Spanset, spans: &'s [Span]) -> Selection<'s> {
    let mut by_trace: BTreeMap<TraceId, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        by_trace.entry(span.trace_id).or_default().push(span);
    }
    let mut selection = Selection::default();
    for (trace_id, spans) in by_trace {
        let forest = Forest::new(spans);
        let places = select(query, &forest);
        let spans: Vec<&Span> = places.into_iter().filter_map(|place| forest.span(place)).collect();
        if !spans.is_empty() {
            selection.traces.push(Selected { trace_id, spans });
        }
    }
    selection
}

fn select(query: &Spanset, forest: &Forest<'_>) -> Places {
    match query {
        Spanset::Filter(condition) => {
            forest.all().filter(|(_, span)| holds(condition, span, forest)).map(|(place, _)| place).collect()
        }
        Spanset::Structure(left, relation, right) => {
            let left = select(left, forest);
            if left.is_empty() {
                return left;
            }
            forest.related(&left, *relation, select(right, forest))
        }
        Spanset::Both(left, right) => {
            let (left, right) = (select(left, forest), select(right, forest));
            if left.is_empty() || right.is_empty() { Places::new() } else { &left | &right }
        }
        Spanset::Either(left, right) => &select(left, forest) | &select(right, forest),
        Spanset::Pipeline(inner, stages) => {
            stages.iter().fold(select(inner, forest), |places, stage| pass(stage, places, forest))
        }
    }
}

fn pass(stage: &Stage, places: Places, forest: &Forest<'_>) -> Places {
    match stage {
        Stage::Filter(condition) => {
            let meets =
                |place: &usize| forest.span(*place).is_some_and(|span| holds(condition, span, forest));
            places.into_iter().filter(meets).collect()
        }
        Stage::Aggregate { aggregate, comparison, value } => {
            let passes = !places.is_empty()
                && aggregated(aggregate, &places, forest)
                    .and_then(|number| order(&Scalar::Float(number), &literal(value)))
                    .is_some_and(|order| comparison.accepts(order));
            if passes { places } else { Places::new() }
        }
    }
}

/// The number; durations in nanoseconds. `None` when no span has a value.
fn aggregated(aggregate: &Aggregate, places: &Places, forest: &Forest<'_>) -> Option<f64> {
    let (function, of) = match aggregate {
        Aggregate::Count => return Some(places.len() as f64),
        Aggregate::Of(function, of) => (function, of),
    };
    let value = |place: &usize| number(&field(of, forest.span(*place)?, forest));
    let numbers: Vec<f64> = places.iter().filter_map(value).collect();
    let sum = || numbers.iter().sum::<f64>();
    match function {
        Function::Avg => (!numbers.is_empty()).then(|| sum() / numbers.len() as f64),
        Function::Sum => (!numbers.is_empty()).then(sum),
        Function::Max => numbers.iter().copied().reduce(f64::max),
        Function::Min => numbers.iter().copied().reduce(f64::min),
    }
}
