//! Reading, printing and asking; structural operators against a naive evaluator.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use seaworthy_core::ids::{SpanId, TraceId};
use seaworthy_core::span::{Attributes, Resource, Span, SpanKind, SpanStatus, Value};
use seaworthy_core::time::Nanos;

use super::Query;

fn id(number: u64) -> SpanId {
    SpanId::from_bytes(number.to_be_bytes()).unwrap()
}

fn span(trace: u8, number: u64, parent: Option<u64>, service: &str, kind: SpanKind, name: &str) -> Span {
    let resource = Resource {
        service: service.into(),
        instance: None,
        attributes: Attributes::from([("service.name".to_owned(), service.into())]),
    };
    Span {
        trace_id: TraceId::from_bytes([trace; 16]).unwrap(),
        span_id: id(number),
        parent_id: parent.map(id),
        name: name.to_owned(),
        kind,
        start_unix: number * 1_000_000,
        end_unix: number * 1_000_000 + number * 100_000_000,
        status: SpanStatus::Unset,
        attributes: Attributes::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Arc::new(resource),
        scope: String::new(),
        received: Nanos(0),
    }
}

/// An order with two attempts to pay (spans 1 to 6), and a trace apart (span 7).
fn spans() -> Vec<Span> {
    let mut spans = vec![
        span(1, 1, None, "gateway", SpanKind::Server, "POST /orders"),
        span(1, 2, Some(1), "gateway", SpanKind::Client, "POST orders"),
        span(1, 3, Some(2), "orders", SpanKind::Server, "POST /orders"),
        span(1, 4, Some(3), "orders", SpanKind::Client, "POST payments"),
        span(1, 5, Some(4), "payments", SpanKind::Server, "POST /payments"),
        span(1, 6, Some(4), "payments", SpanKind::Server, "POST /payments"),
        span(2, 7, None, "mailbox", SpanKind::Consumer, "process mail"),
    ];
    spans[4].status = SpanStatus::Error("card declined".to_owned());
    let attributes = [
        ("http.response.status_code", Value::Int(503)),
        ("share", Value::Double(0.5)),
        ("retried", Value::Bool(true)),
        ("key with spaces", Value::from("x")),
        ("tags", Value::Array(vec![Value::from("slow"), Value::Int(7)])),
        ("elapsed", Value::Int(1_500_000_000)),
        ("nothing", Value::Empty),
        ("service.name", Value::from("shadowed")),
    ];
    spans[4].attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    spans
}

/// The last bytes of the ids of the spans that a query selects.
fn ask(query: &str) -> Vec<u8> {
    let spans = spans();
    let query: Query = query.parse().unwrap_or_else(|error| panic!("{query}: {error}"));
    let selection = query.evaluate(&spans);
    let ids: BTreeSet<u8> = selection.spans().map(|span| span.span_id.as_bytes()[7]).collect();
    assert_eq!(selection.len(), ids.len());
    assert_eq!(selection.is_empty(), ids.is_empty());
    ids.into_iter().collect()
}

