//! What a system file must make sense of beyond its types: names that exist, edges that are declared, an order
//! that can be kept, values within their ranges.
//!
//! | part | looks at |
//! |---|---|
//! | `settings` | name, flows, variables, telemetry, checks |
//! | `services` | each service by itself: how it is run, ports, environment, files, health |
//! | `edges` | calls, start-up order, ingress |
//! | `placeholders` | `${…}` in environment, command, files and calls |
//! | `clashes` | one port or address fixed in two places |
//! | `facts` | what was declared about the system |

mod clashes;
mod edges;
mod facts;
mod placeholders;
mod services;
mod settings;

use std::collections::BTreeSet;

use super::document::{Misfit, Place};
use super::error::Mistake;
use super::locate::{Source, pointer};
use super::model::{RunKind, System};
use super::suggest;
use crate::ids::EdgeId;

/// From how many mistakes on nothing is suggested any more: looking for close names takes its time.
const LONG: usize = 100;

/// All that does not make sense in a system that is to run on `on`.
pub(super) fn review(system: &System, on: RunKind, source: &Source) -> Vec<Mistake> {
    let edges = system.edges().into_iter().collect();
    let mut review = Review { system, edges, on, source, mistakes: Vec::new() };
    settings::review(&mut review);
    services::review(&mut review);
    edges::review(&mut review);
    placeholders::review(&mut review);
    clashes::review(&mut review);
    facts::review(&mut review);
    review.mistakes
}

/// Collects mistakes.
struct Review<'a> {
    system: &'a System,
    /// Every declared edge.
    edges: BTreeSet<EdgeId>,
    on: RunKind,
    source: &'a Source,
    mistakes: Vec<Mistake>,
}

impl<'a> Review<'a> {
    /// Something is wrong with the key of the part that these keys lead to.
    fn key(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<Option<String>>) {
        let pointer = pointer(path);
        let place = self.system.places.key(&pointer);
        self.put(pointer, place, message.into(), help.into());
    }

    /// Something is wrong with the value of the part that these keys lead to.
    fn value(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<Option<String>>) {
        let pointer = pointer(path);
        let place = self.system.places.value(&pointer, self.source);
        self.put(pointer, place, message.into(), help.into());
    }

    /// Something is wrong with this text in the value of the part that these keys lead to.
    fn text(
        &mut self,
        path: &[&str],
        text: &str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        let pointer = pointer(path);
        let whole = self.system.places.whole(&pointer);
        let found = self.source.text.get(whole.clone()).and_then(|whole| whole.find(text));
        let place = match found {
            Some(at) => whole.start + at..whole.start + at + text.len(),
            None => self.system.places.value(&pointer, self.source),
        };
        self.put(pointer, place, message.into(), help.into());
    }

    /// Whether there are so many mistakes that no one reads what might have been meant.
    fn is_long(&self) -> bool {
        self.mistakes.len() >= LONG
    }

    /// "Did you mean", or all there is to choose from; nothing when the list of mistakes is long already.
    fn meant<'n>(&self, word: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> Option<String> {
        if self.is_long() { None } else { did_you_mean(word, known) }
    }

    fn put(&mut self, pointer: String, place: Place, message: String, help: Option<String>) {
        self.mistakes.push(self.source.mistake(Misfit { message, help, place }, Some(pointer)));
    }

    fn services(&self) -> impl Iterator<Item = (&'a str, &'a super::model::Service)> + use<'a> {
        self.system.services.iter().map(|(name, service)| (name.as_str(), service))
    }
}

/// "Did you mean", or all there is to choose from.
pub(super) fn did_you_mean<'n>(
    word: &str,
    known: impl IntoIterator<Item = &'n str> + Clone,
) -> Option<String> {
    if let Some(name) = suggest::closest(word, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    const SHOWN: usize = 12;
    let names: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => None,
        count if count > SHOWN => {
            Some(format!("known are {} and {} more", names[..SHOWN].join(", "), count - SHOWN))
        }
        _ => Some(format!("known are {}", names.join(", "))),
    }
}

/// Whether an environment variable can have this name.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace)
}
