//! Runs: order, conditions, branches, approvals, time-outs, failures, undo, dry runs.

use std::collections::BTreeMap;

use atalaya_respond::runbook::{Origin, Runbook};
use atalaya_respond::saga::{Run, RunStatus, plan};

use crate::world::{self, World};

async fn start(world: &World, text: &str) -> Run {
    let runbook = world::runbook(text);
    let context = world::context(None);
    let (run, is_new) = world
        .engine
        .create(&runbook, context, "alice", Some("k"))
        .await
        .unwrap();
    assert!(is_new);
    world.engine.drive(&run.run_id).await.unwrap()
}

async fn outcomes(world: &World, run: &Run) -> Vec<(String, String)> {
    let steps = world.engine.steps(&run.run_id).await.unwrap();
    steps
        .into_iter()
        .map(|step| (step.step_id, step.outcome.unwrap_or_default()))
        .collect()
}

fn ids(outcomes: &[(String, String)], status: &str) -> Vec<String> {
    let wanted = format!("\"status\":\"{status}\"");
    outcomes
        .iter()
        .filter(|(_, outcome)| outcome.contains(&wanted))
        .map(|(id, _)| id.clone())
        .collect()
}

const BRANCHES: &str = "
id: branches
title: Branches
triggers: [{severity_min: low}]
steps:
  - id: both
    parallel:
      - [{id: a, action: block, with: {target: caller}}]
      - [{id: b, action: rate_limit, with: {target: address, per_minute: 5}}]
  - id: decide
    if: count > 10 and steps.a.status == 'done'
    then: [{id: c, action: constrain, with: {target: caller}}]
    else: [{id: d, action: quarantine, with: {target: caller}}]
  - {id: e, action: watch, when: severity == low, with: {list: l, target: caller}}
  - {id: f, action: watch, with: {list: l, target: caller}}
";

#[tokio::test]
async fn branches_and_conditions_are_followed_and_everything_can_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let run = start(&world, BRANCHES).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    let mut done = ids(&outcomes(&world, &run).await, "done");
    done.sort();
    assert_eq!(done, ["a", "b", "c", "f"]);
    assert_eq!(world.orders().len(), 3);
    let run = world.engine.undo(&run.run_id, "alice").await.unwrap();
    assert_eq!(run.status, RunStatus::Undone, "{}", run.reason);
    assert!(world.orders().is_empty());
    assert!(world.engine.undo(&run.run_id, "alice").await.is_err());
}

#[tokio::test]
async fn the_same_key_starts_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let run = start(&world, BRANCHES).await;
    let (again, is_new) = world
        .engine
        .create(
            &world::runbook(BRANCHES),
            world::context(None),
            "bob",
            Some("k"),
        )
        .await
        .unwrap();
    assert!(!is_new);
    assert_eq!(again.run_id, run.run_id);
    assert_eq!(again.author, "alice");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_does_nothing() {
    let runbook = world::runbook(BRANCHES);
    let planned = plan::plan(&runbook, &world::context(None), &BTreeMap::new());
    let said: Vec<String> = planned.iter().map(plan::Planned::sentence).collect();
    assert_eq!(said[0], "a: block caller mallory for 1h [can be undone]");
    assert!(said[2].contains("[if count > 10 and steps.a.status == 'done']"));
    assert!(said[3].contains("[if not (count > 10"));
    assert_eq!(said.len(), 5);
}

const ASKS: &str = "
id: asks
title: Asks
triggers: [{severity_min: low}]
steps:
  - id: block
    action: block
    with: {target: caller}
    approval: {by: [bob], timeout: 1h, default: reject}
  - {id: after, action: watch, with: {list: l, target: caller}}
";

#[tokio::test]
async fn a_step_waits_for_who_may_answer() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let run = start(&world, ASKS).await;
    assert_eq!(run.status, RunStatus::Waiting);
    assert!(
        run.reason.contains("block asks for approval until"),
        "{}",
        run.reason
    );
    let eve = world.engine.answer(&run.run_id, "block", true, "eve").await;
    assert!(eve.unwrap_err().to_string().contains("eve may not answer"));
    assert!(world.orders().is_empty());
    let run = world
        .engine
        .answer(&run.run_id, "block", true, "bob")
        .await
        .unwrap();
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(world.orders(), ["caller mallory"]);
    let again = world
        .engine
        .answer(&run.run_id, "block", false, "bob")
        .await;
    assert!(again.is_err());
}

