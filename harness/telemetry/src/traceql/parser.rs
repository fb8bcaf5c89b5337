//! Reads a query: by recursive descent, never deeper than the limit.

use regex::RegexBuilder;

use super::QueryError;
use super::lexer::{Placed, Token, Word, lex};
use super::syntax::{
    Aggregate, Comparison, Condition, Field, Function, Intrinsic, KINDS, Literal, Operand, Pattern, Relation,
    Spanset, Stage, StatusWord,
};

/// How deep parentheses (and `!`) may be nested.
const DEPTH: usize = 64;
/// How many operators a query may have: each is a level of the tree that is walked.
const OPERATORS: usize = 500;
/// How large a compiled regular expression may be, in bytes.
const REGEX: usize = 1 << 20;

pub(super) fn parse(text: &str) -> Result<Spanset, QueryError> {
    let (tokens, end) = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end, depth: 0, operators: 0 };
    let query = parser.pipeline()?;
    match parser.peek() {
        None => Ok(query),
        Some(_) => parser.unexpected("`|`, `&&`, `||`, `>`, `>>`, `<`, `<<`, `~` or the end"),
    }
}

struct Parser<'t> {
    tokens: &'t [Placed],
    at: usize,
    end: usize,
    depth: usize,
    operators: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |placed| placed.column)
    }

    fn error<T>(&self, column: usize, message: impl Into<String>) -> Result<T, QueryError> {
        Err(QueryError { column, message: message.into() })
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, QueryError> {
        let found = match self.peek() {
            None => "the query ends".to_owned(),
            Some(Token::Sign(sign)) => format!("there is `{sign}`"),
            Some(Token::Word(Word::Bare(word))) => format!("there is `{word}`"),
            Some(Token::Word(_)) => "there is an attribute".to_owned(),
            Some(Token::Text(_)) => "there is a text".to_owned(),
            Some(Token::Int(_) | Token::Float(_) | Token::Duration(_)) => "there is a number".to_owned(),
        };
        self.error(self.column(), format!("{found} where {wanted} should be"))
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(found);
        found
    }

    /// Counts one more operator.
    fn operator(&mut self) -> Result<(), QueryError> {
        self.operators += 1;
        if self.operators > OPERATORS {
            return self.error(self.column(), format!("more than {OPERATORS} operators"));
        }
        Ok(())
    }

    fn expect(&mut self, wanted: &str) -> Result<(), QueryError> {
        if self.sign(wanted) { Ok(()) } else { self.unexpected(&format!("`{wanted}`")) }
    }

    /// Goes one level down for what `read` reads.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        if self.depth == DEPTH {
            return self.error(self.column(), format!("nested deeper than {DEPTH} levels"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// `spansets | stage | stage`
    fn pipeline(&mut self) -> Result<Spanset, QueryError> {
        let spansets = self.sets()?;
        let mut stages = Vec::new();
        while self.sign("|") {
            stages.push(self.stage()?);
        }
        if stages.is_empty() { Ok(spansets) } else { Ok(Spanset::Pipeline(Box::new(spansets), stages)) }
    }

    /// Structures joined by `&&` and `||`, which bind alike.
    fn sets(&mut self) -> Result<Spanset, QueryError> {
        let mut left = self.structure()?;
        loop {
            let join = if self.sign("&&") {
                Spanset::Both
            } else if self.sign("||") {
                Spanset::Either
            } else {
                return Ok(left);
            };
            self.operator()?;
            left = join(Box::new(left), Box::new(self.structure()?));
        }
    }

    fn structure(&mut self) -> Result<Spanset, QueryError> {
        let mut left = self.spanset()?;
        loop {
            let relation = match self.peek() {
                Some(Token::Sign(">")) => Relation::Child,
                Some(Token::Sign(">>")) => Relation::Descendant,
                Some(Token::Sign("<")) => Relation::Parent,
                Some(Token::Sign("<<")) => Relation::Ancestor,
                Some(Token::Sign("~")) => Relation::Sibling,
                _ => return Ok(left),
            };
            self.at += 1;
            self.operator()?;
            left = Spanset::Structure(Box::new(left), relation, Box::new(self.spanset()?));
        }
    }

    fn spanset(&mut self) -> Result<Spanset, QueryError> {
        if self.sign("(") {
            let inner = self.nested(Self::pipeline)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if matches!(self.peek(), Some(Token::Sign("{"))) {
            return self.filter().map(Spanset::Filter);
        }
        self.unexpected("`{` or `(`")
    }

    fn filter(&mut self) -> Result<Condition, QueryError> {
        self.expect("{")?;
        if self.sign("}") {
            return Ok(Condition::Constant(true));
        }
        let condition = self.condition()?;
        if self.sign("}") { Ok(condition) } else { self.unexpected("`}`, `&&` or `||`") }
    }

    fn stage(&mut self) -> Result<Stage, QueryError> {
        if matches!(self.peek(), Some(Token::Sign("{"))) {
            return self.filter().map(Stage::Filter);
        }
        let column = self.column();
        let Some(Token::Word(Word::Bare(name))) = self.peek() else {
            return self.unexpected("`count()`, `avg(…)`, `max(…)`, `min(…)`, `sum(…)` or `{`");
        };
        let name = name.clone();
        let function = match name.as_str() {
            "count" => None,
            "avg" => Some(Function::Avg),
            "max" => Some(Function::Max),
            "min" => Some(Function::Min),
            "sum" => Some(Function::Sum),
            other => {
                let message =
                    format!("`{other}` is not understood here: there are count, avg, max, min and sum");
                return self.error(column, message);
            }
        };
        self.at += 1;
        self.expect("(")?;
        let aggregate = match function {
            None => Aggregate::Count,
            Some(function) => {
                let column = self.column();
                let Operand::Field(field) = self.operand()? else {
                    return self.error(column, format!("`{name}` is of a field: `{name}(duration)`"));
                };
                if kind_of(&field).is_some_and(|kind| kind != Type::Duration) {
                    return self.error(column, format!("`{field}` is no number"));
                }
                Aggregate::Of(function, field)
            }
        };
        self.expect(")")?;
        let comparison = match self.comparison() {
            Some(comparison) => comparison,
            None => return self.unexpected("`=`, `!=`, `<`, `<=`, `>` or `>=`"),
        };
        let column = self.column();
        let Operand::Literal(value) = self.operand()? else {
            return self.error(column, "an aggregate is compared with a number or a duration");
        };
        let is_duration = matches!(value, Literal::Duration(_));
        let is_number = matches!(value, Literal::Int(_) | Literal::Float(_));
        let fits = match &aggregate {
            Aggregate::Count => is_number,
            Aggregate::Of(_, field) if kind_of(field) == Some(Type::Duration) => is_duration,
            Aggregate::Of(..) => is_number || is_duration,
        };
        if !fits {
            let wanted = match &aggregate {
                Aggregate::Count => "a number",
                Aggregate::Of(..) => "a number with a unit, such as `100ms`",
            };
            return self.error(column, format!("`{value}` is not {wanted}"));
        }
        Ok(Stage::Aggregate { aggregate, comparison, value })
    }

    /// Terms joined by `&&` and `||`, which bind alike.
    fn condition(&mut self) -> Result<Condition, QueryError> {
        let mut left = self.term()?;
        loop {
            let join = if self.sign("&&") {
                Condition::And
            } else if self.sign("||") {
                Condition::Or
            } else {
                return Ok(left);
            };
            self.operator()?;
            left = join(Box::new(left), Box::new(self.term()?));
        }
    }

    fn term(&mut self) -> Result<Condition, QueryError> {
        if self.sign("(") {
            let inner = self.nested(Self::condition)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let column = self.column();
        if self.sign("!") {
            let inner = self.nested(Self::term)?;
            if matches!(inner, Condition::Compare(..) | Condition::Matches { .. })
                && !matches!(self.tokens.get(self.at - 1), Some(Placed { token: Token::Sign(")"), .. }))
            {
                return self.error(column, "`!` before a comparison needs parentheses: `!(a = b)`");
            }
            return Ok(Condition::Not(Box::new(inner)));
        }
        let left = self.operand()?;
        for (sign, positive) in [("=~", true), ("!~", false)] {
            let operator = self.column();
            if self.sign(sign) {
                if !matches!(type_of(&left), None | Some(Type::Text)) {
                    return self
                        .error(operator, format!("`{left}` is no text, so `{sign}` cannot look into it"));
                }
                return Ok(Condition::Matches { operand: left, pattern: self.pattern()?, positive });
            }
        }
        let operator = self.column();
        if let Some(comparison) = self.comparison() {
            let right = self.operand()?;
            self.check(&left, comparison, &right, operator)?;
            return Ok(Condition::Compare(left, comparison, right));
        }
        match left {
            Operand::Literal(Literal::Bool(value)) => Ok(Condition::Constant(value)),
            Operand::Field(field) if kind_of(&field).is_none() => Ok(Condition::Holds(field)),
            other => {
                let message = format!("`{other}` alone is no condition: compare it with something");
                self.error(column, message)
            }
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek()? {
            Token::Sign("=") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    /// Whether the two sides can be compared so at all: what can never be true is a mistake.
    fn check(
        &self,
        left: &Operand,
        comparison: Comparison,
        right: &Operand,
        column: usize,
    ) -> Result<(), QueryError> {
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let (a, b) = (type_of(left), type_of(right));
        if !equality
            && [a, b]
                .iter()
                .any(|side| matches!(side, Some(Type::Status | Type::Kind | Type::Bool | Type::Nil)))
        {
            return self.error(column, format!("`{comparison}` has no meaning here: use `=` or `!=`"));
        }
        let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
        if a == b || a == Type::Nil || b == Type::Nil {
            return Ok(());
        }
        let intrinsic = |operand: &Operand| matches!(operand, Operand::Field(Field::Intrinsic(_)));
        let (field, wanted) = if intrinsic(right) && !intrinsic(left) { (right, b) } else { (left, a) };
        self.error(column, format!("`{field}` is compared with {}", wanted.example()))
    }

    fn operand(&mut self) -> Result<Operand, QueryError> {
        let Some(token) = self.peek() else {
            return self.unexpected("a field or a value");
        };
        let operand = match token.clone() {
            Token::Text(text) => Operand::Literal(Literal::Text(text)),
            Token::Int(number) => Operand::Literal(Literal::Int(number)),
            Token::Float(number) => Operand::Literal(Literal::Float(number)),
            Token::Duration(duration) => Operand::Literal(Literal::Duration(duration)),
            Token::Word(Word::Span(key)) => Operand::Field(Field::Span(key)),
            Token::Word(Word::Resource(key)) => Operand::Field(Field::Resource(key)),
            Token::Word(Word::Any(key)) => Operand::Field(Field::Any(key)),
            Token::Word(Word::Bare(word)) => match bare(&word) {
                Some(operand) => operand,
                None => {
                    let message = format!(
                        "`{word}` is neither an intrinsic nor a value: attributes are written `span.{word}`, `resource.{word}` or `.{word}`, texts in quotes"
                    );
                    return self.error(self.column(), message);
                }
            },
            Token::Sign(_) => return self.unexpected("a field or a value"),
        };
        self.at += 1;
        Ok(operand)
    }

    fn pattern(&mut self) -> Result<Pattern, QueryError> {
        let column = self.column();
        let Some(Token::Text(source)) = self.peek() else {
            return self.unexpected("a regular expression in quotes");
        };
        let source = source.clone();
        self.at += 1;
        let whole = format!("^(?:{source})$");
        match RegexBuilder::new(&whole).size_limit(REGEX).dfa_size_limit(REGEX).nest_limit(50).build() {
            Ok(regex) => Ok(Pattern { source, regex }),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.error(column, format!("not a regular expression: {last}"))
            }
        }
    }
}

/// What a bare word means.
fn bare(word: &str) -> Option<Operand> {
    if let Some((_, intrinsic)) = Intrinsic::NAMES.iter().find(|(name, _)| *name == word) {
        return Some(Operand::Field(Field::Intrinsic(*intrinsic)));
    }
    let literal = match word {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        "nil" => Literal::Nil,
        _ => match StatusWord::WORDS.iter().find(|(name, _)| *name == word) {
            Some((_, status)) => Literal::Status(*status),
            None => Literal::Kind(*KINDS.iter().find(|kind| kind.as_str() == word)?),
        },
    };
    Some(Operand::Literal(literal))
}

/// What a side of a comparison is, where that is known before there is a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Duration,
    Bool,
    Status,
    Kind,
    Nil,
}

impl Type {
    fn example(self) -> &'static str {
        match self {
            Type::Text => "a text in quotes",
            Type::Number => "a number",
            Type::Duration => "a duration, such as `100ms`",
            Type::Bool => "`true` or `false`",
            Type::Status => "`error`, `ok` or `unset`",
            Type::Kind => "`server`, `client`, `producer`, `consumer`, `internal` or `unspecified`",
            Type::Nil => "`nil`",
        }
    }
}

fn type_of(operand: &Operand) -> Option<Type> {
    match operand {
        Operand::Field(field) => kind_of(field),
        Operand::Literal(literal) => Some(match literal {
            Literal::Text(_) => Type::Text,
            Literal::Int(_) | Literal::Float(_) => Type::Number,
            Literal::Duration(_) => Type::Duration,
            Literal::Bool(_) => Type::Bool,
            Literal::Status(_) => Type::Status,
            Literal::Kind(_) => Type::Kind,
            Literal::Nil => Type::Nil,
        }),
    }
}

/// The type of an intrinsic; attributes can be anything.
fn kind_of(field: &Field) -> Option<Type> {
    let Field::Intrinsic(intrinsic) = field else { return None };
    Some(match intrinsic {
        Intrinsic::Name
        | Intrinsic::StatusMessage
        | Intrinsic::RootName
        | Intrinsic::RootServiceName
        | Intrinsic::SpanId
        | Intrinsic::TraceId => Type::Text,
        Intrinsic::Kind => Type::Kind,
        Intrinsic::Status => Type::Status,
        Intrinsic::Duration | Intrinsic::TraceDuration => Type::Duration,
    })
}
