//! The compatibility suite of the Pact tools: features in Gherkin, run against this crate through step definitions.
//! It lies outside the repository, and each feature found there is run: a step that is not defined is a failure.

mod consuming;
mod doubles;
mod fixtures;
mod generating;
mod matching;
mod messages;
mod verifying;
mod world;

use std::path::PathBuf;

use cucumber::{StatsWriter, World as _};

use world::Suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_of_the_compatibility_suite_passes() {
    let Some(folder) = std::env::var_os("SEAWORTHY_CONFORMANCE").map(PathBuf::from) else {
        println!("compatibility suite: SEAWORTHY_CONFORMANCE is not set, no scenario was run");
        return;
    };
    let features = folder.join("pact-compatibility-suite/features");
    let ran = Suite::cucumber()
        .before(|feature, _, _, suite| {
            suite.begin(feature.path.as_deref());
            Box::pin(std::future::ready(()))
        })
        .with_default_cli()
        .max_concurrent_scenarios(8)
        .fail_on_skipped()
        .run(features)
        .await;
    let scenarios = ran.scenarios_stats();
    let total = scenarios.passed + scenarios.skipped + scenarios.failed;
    println!("compatibility suite: {}/{total} scenarios", scenarios.passed);
    assert!(total > 0, "no scenario was found below {}", folder.display());
    assert_eq!(
        scenarios.passed,
        total,
        "failed steps: {}, features not read: {}",
        ran.failed_steps(),
        ran.parsing_errors()
    );
    assert_eq!(ran.parsing_errors(), 0);
}
