//! A restart changes nothing; a damaged snapshot is refused.

use atalaya_analytics::{Engine, Event, Limits, Settings, SnapshotError};
use atalaya_model::Decision;
use proptest::prelude::*;

use crate::traffic::{Dice, at};

fn events() -> Vec<Event<'static>> {
    let mut dice = Dice(11);
    let mut events: Vec<Event<'static>> = Vec::new();
    for i in 0..4_000_u32 {
        let simhash = dice.roll();
        events.push(Event {
            id: format!("e{i}").into(),
            caller: format!("c{}", dice.below(40)).into(),
            address: format!("192.0.{}.1", dice.below(30)).into(),
            user_agent: "x/1".into(),
            model: "m".into(),
            simhash: Some(simhash),
            input: simhash | 1,
            label: if i % 3 == 0 { "a" } else { "" }.into(),
            confidence: (i % 3 == 0).then_some(0.9),
            decision: Some(if i % 50 == 0 {
                Decision::Block
            } else {
                Decision::Allow
            }),
            documents: vec![format!("d{}", i % 9).into()],
            trace: format!("t{}", i % 20).into(),
            step: 1 + i / 100,
            input_tokens: Some(10),
            output_tokens: Some(90),
            ..at(f64::from(i) * 40.0)
        });
    }
    events
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let events = events();
    let (mut whole, mut halved) = (Vec::new(), Vec::new());
    let mut engine = Engine::new(Settings::all(), Limits::default());
    events
        .iter()
        .for_each(|event| engine.observe(event, &mut whole));
    let mut first = Engine::new(Settings::all(), Limits::default());
    let (before, after) = events.split_at(2_345);
    before
        .iter()
        .for_each(|event| first.observe(event, &mut halved));
    let mut second = Engine::new(Settings::all(), Limits::default());
    second.restore(&first.snapshot()).unwrap();
    after
        .iter()
        .for_each(|event| second.observe(event, &mut halved));
    assert!(!whole.is_empty());
    assert_eq!(whole, halved);
    assert_eq!(engine.snapshot(), second.snapshot());
}

#[test]
fn foreign_old_and_damaged_snapshots_are_refused_and_change_nothing() {
    let mut engine = Engine::new(Settings::all(), Limits::default());
    events()
        .iter()
        .for_each(|event| engine.observe(event, &mut Vec::new()));
    let snapshot = engine.snapshot();
    let mut old = snapshot.clone();
    old[8] = 99;
    assert_eq!(engine.restore(&old), Err(SnapshotError::Version(99)));
    assert_eq!(engine.restore(b"hello"), Err(SnapshotError::Foreign));
    assert_eq!(
        engine.restore(&snapshot[..100]),
        Err(SnapshotError::Damaged)
    );
    assert_eq!(engine.snapshot(), snapshot);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_that_are_changed_anywhere_never_panic(at in 12_usize..5_000, byte in any::<u8>()) {
        let mut engine = Engine::new(Settings::all(), Limits::default());
        events().iter().take(50).for_each(|event| engine.observe(event, &mut Vec::new()));
        let mut snapshot = engine.snapshot();
        let at = at % snapshot.len();
        prop_assume!(snapshot[at] != byte && at >= 12);
        snapshot[at] = byte;
        prop_assert_eq!(engine.restore(&snapshot), Err(SnapshotError::Damaged));
    }
}
