//! Cases that know only the trait.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use atalaya_model::{Alert, AlertStatus, Entity, EntityKind, Severity, Timestamp};
use atalaya_store::{AlertFilter, Growth, Insertion, NewAlert, RuleState, Store};

type Case = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()>>>;

pub(crate) const CASES: &[(&str, Case)] = &[
    ("insertion", |s| Box::pin(insertion_is_idempotent(s))),
    ("filters", |s| Box::pin(lists_are_filtered_and_ordered(s))),
    ("growth", |s| Box::pin(an_alert_grows(s))),
    ("status", |s| Box::pin(status_changes(s))),
    ("delivery", |s| Box::pin(undelivered_alerts_are_known(s))),
    ("retention", |s| Box::pin(only_old_closed_alerts_go(s))),
    ("rules", |s| Box::pin(rule_state_is_kept(s))),
];

pub(crate) fn alert(id: &str, time: i64) -> Alert {
    Alert {
        alert_id: id.to_owned(),
        time_generated: Timestamp(time),
        rule_id: "rule-1".to_owned(),
        rule_name: "Rule".to_owned(),
        rule_version: "1.0.0".to_owned(),
        rule_hash: "00".to_owned(),
        severity: Severity::Medium,
        techniques: vec!["AML.T0051.000".to_owned()],
        atlas_release: "2026.09".to_owned(),
        entities: vec![Entity {
            kind: EntityKind::Caller,
            value: "mallory".to_owned(),
        }],
        first_seen: Timestamp(time - 5),
        last_seen: Timestamp(time - 1),
        count: 2,
        record_ids: vec!["r1".to_owned(), "r2".to_owned()],
        details: BTreeMap::from([("count_".to_owned(), "2".to_owned())]),
        status: AlertStatus::New,
    }
}

pub(crate) fn new(alert: &Alert) -> NewAlert {
    NewAlert {
        alert: alert.clone(),
        group_key: "group".to_owned(),
        dedup_key: format!("dedup-{}", alert.alert_id),
    }
}

async fn insertion_is_idempotent(store: Arc<dyn Store>) {
    let first = new(&alert("a1", 10));
    assert_eq!(
        store.insert_alert(first.clone()).await.unwrap(),
        Insertion::Inserted
    );
    let again = NewAlert {
        alert: alert("a2", 11),
        ..first.clone()
    };
    assert_eq!(
        store.insert_alert(again).await.unwrap(),
        Insertion::Duplicate
    );
    assert_eq!(store.alert("a1").await.unwrap(), Some(first.alert.clone()));
    assert_eq!(store.alert("a2").await.unwrap(), None);
    store.insert_alert(new(&alert("a3", 20))).await.unwrap();
    let latest = store.latest_of_group("group").await.unwrap().unwrap();
    assert_eq!(latest.alert.alert_id, "a3");
    assert!(store.latest_of_group("other").await.unwrap().is_none());
}

async fn lists_are_filtered_and_ordered(store: Arc<dyn Store>) {
    for (id, time, severity, technique, caller) in [
        ("a1", 10, Severity::Low, "AML.T0051", "ann"),
        ("a2", 20, Severity::High, "AML.T0051.001", "bob"),
        ("a3", 30, Severity::Critical, "AML.T0054", "bob"),
    ] {
        let mut one = alert(id, time);
        one.severity = severity;
        one.techniques = vec![technique.to_owned()];
        one.entities[0].value = caller.to_owned();
        one.rule_id = format!("rule-{id}");
        store.insert_alert(new(&one)).await.unwrap();
    }
    for (filter, wanted) in filters() {
        let found = store.alerts(&filter).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|a| a.alert_id.as_str()).collect();
        assert_eq!(ids, wanted, "{filter:?}");
    }
}

