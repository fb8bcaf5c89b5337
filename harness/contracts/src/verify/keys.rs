//! Conflict keys: two interactions that have one in common must not run at the same time.
//!
//! By default a provider state's key is its name with its parameters. A file says it better, where it is known what a state
//! touches: `a payment exists: payment:${id}`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use seaworthy_core::finding::Location;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::VerifyError;
use super::schedule::Claim;
use crate::model::{Interaction, ProviderState};

/// More than this a file of state keys is not.
const LIMIT: u64 = 4 * 1024 * 1024;

/// From provider states to conflict keys.
#[derive(Debug, Clone, Default)]
pub struct StateKeys {
    /// `None` without a file: a state's name and parameters are its key.
    by_state: Option<BTreeMap<String, Vec<Template>>>,
}

/// What one state claims: text with `${parameter}`s in it.
#[derive(Debug, Clone, PartialEq)]
struct Template {
    parts: Vec<TemplatePart>,
    location: Location,
}

#[derive(Debug, Clone, PartialEq)]
enum TemplatePart {
    Text(String),
    Parameter(String),
}

/// One template, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a key template must be a text, or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl StateKeys {
    /// Reads a YAML or JSON file: a map from a state's name to a key template, or to a list of them; an empty list says
    /// that the state conflicts with nothing.
    ///
    /// # Errors
    /// The file cannot be read, is not such a map, or has a `${` without its `}`.
    pub fn read(path: &Path) -> Result<Self, VerifyError> {
        let file = path.display().to_string();
        let unreadable = |why: String| VerifyError::Unreadable { file: file.clone(), why };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > LIMIT {
            return Err(unreadable(format!("it has {size} bytes, more than {LIMIT}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&file, &text)
    }

    /// Reads it from its text; `file` is what errors call it.
    ///
    /// # Errors
    /// As [`StateKeys::read`].
    pub fn parse(file: &str, text: &str) -> Result<Self, VerifyError> {
        let place = |location: serde_saphyr::Location| Location {
            file: file.to_owned(),
            line: usize::try_from(location.line()).unwrap_or_default(),
            column: usize::try_from(location.column()).unwrap_or_default(),
            pointer: None,
        };
        let options = serde_saphyr::options! { with_snippet: false };
        let read: BTreeMap<String, Spanned<OneOrMany>> = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| VerifyError::StateKeys {
            message: format!("the state keys could not be read: {}", plain(&error)),
            location: error.location().map_or_else(Location::default, place),
        })?;
        let mut by_state = BTreeMap::new();
        for (state, templates) in read {
            let location = place(templates.referenced);
            let templates = match templates.value {
                OneOrMany::One(template) => vec![template],
                OneOrMany::Many(templates) => templates,
            };
            let templates: Result<Vec<Template>, VerifyError> =
                templates.iter().map(|template| Template::parse(template, &location)).collect();
            by_state.insert(state, templates?);
        }
        Ok(Self { by_state: Some(by_state) })
    }

    /// What each interaction claims, in their order.
    pub(super) fn claims<'a>(
        &self,
        interactions: impl Iterator<Item = &'a Interaction>,
    ) -> Result<Vec<Claim>, VerifyError> {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        interactions
            .map(|interaction| {
                let Some(keys) = self.keys(interaction)? else { return Ok(Claim::Alone) };
                let keys = keys.into_iter().map(|key| {
                    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                    *numbers.entry(key).or_insert(next)
                });
                Ok(Claim::keys(keys.collect()))
            })
            .collect()
    }

    /// The keys of an interaction; `None` where one of its states has none in the file.
    fn keys(&self, interaction: &Interaction) -> Result<Option<Vec<String>>, VerifyError> {
        let mut keys = Vec::new();
        for state in &interaction.states {
            let Some(by_state) = &self.by_state else {
                keys.push(by_name(state));
                continue;
            };
            let Some(templates) = by_state.get(&state.name) else { return Ok(None) };
            for template in templates {
                keys.push(template.fill(state, interaction)?);
            }
        }
        Ok(Some(keys))
    }
}

/// A state's name and its parameters, which come in no order.
fn by_name(state: &ProviderState) -> String {
    let parameters: BTreeMap<&String, String> =
        state.params.iter().map(|(name, value)| (name, sorted(value))).collect();
    format!("{} {parameters:?}", state.name)
}

/// A value as text that is the same for the same value.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, String> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            format!("{members:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(sorted).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

impl Template {
    fn parse(text: &str, location: &Location) -> Result<Self, VerifyError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((parameter, behind)) = after.split_once('}') else {
                return Err(VerifyError::StateKeys {
                    message: format!("the key template `{text}` has a `${{` without its `}}`"),
                    location: location.clone(),
                });
            };
            parts.push(TemplatePart::Text(before.to_owned()));
            parts.push(TemplatePart::Parameter(parameter.trim().to_owned()));
            rest = behind;
        }
        parts.push(TemplatePart::Text(rest.to_owned()));
        Ok(Self { parts, location: location.clone() })
    }

    fn fill(&self, state: &ProviderState, interaction: &Interaction) -> Result<String, VerifyError> {
        let mut key = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => key.push_str(text),
                TemplatePart::Parameter(name) => match state.params.get(name) {
                    Some(Value::String(text)) => key.push_str(text),
                    Some(value) => key.push_str(&sorted(value)),
                    None => return Err(self.unknown(name, state, interaction)),
                },
            }
        }
        Ok(key)
    }

    fn unknown(&self, name: &str, state: &ProviderState, interaction: &Interaction) -> VerifyError {
        let mut known: Vec<&str> = state.params.keys().map(String::as_str).collect();
        known.sort_unstable();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let Location { file, line, .. } = &interaction.location;
        VerifyError::StateKeys {
            message: format!(
                "the key of state `{}` needs its parameter `{name}`, which {file}:{line} does not give; it gives {known}",
                state.name
            ),
            location: self.location.clone(),
        }
    }
}

/// The reader's message without the place, which is told beside it.
fn plain(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // What follows tells programmers which option of the reader allows it.
    let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(text);
    text.split(" at line ").next().unwrap_or(text).to_owned()
}
