//! Path templates, routes and operations: how the system file and fault rules point at requests.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{EdgeId, IdError, as_text};

/// Why a piece of text is not a route or an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A path that does not start with `/`, or a parameter that is not closed or has no name.
    #[error(
        "`{0}` is not a path template: it starts with `/`, and a parameter is a whole segment, `{{name}}` or a last `{{name..}}` for the rest"
    )]
    Path(String),
    /// A method with other characters than capital letters.
    #[error("`{0}` is not `METHOD /path` or `/path`")]
    Route(String),
    /// An operation that does not start with an edge.
    #[error("`{0}` is not `consumer -> provider METHOD /path`")]
    Operation(String),
    /// The edge in it is not valid.
    #[error(transparent)]
    Edge(#[from] IdError),
}

/// A path in which whole segments may be parameters: `/orders/{id}`, `/api/{rest..}`.
///
/// It matches by segments; the query does not take part and a trailing `/` counts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathTemplate(String);

impl PathTemplate {
    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` (without query) has this shape.
    pub fn matches(&self, path: &str) -> bool {
        self.capture(path).is_some()
    }

    /// The values of the parameters in `path`, in order; `None` when it has another shape.
    pub fn capture<'p>(&self, path: &'p str) -> Option<Vec<(&str, &'p str)>> {
        let mut values = Vec::new();
        let mut pattern = self.0.split('/');
        let mut rest = Some(path);
        loop {
            match (pattern.next(), rest) {
                (None, None) => return Some(values),
                (Some(want), Some(left)) => {
                    if let Some(name) = want.strip_prefix('{').and_then(|want| want.strip_suffix("..}")) {
                        values.push((name, left));
                        return Some(values);
                    }
                    let (got, tail) = match left.split_once('/') {
                        Some((got, tail)) => (got, Some(tail)),
                        None => (left, None),
                    };
                    match want.strip_prefix('{').and_then(|want| want.strip_suffix('}')) {
                        Some(name) if !got.is_empty() => values.push((name, got)),
                        None if want == got => {}
                        _ => return None,
                    }
                    rest = tail;
                }
                _ => return None,
            }
        }
    }

    /// The path with each parameter replaced by what `value` gives for its name.
    pub fn fill(&self, mut value: impl FnMut(&str) -> String) -> String {
        let segments: Vec<String> = self
            .0
            .split('/')
            .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => value(name.trim_end_matches("..")),
                None => segment.to_owned(),
            })
            .collect();
        segments.join("/")
    }
}

impl FromStr for PathTemplate {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError::Path(text.chars().take(200).collect());
        let segments = text.strip_prefix('/').ok_or_else(wrong)?;
        if text.len() > 2048 || text.contains(|c: char| c.is_whitespace() || c == '?' || c == '#') {
            return Err(wrong());
        }
        let mut segments = segments.split('/').peekable();
        while let Some(segment) = segments.next() {
            if !segment.contains(['{', '}']) {
                continue;
            }
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')).ok_or_else(wrong)?;
            let (name, rest) = match name.strip_suffix("..") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let named =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if !named || (rest && segments.peek().is_some()) {
                return Err(wrong());
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// `METHOD /path/{template}`; without a method, any. A gRPC method is the path `/package.Service/Method`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// The HTTP method in capitals; `None` for any.
    pub method: Option<String>,
    /// The path.
    pub path: PathTemplate,
}

impl Route {
    /// Whether a request with this method and path (without query) goes here.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && self.path.matches(path)
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let text = text.trim();
        let wrong = || RouteError::Route(text.chars().take(200).collect());
        if text.starts_with('/') {
            return Ok(Self { method: None, path: text.parse()? });
        }
        let (method, path) = text.split_once(' ').ok_or_else(wrong)?;
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(wrong());
        }
        Ok(Self { method: Some(method.to_owned()), path: path.trim().parse()? })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        write!(f, "{}", self.path)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A route on an edge: `orders -> payments POST /payments/{id}/capture`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The edge (port and instance may be left out; see [`EdgeId::is_covered_by`]).
    pub edge: EdgeId,
    /// The route on it.
    pub route: Route,
}

impl Operation {
    /// Whether a request on `edge` with this method and path is this operation.
    pub fn matches(&self, edge: &EdgeId, method: &str, path: &str) -> bool {
        edge.is_covered_by(&self.edge) && self.route.matches(method, path)
    }
}

impl FromStr for Operation {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError::Operation(text.chars().take(200).collect());
        let (consumer, rest) = text.split_once("->").ok_or_else(wrong)?;
        let (provider, route) = rest.trim().split_once(' ').ok_or_else(wrong)?;
        Ok(Self { edge: format!("{consumer}->{provider}").parse()?, route: route.parse()? })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.edge, self.route)
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

as_text!(PathTemplate);
as_text!(Route);
as_text!(Operation);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_template_matches_by_whole_segments() {
        let template: PathTemplate = "/orders/{id}/items".parse().unwrap();
        assert_eq!(template.capture("/orders/7/items"), Some(vec![("id", "7")]));
        for other in
            ["/orders//items", "/orders/7", "/orders/7/items/", "/orders/7/8/items", "orders/7/items"]
        {
            assert_eq!(template.capture(other), None, "{other}");
        }
        let rest: PathTemplate = "/api/{rest..}".parse().unwrap();
        assert_eq!(rest.capture("/api/v1/orders"), Some(vec![("rest", "v1/orders")]));
        assert!(!rest.matches("/api"));
    }

    #[test]
    fn an_operation_reads_back_as_it_prints() {
        for text in [
            "orders -> payments POST /payments/{id}/capture",
            "a -> b.grpc /shop.v1.Inventory/Reserve",
            "a -> b GET /",
        ] {
            assert_eq!(text.parse::<Operation>().unwrap().to_string(), text);
        }
        for text in [
            "orders POST /x",
            "a -> b",
            "a -> b post /x",
            "a -> b POST x",
            "a -> b POST /{x",
            "a -> b /{a..}/b",
        ] {
            assert!(text.parse::<Operation>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_filled_template_matches_itself(id in "[a-z0-9]{1,8}") {
            let template: PathTemplate = "/a/{x}/b/{y}".parse().unwrap();
            let path = template.fill(|_| id.clone());
            prop_assert_eq!(template.capture(&path), Some(vec![("x", id.as_str()), ("y", id.as_str())]));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*", path in ".*") {
            let _ = text.parse::<Operation>();
            if let Ok(template) = text.parse::<PathTemplate>() { let _ = template.capture(&path); }
        }
    }
}