fn filters() -> Vec<(AlertFilter, &'static [&'static str])> {
    let filter = AlertFilter::default;
    let mut cases: Vec<(AlertFilter, &'static [&'static str])> = vec![
        (filter(), &["a3", "a2", "a1"]),
        (
            AlertFilter {
                limit: 2,
                ..filter()
            },
            &["a3", "a2"],
        ),
        (
            AlertFilter {
                until: Some(Timestamp(20)),
                ..filter()
            },
            &["a1"],
        ),
    ];
    let high = Some(Severity::High);
    cases.push((
        AlertFilter {
            severity_min: high,
            ..filter()
        },
        &["a3", "a2"],
    ));
    for (technique, wanted) in [("AML.T0051", &["a2", "a1"][..]), ("AML.T005", &[])] {
        let technique = Some(technique.to_owned());
        cases.push((
            AlertFilter {
                technique,
                ..filter()
            },
            wanted,
        ));
    }
    let (entity, since) = (Some("bob".to_owned()), Some(Timestamp(21)));
    cases.push((
        AlertFilter {
            entity,
            since,
            ..filter()
        },
        &["a3"],
    ));
    let rule_id = Some("rule-a2".to_owned());
    cases.push((
        AlertFilter {
            rule_id,
            ..filter()
        },
        &["a2"],
    ));
    let status = Some(AlertStatus::Closed);
    cases.push((AlertFilter { status, ..filter() }, &[]));
    cases
}

async fn an_alert_grows(store: Arc<dyn Store>) {
    store.insert_alert(new(&alert("a1", 10))).await.unwrap();
    let growth = Growth {
        last_seen: Timestamp(50),
        count: 5,
        record_ids: ["r2", "r3", "r4", "r5"].map(str::to_owned).to_vec(),
        record_ids_max: 4,
    };
    assert!(store.grow_alert("a1", growth.clone()).await.unwrap());
    assert!(!store.grow_alert("none", growth).await.unwrap());
    let grown = store.alert("a1").await.unwrap().unwrap();
    assert_eq!(grown.last_seen, Timestamp(50));
    assert_eq!(grown.first_seen, Timestamp(5));
    assert_eq!(grown.count, 5);
    assert_eq!(grown.record_ids, ["r1", "r2", "r3", "r4"]);
}

async fn status_changes(store: Arc<dyn Store>) {
    store.insert_alert(new(&alert("a1", 10))).await.unwrap();
    assert!(
        store
            .set_alert_status("a1", AlertStatus::Closed)
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_alert_status("none", AlertStatus::Closed)
            .await
            .unwrap()
    );
    let filter = AlertFilter {
        status: Some(AlertStatus::Closed),
        ..Default::default()
    };
    assert_eq!(store.alerts(&filter).await.unwrap().len(), 1);
}

async fn undelivered_alerts_are_known(store: Arc<dyn Store>) {
    for (id, time) in [("a1", 10), ("a2", 20)] {
        store.insert_alert(new(&alert(id, time))).await.unwrap();
    }
    store.mark_delivered("a1").await.unwrap();
    let left = store.undelivered_alerts(10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].alert_id, "a2");
}

async fn only_old_closed_alerts_go(store: Arc<dyn Store>) {
    for (id, time) in [("a1", 10), ("a2", 20), ("a3", 30)] {
        store.insert_alert(new(&alert(id, time))).await.unwrap();
    }
    for id in ["a1", "a3"] {
        store
            .set_alert_status(id, AlertStatus::Closed)
            .await
            .unwrap();
    }
    assert_eq!(store.delete_closed_alerts(Timestamp(25)).await.unwrap(), 1);
    assert_eq!(store.alerts(&Default::default()).await.unwrap().len(), 2);
}

async fn rule_state_is_kept(store: Arc<dyn Store>) {
    assert_eq!(store.rule_state("r").await.unwrap(), None);
    let mut state = RuleState {
        rule_id: "r".to_owned(),
        rule_version: "1".to_owned(),
        rule_hash: "ab".to_owned(),
        last_run: Some(Timestamp(7)),
        runs_total: 1,
        ..Default::default()
    };
    store.put_rule_state(&state).await.unwrap();
    state.last_error = Some("no table".to_owned());
    state.failures_in_a_row = 3;
    state.cursor = Some(Timestamp(-1));
    state.alerts_total = u64::from(u32::MAX);
    store.put_rule_state(&state).await.unwrap();
    assert_eq!(store.rule_state("r").await.unwrap(), Some(state.clone()));
    assert_eq!(store.rule_states().await.unwrap(), vec![state]);
}
