//! The architecture's law: dependencies point downward only, and heavy engines have one owner.
//!
//! The table below is the architecture; ARCHITECTURE.md explains it. A new crate, or a new edge
//! between crates, is added here first.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests are tests; clippy's exemption covers only the test functions"
)]

use std::collections::BTreeMap;
use std::process::Command;

/// Crate, layer, and the workspace crates of the *same* layer it may use.
const LAYERS: &[(&str, u8, &[&str])] = &[
    ("atalaya-model", 0, &[]),
    ("atalaya-atlas", 0, &[]),
    ("atalaya-tables", 0, &[]),
    ("atalaya-yaml", 0, &["atalaya-model"]),
    ("atalaya-access", 1, &[]),
    ("atalaya-wire", 1, &[]),
    ("atalaya-inspect", 1, &[]),
    ("atalaya-policy", 1, &[]),
    ("atalaya-kql", 1, &[]),
    ("atalaya-sigma", 1, &[]),
    ("atalaya-sources", 1, &[]),
    ("atalaya-terms", 1, &[]),
    ("atalaya-translate", 1, &["atalaya-kql"]),
    ("atalaya-analytics", 1, &[]),
    ("atalaya-modelscan", 1, &[]),
    ("atalaya-journal", 2, &[]),
    ("atalaya-lake", 2, &["atalaya-journal"]),
    ("atalaya-query", 2, &[]),
    ("atalaya-store", 2, &[]),
    ("atalaya-companion", 2, &[]),
    ("atalaya-detect", 2, &["atalaya-store"]),
    ("atalaya-evaluate", 2, &[]),
    ("atalaya-onnx", 2, &[]),
    ("atalaya-gateway", 2, &[]),
    ("atalaya-control", 2, &["atalaya-store"]),
    ("atalaya-respond", 2, &["atalaya-journal", "atalaya-store"]),
    ("atalaya-api", 3, &[]),
    ("atalaya-server", 3, &["atalaya-api"]),
    ("atalaya", 3, &["atalaya-server"]),
    // Tools beside the product.
    ("atalaya-bench-gateway", 3, &[]),
    ("atalaya-bench-query", 3, &[]),
    ("atalaya-bench-week", 3, &["atalaya-server"]),
    ("atalaya-train", 3, &[]),
];

/// Engines whose compile time or reach must stay behind one crate.
const OWNERS: &[(&str, &str)] = &[
    ("datafusion", "atalaya-query"),
    ("deltalake-core", "atalaya-lake"),
    ("rusqlite", "atalaya-store"),
];

#[test]
fn dependencies_point_downward_and_engines_have_one_owner() {
    let packages = workspace_dependencies();
    let mut broken = Vec::new();
    for (name, dependencies) in &packages {
        let Some((_, layer, same_layer)) = LAYERS.iter().find(|(known, ..)| known == name) else {
            broken.push(format!("{name}: not in the table of layers"));
            continue;
        };
        for dependency in dependencies {
            if let Some((_, owner)) = OWNERS.iter().find(|(engine, _)| engine == dependency)
                && owner != name
            {
                broken.push(format!(
                    "{name} uses {dependency}, which belongs to {owner}"
                ));
            }
            let Some((_, below, _)) = LAYERS.iter().find(|(known, ..)| known == dependency) else {
                continue;
            };
            let allowed = below < layer || same_layer.contains(&dependency.as_str());
            if !allowed {
                broken.push(format!(
                    "{name} (layer {layer}) uses {dependency} (layer {below})"
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Name → normal and build dependencies (not those of tests) of every workspace member.
fn workspace_dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect();
            (package["name"].as_str().expect("name").to_owned(), names)
        })
        .collect()
}
