//! What of HAL a Pact Broker uses: links by relation, templated or named, and embedded resources.

use serde_json::Value;

/// The address of a relation: the first, where there are several.
pub(super) fn link<'h>(resource: &'h Value, relation: &str) -> Option<&'h str> {
    links(resource, relation).find_map(|link| link.get("href")?.as_str())
}

/// All links of a relation; one link is a list of one.
pub(super) fn links<'h>(resource: &'h Value, relation: &str) -> impl Iterator<Item = &'h Value> {
    let found = resource.get("_links").and_then(|links| links.get(relation));
    let (one, many) = match found {
        Some(Value::Array(links)) => (None, links.as_slice()),
        Some(link) => (Some(link), &[][..]),
        None => (None, &[][..]),
    };
    one.into_iter().chain(many)
}

/// The address of the link with this name.
pub(super) fn named<'h>(resource: &'h Value, relation: &str, name: &str) -> Option<&'h str> {
    links(resource, relation)
        .find(|link| link.get("name").and_then(Value::as_str) == Some(name))
        .and_then(|link| link.get("href")?.as_str())
}

/// The embedded resources of this name.
pub(super) fn embedded<'h>(resource: &'h Value, name: &str) -> &'h [Value] {
    let found = resource.get("_embedded").and_then(|embedded| embedded.get(name));
    found.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A piece of text in a resource: `text(value, &["version", "number"])`.
pub(super) fn text<'h>(resource: &'h Value, path: &[&str]) -> Option<&'h str> {
    path.iter().try_fold(resource, |value, key| value.get(key))?.as_str()
}

/// A template with its parameters filled in; those that are not given become empty.
pub(super) fn expand(template: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, tail)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = tail.split_once('}') else {
            out.push('{');
            rest = tail;
            continue;
        };
        if let Some((_, value)) = parameters.iter().find(|(known, _)| *known == name) {
            out.push_str(&encoded(value));
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Percent-encoded, all but what RFC 3986 calls unreserved.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The URL with more parameters in its query.
pub(super) fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = url.to_owned();
    for (key, value) in parameters {
        out.push(if out.contains('?') { '&' } else { '?' });
        out += &format!("{}={}", encoded(key), encoded(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn links_are_found_alone_and_among_others() {
        let resource = json!({"_links": {
            "one": {"href": "/1"},
            "many": [{"name": "a", "href": "/a"}, {"name": "b", "href": "/b"}],
            "odd": 5,
        }});
        assert_eq!(link(&resource, "one"), Some("/1"));
        assert_eq!(named(&resource, "many", "b"), Some("/b"));
        assert_eq!((link(&resource, "odd"), link(&resource, "none")), (None, None));
    }

    #[test]
    fn templates_take_names_of_any_kind() {
        let template = "http://b/p/{provider}/v/{version}{unknown}";
        let url = expand(template, &[("provider", "a b/ü"), ("version", "1.0")]);
        assert_eq!(url, "http://b/p/a%20b%2F%C3%BC/v/1.0");
        assert_eq!(
            with_query("/m?x=1", &[("q[][pacticipant]", "a&b")]),
            "/m?x=1&q%5B%5D%5Bpacticipant%5D=a%26b"
        );
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic(template in ".{0,40}", value in ".{0,10}") {
            let _ = expand(&template, &[("a", &value)]);
        }
    }
}
