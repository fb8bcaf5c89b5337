//! Which paths are the same operation: `/orders/ord_1` and `/orders/ord_2` are `/orders/{id}`.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{Kind, neutral};

/// So many different words in one place, below the same parent and with the same shapes of bodies, are names of
/// things and not of operations.
const MANY: usize = 4;

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// Always this.
    Word(String),
    /// Anything that looks like this.
    Id(Kind),
    /// Any of many names; the first of them by the alphabet.
    Name(String),
}

/// A path with its ids taken out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route(Vec<Segment>);

impl Route {
    /// What a single path tells.
    pub(super) fn of(path: &str) -> Self {
        let segment = |text: &str| match Kind::of(text) {
            Some(kind) => Segment::Id(kind),
            None => Segment::Word(text.to_owned()),
        };
        Self(path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect())
    }

    /// It as people write it, and the same for all paths of the operation: `/orders/{id}`.
    pub(super) fn template(&self) -> String {
        let segments = self.0.iter().map(|segment| match segment {
            Segment::Word(word) => word.as_str(),
            Segment::Id(_) => "{id}",
            Segment::Name(_) => "{name}",
        });
        segments.fold(String::new(), |path, segment| path + "/" + segment)
    }

    /// A path of this operation that nobody asked for.
    pub(super) fn example(&self) -> String {
        let segments = self.0.iter().map(|segment| match segment {
            Segment::Word(word) => word.clone(),
            Segment::Id(kind) => kind.example(),
            Segment::Name(name) => neutral(name),
        });
        segments.fold(String::new(), |path, segment| path + "/" + &segment)
    }

    /// The regular expression for its paths; `None` where there is only one path.
    pub(super) fn pattern(&self) -> Option<String> {
        if self.0.iter().all(|segment| matches!(segment, Segment::Word(_))) {
            return None;
        }
        let segments = self.0.iter().map(|segment| match segment {
            Segment::Word(word) => regex::escape(word),
            Segment::Id(kind) => kind.pattern(),
            Segment::Name(_) => "[^/]+".to_owned(),
        });
        Some(segments.fold("^".to_owned(), |path, segment| path + "/" + &segment) + "$")
    }

    fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            match (&*mine, theirs) {
                (Segment::Id(kind), Segment::Id(other)) => {
                    *mine = Segment::Id(kind.clone().join(other.clone()));
                }
                (Segment::Name(name), Segment::Name(other)) if other < name => *mine = theirs.clone(),
                _ => {}
            }
        }
    }
}

/// Something that was asked at a path, with all that tells operations apart besides it.
#[derive(Debug, Clone)]
pub(super) struct Asked<'p> {
    /// The method.
    pub(super) method: &'p str,
    /// The path.
    pub(super) path: &'p str,
    /// The shapes of its bodies and its status.
    pub(super) shape: String,
}

