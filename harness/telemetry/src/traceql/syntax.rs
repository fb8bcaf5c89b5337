//! What a query is made of, and how it prints.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use regex::Regex;
use seaworthy_core::span::SpanKind;

/// An expression that selects spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spanset {
    /// `{ condition }`
    Filter(Condition),
    /// `A > B` and the like.
    Structure(Box<Spanset>, Relation, Box<Spanset>),
    /// `A && B`
    Both(Box<Spanset>, Box<Spanset>),
    /// `A || B`
    Either(Box<Spanset>, Box<Spanset>),
    /// `A | stage | stage`
    Pipeline(Box<Spanset>, Vec<Stage>),
}

/// How the spans on the right stand to those on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Child,
    Descendant,
    Parent,
    Ancestor,
    Sibling,
}

/// What happens to the selected spans of a trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// Those that meet the condition go on.
    Filter(Condition),
    /// All go on if the number compares so, else none.
    Aggregate { aggregate: Aggregate, comparison: Comparison, value: Literal },
}

/// A number about a set of spans.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Aggregate {
    Count,
    Of(Function, Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Avg,
    Max,
    Min,
    Sum,
}

/// What a span must meet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// `{ }`, `true`, `false`
    Constant(bool),
    /// A field that is true.
    Holds(Field),
    Compare(Operand, Comparison, Operand),
    /// `=~`, or `!~` when not `positive`.
    Matches {
        operand: Operand,
        pattern: Pattern,
        positive: bool,
    },
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether two values that stand so to each other compare so.
    pub(super) fn accepts(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order == Ordering::Equal,
            Comparison::NotEqual => order != Ordering::Equal,
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Field(Field),
    Literal(Literal),
}

/// Something that a span has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Intrinsic(Intrinsic),
    /// `span.KEY`
    Span(String),
    /// `resource.KEY`
    Resource(String),
    /// `.KEY`
    Any(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intrinsic {
    Name,
    Kind,
    Status,
    StatusMessage,
    Duration,
    RootName,
    RootServiceName,
    TraceDuration,
    SpanId,
    TraceId,
}

impl Intrinsic {
    /// Every name of every intrinsic; the first of each is how it prints.
    pub(super) const NAMES: [(&'static str, Intrinsic); 18] = [
        ("name", Intrinsic::Name),
        ("span:name", Intrinsic::Name),
        ("kind", Intrinsic::Kind),
        ("span:kind", Intrinsic::Kind),
        ("status", Intrinsic::Status),
        ("span:status", Intrinsic::Status),
        ("statusMessage", Intrinsic::StatusMessage),
        ("span:statusMessage", Intrinsic::StatusMessage),
        ("duration", Intrinsic::Duration),
        ("span:duration", Intrinsic::Duration),
        ("rootName", Intrinsic::RootName),
        ("trace:rootName", Intrinsic::RootName),
        ("rootServiceName", Intrinsic::RootServiceName),
        ("trace:rootService", Intrinsic::RootServiceName),
        ("traceDuration", Intrinsic::TraceDuration),
        ("trace:duration", Intrinsic::TraceDuration),
        ("span:id", Intrinsic::SpanId),
        ("trace:id", Intrinsic::TraceId),
    ];

    pub(super) fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, intrinsic)| *intrinsic == self).map_or("", |(name, _)| name)
    }
}

/// OTLP's status without its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusWord {
    Error,
    Ok,
    Unset,
}

