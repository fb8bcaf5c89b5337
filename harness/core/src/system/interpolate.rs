//! Placeholders in environment values, commands and files: `${port.http}`, `${edge.payments.url}`,
//! `${env.HOME:-/tmp}`.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `${port.NAME}` | the number of this service's own port of that name |
//! | `${edge.ID.url}`, `.host`, `.port` | where this service's edge to `ID` is reached: `provider`, `provider.port` or the full edge id |
//! | `${broker.NAME.in}`, `.out` | the exchange that this service publishes to, or binds its queues to, at the broker `NAME` |
//! | `${env.NAME}`, `${env.NAME:-default}` | a variable of the environment that the harness was started in |
//! | `${url}`, `${host}`, `${port}` | in the value of a call only: the address of that call's edge |
//!
//! `$${` stands for a literal `${`; a `$` that no `{` follows stands for itself. Filling in may take two
//! passes, because ports are chosen last: [`Template::fill_known`] leaves what it does not know, and every
//! escape, as a text for the next pass; [`Template::fill`] is the last pass and leaves nothing.

use std::fmt;
use std::str::FromStr;

use super::suggest;

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The number of this service's own port of this name.
    Port(String),
    /// A part of the address of this service's edge to a provider.
    Edge {
        /// `provider`, `provider.port` or `consumer -> provider[.port]`.
        id: String,
        /// Which part.
        part: AddressPart,
    },
    /// An exchange of this service's own at a broker.
    Broker {
        /// The broker's name in the system file.
        name: String,
        /// Which of the two.
        side: BrokerSide,
    },
    /// A variable of the harness's own environment.
    Env {
        /// Its name.
        name: String,
        /// What stands in for it when it is not set.
        default: Option<String>,
    },
    /// A part of the address of the call in whose value this stands.
    Call(AddressPart),
}

/// On which side of the harness a service stands at a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokerSide {
    /// It publishes: messages come in.
    In,
    /// It subscribes: messages go out.
    Out,
}

impl BrokerSide {
    /// The side's name in a placeholder.
    pub fn as_str(self) -> &'static str {
        match self {
            BrokerSide::In => "in",
            BrokerSide::Out => "out",
        }
    }
}

/// A part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressPart {
    /// `http://127.0.0.1:4000`.
    Url,
    /// `127.0.0.1`.
    Host,
    /// `4000`.
    Port,
}

impl AddressPart {
    const ALL: [AddressPart; 3] = [AddressPart::Url, AddressPart::Host, AddressPart::Port];

    /// The part's name in a placeholder.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressPart::Url => "url",
            AddressPart::Host => "host",
            AddressPart::Port => "port",
        }
    }

    /// This part of the address of a port on a host; the URL is of scheme `http`.
    pub fn of(self, host: &str, port: u16) -> String {
        match self {
            AddressPart::Url => format!("http://{host}:{port}"),
            AddressPart::Host => host.to_owned(),
            AddressPart::Port => port.to_string(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placeholder::Port(name) => write!(f, "${{port.{name}}}"),
            Placeholder::Edge { id, part } => write!(f, "${{edge.{id}.{}}}", part.as_str()),
            Placeholder::Broker { name, side } => write!(f, "${{broker.{name}.{}}}", side.as_str()),
            Placeholder::Env { name, default: None } => write!(f, "${{env.{name}}}"),
            Placeholder::Env { name, default: Some(default) } => write!(f, "${{env.{name}:-{default}}}"),
            Placeholder::Call(part) => write!(f, "${{{}}}", part.as_str()),
        }
    }
}

/// Why a text with placeholders is not one, or could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolateError {
    /// A `${` without its `}`.
    #[error("`{text}` has no closing `}}`")]
    Open {
        /// The text from `${` on, at most 40 characters of it.
        text: String,
        /// Where `${` stands, in bytes from the start of the text.
        offset: usize,
    },
    /// Something in braces that is no placeholder.
    #[error("`{text}` is not a placeholder")]
    Unknown {
        /// What stands there, braces included.
        text: String,
        /// Where it stands, in bytes from the start of the text.
        offset: usize,
        /// A placeholder that it may have been meant to be.
        suggestion: Option<String>,
    },
    /// A placeholder that names nothing.
    #[error("`{0}` has no value here")]
    NoValue(Placeholder),
}

impl InterpolateError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            InterpolateError::Open { .. } => {
                "close it with `}`, or write `$${` for a literal `${`".to_owned()
            }
            InterpolateError::Unknown { suggestion: Some(suggestion), .. } => {
                format!("did you mean `{suggestion}`? For a literal `${{`, write `$${{`")
            }
            InterpolateError::Unknown { .. } => "known are `${port.NAME}`, `${edge.PROVIDER.url}` (also \
                 `.host`, `.port`), `${broker.NAME.in}` (also `.out`) and `${env.NAME:-default}`; for a literal `${`, write `$${`"
                .to_owned(),
            InterpolateError::NoValue(Placeholder::Env { name, .. }) => {
                format!("set the variable `{name}`, or give a default: `${{env.{name}:-default}}`")
            }
            InterpolateError::NoValue(_) => "name a port or an edge that the service has".to_owned(),
        }
    }
}

