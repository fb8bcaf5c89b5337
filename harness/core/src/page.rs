//! What there is to know about a rule: the page that `seaworthy explain RULE` prints.

use std::borrow::Cow;

/// What there is to know about one rule, or about a check as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rule's id (`retry.no-backoff`); the check's own id on the page of a check.
    pub rule: &'static str,
    /// The check that it belongs to, as `--only` and `--skip` take it.
    pub check: &'static str,
    /// Markdown: what it means, why it matters, how it is judged, how to mend it.
    pub text: Cow<'static, str>,
}

impl Page {
    /// What the rule means, in one sentence: the first paragraph.
    pub fn summary(&self) -> &str {
        let body = self.text.split_once('\n').map_or("", |(_, body)| body).trim_start();
        body.split("\n\n").next().unwrap_or_default().trim()
    }

    /// The page of a check, made of the first paragraphs of its rules' pages.
    pub fn of_check(check: &'static str, pages: &[Page]) -> Page {
        let mut text =
            format!("# {check}\n\nA check with these rules; `seaworthy explain RULE` says more of each.\n");
        for page in pages.iter().filter(|page| page.check == check) {
            text += &format!("\n- `{}`: {}", page.rule, page.summary().replace('\n', " "));
        }
        text.push('\n');
        Page { rule: check, check, text: Cow::Owned(text) }
    }

    /// The pages of all checks that have rules among these.
    pub fn of_checks(pages: &[Page]) -> Vec<Page> {
        let mut checks: Vec<&'static str> = pages.iter().map(|page| page.check).collect();
        checks.dedup();
        checks.into_iter().map(|check| Page::of_check(check, pages)).collect()
    }
}