impl StatusWord {
    pub(super) const WORDS: [(&'static str, StatusWord); 3] =
        [("error", StatusWord::Error), ("ok", StatusWord::Ok), ("unset", StatusWord::Unset)];
}

/// The words for kinds.
pub(super) const KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Int(i64),
    Float(f64),
    Duration(Duration),
    Bool(bool),
    Status(StatusWord),
    Kind(SpanKind),
    Nil,
}

/// A regular expression for a whole text.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) source: String,
    pub(super) regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Display for Spanset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parentheses only where the parser needs them, so that what prints is never nested deeper than what was
        // read.
        fn in_parentheses(spanset: &Spanset, when: bool) -> String {
            if when { format!("({spanset})") } else { spanset.to_string() }
        }
        fn is_loose(spanset: &Spanset) -> bool {
            matches!(spanset, Spanset::Both(..) | Spanset::Either(..) | Spanset::Pipeline(..))
        }
        let sets = |f: &mut fmt::Formatter<'_>, left: &Spanset, sign: &str, right: &Spanset| {
            let left = in_parentheses(left, matches!(left, Spanset::Pipeline(..)));
            write!(f, "{left} {sign} {}", in_parentheses(right, is_loose(right)))
        };
        match self {
            Spanset::Filter(Condition::Constant(true)) => f.write_str("{ }"),
            Spanset::Filter(condition) => write!(f, "{{ {condition} }}"),
            Spanset::Structure(left, relation, right) => {
                let left = in_parentheses(left, is_loose(left));
                let right = in_parentheses(right, !matches!(**right, Spanset::Filter(_)));
                write!(f, "{left} {relation} {right}")
            }
            Spanset::Both(left, right) => sets(f, left, "&&", right),
            Spanset::Either(left, right) => sets(f, left, "||", right),
            Spanset::Pipeline(inner, stages) => {
                f.write_str(&in_parentheses(inner, matches!(**inner, Spanset::Pipeline(..))))?;
                stages.iter().try_for_each(|stage| write!(f, " | {stage}"))
            }
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Relation::Child => ">",
            Relation::Descendant => ">>",
            Relation::Parent => "<",
            Relation::Ancestor => "<<",
            Relation::Sibling => "~",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Filter(condition) => Spanset::Filter(condition.clone()).fmt(f),
            Stage::Aggregate { aggregate: Aggregate::Count, comparison, value } => {
                write!(f, "count() {comparison} {value}")
            }
            Stage::Aggregate { aggregate: Aggregate::Of(function, field), comparison, value } => {
                write!(f, "{}({field}) {comparison} {value}", function.as_str())
            }
        }
    }
}

impl Function {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Function::Avg => "avg",
            Function::Max => "max",
            Function::Min => "min",
            Function::Sum => "sum",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, left: &Condition, sign: &str, right: &Condition| match right {
            Condition::And(..) | Condition::Or(..) => write!(f, "{left} {sign} ({right})"),
            _ => write!(f, "{left} {sign} {right}"),
        };
        match self {
            Condition::Constant(value) => write!(f, "{value}"),
            Condition::Holds(field) => write!(f, "{field}"),
            Condition::Compare(left, comparison, right) => write!(f, "{left} {comparison} {right}"),
            Condition::Matches { operand, pattern, positive } => {
                let operator = if *positive { "=~" } else { "!~" };
                write!(f, "{operand} {operator} {}", quoted(&pattern.source))
            }
            Condition::Not(inner) => match **inner {
                Condition::Holds(_) | Condition::Constant(_) | Condition::Not(_) => write!(f, "!{inner}"),
                _ => write!(f, "!({inner})"),
            },
            Condition::And(left, right) => join(f, left, "&&", right),
            Condition::Or(left, right) => join(f, left, "||", right),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Field(field) => field.fmt(f),
            Operand::Literal(literal) => literal.fmt(f),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scope, key) = match self {
            Field::Intrinsic(intrinsic) => return f.write_str(intrinsic.as_str()),
            Field::Span(key) => ("span.", key),
            Field::Resource(key) => ("resource.", key),
            Field::Any(key) => (".", key),
        };
        let plain = !key.is_empty() && key.chars().all(super::lexer::is_key);
        if plain { write!(f, "{scope}{key}") } else { write!(f, "{scope}{}", quoted(key)) }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Text(text) => f.write_str(&quoted(text)),
            Literal::Int(number) => write!(f, "{number}"),
            // Debug keeps the point or the exponent, so that it reads back as a float.
            Literal::Float(number) => write!(f, "{number:?}"),
            Literal::Duration(duration) => write!(f, "{}", seaworthy_core::time::HumanDuration(*duration)),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Status(word) => {
                let (word, _) = StatusWord::WORDS[*word as usize];
                f.write_str(word)
            }
            Literal::Kind(kind) => f.write_str(kind.as_str()),
            Literal::Nil => f.write_str("nil"),
        }
    }
}

/// The text in double quotes, with escapes that the lexer reads.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
