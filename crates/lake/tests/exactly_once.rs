//! No row is missing and none is doubled, whenever the process dies and whoever looks when.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use proptest::prelude::*;

use crate::support::{DECISIONS, World, rows};

/// What a process does between two deaths.
#[derive(Clone, Debug)]
enum Act {
    Call,
    Decide,
    SettleOldest,
    Row,
    Flush,
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Call),
        3 => Just(Act::Decide),
        3 => Just(Act::SettleOldest),
        2 => Just(Act::Row),
        2 => Just(Act::Flush),
        1 => Just(Act::Crash),
    ];
    proptest::collection::vec(act, 1..40)
}

/// The tables as they must be after the acts.
#[derive(Default)]
struct Expected {
    outcomes: Vec<(String, &'static str)>,
    open: Vec<usize>,
    rows: usize,
}

impl Expected {
    fn decide(&mut self) -> String {
        let id = format!("d{:03}", self.outcomes.len());
        self.open.push(self.outcomes.len());
        self.outcomes.push((id.clone(), ""));
        id
    }

    fn crash(&mut self) {
        for index in self.open.drain(..) {
            self.outcomes[index].1 = "interrupted";
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_gives_every_row_once(acts in acts(), settle_wait_is_over: bool) {
        let mut world = World::with(|config| {
            if settle_wait_is_over {
                config.settle_wait = Duration::ZERO;
            }
        });
        let mut expected = Expected::default();
        for act in acts {
            match act {
                Act::Call => {
                    let id = expected.decide();
                    expected.open.pop();
                    if let Some(last) = expected.outcomes.last_mut() {
                        last.1 = "answered";
                    }
                    world.call(&id);
                }
                Act::Decide => {
                    let id = expected.decide();
                    world.decide(&id);
                }
                Act::SettleOldest if !expected.open.is_empty() => {
                    let index = expected.open.remove(0);
                    expected.outcomes[index].1 = "answered";
                    world.settle(&expected.outcomes[index].0);
                }
                Act::SettleOldest => {}
                Act::Row => {
                    expected.rows += 1;
                    world.append(r#"{"$table":"AuditLog","EventId":"e"}"#);
                }
                Act::Flush => {
                    world.flush();
                }
                Act::Crash => {
                    world.restart();
                    expected.crash();
                }
            }
        }
        world.restart();
        expected.crash();
        world.flush();
        let outcomes: Vec<String> = expected.outcomes.iter().map(|(id, outcome)| format!("{id}={outcome}")).collect();
        prop_assert_eq!(world.outcomes(), outcomes);
        prop_assert_eq!(world.count("APIAccessLog"), expected.outcomes.len());
        let answered = expected.outcomes.iter().filter(|(_, outcome)| *outcome == "answered").count();
        prop_assert_eq!(world.count("ModelInferenceLog"), answered);
        prop_assert_eq!(world.count("AuditLog"), expected.rows);
    }
}

/// A crash between two tables' commits: one has the rows, the other gets them from the journal.
/// The decision log is committed last, so what a crash can leave out is a tail of this order.
#[test]
fn a_crash_between_the_commits_of_two_tables() {
    let order = ["APIAccessLog", "ModelInferenceLog", DECISIONS];
    for lost in 0..order.len() {
        let mut world = World::new();
        world.call("d1");
        world.flush();
        world.call("d2");
        world.flush();
        world.kill();
        for table in &order[lost..] {
            undo_last_commit(&world.config.dir.join(table).join("_delta_log"));
        }
        world.start();
        world.sync();
        world.call("d3");
        world.flush();
        for table in order {
            let rows = world.rows(table);
            let mut ids: Vec<_> = rows.iter().map(|row| &row["DecisionId"]).collect();
            ids.sort();
            assert_eq!(
                ids,
                ["d1", "d2", "d3"],
                "from {} on lost: {table}",
                order[lost]
            );
        }
    }
}

fn undo_last_commit(log: &Path) {
    let newest = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .max();
    fs::remove_file(newest.unwrap()).unwrap();
}

#[test]
fn an_empty_commit_left_by_a_power_cut_is_repaired() {
    let mut world = World::new();
    world.call("d1");
    world.flush();
    world.kill();
    let torn = world
        .config
        .dir
        .join(DECISIONS)
        .join("_delta_log")
        .join(format!("{:020}.json", 2));
    fs::write(&torn, b"").unwrap();
    world.start();
    assert_eq!(world.outcomes(), ["d1=answered"]);
}

/// Somebody looks all the time while rows arrive and are flushed.
#[test]
fn snapshots_are_consistent_while_flushes_run() {
    let world = World::with(|config| {
        config.flush_age = Duration::from_millis(30);
        config.flush_rows = 40;
    });
    let stop = Arc::new(AtomicBool::new(false));
    let looking = {
        let (lake, stop) = (world.lake().clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut seen = 0;
            let mut looks = 0;
            while !stop.load(Relaxed) {
                let snapshot = lake.snapshot(DECISIONS).unwrap();
                let rows = rows(&snapshot);
                let ids: BTreeSet<_> = rows.iter().map(|row| row["DecisionId"].clone()).collect();
                assert_eq!(ids.len(), rows.len(), "a row is doubled");
                assert!(ids.len() >= seen, "a row has gone");
                seen = ids.len();
                looks += 1;
            }
            looks
        })
    };
    let mut calls = 0;
    while calls < 300 || world.lake().stats().flushes < 3 {
        world.call(&format!("d{calls}"));
        calls += 1;
    }
    world.sync();
    stop.store(true, Relaxed);
    assert!(looking.join().unwrap() > 3);
    assert_eq!(world.count(DECISIONS), calls);
}

/// The journal was trimmed further than the lake had read, as when a lake's folder is lost.
#[test]
fn a_lake_made_anew_begins_at_the_oldest_record_left() {
    let mut world = World::with_journal(|config| config.segment_bytes_max = 1_000);
    for index in 0..20 {
        world.call(&format!("d{index:02}"));
    }
    world.flush();
    let journal = world.journal.as_ref().unwrap();
    assert!(journal.remove_segments_before(20).unwrap() > 0);
    world.kill();
    fs::remove_dir_all(&world.config.dir).unwrap();
    world.start();
    let outcomes = world.outcomes();
    assert!(outcomes.len() > 5 && outcomes.len() < 20, "{outcomes:?}");
    assert!(world.lake().stats().records_missing > 0);
}

/// The disk is full, or the folder broken: rows stay visible in memory and are written later.
#[test]
fn a_flush_that_fails_loses_nothing() {
    for table in [DECISIONS, "APIAccessLog"] {
        let world = World::new();
        world.call("d1");
        world.flush();
        let day = world.config.dir.join(table).join("day=2026-11-25");
        fs::write(&day, b"in the way").unwrap();
        let next_day = "2026-11-25T10:00:00Z";
        world.append(&format!(
            r#"{{"$table":"AIGuardrailDecisions","TimeGenerated":"{next_day}","DecisionId":"d2"}}"#
        ));
        world.settle("d2");
        world.sync();
        assert!(world.lake().flush().is_err());
        assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
        assert_eq!(world.count("APIAccessLog"), 2);
        fs::remove_file(&day).unwrap();
        world.flush();
        assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
        assert_eq!(world.count("APIAccessLog"), 2);
        assert_eq!(world.lake().stats().flush_failures, 1);
    }
}

/// Looking at a node that does not run: what was not flushed is read from the journal.
#[test]
fn a_stopped_node_can_be_looked_at() {
    let mut world = World::new();
    world.call("d1");
    world.flush();
    world.call("d2");
    world.decide("d3");
    world.kill();
    let lake = atalaya_lake::Lake::open(world.config.clone(), crate::support::ports()).unwrap();
    lake.catch_up(&world.root.join("journal")).unwrap();
    world.lake = Some(lake);
    assert_eq!(world.rows(DECISIONS).len(), 3);
    assert_eq!(world.count("ModelInferenceLog"), 2);
}

/// A lake may be dropped by a thread of any runtime.
#[test]
fn a_lake_can_be_used_and_dropped_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new();
        world.call("d1");
        world.flush();
        assert_eq!(world.count(DECISIONS), 1);
        world.kill();
    });
}

/// Relaxed durability and a power cut: the journal has lost records that the lake has, and gives
/// their numbers again.
#[test]
fn numbers_given_again_are_not_taken_for_known() {
    let mut world = World::new();
    world.call("d1");
    world.flush();
    let segment = world.root.join("journal/00000000000000000000.seg");
    let before = fs::read(&segment).unwrap();
    world.call("d2");
    world.flush();
    world.kill();
    fs::write(&segment, before).unwrap();
    world.start();
    world.sync();
    world.call("d3");
    world.restart();
    world.flush();
    assert_eq!(
        world.outcomes(),
        ["d1=answered", "d2=answered", "d3=answered"]
    );
    assert_eq!(world.count("APIAccessLog"), 3);
}
