//! Incidents: grouping, window, reopening, merging, splitting, clocks.

use atalaya_model::{AlertStatus, Severity};
use atalaya_respond::incident::{
    Disposition, IncidentFilter, IncidentStatus, SlaConfig, Update, report,
};
use atalaya_store::Store as _;

use crate::world::{self, World};

fn folder() -> (tempfile::TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    (folder, world)
}

fn close(disposition: Disposition) -> Update {
    Update {
        status: Some(IncidentStatus::Closed),
        disposition: Some(disposition),
        ..Update::default()
    }
}

#[tokio::test]
async fn alerts_of_one_caller_and_technique_are_one_incident() {
    let (_folder, world) = folder();
    let first = world
        .take_in(&world::alert("a1", "m", "AML.T0051.000"))
        .await
        .unwrap();
    let second = world
        .take_in(&world::alert("a2", "m", "AML.T0051.001"))
        .await
        .unwrap();
    assert_eq!(first.incident_id, second.incident_id);
    let again = world
        .take_in(&world::alert("a2", "m", "AML.T0051.001"))
        .await
        .unwrap();
    assert_eq!(again.alert_ids, ["a1", "a2"]);
    for (id, caller, technique) in [("a3", "other", "AML.T0051"), ("a4", "m", "AML.T0020")] {
        let other = world
            .take_in(&world::alert(id, caller, technique))
            .await
            .unwrap();
        assert_ne!(other.incident_id, first.incident_id);
    }
    let kinds: Vec<&str> = second.timeline.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds[0], "first_probe");
}

#[tokio::test]
async fn a_later_alert_opens_a_new_one_and_a_closed_one_is_opened_again() {
    let (_folder, world) = folder();
    let first = world
        .take_in(&world::alert("a1", "m", "AML.T0051"))
        .await
        .unwrap();
    world.pass_minutes(25 * 60);
    let second = world
        .take_in(&world::alert("a2", "m", "AML.T0051"))
        .await
        .unwrap();
    assert_ne!(first.incident_id, second.incident_id);
    let id = &second.incident_id;
    let undecided = Update {
        status: Some(IncidentStatus::Closed),
        ..Update::default()
    };
    assert!(
        world
            .incidents
            .update(id, &undecided, "ann", world.now())
            .await
            .is_err()
    );
    let closed = close(Disposition::TruePositive);
    world
        .incidents
        .update(id, &closed, "ann", world.now())
        .await
        .unwrap();
    let alert = world.store.alert("a2").await.unwrap().unwrap();
    assert_eq!(alert.status, AlertStatus::Closed);
    world.pass_minutes(60);
    let again = world
        .take_in(&world::alert("a3", "m", "AML.T0051"))
        .await
        .unwrap();
    assert_eq!(&again.incident_id, id);
    assert_eq!((again.status, again.reopened), (IncidentStatus::New, 1));
    let closed = close(Disposition::FalsePositive);
    world
        .incidents
        .update(id, &closed, "ann", world.now())
        .await
        .unwrap();
    let other = world
        .take_in(&world::alert("a4", "m", "AML.T0051"))
        .await
        .unwrap();
    assert_ne!(&other.incident_id, id);
}

#[tokio::test]
async fn incidents_are_merged_and_split() {
    let (_folder, world) = folder();
    let one = world
        .take_in(&world::alert("a1", "m", "AML.T0051"))
        .await
        .unwrap();
    let two = world
        .take_in(&world::alert("a2", "m", "AML.T0020"))
        .await
        .unwrap();
    let (one, two) = (one.incident_id, two.incident_id);
    let merged = world
        .incidents
        .merge(&two, &one, "ann", world.now())
        .await
        .unwrap();
    assert_eq!(merged.alert_ids, ["a1", "a2"]);
    let open = world
        .incidents
        .list(&IncidentFilter::default())
        .await
        .unwrap();
    assert_eq!(open.len(), 1);
    assert!(
        world
            .incidents
            .merge(&two, &one, "ann", world.now())
            .await
            .is_err()
    );
    assert!(
        world
            .incidents
            .merge(&one, &one, "ann", world.now())
            .await
            .is_err()
    );
    // What is like the merged one joins the whole.
    let third = world
        .take_in(&world::alert("a3", "m", "AML.T0020"))
        .await
        .unwrap();
    assert_eq!(third.incident_id, one);
    let split = world
        .incidents
        .split(&one, &["a3".to_owned()], "ann", world.now())
        .await
        .unwrap();
    assert_eq!(split.alert_ids, ["a3"]);
    assert_eq!(split.split_from.as_deref(), Some(one.as_str()));
    let rest = world.incidents.find(&one).await.unwrap();
    assert_eq!(rest.alert_ids, ["a1", "a2"]);
    let all = ["a1".to_owned(), "a2".to_owned()];
    assert!(
        world
            .incidents
            .split(&one, &all, "ann", world.now())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn two_alerts_at_once_open_one_incident() {
    let (_folder, world) = folder();
    let alerts: Vec<_> = (0..16)
        .map(|n| world::alert(&format!("a{n}"), "m", "AML.T0051"))
        .collect();
    let taken = alerts.iter().map(|alert| world.take_in(alert));
    futures::future::join_all(taken).await;
    let all = world
        .incidents
        .list(&IncidentFilter::default())
        .await
        .unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].alert_ids.len(), 16);
}

#[tokio::test]
async fn clocks_run_stop_and_are_breached() {
    let (_folder, world) = folder();
    let incident = world
        .take_in(&world::alert("a1", "m", "AML.T0051"))
        .await
        .unwrap();
    let sla = SlaConfig::default();
    let read = |incident: &atalaya_respond::incident::Incident| {
        let states = incident.clocks.read(Severity::High, &sla, world.now());
        states
            .iter()
            .map(|s| (s.clock, s.stopped.is_some(), s.breached))
            .collect::<Vec<_>>()
    };
    assert!(
        read(&incident)
            .iter()
            .all(|(_, stopped, breached)| !stopped && !breached)
    );
    world.pass_minutes(61);
    assert_eq!(read(&incident)[0], ("acknowledge", false, true));
    let owner = Update {
        owner: Some("ann".into()),
        comment: Some("mine".into()),
        ..Update::default()
    };
    let id = &incident.incident_id;
    let taken = world
        .incidents
        .update(id, &owner, "ann", world.now())
        .await
        .unwrap();
    assert_eq!(taken.status, IncidentStatus::Active);
    assert_eq!(read(&taken)[0], ("acknowledge", true, true));
    let text = report(&taken, &sla, world.now());
    for heading in [
        "## Detect (DE)",
        "## Respond (RS)",
        "## Recover (RC)",
        "Improvement",
        "BREACHED",
        "mine",
    ] {
        assert!(text.contains(heading), "{heading}:\n{text}");
    }
}
