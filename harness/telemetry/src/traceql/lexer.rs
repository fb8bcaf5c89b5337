//! Cuts a query into words and signs, each with its column.

use std::time::Duration;

use super::QueryError;

/// The longest query, in bytes.
const LENGTH: usize = 8 << 10;

/// A word or a sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `name`, `span.http.route`, `resource."a b"`, `.x`, `span:name`, `count`, `error`
    Word(Word),
    Text(String),
    Int(i64),
    Float(f64),
    Duration(Duration),
    /// `{`, `&&`, `>=`, …
    Sign(&'static str),
}

/// A word: bare, or a key within a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Bare(String),
    Span(String),
    Resource(String),
    Any(String),
}

/// A token with where it begins, in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) column: usize,
}

/// Longer signs come before those that they begin with.
const SIGNS: [&str; 19] =
    ["&&", "||", "=~", "!~", "!=", ">=", "<=", ">>", "<<", "{", "}", "(", ")", "|", "=", ">", "<", "~", "!"];

/// Whether a key may have this character without quotes.
pub(super) fn is_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@' | '$' | '#' | '%' | '*' | '+' | ':')
}

/// The tokens of a query, and the column of its end.
pub(super) fn lex(text: &str) -> Result<(Vec<Placed>, usize), QueryError> {
    if text.len() > LENGTH {
        let message = format!("the query is longer than {LENGTH} bytes");
        return Err(QueryError { column: 1, message });
    }
    let mut lexer = Lexer { rest: text, column: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(lexer.rest.len() - lexer.rest.trim_start().len());
        if lexer.rest.is_empty() {
            return Ok((tokens, lexer.column));
        }
        let column = lexer.column;
        tokens.push(Placed { token: lexer.next()?, column });
    }
}

struct Lexer<'t> {
    rest: &'t str,
    column: usize,
}

impl<'t> Lexer<'t> {
    fn error<T>(&self, message: impl Into<String>) -> Result<T, QueryError> {
        Err(QueryError { column: self.column, message: message.into() })
    }

    /// Goes on by this many bytes and returns them.
    fn skip(&mut self, bytes: usize) -> &'t str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.column += skipped.chars().count();
        self.rest = rest;
        skipped
    }

    fn next(&mut self) -> Result<Token, QueryError> {
        let mut chars = self.rest.chars();
        let (first, second) = (chars.next(), chars.next());
        match (first, second) {
            (Some('"'), _) => self.text('"').map(Token::Text),
            (Some('`'), _) => self.text('`').map(Token::Text),
            (Some('.'), Some(c)) if c.is_ascii_digit() => self.number(),
            (Some('.'), _) => {
                self.skip(1);
                self.key().map(|key| Token::Word(Word::Any(key)))
            }
            (Some(c), _) if c.is_ascii_digit() => self.number(),
            (Some('-'), Some(c)) if c.is_ascii_digit() || c == '.' => self.number(),
            (Some(c), _) if c.is_alphabetic() || c == '_' => self.word(),
            (Some(c), _) => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    self.skip(sign.len());
                    Ok(Token::Sign(sign))
                }
                None => self.error(format!("`{c}` does not belong here")),
            },
            (None, _) => self.error("the query ends here"),
        }
    }

    fn word(&mut self) -> Result<Token, QueryError> {
        for (scope, make) in [("span.", Word::Span as fn(String) -> Word), ("resource.", Word::Resource)] {
            if self.rest.starts_with(scope) {
                self.skip(scope.len());
                return self.key().map(|key| Token::Word(make(key)));
            }
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '.')))
            .unwrap_or(self.rest.len());
        Ok(Token::Word(Word::Bare(self.skip(end).to_owned())))
    }

    fn key(&mut self) -> Result<String, QueryError> {
        if self.rest.starts_with('"') {
            return self.text('"');
        }
        let end = self.rest.find(|c: char| !is_key(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return self.error("the name of an attribute is missing");
        }
        Ok(self.skip(end).to_owned())
    }

    /// A text in quotes. Within `"` a backslash escapes; within backquotes nothing does.
    fn text(&mut self, quote: char) -> Result<String, QueryError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.skip(at + 1);
                return Ok(text);
            }
            if c != '\\' || quote == '`' {
                text.push(c);
                continue;
            }
            match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => text.push(c),
                Some(c) => {
                    self.skip(at);
                    return self.error(format!(
                        "`\\{c}` is no escape: write `\\\\` for a backslash, or use backquotes"
                    ));
                }
                None => break,
            }
        }
        self.error(format!("the text that begins here has no closing {quote}"))
    }

    /// A number, or a duration when a unit follows it.
    fn number(&mut self) -> Result<Token, QueryError> {
        let digits = self.digits(self.rest);
        let (number, after) = self.rest.split_at(digits);
        if after.starts_with(|c: char| c.is_alphabetic()) {
            return self.duration();
        }
        let token = if number.contains(['.', 'e', 'E']) {
            number.parse().ok().filter(|number: &f64| number.is_finite()).map(Token::Float)
        } else {
            number.parse().ok().map(Token::Int)
        };
        match token {
            Some(token) => {
                self.skip(digits);
                Ok(token)
            }
            None => self.error(format!("`{number}` is not a number")),
        }
    }

    /// How many bytes of this are a number: sign, digits, one point, and an exponent if digits follow it.
    fn digits(&self, text: &str) -> usize {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let mut end = text.len() - unsigned.len();
        let run = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        end += run(&text[end..]);
        if text[end..].starts_with('.') {
            end += 1;
            end += run(&text[end..]);
        }
        if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if run(unsigned) > 0 {
                end = text.len() - unsigned.len() + run(unsigned);
            }
        }
        end
    }

    fn duration(&mut self) -> Result<Token, QueryError> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        match text.parse::<seaworthy_core::time::HumanDuration>() {
            Ok(duration) => {
                self.skip(end);
                Ok(Token::Duration(duration.0))
            }
            Err(_) => {
                self.error(format!("`{text}` is neither a number nor a duration: write `100ms` or `1.5s`"))
            }
        }
    }
}