#[test]
fn conditions_select_spans() {
    for (query, expected) in [
        ("{ }", &[1, 2, 3, 4, 5, 6, 7][..]),
        ("{}", &[1, 2, 3, 4, 5, 6, 7]),
        ("{ true }", &[1, 2, 3, 4, 5, 6, 7]),
        ("{ false }", &[]),
        (r#"{ resource.service.name = "payments" && status = error }"#, &[5]),
        (r#"{ resource.service.name = "payments" && status != error }"#, &[6]),
        (r#"{ .service.name = "shadowed" }"#, &[5]),
        (r#"{ .service.name = "payments" }"#, &[6]),
        (r#"{ span.service.name = "payments" }"#, &[]),
        ("{ kind = client }", &[2, 4]),
        ("{ kind = consumer || kind = client }", &[2, 4, 7]),
        ("{ span:kind = consumer }", &[7]),
        ("{ status = unset }", &[1, 2, 3, 4, 6, 7]),
        (r#"{ statusMessage = "card declined" }"#, &[5]),
        (r#"{ name = "POST /orders" }"#, &[1, 3]),
        (r#"{ name =~ "POST /.*" }"#, &[1, 3, 5, 6]),
        (r#"{ name =~ "POST" }"#, &[]),
        (r#"{ name !~ "POST.*" }"#, &[7]),
        ("{ name =~ `.*/\\w+` }", &[1, 3, 5, 6]),
        ("{ duration > 500ms }", &[6, 7]),
        ("{ duration >= 500ms }", &[5, 6, 7]),
        ("{ 0.2s >= duration }", &[1, 2]),
        ("{ duration = 300ms }", &[3]),
        ("{ duration != 300ms && duration < 0.5s }", &[1, 2, 4]),
        ("{ span.http.response.status_code >= 500 }", &[5]),
        ("{ span.http.response.status_code = 503.0 }", &[5]),
        ("{ span.share < 1 }", &[5]),
        ("{ span.elapsed = 1.5s }", &[5]),
        ("{ span.retried }", &[5]),
        ("{ span.retried = true }", &[5]),
        ("{ !span.retried }", &[1, 2, 3, 4, 6, 7]),
        ("{ !(kind = server) && !(kind = client) }", &[7]),
        (r#"{ span."key with spaces" = "x" }"#, &[5]),
        (r#"{ span.tags = "slow" }"#, &[5]),
        (r#"{ span.tags =~ "sl.*" && span.tags = 7 }"#, &[5]),
        (r#"{ span.tags = "fast" }"#, &[]),
        ("{ span.retried != nil }", &[5]),
        ("{ span.retried = nil }", &[1, 2, 3, 4, 6, 7]),
        ("{ span.nothing = nil }", &[1, 2, 3, 4, 5, 6, 7]),
        // What is not there is neither equal nor unequal; neither is what has another type.
        (r#"{ span.absent != "x" }"#, &[]),
        (r#"{ span.share != "x" }"#, &[]),
        ("{ span.share > span.http.response.status_code }", &[]),
        ("{ span.share < span.http.response.status_code }", &[5]),
        (r#"{ rootName = "process mail" }"#, &[7]),
        (r#"{ rootServiceName = "gateway" && kind = client }"#, &[2, 4]),
        ("{ traceDuration > 605ms }", &[7]),
        (r#"{ span:id = "0000000000000003" }"#, &[3]),
        (r#"{ trace:id = "02020202020202020202020202020202" }"#, &[7]),
    ] {
        assert_eq!(ask(query), expected, "{query}");
    }
}

#[test]
fn and_and_or_bind_alike_from_left_to_right() {
    let mixed = r#"{ kind = consumer || kind = client && resource.service.name = "orders" }"#;
    assert_eq!(ask(mixed), [4], "read as (… || …) && …, as Tempo reads it");
    assert_eq!(ask(r#"{ kind = consumer || (kind = client && resource.service.name = "orders") }"#), [4, 7]);
}

#[test]
fn structure_selects_the_spans_on_the_right() {
    for (query, expected) in [
        ("{ kind = client } > { kind = server }", &[3, 5, 6][..]),
        (r#"{ resource.service.name = "gateway" } >> { kind = server }"#, &[3, 5, 6]),
        (r#"{ resource.service.name = "gateway" } > { kind = server }"#, &[3]),
        ("{ kind = server } >> { kind = consumer }", &[]),
        ("{ status = error } ~ { }", &[6]),
        ("{ kind = server } ~ { kind = server }", &[5, 6]),
        ("{ status = error } ~ { status = error }", &[]),
        ("{ status = error } < { }", &[4]),
        ("{ status = error } << { kind = server }", &[1, 3]),
        ("{ kind = server } > { kind = client } > { status = error }", &[5]),
        ("({ kind = server } > { kind = client }) >> { status = unset }", &[3, 4, 6]),
    ] {
        assert_eq!(ask(query), expected, "{query}");
    }
}

#[test]
fn sets_are_joined_within_each_trace() {
    for (query, expected) in [
        ("{ status = error } && { kind = client }", &[2, 4, 5][..]),
        ("{ status = error } && { kind = consumer }", &[]),
        ("{ status = error } || { kind = consumer }", &[5, 7]),
        ("{ kind = consumer } || { kind = client } > { status = error }", &[5, 7]),
    ] {
        assert_eq!(ask(query), expected, "{query}");
    }
}

#[test]
fn a_pipeline_keeps_or_drops_the_whole_set_of_a_trace() {
    for (query, expected) in [
        ("{ } | count() > 1", &[1, 2, 3, 4, 5, 6][..]),
        ("{ } | count() = 1", &[7]),
        ("{ kind = client } | count() = 2", &[2, 4]),
        ("{ kind = client } | count() != 2", &[]),
        ("{ status = ok } | count() = 0", &[]),
        ("{ } | avg(duration) > 350ms", &[7]),
        ("{ } | avg(duration) = 350ms", &[1, 2, 3, 4, 5, 6]),
        ("{ } | max(duration) <= 0.6s", &[1, 2, 3, 4, 5, 6]),
        ("{ } | min(duration) < 200ms", &[1, 2, 3, 4, 5, 6]),
        ("{ } | sum(duration) >= 2.1s", &[1, 2, 3, 4, 5, 6]),
        ("{ } | sum(span.share) = 0.5", &[1, 2, 3, 4, 5, 6]),
        ("{ } | avg(span.absent) < 100", &[]),
        ("{ } | { kind = client } | count() = 2", &[2, 4]),
        ("{ } | count() > 1 | max(duration) > 1s", &[]),
        ("({ kind = client } | count() = 2) > { status = error }", &[5]),
        ("({ } | count() = 1) || { status = error }", &[5, 7]),
    ] {
        assert_eq!(ask(query), expected, "{query}");
    }
}

#[test]
fn what_is_not_a_query_is_told_where() {
    let errors: Vec<String> = [
        "",
        "{",
        "{ } x",
        "{ status = \"error\" }",
        "{ kind = error }",
        "{ name = 5 }",
        "{ duration > 5 }",
        "{ status > ok }",
        "{ duration =~ \"1.*\" }",
        "{ service.name = \"a\" }",
        "{ span. = 1 }",
        "{ name = \"open }",
        "{ name = \"bad \\d escape\" }",
        "{ name =~ \"(\" }",
        "{ name =~ name }",
        "{ name }",
        "{ 5 }",
        "{ !kind = server }",
        "{ duration > 5 parsecs }",
        "{ duration > 5parsecs }",
        "{ span.a = 99999999999999999999 }",
        "{ } | count() > 1s",
        "{ } | avg(duration) > 5",
        "{ } | avg(name) > 5",
        "{ } | rate()",
        "{ } | count() > name",
        "{ } >",
        "({ }",
        "{ ünï = 1 }",
        "{ a ; b }",
    ]
    .iter()
    .map(|query| match query.parse::<Query>() {
        Ok(query) => panic!("{query} was read"),
        Err(error) => format!("{query}\n{:>width$} {}", "^", error, width = error.column),
    })
    .collect();
    insta::assert_snapshot!(errors.join("\n\n"));
}

#[test]
fn limits_are_errors() {
    let deep = format!("{}{{ }}{}", "(".repeat(65), ")".repeat(65));
    assert!(deep.parse::<Query>().unwrap_err().message.contains("nested deeper"));
    assert!(format!("{}{{ }}{}", "(".repeat(64), ")".repeat(64)).parse::<Query>().is_ok());
    let bangs = format!("{{ {}span.x }}", "!".repeat(65));
    assert!(bangs.parse::<Query>().unwrap_err().message.contains("nested deeper"));
    let wide = vec!["{ }"; 502].join(" && ");
    assert!(wide.parse::<Query>().unwrap_err().message.contains("operators"));
    let long = format!("{{ name = \"{}\" }}", "x".repeat(9000));
    assert!(long.parse::<Query>().unwrap_err().message.contains("longer"));
    let huge = r#"{ name =~ "(\\w{100}){100}" }"#;
    assert!(huge.parse::<Query>().unwrap_err().message.contains("regular expression"));
}

#[test]
fn spans_in_a_circle_have_no_parents_and_hang_nobody() {
    let spans = vec![
        span(1, 1, Some(2), "a", SpanKind::Internal, "x"),
        span(1, 2, Some(1), "a", SpanKind::Internal, "y"),
        span(1, 3, Some(2), "a", SpanKind::Internal, "z"),
        span(1, 4, Some(4), "a", SpanKind::Internal, "w"),
    ];
    let below: Query = "{ } >> { }".parse().unwrap();
    assert_eq!(below.evaluate(&spans).spans().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["z"]);
    let above: Query = "{ } << { }".parse().unwrap();
    assert_eq!(above.evaluate(&spans).spans().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["y"]);
}

/// Each relation by looking at every pair of spans and walking up, one parent at a time.
fn naive(
    spans: &[Span],
    left: &dyn Fn(&Span) -> bool,
    relation: &str,
    right: &dyn Fn(&Span) -> bool,
) -> BTreeSet<SpanId> {
    let parent = |span: &Span| {
        spans.iter().find(|other| other.trace_id == span.trace_id && Some(other.span_id) == span.parent_id)
    };
    let ancestors = |span: &Span| {
        let mut found = Vec::new();
        let mut next = parent(span);
        while let Some(above) = next {
            found.push(above.span_id);
            next = parent(above);
        }
        found
    };
    let related = |a: &Span, b: &Span| match relation {
        ">" => parent(b).is_some_and(|parent| parent.span_id == a.span_id),
        ">>" => ancestors(b).contains(&a.span_id),
        "<" => parent(a).is_some_and(|parent| parent.span_id == b.span_id),
        "<<" => ancestors(a).contains(&b.span_id),
        _ => a.span_id != b.span_id && a.parent_id.is_some() && a.parent_id == b.parent_id,
    };
    let in_trace = |a: &Span, b: &Span| a.trace_id == b.trace_id && related(a, b);
    spans
        .iter()
        .filter(|b| right(b) && spans.iter().any(|a| left(a) && in_trace(a, b)))
        .map(|span| span.span_id)
        .collect()
}

prop_compose! {
    /// A forest: each span's parent is one before it, one that is not there, or none; over two traces.
    fn forest()(parents in proptest::collection::vec((0usize..1000, 0u8..3, any::<bool>(), 1u8..3), 0..30)) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (at, (seed, kind, failed, trace)) in parents.into_iter().enumerate() {
            let parent = match seed % (at + 2) {
                0 => None,
                chosen if chosen == at + 1 => Some(999),
                chosen => Some(chosen as u64),
            };
            let kind = [SpanKind::Server, SpanKind::Client, SpanKind::Internal][usize::from(kind)];
            let mut one = span(trace, at as u64 + 1, parent, "s", kind, "n");
            if failed {
                one.status = SpanStatus::Error(String::new());
            }
            spans.push(one);
        }
        spans
    }
}

fn condition() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        Just("span.a".to_owned()),
        Just("resource.b.c".to_owned()),
        Just(".d".to_owned()),
        "[ -~]{1,6}".prop_map(|key| format!("span.\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))),
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (-1e12..1e12).prop_map(|number: f64| format!("{number:?}")),
        (0u32..100_000).prop_map(|millis| format!("{millis}ms")),
        any::<bool>().prop_map(|value| value.to_string()),
        "[a-z\"\\\\\n\t]{0,6}".prop_map(|text| format!("{text:?}")),
        Just("nil".to_owned()),
    ];
    let comparison = prop_oneof![Just("="), Just("!=")];
    let leaf = prop_oneof![
        (field.clone(), comparison, value)
            .prop_map(|(field, comparison, value)| format!("{field} {comparison} {value}")),
        field.clone(),
        field.prop_map(|field| format!("{field} =~ \"x.*\"")),
        Just("status = error".to_owned()),
        Just("kind != server".to_owned()),
        Just("duration > 1.5s".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop_oneof![Just("&&"), Just("||")], inner.clone())
                .prop_map(|(a, join, b)| format!("({a}) {join} ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let leaf = condition().prop_map(|condition| format!("{{ {condition} }}"));
    leaf.prop_recursive(3, 8, 2, |inner| {
        let sign =
            prop_oneof![Just("&&"), Just("||"), Just(">"), Just(">>"), Just("<"), Just("<<"), Just("~")];
        prop_oneof![
            (inner.clone(), sign.clone(), inner.clone())
                .prop_map(|(a, sign, b)| format!("({a}) {sign} ({b})")),
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a}) {sign} ({b})")),
            inner.clone().prop_map(|a| format!("({a}) | count() > 2 | avg(duration) >= 10ms")),
            inner.prop_map(|a| format!("({a} | max(span.x) = 1.5)")),
        ]
    })
}

proptest! {
    #[test]
    fn structural_operators_agree_with_the_naive_evaluator(spans in forest()) {
        for relation in [">", ">>", "<", "<<", "~"] {
            let query: Query = format!("{{ kind = client || status = error }} {relation} {{ kind != internal }}").parse().unwrap();
            let selected: BTreeSet<SpanId> = query.evaluate(&spans).spans().map(|span| span.span_id).collect();
            let left = |span: &Span| span.kind == SpanKind::Client || span.status.is_error();
            let right = |span: &Span| span.kind != SpanKind::Internal;
            prop_assert_eq!(selected, naive(&spans, &left, relation, &right), "{}", query);
        }
    }

    #[test]
    fn a_query_reads_back_as_it_prints(text in query()) {
        let query: Query = text.parse().unwrap();
        let printed = query.to_string();
        prop_assert_eq!(printed.parse::<Query>().unwrap(), query, "{} printed as {}", text, printed);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = text.parse::<Query>().map(|query| query.evaluate(&spans()).len());
    }

    /// Texts out of the language's own pieces get further than any text.
    #[test]
    fn no_mixture_of_tokens_makes_the_parser_panic(pieces in proptest::collection::vec(prop_oneof![
        Just("{"), Just("}"), Just("("), Just(")"), Just("|"), Just("&&"), Just("||"), Just("!"), Just("="), Just("=~"),
        Just(">"), Just(">>"), Just("~"), Just("<"), Just("name"), Just("span.a"), Just(".b"), Just("\"x\""), Just("1.5s"),
        Just("-3"), Just("nil"), Just("error"), Just("count()"), Just("avg(duration)"), Just("`"), Just("\""), Just(" "),
    ], 0..20)) {
        if let Ok(query) = pieces.concat().parse::<Query>() {
            let _ = query.evaluate(&spans()).len();
            prop_assert_eq!(query.to_string().parse::<Query>().unwrap(), query);
        }
    }
}
