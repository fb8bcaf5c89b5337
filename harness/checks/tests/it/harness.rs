//! `flows`, `controls`, `faults` and `evidence`.

use seaworthy_core::evidence::{Loss, Purpose, StepFailure};
use seaworthy_core::fault::{FaultAction, FaultMatcher, FaultRule};
use seaworthy_core::finding::{Location, Verdict};
use seaworthy_core::time::Nanos;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed, judge, request, verdict};

fn failure(message: &str, line: usize, undecided: bool) -> StepFailure {
    let location = Location { file: "flows/a.yaml".to_owned(), line, column: 5, pointer: None };
    StepFailure { message: message.to_owned(), location: Some(location), undecided }
}

#[test]
fn flows_that_went_as_expected_pass() {
    let mut world = World::plain();
    world.step();
    assert_passes("flows", &world.finish());
}

#[test]
fn a_failed_expectation_is_shown_once_with_its_place_trace_and_request() {
    let mut world = World::plain();
    for number in 0..3 {
        let step = world.step();
        world.call(&step, request("ingress -> gateway", "POST /orders"), 500);
        world.last_step().failures.push(failure(
            &format!("status 500 for o-{number}, expected 201"),
            7,
            false,
        ));
        world.last_step().failures.push(failure("no such header", 9, false));
    }
    let report = judge("flows", &world.finish());
    let seen: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            (finding.location.as_ref().unwrap().line, finding.message.as_str(), finding.flow.as_deref())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (7, "step `order`: status 500 for o-0, expected 201 (3 times)", Some("checkout")),
            (9, "step `order`: no such header (3 times)", Some("checkout")),
        ]
    );
    let kinds: Vec<&str> = report.findings[0].evidence.iter().map(|piece| piece.kind.as_str()).collect();
    assert_eq!(kinds, ["step", "step", "step", "trace", "exchange"]);
}

#[test]
fn an_expectation_that_could_not_be_told_is_undecided() {
    let mut world = World::plain();
    world.step();
    world.last_step().failures.push(failure("the selector matched nothing", 7, true));
    let evidence = world.finish();
    assert_undecided("flows", &evidence);
    assert_eq!(judge("flows", &evidence).findings[0].rule, "flow.undecided");
}

#[test]
fn a_run_without_flows_is_undecided() {
    let mut world = World::plain();
    world.step_for(Purpose::Control);
    let evidence = world.finish();
    assert_undecided("flows", &evidence);
    assert_passes("controls", &evidence);
}

#[test]
fn a_disturbed_control_fails_and_flows_leave_it_alone() {
    let mut world = World::plain();
    world.step();
    world.fault(rule(), Nanos(0), 1);
    world.step_for(Purpose::Control);
    world.last_step().failures.push(failure("status 503, expected 201", 7, false));
    let evidence = world.finish();
    assert_eq!(blamed("controls", &evidence), ["control.disturbed~checkout"]);
    assert_passes("flows", &evidence);
}

#[test]
fn a_control_that_went_wrong_before_any_fault_shows_no_disturbance() {
    let mut world = World::plain();
    world.step();
    world.step_for(Purpose::Control);
    world.last_step().failures.push(failure("status 503, expected 201", 7, false));
    world.fault(rule(), Nanos(u64::MAX), 1);
    assert_undecided("controls", &world.finish());
}

#[test]
fn without_controls_their_check_is_skipped() {
    assert_skipped("controls", &World::plain().finish(), "controls run by themselves");
}

fn rule() -> FaultRule {
    let matcher =
        FaultMatcher { edge: Some("orders -> payments".parse().unwrap()), ..FaultMatcher::default() };
    FaultRule::new("f-1", matcher, FaultAction::Refuse)
}

#[test]
fn faults_that_fired_pass_and_none_at_all_is_skipped() {
    assert_skipped("faults", &World::plain().finish(), "faults:");
    let mut world = World::plain();
    world.fault(rule(), Nanos(0), 2);
    assert_passes("faults", &world.finish());
}

#[test]
fn a_fault_that_never_fired_is_undecided() {
    let mut world = World::plain();
    world.fault(rule(), Nanos(0), 0);
    assert_undecided("faults", &world.finish());
}

#[test]
fn a_fault_that_lapsed_is_worth_a_warning() {
    let mut world = World::plain();
    world.fault(rule(), Nanos(0), 1);
    world.set.faults[0].lapsed = true;
    let evidence = world.finish();
    assert_eq!(blamed("faults", &evidence), ["fault.lapsed"]);
    assert_eq!(verdict("faults", &evidence).0, Verdict::Pass);
}

#[test]
fn dropped_duplicates_are_no_loss() {
    let mut world = World::plain();
    world.set.losses.push(Loss {
        what: "spans".to_owned(),
        why: "duplicate".to_owned(),
        count: 3,
        service: None,
        harmful: false,
    });
    assert_passes("evidence", &world.finish());
}
