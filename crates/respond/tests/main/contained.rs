//! What runbooks do by themselves: against who is named, and against what stands for many; keys.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atalaya_model::{Entity, EntityKind};
use atalaya_respond::context::RunContext;
use atalaya_respond::ports::{Containment, Keys, PortError, SharedContainment};
use atalaya_respond::saga::RunStatus;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::world::{self, World};

const BLOCK: &str = "
id: block
title: Block
triggers: [{severity_min: low}]
steps: [{id: block, action: block, with: {target: [caller, key, address], for: 2h}}]
";

fn about(entities: &[(EntityKind, &str)]) -> RunContext {
    let mut alert = world::alert("a1", "x", "AML.T0051");
    alert.entities = entities
        .iter()
        .map(|(kind, value)| Entity {
            kind: *kind,
            value: (*value).to_owned(),
        })
        .collect();
    RunContext::of_alert(&alert, None)
}

async fn block(shared: SharedContainment, author: &str, context: RunContext) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let containment = Containment {
        shared,
        ..Containment::default()
    };
    let world = world::open_as(folder.path(), |ports| ports.containment = containment);
    let created = world
        .engine
        .create(&world::runbook(BLOCK), context, author, None)
        .await;
    let run = world
        .engine
        .drive(&created.unwrap().0.run_id)
        .await
        .unwrap();
    let steps = world.engine.steps(&run.run_id).await.unwrap();
    serde_json::from_str(steps[0].outcome.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn what_stands_for_many_is_contained_as_little_as_stops_a_burst() {
    use EntityKind::{Address, Caller, Session};
    use SharedContainment::{Brief, Full, Never};
    /// Who, how, by whom; the kind and value that are blocked, and for how many minutes.
    type Case<'a> = (
        &'a [(EntityKind, &'a str)],
        SharedContainment,
        &'a str,
        Option<(&'a str, &'a str, i64)>,
    );
    let (machine, person) = ("runbook:block", "ann");
    let app: &[(EntityKind, &str)] = &[(Caller, "key:3f2a"), (Session, "s7")];
    let local: &[(EntityKind, &str)] = &[(Caller, "127.0.0.1"), (Session, "s7")];
    let cases: [Case<'_>; 9] = [
        (
            &[(Caller, "mallory")],
            Brief,
            machine,
            Some(("caller", "mallory", 120)),
        ),
        (
            &[(Caller, "mallory")],
            Never,
            machine,
            Some(("caller", "mallory", 120)),
        ),
        (local, Brief, machine, Some(("caller", "127.0.0.1", 5))),
        (
            &[(Address, "10.0.0.9")],
            Brief,
            machine,
            Some(("address", "10.0.0.9", 5)),
        ),
        (app, Brief, machine, Some(("session", "s7", 120))),
        (
            &[(Caller, "key:3f2a")],
            Brief,
            machine,
            Some(("caller", "key:3f2a", 5)),
        ),
        (app, Never, machine, None),
        (app, Full, machine, Some(("caller", "key:3f2a", 120))),
        (app, Never, person, Some(("caller", "key:3f2a", 120))),
    ];
    for (entities, shared, author, wanted) in cases {
        let outcome = block(shared, author, about(entities)).await;
        let what = format!("{entities:?} {shared:?} {author}: {outcome}");
        let Some((kind, value, minutes)) = wanted else {
            assert_eq!(outcome["status"], "skipped", "{what}");
            assert!(
                outcome["reason"]
                    .as_str()
                    .unwrap()
                    .contains("respond.contain_shared")
            );
            continue;
        };
        let output = &outcome["output"];
        assert_eq!(
            (output["kind"].as_str(), output["value"].as_str()),
            (Some(kind), Some(value)),
            "{what}"
        );
        let expires = output["expires"].as_str().unwrap();
        let expires = atalaya_model::Timestamp::parse_rfc3339(expires).unwrap();
        assert_eq!((expires.0 - world::START) / 60_000_000, minutes, "{what}");
        let is_narrowed = minutes == 5 || kind == "session";
        assert_eq!(output.get("note").is_some(), is_narrowed, "{what}");
    }
}

/// Keys that remember what was asked.
#[derive(Default)]
struct Rack(Mutex<Vec<String>>);

