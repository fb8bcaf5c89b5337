//! Every rule of drift and coverage has a page.

use seaworthy_contracts::observe::{coverage, drift, record};
use seaworthy_contracts::pages::explain;

#[test]
fn every_rule_has_a_page_that_says_how_to_mend_it() {
    for (check, rules) in [
        (
            drift::CHECK,
            vec![
                drift::UNBOUND,
                drift::OPERATION,
                drift::REQUEST,
                drift::RESPONSE,
                drift::MESSAGE,
                drift::STATUS,
                drift::NOTHING,
            ],
        ),
        (record::CHECK, vec![record::RECORDED, record::NOTHING]),
        (coverage::CHECK, vec![coverage::UNEXERCISED, coverage::NOTHING]),
    ] {
        let whole = explain(check).expect(check);
        for rule in rules {
            let page = explain(rule).expect(rule);
            assert_eq!(page.check, check);
            assert!(page.text.starts_with(&format!("# {rule}\n")), "{rule}");
            assert!(page.text.contains("## How to mend it"), "{rule}");
            assert!(whole.text.contains(page.summary()), "{rule}");
        }
    }
}
