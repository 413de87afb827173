//! When rules run, and how often an alert is raised.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atalaya_detect::{Clock, Limits, RuleCatalogue, SchedulerConfig};
use atalaya_model::{Severity, Timestamp};

use crate::world::{MINUTE, NOW, World, minutes, rule};

#[tokio::test]
async fn an_alert_names_rule_entities_times_and_records() {
    let world = World::new();
    world.attempt(-30, "mallory", 2);
    world.attempt(-10, "mallory", 1);
    world.attempt(-10, "ann", 2);
    let scheduler = world.scheduler(&[rule("r", "")]);
    let report = scheduler.run_once(NOW).await;
    assert_eq!(report.alerts.len(), 1);
    let alert = &report.alerts[0];
    let loaded = scheduler.rules().rule("r").unwrap().clone();
    assert_eq!(alert.rule_id, "r");
    assert_eq!(alert.rule_version, "1.0.0");
    assert_eq!(alert.rule_hash, loaded.hash);
    assert_eq!(alert.techniques, ["AML.T0051"]);
    assert_eq!(alert.atlas_release, "2026.09");
    assert_eq!(alert.severity, Severity::High);
    assert_eq!(alert.entities[0].value, "mallory");
    assert_eq!(
        (alert.first_seen, alert.last_seen),
        (minutes(-30), minutes(-10))
    );
    assert_eq!(alert.count, 3);
    assert_eq!(alert.record_ids, ["d0", "d1", "d2"]);
    assert_eq!(alert.details["count_"], "3");
    assert_eq!(world.delivered.lock().len(), 1);
}

#[tokio::test]
async fn overlapping_windows_raise_once_and_growing_bursts_grow() {
    let world = World::new();
    world.attempt(-30, "mallory", 3);
    let scheduler = world.scheduler(&[rule("r", "")]);
    assert_eq!(scheduler.run_once(NOW).await.alerts.len(), 1);
    for later in 1..4 {
        let report = scheduler.run_once(minutes(later * 5)).await;
        assert_eq!((report.alerts.len(), report.grown), (0, 0));
    }
    world.attempt(16, "mallory", 2);
    let report = scheduler.run_once(minutes(20)).await;
    assert_eq!((report.alerts.len(), report.grown), (0, 1));
    // Six within the hour: more severe, so raised at once although suppressed.
    world.attempt(21, "mallory", 1);
    let report = scheduler.run_once(minutes(25)).await;
    assert_eq!(report.alerts.len(), 1);
    assert_eq!(report.alerts[0].severity, Severity::Critical);
    // The window moves on and the count sinks: nothing new.
    let report = scheduler.run_once(minutes(31)).await;
    assert_eq!((report.alerts.len(), report.grown), (0, 0));
}

#[tokio::test]
async fn after_suppression_only_new_evidence_raises_again() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    let scheduler = world.scheduler(&[rule("r", "suppressionDuration: 10m\n")]);
    assert_eq!(scheduler.run_once(NOW).await.alerts.len(), 1);
    assert_eq!(scheduler.run_once(minutes(15)).await.alerts.len(), 0);
    world.attempt(16, "mallory", 1);
    let report = scheduler.run_once(minutes(20)).await;
    assert_eq!(report.alerts.len(), 1);
    assert_eq!(report.alerts[0].count, 4);
}

#[tokio::test]
async fn a_new_version_of_a_rule_is_a_new_story() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    let scheduler = world.scheduler(&[rule("r", "")]);
    assert_eq!(scheduler.run_once(NOW).await.alerts.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let changed = rule("r", "").replace("1.0.0", "1.1.0");
    std::fs::write(folder.path().join("r.yml"), changed).unwrap();
    let mut catalogue = RuleCatalogue::default();
    catalogue.add_folder(folder.path());
    scheduler.replace_rules(catalogue);
    let report = scheduler.run_once(minutes(1)).await;
    assert_eq!(report.alerts[0].rule_version, "1.1.0");
}

#[tokio::test]
async fn rules_run_when_due_and_not_before() {
    let world = World::new();
    let scheduler = world.scheduler(&[rule("a", ""), rule("b", "enabled: false\n")]);
    assert_eq!(scheduler.run_due(NOW).await.rules, 1);
    assert_eq!(scheduler.run_due(minutes(4)).await.rules, 0);
    assert_eq!(scheduler.run_due(minutes(5)).await.rules, 1);
    let every = SchedulerConfig {
        every: Some(Duration::from_secs(60)),
        ..SchedulerConfig::default()
    };
    let fast = world.scheduler_with(&[rule("a", "")], every);
    assert_eq!(fast.run_due(NOW).await.rules, 1);
    assert_eq!(fast.run_due(minutes(1)).await.rules, 1);
}