/// The operation of each, found by looking at all of them together. In which order they come does not matter.
pub(super) fn operations(asked: &[Asked<'_>]) -> Vec<Route> {
    let mut routes: Vec<Route> = asked.iter().map(|asked| Route::of(asked.path)).collect();
    let longest = routes.iter().map(|route| route.0.len()).max().unwrap_or(0);
    for at in 1..longest {
        name_things(asked, &mut routes, at);
    }
    // Ids of several looks in one place are one kind that covers them all.
    let mut joined: BTreeMap<(&str, String), Route> = BTreeMap::new();
    for (asked, route) in asked.iter().zip(&routes) {
        let all = joined.entry((asked.method, route.template())).or_insert_with(|| route.clone());
        all.join(route);
    }
    let whole = asked.iter().zip(&routes).map(|(asked, route)| {
        joined.get(&(asked.method, route.template())).cloned().unwrap_or_else(|| route.clone())
    });
    whole.collect()
}

/// Turns words in this place into names of things, where there are many of them that are treated alike. The first
/// segment names a part of the interface, and a word after an id says what to do with what it names.
fn name_things(asked: &[Asked<'_>], routes: &mut [Route], at: usize) {
    let mut words: BTreeMap<(&str, String, String), BTreeSet<String>> = BTreeMap::new();
    let place = |asked: &Asked<'_>, route: &Route| {
        let word = match (route.0.get(at - 1)?, route.0.get(at)?) {
            (Segment::Word(_), Segment::Word(word)) => word.clone(),
            _ => return None,
        };
        let mut round = route.clone();
        if let Some(segment) = round.0.get_mut(at) {
            *segment = Segment::Word("*".to_owned());
        }
        Some((round.template(), asked.shape.clone(), word))
    };
    for (asked, route) in asked.iter().zip(routes.iter()) {
        if let Some((round, shape, word)) = place(asked, route) {
            words.entry((asked.method, round, shape)).or_default().insert(word);
        }
    }
    words.retain(|_, words| words.len() >= MANY);
    // All that is said of such a thing goes with it, whatever its shape: an answer 404 for one of the names, say.
    let mut named: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for ((method, round, _), words) in words {
        named.entry((method, round)).or_default().extend(words);
    }
    for (asked, route) in asked.iter().zip(routes.iter_mut()) {
        let Some((round, _, word)) = place(asked, route) else { continue };
        let Some(names) = named.get(&(asked.method, round)).filter(|names| names.contains(&word)) else {
            continue;
        };
        if let (Some(segment), Some(first)) = (route.0.get_mut(at), names.first()) {
            *segment = Segment::Name(first.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(asked: &[(&str, &str, &str)]) -> Vec<String> {
        let asked: Vec<Asked<'_>> = asked
            .iter()
            .map(|(method, path, shape)| Asked { method, path, shape: (*shape).to_owned() })
            .collect();
        operations(&asked).iter().map(Route::template).collect()
    }

    #[test]
    fn ids_are_taken_out_and_versions_stay() {
        for (path, template) in [
            ("/api/v1/orders/ord_604838348133439e81f7ea866e95e647", "/api/v1/orders/{id}"),
            ("/orders/o-123/items/7", "/orders/{id}/items/{id}"),
            ("/payments/550e8400-e29b-41d4-a716-446655440000/capture", "/payments/{id}/capture"),
            ("/health/ready", "/health/ready"),
            ("/", "/"),
            ("", "/"),
        ] {
            let route = Route::of(path);
            assert_eq!(route.template(), template);
            let pattern = route.pattern().unwrap_or_else(|| format!("^{}$", regex::escape(template)));
            let pattern = regex::Regex::new(&pattern).unwrap();
            assert!(path.is_empty() || pattern.is_match(path), "{path}");
            assert!(pattern.is_match(&route.example()), "{path}");
        }
    }

    #[test]
    fn many_words_that_are_treated_alike_are_names_of_things() {
        let stock = ["book", "mug", "pen", "shirt"].map(|sku| format!("/stock/{sku}"));
        let asked: Vec<_> = stock.iter().map(|path| ("GET", path.as_str(), "200 {on-hand}")).collect();
        assert_eq!(templates(&asked), ["/stock/{name}"; 4]);
        assert_eq!(templates(&asked[..3]), ["/stock/book", "/stock/mug", "/stock/pen"]);
    }

    #[test]
    fn what_is_done_with_a_thing_and_parts_of_an_interface_keep_their_names() {
        let verbs = ["capture", "refund", "void", "settle"].map(|verb| format!("/payments/p-1/{verb}"));
        let asked: Vec<_> = verbs.iter().map(|path| ("POST", path.as_str(), "200")).collect();
        assert_eq!(templates(&asked)[0], "/payments/{id}/capture");
        let parts = ["/orders", "/payments", "/shipments", "/mail"];
        let asked: Vec<_> = parts.iter().map(|path| ("POST", *path, "201")).collect();
        assert_eq!(templates(&asked), parts);
        let unlike = [("GET", "/a/b", "1"), ("GET", "/a/c", "2"), ("GET", "/a/d", "3"), ("GET", "/a/e", "4")];
        assert_eq!(templates(&unlike), ["/a/b", "/a/c", "/a/d", "/a/e"]);
    }

    #[test]
    fn ids_of_several_looks_are_one_operation() {
        let asked =
            [("GET", "/orders/12", "200"), ("GET", "/orders/o-12", "200"), ("GET", "/orders/p-1", "200")];
        let asked: Vec<_> =
            asked.map(|(method, path, shape)| Asked { method, path, shape: shape.to_owned() }).to_vec();
        let routes = operations(&asked);
        assert!(routes.iter().all(|route| *route == routes[0]), "{routes:?}");
        assert_eq!(routes[0].pattern().unwrap(), "^/orders/[^/?#]+$");
    }
}
