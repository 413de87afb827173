//! The demo's other logs: inference, pipeline audit, host events and API access, each with a
//! planted incident among look-alikes that stay below the rules' thresholds.
//!
//! Times are relative to now, so that the seed's `ago(1h)`, `ago(24h)` and `ago(7d)` hold.

use atalaya_model::Timestamp;
use serde_json::{Value, json};

const MINUTE: i64 = 60_000_000;

/// One planted incident: which table, and which entity its alert must name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted {
    pub(crate) technique: &'static str,
    pub(crate) entity: &'static str,
    pub(crate) what: &'static str,
}

/// Tables that get rows.
pub(crate) const TABLES: [&str; 4] = [
    "ModelInferenceLog",
    "AuditLog",
    "SecurityEvents",
    "APIAccessLog",
];

/// What must be found besides the attacks on the gateway.
pub(crate) const PLANTED: &[Planted] = &[
    Planted {
        technique: "AML.T0015",
        entity: "badge-reader-v3",
        what: "adversarial images against a face classifier",
    },
    Planted {
        technique: "AML.T0020",
        entity: "temp.contractor@vendor.example",
        what: "training data changed from outside the data science team",
    },
    Planted {
        technique: "AML.T0040",
        entity: "SHOP\\svc-build",
        what: "a build account scripting a model API",
    },
];

/// The rows of one table.
pub(crate) fn rows(table: &str, now: Timestamp) -> Vec<Value> {
    match table {
        "ModelInferenceLog" => inference(now),
        "AuditLog" => audit(now),
        "SecurityEvents" => host_events(now),
        "APIAccessLog" => access(now),
        _ => Vec::new(),
    }
}

fn at(now: Timestamp, minutes_ago: i64) -> String {
    Timestamp(now.0 - minutes_ago * MINUTE).to_rfc3339()
}

fn inference(now: Timestamp) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut push = |minutes_ago: i64, model: &str, class: &str, confidence: f64| {
        rows.push(json!({
            "TimeGenerated": at(now, minutes_ago), "ModelId": model,
            "ModelType": "image_classification", "PredictedClass": class,
            "ConfidenceScore": confidence, "InputHash": format!("{:016x}", rows.len() * 7919),
        }));
    };
    // The reader logs whole percents for its reference shots and fractions for live frames:
    // a drop of more than 20 into the uncertain band, again and again.
    for pair in 0..14 {
        push(200 - pair * 4, "badge-reader-v3", "reference", 97.0);
        push(198 - pair * 4, "badge-reader-v3", "employee", 0.47);
    }
    // A look-alike: the same drop, but only three times.
    for pair in 0..3 {
        push(120 - pair * 4, "shelf-camera-v1", "reference", 95.0);
        push(118 - pair * 4, "shelf-camera-v1", "empty_shelf", 0.52);
    }
    for step in 0..60 {
        push(60 - step, "ripeness-v2", "ripe", 0.91);
    }
    rows
}

fn audit(now: Timestamp) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut push = |minutes_ago: i64, who: &str, operation: &str, old: &str, new: &str| {
        rows.push(json!({
            "TimeGenerated": at(now, minutes_ago), "PerformedBy_UPN": who, "Operation": operation,
            "Resource": "training_data/reviews", "ResourceName": "reviews-2026.parquet",
            "OldValue": old, "NewValue": new, "Result": "success",
        }));
    };
    for step in 0..8 {
        push(
            2_000 - step * 30,
            "temp.contractor@vendor.example",
            "modify",
            "120000",
            "118500",
        );
    }
    // Look-alikes: the team itself, small changes, few changes.
    for step in 0..20 {
        push(
            3_000 - step * 10,
            "ines@datascience.internal",
            "modify",
            "120000",
            "125000",
        );
        push(
            3_000 - step * 10,
            "crawler@vendor.example",
            "upload",
            "120000",
            "120040",
        );
    }
    for step in 0..3 {
        push(
            500 - step * 5,
            "auditor@shop.example",
            "delete",
            "5000",
            "100",
        );
    }
    rows
}

fn host_events(now: Timestamp) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut push = |minutes_ago: i64, account: &str, process: &str, command: &str| {
        rows.push(json!({
            "TimeGenerated": at(now, minutes_ago), "EventID": 4688, "Account": account,
            "Process": process, "CommandLine": command, "ParentProcessName": "services.exe",
            "Computer": "build-07",
        }));
    };
    for step in 0..16 {
        push(
            40 - step * 2,
            "SHOP\\svc-build",
            "python.exe",
            "python probe.py --endpoint chat",
        );
    }
    for step in 0..6 {
        push(
            50 - step * 5,
            "SHOP\\ines",
            "python.exe",
            "python notebook.py --endpoint chat",
        );
        push(
            50 - step * 5,
            "SHOP\\svc-web",
            "node.exe",
            "node server.js --port 443",
        );
    }
    rows
}

fn access(now: Timestamp) -> Vec<Value> {
    (0..40)
        .map(|step| {
            json!({
                "TimeGenerated": at(now, 50 - step), "UserId": "status-page",
                "SrcIpAddr": "192.0.2.10", "HttpMethod": "GET", "HttpPath": "/v1/models",
                "ResponseStatus": 200, "HttpUserAgent": "status-page/2.1", "ViaGateway": false,
            })
        })
        .collect()
}