#[async_trait]
impl Keys for Rack {
    async fn rotate(
        &self,
        id: &str,
        overlap: Duration,
        _: &str,
        key: &str,
    ) -> Result<Value, PortError> {
        self.0
            .lock()
            .push(format!("end {id} after {}s {key}", overlap.as_secs()));
        Ok(json!({"key": id}))
    }
    async fn restore(&self, _: &str, key: &str) -> Result<bool, PortError> {
        self.0.lock().push(format!("restore {key}"));
        Ok(true)
    }
}

const ROTATE: &str = "
id: rotate
title: Rotate
triggers: [{severity_min: low}]
steps:
  - {id: leaked, action: rotate_key, approval: {by: [ann], timeout: 1h}}
  - {id: planned, action: rotate_key, with: {key: key_2, overlap: 1h}, on_failure: continue}
  - {id: long, action: rotate_key, with: {key: key_3, overlap: 30d}, on_failure: continue}
";

#[tokio::test]
async fn a_rotated_keys_owner_is_a_task_and_the_old_secret_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let rack = Arc::new(Rack::default());
    let keys = Arc::clone(&rack);
    let world: World = world::open_as(folder.path(), |ports| ports.keys = Some(keys));
    let mut alert = world::alert("a1", "mallory", "AML.T0055");
    alert.entities.push(Entity {
        kind: EntityKind::Key,
        value: "key_1".into(),
    });
    let incident = world.take_in(&alert).await.unwrap();
    let context = RunContext::of_alert(&alert, Some(&incident.incident_id));
    let runbook = world::runbook(ROTATE);
    let (run, _) = world
        .engine
        .create(&runbook, context, "runbook:rotate", None)
        .await
        .unwrap();
    let run = world.engine.drive(&run.run_id).await.unwrap();
    assert_eq!(run.status, RunStatus::Waiting, "nobody agreed yet");
    assert!(rack.0.lock().is_empty());
    let run = world
        .engine
        .answer(&run.run_id, "leaked", true, "ann")
        .await
        .unwrap();
    assert_eq!(run.status, RunStatus::Succeeded, "{}", run.reason);
    let id = &run.run_id;
    let ended = [
        format!("end key_1 after 0s {id}/leaked"),
        format!("end key_2 after 3600s {id}/planned"),
    ];
    assert_eq!(*rack.0.lock(), ended);
    let incident = world.incidents.find(&incident.incident_id).await.unwrap();
    let tasks: Vec<&str> = incident
        .tasks
        .iter()
        .map(|task| task.title.as_str())
        .collect();
    assert_eq!(tasks.len(), 2);
    assert!(tasks[0].contains("atalaya keys rotate key_1"), "{tasks:?}");
    let steps = world.engine.steps(id).await.unwrap();
    let long = steps.iter().find(|step| step.step_id == "long").unwrap();
    assert!(long.outcome.as_deref().unwrap().contains("up to 7d"));
    let run = world.engine.undo(id, "ann").await.unwrap();
    assert_eq!(run.status, RunStatus::Undone, "{}", run.reason);
    let restored = [
        format!("restore {id}/planned"),
        format!("restore {id}/leaked"),
    ];
    assert_eq!(rack.0.lock()[2..], restored);
}

#[tokio::test]
async fn what_is_taken_back_stands_in_the_timeline_and_the_incident_is_open_again() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let alert = world::alert("a1", "mallory", "AML.T0051");
    let incident = world.take_in(&alert).await.unwrap();
    let context = RunContext::of_alert(&alert, Some(&incident.incident_id));
    let created = world
        .engine
        .create(&world::runbook(BLOCK), context, "runbook:block", None)
        .await;
    let id = created.unwrap().0.run_id;
    world.engine.drive(&id).await.unwrap();
    let status = world
        .incidents
        .find(&incident.incident_id)
        .await
        .unwrap()
        .status;
    assert_eq!(status.as_str(), "contained");
    world.pass_minutes(1);
    world.engine.undo(&id, "ann").await.unwrap();
    let incident = world.incidents.find(&incident.incident_id).await.unwrap();
    assert_eq!(incident.status.as_str(), "active");
    let kinds: Vec<&str> = incident
        .timeline
        .iter()
        .map(|entry| entry.kind.as_str())
        .collect();
    assert_eq!(
        kinds[kinds.len() - 2..],
        ["block_undone", "runbook"],
        "{kinds:?}"
    );
    assert!(incident.timeline.last().unwrap().text.contains("undone"));
}
