//! An analyst's walk, as a new user would try it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::node::{ATTACK, BIN, Node};

fn flip(bundle: &Path, at: usize) -> PathBuf {
    let mut bytes = std::fs::read(bundle).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    let path = bundle.with_extension("changed");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn from_the_first_malicious_call_to_a_closed_incident() {
    let mut node = Node::start();
    assert_eq!(node.call("mallory", "What is the capital of Peru?"), 200);
    let began = Instant::now();
    for _ in 0..5 {
        node.call("mallory", ATTACK);
    }
    node.call_until("mallory", 403);
    println!("first malicious call → blocked: {:?}", began.elapsed());
    assert_eq!(node.call("alice", "What is the capital of Peru?"), 200);

    // Alert → incident, with a timeline from the first probe to the response.
    let alerts = node.json(&["alerts", "list"]);
    assert!(
        alerts
            .iter()
            .any(|alert| alert["rule_id"] == "ladder-burst"),
        "{alerts:?}"
    );
    let incidents = node.until(&["incidents", "list"], |found| {
        found.len() == 1 && found[0]["status"] == "contained"
    });
    let id = incidents[0]["incident_id"].as_str().unwrap().to_owned();
    let runs = node.until(&["runbooks", "history"], |runs| {
        runs.len() == 1 && runs[0]["status"] == "succeeded"
    });
    let run = runs[0]["run_id"].as_str().unwrap().to_owned();
    let incident = &node.json(&["incidents", "show", &id])[0];
    let kinds: Vec<&str> = incident["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[0], "first_probe");
    for kind in ["alert", "block", "preserve_evidence", "runbook"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }

    // A block outlives kill -9.
    node.kill_and_serve();
    assert_eq!(node.call("mallory", "What is the capital of Peru?"), 403);

    // Evidence, checked without the node's data.
    let bundle = node.folder.path().join("bundle.tar");
    let made = node.json(&[
        "evidence",
        "create",
        "--incident",
        &id,
        "-o",
        bundle.to_str().unwrap(),
    ]);
    assert!(made[0]["records"].as_u64().unwrap() >= 5, "{made:?}");
    let key = made[0]["public_key"].as_str().unwrap().to_owned();
    let verify = |bundle: &Path, key: &str| {
        let output = Command::new(BIN)
            .args(["evidence", "verify", "--key", key])
            .arg(bundle)
            .output()
            .unwrap();
        output.status.code().unwrap()
    };
    assert_eq!(verify(&bundle, &key), 0);
    assert_eq!(verify(&bundle, &"0".repeat(64)), 1);
    for at in [0, 300, 700, 5_000, usize::MAX] {
        assert_eq!(verify(&flip(&bundle, at), &key), 1, "byte {at}");
    }
    let custody = node.json(&["evidence", "custody"]);
    assert!(
        custody.iter().any(|line| line["action"] == "exported"),
        "{custody:?}"
    );

    // Unblocked by taking back what the runbook did.
    let undone = &node.json(&["runbooks", "undo", &run])[0];
    assert_eq!(undone["status"], "undone", "{undone}");
    node.call_until("mallory", 200);

    // It was a red team: closed, allowed, and gone from what the ladders would raise.
    let (code, text) = node.run(&["incidents", "update", &id, "--status", "closed"]);
    assert_eq!(code, 2, "a disposition is asked for: {text}");
    let closed = &node.json(&[
        "incidents",
        "update",
        &id,
        "--status",
        "closed",
        "--disposition",
        "false_positive",
        "--comment",
        "red team exercise",
    ])[0];
    assert_eq!(closed["status"], "closed");
    let (code, text) = node.run(&["tuning", "allow", "add", "--for", "30d", "--reason", "x"]);
    assert_eq!(code, 2, "an entry must not cover everything: {text}");
    node.json(&[
        "tuning", "allow", "add", "--caller", "mallory", "--for", "30d", "--reason", "red team",
    ]);
    let difference = &node.json(&["replay", "--since", "1h", "--ladders-only"])[0];
    let gone = difference["alerts"].as_array().unwrap();
    assert!(
        gone.iter()
            .any(|c| c["change"] == "gone" && c["rule_id"] == "ladder-burst"),
        "{difference}"
    );
    assert_eq!(difference["alerts_after"], 0, "{difference}");
    let figures = node.json(&["tuning", "figures"]);
    let burst = figures
        .iter()
        .find(|f| f["rule_id"] == "ladder-burst")
        .unwrap();
    assert_eq!(burst["false_positives"], 1, "{burst}");

    // The next exercise is logged, and nobody is blocked.
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..8 {
        node.call("mallory", ATTACK);
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(node.call("mallory", "What is the capital of Peru?"), 200);
    assert_eq!(node.json(&["incidents", "list"]).len(), 1);

    // Labels for retraining.
    let decisions = node.json(&["query", "AIGuardrailDecisions | where UserId == 'mallory' and ThreatScore >= 75 | take 1 | project DecisionId"]);
    let decision = decisions[0]["DecisionId"].as_str().unwrap();
    node.json(&["review", "label", decision, "benign", "--note", "red team"]);
    let (_, exported) = node.run(&["review", "export"]);
    assert!(exported.contains("\"label\":\"benign\""), "{exported}");
}
