//! The language runs anywhere, also in a browser: text in, tree and diagnostics out. Nothing in this
//! crate or under it asks for a clock, files, threads, a network or a random number, and so it
//! builds for `wasm32-unknown-unknown`.

use std::collections::BTreeSet;
use std::path::Path;

/// Modules of the standard library that do not work on bare WebAssembly, and what starts them.
const IMPURE: [&str; 10] = [
    "std::time",
    "std::fs",
    "std::thread",
    "std::net",
    "std::process",
    "std::env",
    "std::os",
    "Instant::now",
    "SystemTime",
    "thread_rng",
];
/// Crates that bring an operating system with them.
const NATIVE: [&str; 13] = [
    "mio",
    "tokio",
    "socket2",
    "rustix",
    "nix",
    "windows-sys",
    "getrandom",
    "rand",
    "ring",
    "openssl-sys",
    "cc",
    "chrono",
    "rayon",
];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources are here") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_asks_for_an_operating_system() {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&folder, &mut files);
    assert!(files.len() > 50, "{files:?}");
    let mut impure = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source");
        for word in IMPURE {
            if text.contains(word) {
                impure.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(impure.is_empty(), "{}", impure.join("\n"));
}

#[test]
fn nothing_below_brings_one_with_it() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).expect("the lock file");
    let packages: Vec<(&str, Vec<&str>)> = lock.split("[[package]]").map(package).collect();
    let mut below = BTreeSet::new();
    let mut waiting = vec!["atalaya-kql"];
    while let Some(name) = waiting.pop() {
        if !below.insert(name) {
            continue;
        }
        let known = packages.iter().find(|(known, _)| *known == name);
        // What only this crate's tests need is not below it.
        let needed = known.iter().flat_map(|(_, needed)| needed.iter().copied());
        waiting.extend(needed.filter(|needed| {
            name != "atalaya-kql" || !matches!(*needed, "proptest" | "serde_json")
        }));
    }
    assert!(below.contains("atalaya-model"), "{below:?}");
    for native in NATIVE {
        assert!(!below.contains(native), "{native} is below the language");
    }
}

/// Name and dependencies of an entry of the lock file.
fn package(entry: &str) -> (&str, Vec<&str>) {
    let name = entry
        .lines()
        .find_map(|line| line.strip_prefix("name = "))
        .unwrap_or_default()
        .trim_matches('"');
    let listed = entry
        .split_once("dependencies = [")
        .map_or("", |(_, rest)| rest);
    let listed = listed.split_once(']').map_or("", |(list, _)| list);
    let needed = listed
        .lines()
        .map(|line| line.trim().trim_matches(|c| c == '"' || c == ','))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty());
    (name, needed.collect())
}
