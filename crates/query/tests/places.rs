//! Where addresses are, with a database made here: one network, by the format's specification
//! (MaxMind DB 2.0).

use std::sync::Arc;

use atalaya_query::{Engine, EngineConfig, FileTables, Library};

use crate::support::{json, options};

const QUERY: &str = "print here = geo_info_from_ip_address('203.0.113.9'), \
    there = geo_info_from_ip_address('198.51.100.1'), none = geo_info_from_ip_address('no address')";

#[test]
fn addresses_are_looked_up_in_the_librarys_database() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("places.mmdb"), database([203, 0, 113])).expect("a file");
    let config = EngineConfig {
        library: Arc::new(Library::open(folder.path()).expect("a library")),
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(FileTables::new())).expect("an engine");
    let result = engine.run_blocking(QUERY, &options()).expect("a result");
    assert!(result.warnings.is_empty(), "{:?}", result.warnings);
    let place = serde_json::json!({
        "country": "Spain", "city": "Madrid", "latitude": 40.5, "longitude": -3.75
    });
    assert_eq!(
        json(&result)["rows"],
        serde_json::json!([[place, null, null]])
    );
}

#[test]
fn without_a_database_the_result_is_null_and_says_so() {
    let engine = Engine::new(EngineConfig::default(), Arc::new(FileTables::new()));
    let result = engine.expect("an engine").run_blocking(QUERY, &options());
    let result = result.expect("a result");
    assert_eq!(
        json(&result)["rows"],
        serde_json::json!([[null, null, null]])
    );
    assert!(
        result
            .warnings
            .iter()
            .all(|warning| warning.code == "ATL106")
    );
    assert_eq!(result.warnings.len(), 3);
}

#[test]
fn a_file_that_is_no_database_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("places.mmdb"), b"nothing").expect("a file");
    let error = Library::open(folder.path())
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("places.mmdb") && error.contains("MaxMind"),
        "{error}"
    );
}

/// A database of one /24 network.
fn database(network: [u8; 3]) -> Vec<u8> {
    const NODES: u32 = 24;
    let bits: Vec<u8> = network
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let mut bytes = Vec::new();
    for (index, bit) in (1..).zip(bits) {
        // The last bit leads to the first value, the others to the next node or nowhere.
        let next = if index == NODES { NODES + 16 } else { index };
        for side in 0..2 {
            let record = if side == bit { next } else { NODES };
            bytes.extend_from_slice(&record.to_be_bytes()[1..]);
        }
    }
    bytes.extend_from_slice(&[0; 16]);
    let names = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
    let location = map(&[("latitude", double(40.5)), ("longitude", double(-3.75))]);
    bytes.extend(map(&[
        ("country", names("Spain")),
        ("city", names("Madrid")),
        ("location", location),
    ]));
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa1, 0]),
        ("build_epoch", vec![1, 2, 1]),
        ("database_type", text("Test")),
        ("description", map(&[("en", text("Test"))])),
        ("ip_version", vec![0xa1, 4]),
        ("languages", vec![1, 4, 0x42, b'e', b'n']),
        ("node_count", vec![0xc1, NODES as u8]),
        ("record_size", vec![0xa1, 24]),
    ]));
    bytes
}

/// Control bytes: type in the upper three bits, size in the lower five.
fn text(value: &str) -> Vec<u8> {
    let mut bytes = vec![0x40 | u8::try_from(value.len()).expect("a short text")];
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

fn double(value: f64) -> Vec<u8> {
    [&[0x68], value.to_be_bytes().as_slice()].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xe0 | u8::try_from(pairs.len()).expect("a small map")];
    for (key, value) in pairs {
        // Texts longer than 28 bytes would need a size byte.
        assert!(key.len() < 29);
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}