#[tokio::test]
async fn a_failure_is_visible_and_stops_nobody_else() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    let scheduler = world.scheduler_with(
        &[rule("a", "")],
        SchedulerConfig {
            limits: Limits {
                query_timeout: Duration::from_millis(50),
                ..Limits::default()
            },
            ..SchedulerConfig::default()
        },
    );
    world
        .failures
        .lock()
        .extend(["no such table", "hang", "panic"]);
    let report = scheduler.run_once(NOW).await;
    assert!(report.failures[0].1.contains("no such table"));
    let report = scheduler.run_once(minutes(1)).await;
    assert!(report.failures[0].1.contains("cancelled after 50ms"));
    let report = scheduler.run_once(minutes(2)).await;
    assert_eq!(report.rules, 0);
    let report = scheduler.run_once(minutes(3)).await;
    assert_eq!(report.alerts.len(), 1);
    let mut metrics = String::new();
    scheduler.metrics().write_prometheus(&mut metrics);
    assert!(
        metrics.contains("atalaya_rule_failures_total 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("atalaya_rules_failing 0\n"), "{metrics}");
    assert!(
        metrics.contains("atalaya_alerts_raised_total 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn evidence_that_cannot_be_found_does_not_cost_the_alert() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    let scheduler = world.scheduler(&[rule("a", "")]);
    world.evidence_fails.store(true, Ordering::SeqCst);
    let report = scheduler.run_once(NOW).await;
    assert_eq!(report.alerts.len(), 1);
    assert_eq!(report.alerts[0].count, 3);
    assert!(report.alerts[0].record_ids.is_empty());
}

#[tokio::test]
async fn an_alert_that_a_sink_refused_is_delivered_later() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    world.sink_failures.store(2, Ordering::SeqCst);
    let scheduler = world.scheduler(&[rule("a", "")]);
    for (minute, delivered) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        scheduler.run_due(minutes(minute)).await;
        assert_eq!(world.delivered.lock().len(), delivered, "minute {minute}");
    }
}

#[tokio::test]
async fn windows_that_were_missed_are_searched_with_their_own_now() {
    let world = World::new();
    let scheduler = world.scheduler(&[rule("a", "")]);
    scheduler.run_due(NOW).await;
    world.attempt(30, "mallory", 3);
    world.requests.lock().clear();
    let report = scheduler.run_due(minutes(200)).await;
    assert_eq!(report.alerts.len(), 1);
    assert_eq!(report.alerts[0].time_generated, minutes(60));
    let nows: Vec<i64> = world
        .requests
        .lock()
        .iter()
        .filter(|r| !r.kql.contains("Ids_"))
        .map(|r| (r.now.0 - NOW.0) / MINUTE)
        .collect();
    assert_eq!(nows, [60, 120, 180, 200]);
}

#[tokio::test]
async fn no_more_rules_run_together_than_allowed() {
    let world = World::new();
    let rules: Vec<String> = (0..12).map(|i| rule(&format!("r{i}"), "")).collect();
    let scheduler = world.scheduler_with(
        &rules,
        SchedulerConfig {
            concurrency: 3,
            ..SchedulerConfig::default()
        },
    );
    assert_eq!(scheduler.run_once(NOW).await.rules, 12);
    assert_eq!(world.running_max.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_loop_runs_by_timer_and_by_signal_and_ends_when_told() {
    let world = World::new();
    world.attempt(-5, "mallory", 3);
    let scheduler = world.scheduler_with(
        &[rule("a", "")],
        SchedulerConfig {
            tick: Duration::from_secs(3_600),
            every: Some(Duration::from_millis(1)),
            ..SchedulerConfig::default()
        },
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let clock: Arc<dyn Clock> = Arc::new(Timestamp::now);
    let looping = scheduler.clone();
    let task = tokio::spawn(async move {
        looping
            .run(clock, async {
                let _ = stopped.await;
            })
            .await;
    });
    let runs = || world.requests.lock().len();
    while runs() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while runs() < 3 {
        scheduler.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    task.await.unwrap();
}
