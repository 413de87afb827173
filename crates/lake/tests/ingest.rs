//! Foreign logs: typed, or refused with a reason.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use atalaya_lake::{IngestError, IngestFormat, IngestOptions, IngestReport, MissingTime};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::support::World;

/// The cases in `tests/cases/ingest/*.json`: a source, and what must come of it.
#[test]
fn cases() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ingest");
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 2);
    for path in paths {
        let cases: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for case in cases.as_array().unwrap() {
            run(case);
        }
    }
}

fn run(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let world = World::new();
    let table = case["table"].as_str().unwrap();
    let format = match case["format"].as_str().unwrap() {
        "jsonl" => IngestFormat::Jsonl,
        "csv" => IngestFormat::Csv,
        other => unreachable!("{other}"),
    };
    let source: Vec<&str> = case["source"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let refused_file = world.root.join("refused.jsonl");
    let options = IngestOptions {
        missing_time: if case["missing_time"] == "now" {
            MissingTime::Now
        } else {
            MissingTime::Refuse
        },
        source_type: Some("test".to_owned()),
        refused_file: Some(refused_file.clone()),
        row_bytes_max: 300,
        ..IngestOptions::default()
    };
    let report = world
        .lake()
        .ingest(table, source.join("\n").as_bytes(), format, options)
        .unwrap();
    let refused: Vec<Value> = report
        .first_refused
        .iter()
        .map(|(line, reason)| serde_json::json!([line, reason]))
        .collect();
    assert_eq!(Value::from(refused), case["refused"], "{name}");
    let rows = world.rows(table);
    let expected = case["rows"].as_array().unwrap();
    assert_eq!(rows.len(), expected.len(), "{name}");
    for (row, expected) in rows.iter().zip(expected) {
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(&row[column], value.as_str().unwrap(), "{name}: {column}");
        }
    }
    let in_file = fs::read_to_string(&refused_file).unwrap_or_default();
    assert_eq!(in_file.lines().count() as u64, report.refused, "{name}");
    assert_eq!(report.refused_file.is_some(), report.refused > 0, "{name}");
}

fn sample_parquet(dir: &Path) -> PathBuf {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("a"), Some("b")]);
    tags.append_null();
    tags.append_value([Some("c")]);
    let times = TimestampMillisecondArray::from(vec![
        Some(1_700_000_000_123),
        None,
        Some(1_700_000_001_000),
    ])
    .with_timezone("+00:00");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("timegenerated", Arc::new(times)),
        ("ModelId", Arc::new(StringArray::from(vec!["m", "m", "n"]))),
        (
            "ConfidenceScore",
            Arc::new(Float64Array::from(vec![0.5, 0.25, 1.0])),
        ),
        (
            "InputTokens",
            Arc::new(Int64Array::from(vec![Some(3), None, Some(4)])),
        ),
        ("RetrievedDocIds", Arc::new(tags.finish())),
        ("Extra", Arc::new(Int64Array::from(vec![7, 8, 9]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = dir.join("sample.parquet");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

#[test]
fn parquet_from_a_file_and_from_a_stream() {
    let world = World::new();
    let path = sample_parquet(&world.root);
    let from_file = world
        .lake()
        .ingest_file(
            "ModelInferenceLog",
            &path,
            IngestFormat::Parquet,
            IngestOptions::default(),
        )
        .unwrap();
    let stream = File::open(&path).unwrap();
    let from_stream = world
        .lake()
        .ingest(
            "ModelInferenceLog",
            stream,
            IngestFormat::Parquet,
            IngestOptions::default(),
        )
        .unwrap();
    assert_eq!(from_file, from_stream);
    assert_eq!((from_file.accepted, from_file.refused), (2, 1));
    let rows = world.rows("ModelInferenceLog");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["TimeGenerated"], "2023-11-14T22:13:20.123Z");
    assert_eq!(rows[0]["RetrievedDocIds"], r#"["a","b"]"#);
    assert_eq!(rows[0]["ConfidenceScore"], "0.5");
    assert_eq!(rows[0]["AdditionalFields"], r#"{"Extra":7}"#);
    assert_eq!(rows[0]["EventId"].get(..4), Some("new-"));
}

#[test]
fn what_is_no_source_leaves_no_row() {
    let world = World::new();
    for (source, format) in [
        ("not a parquet file", IngestFormat::Parquet),
        ("a,b,c\n1,2,3\n", IngestFormat::Csv),
        ("", IngestFormat::Parquet),
    ] {
        let result = world.lake().ingest(
            "AuditLog",
            source.as_bytes(),
            format,
            IngestOptions::default(),
        );
        assert!(
            matches!(result, Err(IngestError::Format { .. })),
            "{result:?}"
        );
    }
    let endless = format!("TimeGenerated,EventId\n\"{}", "x".repeat(300_000));
    let options = IngestOptions {
        row_bytes_max: 1_000,
        ..IngestOptions::default()
    };
    let result = world
        .lake()
        .ingest("AuditLog", endless.as_bytes(), IngestFormat::Csv, options);
    assert!(matches!(result, Err(IngestError::Read(_))), "{result:?}");
    let result = world.lake().ingest(
        "NoSuch",
        "".as_bytes(),
        IngestFormat::Jsonl,
        IngestOptions::default(),
    );
    assert!(result.is_err());
    let empty = world
        .lake()
        .ingest(
            "AuditLog",
            "".as_bytes(),
            IngestFormat::Jsonl,
            IngestOptions::default(),
        )
        .unwrap();
    assert_eq!(empty, IngestReport::default());
    assert_eq!(world.count("AuditLog"), 0);
}

#[test]
fn large_sources_become_several_files_in_one_commit_and_report_progress() {
    let mut world = World::with(|config| config.file_rows_max = 2_000);
    let source: String = (0..9_000)
        .map(|index| {
            format!(
                "{{\"TimeGenerated\":{},\"EventID\":{index}}}\n",
                1_700_010_000 + index
            )
        })
        .collect();
    let mut seen = Vec::new();
    let mut progress = |at: atalaya_lake::IngestProgress| seen.push(at.accepted);
    let options = IngestOptions {
        progress: Some(&mut progress),
        ..IngestOptions::default()
    };
    let report = world
        .lake()
        .ingest(
            "SecurityEvents",
            source.as_bytes(),
            IngestFormat::Jsonl,
            options,
        )
        .unwrap();
    assert_eq!(report.accepted, 9_000);
    assert_eq!(seen, [4_096, 8_192, 9_000]);
    assert_eq!(
        world.lake().snapshot("SecurityEvents").unwrap().files.len(),
        5
    );
    world.restart();
    assert_eq!(world.count("SecurityEvents"), 9_000);
}

/// What another process commits is seen without a restart.
#[test]
fn rows_ingested_by_another_process_are_seen() {
    let world = World::new();
    world.append(r#"{"$table":"AuditLog","EventId":"mine"}"#);
    world.sync();
    let other = atalaya_lake::Lake::open(world.config.clone(), crate::support::ports()).unwrap();
    let source = r#"{"TimeGenerated":"2026-11-24T10:00:00Z","EventId":"theirs"}"#;
    other
        .ingest(
            "AuditLog",
            source.as_bytes(),
            IngestFormat::Jsonl,
            IngestOptions::default(),
        )
        .unwrap();
    assert_eq!(world.count("AuditLog"), 2);
    world.flush();
    assert_eq!(world.count("AuditLog"), 2);
}
