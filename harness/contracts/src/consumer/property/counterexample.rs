//! An answer that the contract allows and the consumer does not.

use std::fmt;

use seaworthy_core::finding::Location;
use seaworthy_core::secret;

use crate::diff::Difference;

/// So much of an answer is shown.
const SHOWN: usize = 4000;

/// An answer that the contract allows and that breaks the consumer, as near to the example as was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterexample {
    /// The interaction's name.
    pub name: String,
    /// Where the test declares it.
    pub location: Location,
    /// The answer; secrets redacted, 4000 characters at most.
    pub answer: String,
    /// In what it differs from the example.
    pub differences: Vec<Difference>,
    /// What the consumer said: its error, its panic, or that it did not end in time.
    pub message: String,
    /// How many answers were tried until the first broke it.
    pub tried: u32,
    /// `SEAWORTHY_SEED` with this value tries the same answers again.
    pub seed: u64,
}

impl Counterexample {
    pub(super) fn shown(answer: &str) -> String {
        let (text, _) = secret::redact(answer);
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}\n… {} bytes in all", &text[..end], answer.len()),
            None => text.into_owned(),
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counterexample { answer, differences, message, tried, seed, .. } = self;
        writeln!(formatter, "  the consumer: {message}")?;
        writeln!(formatter, "  on this answer:")?;
        for line in answer.lines() {
            writeln!(formatter, "    {line}")?;
        }
        if differences.is_empty() {
            writeln!(formatter, "  it is the example, perhaps written in another way")?;
        } else {
            writeln!(formatter, "  which differs from the example in")?;
        }
        for difference in differences {
            let text = difference.to_string();
            writeln!(formatter, "    {}", secret::redact(&text).0)?;
        }
        write!(formatter, "  answer {tried} of this run; SEAWORTHY_SEED={seed} tries the same again")
    }
}
