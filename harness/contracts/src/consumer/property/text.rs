//! Texts that a rule allows: any text, what a regular expression describes, dates, versions.

use pact_models::time_utils::{parse_pattern, validate_datetime};
use proptest::prelude::*;
use proptest::string::string_regex;

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In JSON: any character.
    Json,
    /// In a header: visible ASCII, no space at the ends.
    Header,
}

/// Expressions that repeat more than this in all are not generated from.
const REPETITIONS: u64 = 10_000;

/// Any text. The empty one, one that looks like something else, one with characters that need care.
pub(super) fn any_text(place: Place) -> BoxedStrategy<String> {
    let plain = generated("[a-zA-Z0-9]{1,12}");
    match place {
        Place::Header => prop_oneof![plain, Just(String::new()), generated("[!-~]([ -~]{0,20}[!-~])?")].boxed(),
        Place::Json => prop_oneof![
            4 => plain,
            2 => Just(String::new()),
            2 => generated("\\PC{0,16}"),
            1 => Just("null".to_owned()),
            1 => Just(" ".to_owned()),
            1 => Just("\"\\/\n\t\u{0}\u{7f}".to_owned()),
            1 => Just("e\u{301} \u{202e}right to left\u{202c} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}".to_owned()),
            1 => Just("long ".repeat(400)),
        ]
        .boxed(),
    }
}

/// A text that this crate's own expression describes.
fn generated(expression: &str) -> BoxedStrategy<String> {
    string_regex(expression).map_or_else(|_| Just(String::new()).boxed(), Strategy::boxed)
}

/// Texts in which the expression is found; `None` for an expression that cannot be generated from (look-around,
/// back references, very many repetitions).
pub(super) fn matching(expression: &str, place: Place) -> Option<BoxedStrategy<String>> {
    let plain = plain(expression, place)?;
    Some(string_regex(&plain).ok()?.boxed())
}