/// A text in which placeholders may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder { placeholder: Placeholder, offset: usize },
}

/// What gives placeholders their values.
pub type Values<'v> = &'v dyn Fn(&Placeholder) -> Option<String>;

impl Template {
    /// The placeholders with where they stand, in bytes from the start of the text.
    pub fn placeholders(&self) -> impl Iterator<Item = (&Placeholder, usize)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder { placeholder, offset } => Some((placeholder, *offset)),
            Piece::Text(_) => None,
        })
    }

    /// The text with every placeholder replaced by its value, and without escapes.
    ///
    /// # Errors
    /// [`InterpolateError::NoValue`] for the first placeholder that has neither a value nor a default.
    pub fn fill(&self, values: Values<'_>) -> Result<String, InterpolateError> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Placeholder { placeholder, .. } => {
                    let default = match placeholder {
                        Placeholder::Env { default, .. } => default.clone(),
                        _ => None,
                    };
                    let value = values(placeholder).or(default);
                    out += &value.ok_or_else(|| InterpolateError::NoValue(placeholder.clone()))?;
                }
            }
        }
        Ok(out)
    }

    /// The text with every placeholder replaced that has a value; the others stay for another pass, and so do
    /// escapes, in values too.
    pub fn fill_known(&self, values: Values<'_>) -> String {
        let escaped = |text: &str| text.replace("${", "$${");
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => escaped(text),
                Piece::Placeholder { placeholder, .. } => {
                    values(placeholder).map_or_else(|| placeholder.to_string(), |value| escaped(&value))
                }
            })
            .collect()
    }
}

impl FromStr for Template {
    type Err = InterpolateError;

    fn from_str(text: &str) -> Result<Self, InterpolateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let offset = text.len() - rest.len() + start;
            if let Some(before) = rest[..start].strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            plain.push_str(&rest[..start]);
            let inner = &rest[start + 2..];
            let Some(end) = inner.find('}') else {
                let text = rest[start..].chars().take(40).collect();
                return Err(InterpolateError::Open { text, offset });
            };
            let placeholder = read(&inner[..end]).ok_or_else(|| unknown(&inner[..end], offset))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Placeholder { placeholder, offset });
            rest = &inner[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }
}

fn read(inner: &str) -> Option<Placeholder> {
    if let Some(part) = AddressPart::named(inner) {
        return Some(Placeholder::Call(part));
    }
    let (kind, name) = inner.split_once('.')?;
    match kind {
        "port" if !name.is_empty() => Some(Placeholder::Port(name.to_owned())),
        "edge" => {
            let (id, part) = name.rsplit_once('.')?;
            let part = AddressPart::named(part)?;
            (!id.trim().is_empty()).then(|| Placeholder::Edge { id: id.trim().to_owned(), part })
        }
        "broker" => {
            let (name, side) = name.rsplit_once('.')?;
            let side = [BrokerSide::In, BrokerSide::Out].into_iter().find(|known| known.as_str() == side)?;
            (!name.is_empty()).then(|| Placeholder::Broker { name: name.to_owned(), side })
        }
        "env" => {
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (name, None),
            };
            let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let nested = default.as_ref().is_some_and(|default| default.contains("${"));
            (named && !nested).then(|| Placeholder::Env { name: name.to_owned(), default })
        }
        _ => None,
    }
}

fn unknown(inner: &str, offset: usize) -> InterpolateError {
    let text: String = inner.chars().take(80).collect();
    let suggestion = match inner.split_once('.') {
        Some((kind, name)) => match suggest::closest(kind, ["port", "edge", "broker", "env"]) {
            Some("broker") => Some(format!("${{broker.{}.in}}", name.split('.').next().unwrap_or_default())),
            Some("edge") if AddressPart::named(name.rsplit('.').next().unwrap_or_default()).is_none() => {
                Some(format!("${{edge.{name}.url}}"))
            }
            Some(kind) if kind != "edge" => Some(format!("${{{kind}.{name}}}")),
            _ => None,
        },
        // `${HOME}` as shells write it.
        None if !inner.is_empty() && inner.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            Some(format!("${{env.{inner}}}"))
        }
        None => None,
    };
    InterpolateError::Unknown { text: format!("${{{text}}}"), offset, suggestion }
}

/// Fills every placeholder of `text` in; see [`Template::fill`].
///
/// # Errors
/// When `text` is no template, or a placeholder has no value.
pub fn resolve(text: &str, values: Values<'_>) -> Result<String, InterpolateError> {
    text.parse::<Template>()?.fill(values)
}

/// Fills in what is known and leaves the rest for another pass; see [`Template::fill_known`].
///
/// # Errors
/// When `text` is no template.
pub fn resolve_known(text: &str, values: Values<'_>) -> Result<String, InterpolateError> {
    Ok(text.parse::<Template>()?.fill_known(values))
}
