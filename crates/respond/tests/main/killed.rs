//! `kill -9` at every moment of every step, of doing and of undoing: nothing is lost, nothing is
//! done twice.
//!
//! The test starts itself as another process, which kills itself at the n-th moment, and is then
//! started again and again until the run ends. The receiver counts keys: a step that was killed
//! between effect and outcome may send its message again, under the same key.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use atalaya_respond::ports::Moment;
use atalaya_respond::saga::RunStatus;

use crate::{receiver, world};

const FOLDER: &str = "ATALAYA_TEST_RUN_FOLDER";
const KILL_AT: &str = "ATALAYA_TEST_KILL_AT";
const WEBHOOK: &str = "ATALAYA_TEST_WEBHOOK";
const UNDO: &str = "ATALAYA_TEST_UNDO";

const RUNBOOK: &str = "
id: killed
title: Killed
triggers: [{severity_min: low}]
steps:
  - {id: block, action: block, with: {target: caller}}
  - id: both
    parallel:
      - [{id: watch, action: watch, with: {list: l, target: caller}}]
      - [{id: limit, action: rate_limit, with: {target: address, per_minute: 1}}]
  - {id: tell, action: notify, with: {channel: hook, text: 'told {caller}'}}
  - {id: task, action: task}
  - {id: freeze, action: freeze_retraining, with: {channel: hook}}
";

/// Runs in the other process: begins or goes on, and dies at the n-th moment.
#[tokio::test]
async fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let kill_at: u32 = std::env::var(KILL_AT).unwrap().parse().unwrap();
    let moments = AtomicU32::new(0);
    let watch = move |_: &str, _: Moment| {
        if moments.fetch_add(1, SeqCst) + 1 == kill_at {
            let me = std::process::id().to_string();
            let _ = Command::new("kill").args(["-9", &me]).status();
            std::thread::sleep(std::time::Duration::from_secs(10));
        }
    };
    let webhook = std::env::var(WEBHOOK).unwrap();
    let folder = std::path::PathBuf::from(folder);
    let world = world::open_with(
        &folder,
        Some(&webhook),
        Some(Arc::new(watch)),
        "node:victim",
    );
    let incident = world
        .take_in(&world::alert("a1", "mallory", "AML.T0051.000"))
        .await
        .unwrap();
    let context = world::context(Some(&incident.incident_id));
    let (run, _) = world
        .engine
        .create(&world::runbook(RUNBOOK), context, "t", Some("k"))
        .await
        .unwrap();
    world.engine.drive_all(true).await;
    if std::env::var(UNDO).is_ok() {
        let status = world.engine.find(&run.run_id).await.unwrap().status;
        if status == RunStatus::Succeeded {
            world.engine.undo(&run.run_id, "t").await.unwrap();
        }
    }
}

/// Starts victims until one survives; how many died.
fn victims(folder: &std::path::Path, webhook: &str, kill_at: u32, undo: bool) -> u32 {
    for deaths in 0..200 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "killed::victim", "--nocapture"])
            .env(FOLDER, folder)
            .env(WEBHOOK, webhook)
            // Only the first one dies, or every one a little later: both must end well.
            .env(
                KILL_AT,
                if deaths == 0 {
                    kill_at
                } else {
                    kill_at + 3 * deaths
                }
                .to_string(),
            );
        if undo {
            command.env(UNDO, "1");
        }
        if command.output().unwrap().status.success() {
            return deaths;
        }
    }
    panic!("a victim never survived");
}

async fn killed_everywhere(undo: bool) {
    let mut kill_at = 1;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let receiver = receiver::start(&[]);
        let deaths = victims(folder.path(), &receiver.url, kill_at, undo);
        let world = world::open(folder.path(), None);
        let runs = world.engine.history(None, None).await.unwrap();
        assert_eq!(runs.len(), 1);
        let run = &runs[0];
        let steps = world.engine.steps(&run.run_id).await.unwrap();
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for message in receiver.received.lock().iter() {
            keys.entry(message.key.clone())
                .or_default()
                .push(message.body.clone());
        }
        let incident = world
            .incidents
            .find(run.context.incident_id.as_ref().unwrap())
            .await
            .unwrap();
        if undo {
            assert_eq!(
                run.status,
                RunStatus::Undone,
                "at {kill_at}: {}",
                run.reason
            );
            assert!(world.orders().is_empty(), "at {kill_at}");
            assert!(incident.tasks.is_empty(), "at {kill_at}");
            // tell, freeze, and its undo.
            assert_eq!(keys.len(), 3, "at {kill_at}");
        } else {
            assert_eq!(
                run.status,
                RunStatus::Succeeded,
                "at {kill_at}: {}",
                run.reason
            );
            assert_eq!(world.orders().len(), 2, "at {kill_at}");
            assert_eq!(incident.tasks.len(), 1, "at {kill_at}");
            assert_eq!(keys.len(), 2, "at {kill_at}");
        }
        for step in &steps {
            let outcome = step.outcome.as_deref().unwrap_or("nothing");
            let known = ["\"done\"", "\"skipped\""]
                .iter()
                .any(|s| outcome.contains(s));
            assert!(known, "at {kill_at}: {} ended as {outcome}", step.step_id);
        }
        // A repetition says the same under the same key, and happens only where the process died
        // between effect and outcome.
        for bodies in keys.values() {
            assert!(bodies.iter().all(|body| *body == bodies[0]));
            assert!(bodies.len() <= 1 + deaths as usize);
        }
        assert!(incident.clocks.contained.is_some(), "at {kill_at}");
        if deaths == 0 {
            let moments = if undo { 9 * 4 } else { 6 * 4 };
            assert!(kill_at > moments, "only {kill_at} moments were seen");
            return;
        }
        kill_at += 1;
    }
}

#[tokio::test]
async fn a_run_survives_being_killed_at_every_moment() {
    killed_everywhere(false).await;
}

#[tokio::test]
async fn an_undo_survives_being_killed_at_every_moment() {
    killed_everywhere(true).await;
}
