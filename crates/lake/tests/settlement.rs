//! Decisions and settlements that do not come as they should.

use std::time::Duration;

use crate::support::{DECISIONS, World};

#[test]
fn a_decision_waits_in_memory_for_its_settlement() {
    let world = World::new();
    world.decide("d1");
    world.call("d2");
    world.flush();
    assert_eq!(world.outcomes(), ["d1=", "d2=answered"]);
    assert_eq!(world.lake().snapshot(DECISIONS).unwrap().files[0].rows, 1);
    world.settle("d1");
    world.flush();
    assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
    assert_eq!(world.count("APIAccessLog"), 2);
}

#[test]
fn calls_of_a_dead_process_are_interrupted() {
    let mut world = World::new();
    world.decide("d1");
    world.call("d2");
    world.flush();
    world.decide("d3");
    world.restart();
    assert_eq!(
        world.outcomes(),
        ["d1=interrupted", "d2=answered", "d3=interrupted"]
    );
    world.call("d4");
    world.flush();
    world.restart();
    let expected = [
        "d1=interrupted",
        "d2=answered",
        "d3=interrupted",
        "d4=answered",
    ];
    assert_eq!(world.outcomes(), expected);
    assert_eq!(world.count("APIAccessLog"), 4);
    assert_eq!(world.count("ModelInferenceLog"), 2);
}

/// A decision that waited too long is flushed as it is; the settlement rewrites it.
#[test]
fn a_late_settlement_rewrites_the_row() {
    let mut world = World::with(|config| config.settle_wait = Duration::ZERO);
    world.decide("d1");
    world.decide("d2");
    world.flush();
    assert_eq!(world.lake().snapshot(DECISIONS).unwrap().tail.len(), 0);
    assert_eq!(world.outcomes(), ["d1=", "d2="]);
    world.settle("d1");
    assert_eq!(
        world.outcomes(),
        ["d1=", "d2="],
        "not before the rewrite, and never twice"
    );
    world.flush();
    assert_eq!(world.outcomes(), ["d1=answered", "d2="]);
    assert_eq!(world.lake().stats().late_settlements, 1);
    assert_eq!(world.count("APIAccessLog"), 1);

    world.restart();
    world.flush();
    assert_eq!(world.outcomes(), ["d1=answered", "d2=interrupted"]);
    assert_eq!(world.count("APIAccessLog"), 2);
}

/// As above, but the process dies between the flush and the late settlement's rewrite.
#[test]
fn a_late_settlement_survives_a_crash() {
    let mut world = World::with(|config| config.settle_wait = Duration::ZERO);
    world.decide("d1");
    world.flush();
    world.settle("d1");
    world.call("d2");
    world.restart();
    world.flush();
    assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
    world.restart();
    assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
    assert_eq!(world.count("APIAccessLog"), 2);
}

#[test]
fn too_many_unsettled_decisions_are_given_up_oldest_first() {
    let world = World::with(|config| config.unsettled_max = 2);
    for index in 0..5 {
        world.decide(&format!("d{index}"));
    }
    world.flush();
    assert_eq!(world.outcomes(), ["d0=", "d1=", "d2=", "d3=", "d4="]);
    assert_eq!(world.lake().stats().given_up, 3);
    world.settle("d0");
    world.settle("d4");
    world.flush();
    assert_eq!(world.lake().stats().orphaned_settlements, 1);
    assert_eq!(
        world.outcomes(),
        ["d0=", "d1=", "d2=", "d3=", "d4=answered"]
    );
}

#[test]
fn a_settlement_without_decision_is_counted() {
    let world = World::new();
    world.settle("nobody");
    world.sync();
    assert_eq!(world.lake().stats().orphaned_settlements, 1);
    assert_eq!(world.count(DECISIONS), 0);
}

#[test]
fn records_of_open_calls_are_still_needed() {
    let world = World::new();
    world.call("d1");
    let open = world.decide("d2");
    world.call("d3");
    assert_eq!(world.lake().oldest_needed_record(), 0);
    world.flush();
    assert_eq!(world.lake().oldest_needed_record(), open);
    world.settle("d2");
    world.flush();
    let next = world.journal.as_ref().unwrap().next_seq();
    assert_eq!(world.lake().oldest_needed_record(), next);
}
