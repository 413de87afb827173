//! An incident that nobody takes in time does not stay silent.

use atalaya_model::Severity;
use atalaya_respond::incident::{GroupingConfig, SlaConfig, Update};
use atalaya_respond::ladder::Ladders;
use atalaya_respond::responder::Responder;
use atalaya_respond::runbook::RunbookCatalogue;

use crate::world::{self, World};

fn responder(world: &World, automatic: bool) -> Responder {
    Responder::new(
        world.engine.ports().clone(),
        (GroupingConfig::default(), SlaConfig::default()),
        (RunbookCatalogue::builtin(), Ladders::default()),
        ("node:test", automatic),
    )
}

/// How often the incident's timeline says that a clock ran out, and which.
async fn said(world: &World, id: &str) -> Vec<String> {
    let incident = world.incidents.find(id).await.unwrap();
    let entries = incident.timeline.iter();
    let overdue = entries.filter(|entry| entry.kind == "overdue");
    overdue.map(|entry| entry.text.clone()).collect()
}

#[tokio::test]
async fn each_clock_that_runs_out_is_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let alert = world::alert("a1", "mallory", "AML.T0051");
    let id = world.take_in(&alert).await.unwrap().incident_id;
    let responder = responder(&world, true);
    assert!(responder.answer_overdue().await.unwrap().is_empty());

    // High: an hour to acknowledge it.
    world.pass_minutes(61);
    let runs = responder.answer_overdue().await.unwrap();
    assert_eq!(runs.len(), 1);
    let run = responder.engine().find(&runs[0]).await.unwrap();
    assert_eq!(run.runbook_id, "overdue-incident");
    assert_eq!(run.context.text("overdue"), "acknowledge");
    assert_eq!(run.context.text("caller"), "mallory");
    assert!(responder.answer_overdue().await.unwrap().is_empty());
    assert_eq!(
        said(&world, &id).await,
        ["`acknowledge` was due, and nobody did it"]
    );

    // Four to contain it; who reads the clocks after a restart finds the same.
    world.pass_minutes(200);
    let restarted = self::responder(&world, true);
    assert_eq!(restarted.answer_overdue().await.unwrap().len(), 1);
    assert!(responder.answer_overdue().await.unwrap().is_empty());
    assert_eq!(said(&world, &id).await.len(), 2);
}

#[tokio::test]
async fn what_somebody_took_or_closed_in_time_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let alert = world::alert("a1", "mallory", "AML.T0051");
    let id = world.take_in(&alert).await.unwrap().incident_id;
    let owned = Update {
        owner: Some("ann".to_owned()),
        ..Update::default()
    };
    world
        .incidents
        .update(&id, &owned, "ann", world.now())
        .await
        .unwrap();
    let responder = responder(&world, true);
    world.pass_minutes(61);
    assert!(responder.answer_overdue().await.unwrap().is_empty());
    assert!(said(&world, &id).await.is_empty());
}

#[tokio::test]
async fn what_is_not_severe_and_who_wants_no_runbooks_get_the_timeline_only() {
    for (severity, automatic) in [(Severity::Medium, true), (Severity::High, false)] {
        let folder = tempfile::tempdir().unwrap();
        let world = world::open(folder.path(), None);
        let mut alert = world::alert("a1", "mallory", "AML.T0051");
        alert.severity = severity;
        let id = world.take_in(&alert).await.unwrap().incident_id;
        let responder = responder(&world, automatic);
        world.pass_minutes(8 * 60 + 1);
        assert!(responder.answer_overdue().await.unwrap().is_empty());
        assert!(!said(&world, &id).await.is_empty(), "{severity}");
    }
}