/// The expression without anchors, for what is generated is matched as a whole; with the ASCII meaning of `\d`, `\w`
/// and `\s`, which is what people mean who write them; in headers with an ASCII dot.
fn plain(expression: &str, place: Place) -> Option<String> {
    let mut out = String::new();
    let mut in_class = false;
    let mut repetitions: u64 = 1;
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match (rest.next()?, in_class) {
                ('A' | 'z' | 'Z' | 'b', false) => {}
                ('d', false) => out.push_str("[0-9]"),
                ('d', true) => out.push_str("0-9"),
                ('w', false) => out.push_str("[A-Za-z0-9_]"),
                ('w', true) => out.push_str("A-Za-z0-9_"),
                ('s', false) => out.push_str("[ ]"),
                ('s', true) => out.push(' '),
                // Escapes that the one engine knows and the other does not.
                (
                    '/' | '"' | '\'' | ':' | '@' | '%' | '=' | ',' | ';' | '!' | '<' | '>' | '`' | '_' | ' ',
                    _,
                ) => {
                    return None;
                }
                (escaped, _) => out.extend(['\\', escaped]),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                for special in ['^', ']'] {
                    if rest.peek() == Some(&special) {
                        rest.next();
                        if special == ']' {
                            out.push('\\');
                        }
                        out.push(special);
                    }
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '^' | '$' if !in_class => {}
            '.' if !in_class && place == Place::Header => out.push_str("[!-~]"),
            '{' if !in_class => {
                out.push('{');
                let mut largest: u64 = 0;
                let mut number: u64 = 0;
                for c in rest.by_ref() {
                    out.push(c);
                    match c.to_digit(10) {
                        Some(digit) => number = number.saturating_mul(10).saturating_add(digit.into()),
                        None => {
                            largest = largest.max(number);
                            number = 0;
                        }
                    }
                    if c == '}' {
                        break;
                    }
                }
                repetitions = repetitions.saturating_mul(largest.max(1));
                if repetitions > REPETITIONS {
                    return None;
                }
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// Text round a part that must be in it.
pub(super) fn including(part: &str, place: Place) -> BoxedStrategy<String> {
    let part = part.to_owned();
    let filling = match place {
        Place::Header => generated("[!-~]{0,6}"),
        Place::Json => generated("\\PC{0,6}"),
    };
    (filling.clone(), filling).prop_map(move |(before, after)| format!("{before}{part}{after}")).boxed()
}

/// Versions: with and without what may follow the three numbers.
pub(super) fn versions() -> BoxedStrategy<String> {
    generated(
        "(0|[1-9][0-9]{0,3})\\.(0|[1-9][0-9]{0,3})\\.(0|[1-9][0-9]{0,3})(-[a-z]{1,5}\\.[1-9])?(\\+[a-z0-9]{1,7})?",
    )
}

/// Dates and times in a format as Java's `DateTimeFormatter` has it; `None` for a format with parts that are not
/// generated here (names of zones, weeks, quarters).
pub(super) fn moments(format: &str) -> Option<BoxedStrategy<String>> {
    parse_pattern(format).ok()?;
    let pieces = pieces(format)?;
    let strategy =
        (1970_u32..2100, 1_u32..=12, 1_u32..=28, 0_u32..24, 0_u32..60, 0_u32..60, 0_u32..1000, -11_i32..=11)
            .prop_map(move |(year, month, day, hour, minute, second, milli, zone)| {
                let moment = Moment { year, month, day, hour, minute, second, milli, zone };
                pieces.iter().map(|piece| moment.written(piece)).collect::<String>()
            });
    // What is written must be read by the matching: two moments as different as can be show whether it is.
    let probes = [
        Moment { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, milli: 0, zone: 0 },
        Moment { year: 2099, month: 12, day: 28, hour: 23, minute: 59, second: 59, milli: 999, zone: -11 },
    ];
    let pieces = self::pieces(format)?;
    let readable = probes.iter().all(|probe| {
        let text: String = pieces.iter().map(|piece| probe.written(piece)).collect();
        validate_datetime(&text, format).is_ok()
    });
    readable.then(|| strategy.boxed())
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Field(char, usize),
}

fn pieces(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                let text: String = rest.by_ref().take_while(|c| *c != '\'').collect();
                pieces.push(Piece::Text(if text.is_empty() { "'".into() } else { text }));
            }
            'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' | 'X' | 'x' | 'Z' => {
                let mut count = 1;
                while rest.next_if_eq(&c).is_some() {
                    count += 1;
                }
                pieces.push(Piece::Field(c, count));
            }
            c if c.is_ascii_alphabetic() => return None,
            c => pieces.push(Piece::Text(c.to_string())),
        }
    }
    Some(pieces)
}

struct Moment {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    milli: u32,
    /// Hours from UTC.
    zone: i32,
}

impl Moment {
    fn written(&self, piece: &Piece) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (letter, count) = match piece {
            Piece::Text(text) => return text.clone(),
            Piece::Field(letter, count) => (*letter, *count),
        };
        let name = MONTHS.get(self.month as usize - 1).copied().unwrap_or_default();
        let padded = |value: u32| format!("{value:0count$}");
        let (sign, hours) = (if self.zone < 0 { '-' } else { '+' }, self.zone.unsigned_abs());
        match letter {
            'y' | 'u' if count == 2 => format!("{:02}", self.year % 100),
            'y' | 'u' => format!("{:0count$}", self.year),
            'M' if count == 3 => name.chars().take(3).collect(),
            'M' if count > 3 => name.to_owned(),
            'M' => padded(self.month),
            'd' => padded(self.day),
            'H' => padded(self.hour),
            'm' => padded(self.minute),
            's' => padded(self.second),
            'S' => format!("{:03}", self.milli).chars().chain(std::iter::repeat('0')).take(count).collect(),
            'X' if self.zone == 0 => "Z".to_owned(),
            'X' | 'x' if count == 1 => format!("{sign}{hours:02}"),
            'X' | 'x' if count == 3 => format!("{sign}{hours:02}:00"),
            _ => format!("{sign}{hours:02}00"),
        }
    }
}
