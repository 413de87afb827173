//! Webhooks: once per step, again after 5xx, signed, and never to where they must not go.

use crate::{receiver, world};

const RUNBOOK: &str = "
id: tell
title: Tell
triggers: [{severity_min: low}]
steps:
  - id: one
    action: notify
    with: {channel: hook, text: 'one {caller}'}
    retry: {attempts: 4, backoff: 1ms}
    on_failure: continue
  - id: two
    action: redeploy
    with: {channel: hook, model: m, version: '2'}
    retry: {attempts: 2, backoff: 1ms}
    on_failure: continue
  - id: nobody
    action: notify
    with: {channel: nobody}
    on_failure: continue
";

async fn run(answers: &[u16]) -> (Vec<receiver::Received>, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let receiver = receiver::start(answers);
    let world = world::open(folder.path(), Some(&receiver.url));
    let runbook = world::runbook(RUNBOOK);
    let context = world::context(None);
    let (run, _) = world
        .engine
        .create(&runbook, context, "t", None)
        .await
        .unwrap();
    let run = world.engine.drive(&run.run_id).await.unwrap();
    assert_eq!(run.status.as_str(), "succeeded", "{}", run.reason);
    // Driving it again does nothing.
    world.engine.drive(&run.run_id).await.unwrap();
    let steps = world.engine.steps(&run.run_id).await.unwrap();
    let outcomes = steps
        .into_iter()
        .map(|step| (step.step_id, step.outcome.unwrap()))
        .collect();
    let received = receiver.received.lock().clone();
    (received, outcomes)
}

#[tokio::test]
async fn a_webhook_is_sent_once_per_step_and_signed() {
    let (received, outcomes) = run(&[]).await;
    assert_eq!(received.len(), 2);
    assert_ne!(received[0].key, received[1].key);
    assert!(received[0].body.contains("one mallory"));
    assert!(received[1].body.contains("model.redeploy"));
    assert!(received[0].head.contains("x-atalaya-signature: t="));
    assert!(outcomes[2].1.contains("skipped"), "{outcomes:?}");
    assert!(outcomes[2].1.contains("respond.channels"), "{outcomes:?}");
}

#[tokio::test]
async fn it_is_sent_again_after_5xx_with_the_same_key() {
    let (received, _) = run(&[500, 503, 200]).await;
    assert_eq!(received.len(), 4);
    assert_eq!(received[0].key, received[2].key);
    assert_eq!(received[0].body, received[2].body);
}

#[tokio::test]
async fn it_is_not_sent_again_after_4xx_and_not_for_ever_after_5xx() {
    let (received, outcomes) = run(&[400, 500, 500, 500, 500]).await;
    assert_eq!(received.len(), 3);
    assert!(outcomes[0].1.contains("answered 400"), "{outcomes:?}");
    assert!(outcomes[1].1.contains("answered 500"), "{outcomes:?}");
}

#[tokio::test]
async fn it_never_goes_to_metadata_services() {
    for url in [
        "http://169.254.169.254/hook",
        "https://169.254.169.254/hook",
        "http://[::ffff:a9fe:a9fe]/hook",
        "http://10.0.0.1/hook",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let world = world::open(folder.path(), Some(url));
        let runbook = world::runbook(RUNBOOK);
        let context = world::context(None);
        let (run, _) = world
            .engine
            .create(&runbook, context, "t", None)
            .await
            .unwrap();
        world.engine.drive(&run.run_id).await.unwrap();
        let steps = world.engine.steps(&run.run_id).await.unwrap();
        let outcome = steps[0].outcome.clone().unwrap();
        assert!(outcome.contains("egress refused"), "{url}: {outcome}");
    }
}