#[tokio::test]
async fn without_an_answer_the_default_counts_and_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let run = start(&world, ASKS).await;
    world.pass_minutes(59);
    world.engine.drive_all(false).await;
    let status = world.engine.find(&run.run_id).await.unwrap().status;
    assert_eq!(status, RunStatus::Waiting);
    world.pass_minutes(2);
    world.engine.drive_all(false).await;
    let run = world.engine.find(&run.run_id).await.unwrap();
    assert_eq!(run.status, RunStatus::Failed);
    assert!(
        run.reason.contains("nobody answered within 1h"),
        "{}",
        run.reason
    );
    assert!(world.orders().is_empty());
}

#[tokio::test]
async fn a_failed_step_takes_back_what_was_done_if_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), Some("http://127.0.0.1:1/closed"));
    let run = start(
        &world,
        "
id: undoes
title: Undoes
triggers: [{severity_min: low}]
steps:
  - {id: block, action: block, with: {target: caller}}
  - id: tell
    action: notify
    with: {channel: hook}
    retry: {attempts: 2, backoff: 1ms}
    on_failure: undo
  - {id: never, action: watch, with: {list: l, target: caller}}
",
    )
    .await;
    assert_eq!(run.status, RunStatus::Undone, "{}", run.reason);
    assert!(world.orders().is_empty());
    let all = outcomes(&world, &run).await;
    assert_eq!(ids(&all, "failed"), ["tell"]);
    assert!(!all.iter().any(|(id, _)| id == "never"));
}

#[tokio::test]
async fn a_run_keeps_the_runbook_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let world = world::open(folder.path(), None);
    let run = start(&world, ASKS).await;
    assert_eq!(run.runbook_hash, world::runbook(ASKS).hash);
    assert!(run.runbook_text.contains("id: asks"));
}

#[test]
fn mistakes_in_runbooks_have_place_and_remedy() {
    let cases = [
        ("steps: []", "YAML004"),
        ("id: x\ntitle: x\nsteps: []", "RUN008"),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: blok, with: {}}]",
            "RUN006",
        ),
        ("id: x\ntitle: x\nsteps: [{id: a, action: block}]", "RUN007"),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: block, with: {target: caller, forr: 1h}}]",
            "RUN007",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: block, with: {target: planet}}]",
            "RUN003",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: block, with: {target: caller}, timeout: soon}]",
            "RUN002",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: block, with: {target: caller}, when: 'count >'}]",
            "RUN005",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: block, with: {target: caller}, when: 'steps.z.rows > 1'}]",
            "RUN010",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: task}, {id: a, action: task}]",
            "RUN009",
        ),
        ("id: x\ntitle: x\nsteps: [{id: a}]", "RUN008"),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: query, with: {query: 'NoTable | where X == {caller}'}}]",
            "RUN014",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, parallel: [[{id: b, action: task}]]}]",
            "RUN008",
        ),
        (
            "id: x\ntitle: x\ntriggers: [{techniques: [AML.T9999]}]\nsteps: [{id: a, action: task}]",
            "RUN004",
        ),
        (
            "id: x\ntitle: x\nsteps: [{id: a, action: task, colour: red}]",
            "YAML002",
        ),
    ];
    for (text, code) in cases {
        let problems = Runbook::parse(text, Origin::Run).unwrap_err();
        let codes: Vec<&str> = problems.iter().map(|p| p.code.as_str()).collect();
        assert!(codes.contains(&code), "{text}: {codes:?}");
        assert!(problems.iter().all(|p| p.help.is_some()), "{text}");
    }
    let (_, remarks) = Runbook::parse(
        "id: x\ntitle: x\nsteps: [{id: a, action: redeploy, with: {channel: c}}]",
        Origin::Run,
    )
    .unwrap();
    let codes: Vec<&str> = remarks.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(codes, ["RUN011", "RUN012"]);
}
