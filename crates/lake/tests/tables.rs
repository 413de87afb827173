//! What a call becomes: rows of three tables, in the tail and in files alike.

use std::time::{Duration, Instant};

use deltalake_core::kernel::{DataType, StructField};
use deltalake_core::open_table;
use deltalake_core::operations::create::CreateBuilder;
use url::Url;

use crate::support::{DECISIONS, START, World, rows};

#[test]
fn a_call_is_a_row_of_three_tables_before_and_after_a_flush() {
    let world = World::new();
    let seq = world.decide("d1");
    world.settle("d1");
    world.sync();
    let before: Vec<_> = [DECISIONS, "APIAccessLog", "ModelInferenceLog"]
        .map(|table| world.rows(table))
        .into();
    assert_eq!(world.flush(), 3);
    let after: Vec<_> = [DECISIONS, "APIAccessLog", "ModelInferenceLog"]
        .map(|table| world.rows(table))
        .into();
    assert_eq!(before, after);
    let [decision, access, inference] = [&after[0][0], &after[1][0], &after[2][0]];
    assert_eq!(decision["TimeGenerated"], "2026-11-24T10:00:00Z");
    assert_eq!(decision["RuleIds"], r#"["a","b"]"#);
    assert_eq!(decision["ThreatScore"], "7");
    assert_eq!(decision["OutputTokens"], "5");
    assert_eq!(decision["Seq"], seq.to_string());
    assert_eq!(decision["RecordHash"].len(), 64);
    assert_eq!(access["EventId"], "d1");
    assert_eq!(access["ViaGateway"], "true");
    assert_eq!(access["DurationMs"], "14.5");
    assert_eq!(inference["EventId"], "d1");
    assert_eq!(inference["ModelId"], "m");
    assert_eq!(inference["ModelType"], "llm");
    assert_eq!(inference["Status"], "ok");
    assert_eq!(inference["SourceType"], "gateway");
}

#[test]
fn a_refused_call_is_no_inference() {
    let world = World::new();
    world.decide("d1");
    world.append(r#"{"$table":"AIGuardrailDecisions","$settles":"d1","Outcome":"refused","UpstreamStatus":null}"#);
    world.sync();
    assert_eq!(world.count("APIAccessLog"), 1);
    assert_eq!(world.count("ModelInferenceLog"), 0);
}

#[test]
fn rows_of_other_tables_pass_through() {
    let world = World::new();
    world.append(r#"{"$table":"SecurityAlert","SystemAlertId":"a1","TimeGenerated":"2020-11-24T10:00:00Z","RecordCount":3,"Entities":[{"kind":"caller"}]}"#);
    world.append(r#"{"$table":"SecurityAlert","SystemAlertId":"a2"}"#);
    world.append(r#"{"$table":"NoSuchTable","x":1}"#);
    world.append("not json");
    world.sync();
    let before = world.rows("SecurityAlert");
    assert_eq!(before[0]["RecordCount"], "3");
    assert!(
        before[1]["TimeGenerated"].starts_with("20"),
        "the record's own time"
    );
    world.flush();
    assert_eq!(world.rows("SecurityAlert"), before);
    assert_eq!(world.lake().stats().unknown_records, 2);
}

#[test]
fn a_decision_is_visible_within_a_second_unsettled() {
    let world = World::with(|config| config.poll_interval = Duration::from_millis(100));
    world.decide("d0");
    world.sync();
    world.decide("d1");
    let started = Instant::now();
    while world.count(DECISIONS) < 2 {
        assert!(started.elapsed() < Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn files_are_by_day_and_sorted() {
    let world = World::new();
    for (index, time) in [
        "2026-11-24T23:59:59Z",
        "2026-11-25T00:00:00Z",
        "2026-11-24T01:00:00Z",
    ]
    .iter()
    .enumerate()
    {
        world.append(&format!(
            r#"{{"$table":"AuditLog","EventId":"e{index}","TimeGenerated":"{time}"}}"#
        ));
    }
    world.flush();
    let snapshot = world.lake().snapshot("AuditLog").unwrap();
    let mut files = snapshot.files.to_vec();
    files.sort_by_key(|file| file.day);
    assert_eq!(files.len(), 2);
    assert_eq!((files[0].rows, files[1].rows), (2, 1));
    assert_eq!(files[1].day - files[0].day, 1);
    assert!(files[0].path.to_string_lossy().contains("day=2026-11-24"));
    assert!(files[0].time_min < files[0].time_max);
    let ids: Vec<_> = rows(&snapshot)
        .iter()
        .map(|row| row["EventId"].clone())
        .collect();
    let first = ids.iter().position(|id| id == "e2");
    assert!(first < ids.iter().position(|id| id == "e0"), "{ids:?}");
}

/// A second reader that knows nothing of this crate sees the same number of rows.
#[test]
fn the_delta_log_is_readable_by_others() {
    let world = World::new();
    for index in 0..10 {
        world.call(&format!("d{index}"));
        if index % 3 == 0 {
            world.flush();
        }
    }
    world.flush();
    let dir = world.config.dir.join(DECISIONS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let table = runtime
        .block_on(open_table(Url::from_directory_path(&dir).unwrap()))
        .unwrap();
    let snapshot = table.snapshot().unwrap();
    let count: usize = snapshot
        .log_data()
        .iter()
        .map(|file| file.num_records().unwrap())
        .sum();
    assert_eq!(count, 10);
    assert_eq!(table.get_file_uris().unwrap().count(), 5 - 1);
    let columns: Vec<_> = snapshot
        .schema()
        .fields()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(columns.first().map(String::as_str), Some("TimeGenerated"));
    assert_eq!(columns.last().map(String::as_str), Some("_day"));
    // Others must not expect statistics that are not written.
    let configuration = snapshot.metadata().configuration();
    assert_eq!(
        configuration["delta.dataSkippingStatsColumns"],
        "TimeGenerated"
    );
    assert!(START.starts_with("2026-11-24"));
}

#[test]
fn files_known_after_a_restart_are_the_same() {
    let mut world = World::new();
    world.call("d1");
    world.flush();
    let before = world.lake().snapshot(DECISIONS).unwrap().files;
    world.restart();
    let after = world.lake().snapshot(DECISIONS).unwrap().files;
    assert_eq!(before, after);
}

/// Tables of an older program lack columns: they are added, and old files read as null.
#[test]
fn columns_that_are_new_in_this_program_are_added() {
    let mut world = World::new();
    world.kill();
    let dir = world.config.dir.join("AuditLog");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::create_dir_all(&dir).unwrap();
    let url = Url::from_directory_path(&dir).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let old = [
        StructField::nullable("TimeGenerated", DataType::TIMESTAMP),
        StructField::nullable("EventId", DataType::STRING),
        StructField::nullable("_day", DataType::DATE),
    ];
    runtime
        .block_on(async {
            let create = CreateBuilder::new().with_location(url.clone());
            create
                .with_columns(old)
                .with_partition_columns(["_day"])
                .await
        })
        .unwrap();
    world.start();
    world.append(r#"{"$table":"AuditLog","EventId":"e1","Operation":"train"}"#);
    world.flush();
    world.restart();
    assert_eq!(world.rows("AuditLog")[0]["Operation"], "train");
    let table = runtime.block_on(open_table(url)).unwrap();
    let schema = table.snapshot().unwrap().schema();
    assert!(schema.field("Operation").is_some());
}

#[test]
fn a_table_with_columns_of_other_types_is_refused() {
    let mut world = World::new();
    world.kill();
    let dir = world.config.dir.join("AuditLog");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::create_dir_all(&dir).unwrap();
    let url = Url::from_directory_path(&dir).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = [StructField::nullable("TimeGenerated", DataType::STRING)];
    runtime
        .block_on(async {
            CreateBuilder::new()
                .with_location(url)
                .with_columns(other)
                .await
        })
        .unwrap();
    let opened = atalaya_lake::Lake::open(world.config.clone(), crate::support::ports());
    let error = opened.err().unwrap().to_string();
    assert!(
        error.contains("TimeGenerated is string, expected timestamp"),
        "{error}"
    );
}
