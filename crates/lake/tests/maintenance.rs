//! Retention, merging, vacuum.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{DECISIONS, World};

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.to_string_lossy().ends_with(".zstd.parquet") {
            found.push(path);
        }
    }
    found
}

#[test]
fn small_files_are_merged_and_old_ones_removed_when_nobody_reads_them() {
    let mut world = World::with(|config| {
        config.small_files_min = 3;
        config.vacuum_grace = Duration::ZERO;
    });
    for index in 0..6 {
        world.call(&format!("d{index}"));
        world.flush();
    }
    let mut before = world.rows(DECISIONS);
    before.sort_by_key(|row| row["DecisionId"].clone());
    assert_eq!(world.lake().snapshot(DECISIONS).unwrap().files.len(), 6);
    let report = world.lake().maintain().unwrap();
    assert_eq!((report.merged_files, report.merged_into), (18, 3));
    assert_eq!(report.vacuumed_files, 18);
    assert_eq!(world.lake().snapshot(DECISIONS).unwrap().files.len(), 1);
    assert_eq!(parquet_files(&world.config.dir).len(), 3);
    let mut after = world.rows(DECISIONS);
    after.sort_by_key(|row| row["DecisionId"].clone());
    assert_eq!(after, before);
    assert_eq!(
        world.lake().maintain().unwrap(),
        atalaya_lake::MaintenanceReport::default()
    );
    world.restart();
    assert_eq!(world.count(DECISIONS), 6);
}

#[test]
fn a_late_settlement_finds_its_row_in_a_merged_file() {
    let world = World::with(|config| {
        config.small_files_min = 2;
        config.settle_wait = Duration::ZERO;
    });
    world.decide("d1");
    world.flush();
    world.call("d2");
    world.flush();
    assert_eq!(world.lake().maintain().unwrap().merged_files, 2);
    world.settle("d1");
    world.flush();
    assert_eq!(world.outcomes(), ["d1=answered", "d2=answered"]);
}

#[test]
fn a_legal_hold_beats_retention() {
    let world = World::with(|config| {
        config.retention_days = vec![("*".to_owned(), 30)];
    });
    for (id, time) in [("a", "2020-01-01T00:00:00Z"), ("b", "2020-01-02T12:00:00Z")] {
        for table in ["AuditLog", "APIAccessLog"] {
            world.append(&format!(
                r#"{{"$table":"{table}","EventId":"{id}","TimeGenerated":"{time}"}}"#
            ));
        }
    }
    world.flush();
    let at = |text| atalaya_model::Timestamp::parse_rfc3339(text).unwrap();
    world.lake().set_holds(vec![atalaya_lake::LegalHold {
        tables: vec!["AuditLog".to_owned()],
        from: at("2020-01-02T00:00:00Z"),
        until: Some(at("2020-01-02T23:00:00Z")),
    }]);
    world.lake().maintain().unwrap();
    assert_eq!(world.count("AuditLog"), 1, "the held day");
    assert_eq!(world.count("APIAccessLog"), 0);
    world.lake().set_holds(Vec::new());
    world.lake().maintain().unwrap();
    assert_eq!(world.count("AuditLog"), 0);
}

#[test]
fn retention_drops_whole_days() {
    let world = World::with(|config| {
        config.retention_days = vec![("AuditLog".to_owned(), 30), ("*".to_owned(), 10_000)];
    });
    for (id, time) in [
        ("old", "2020-01-01T00:00:00Z"),
        ("new", "2999-01-01T00:00:00Z"),
    ] {
        for table in ["AuditLog", "APIAccessLog"] {
            world.append(&format!(
                r#"{{"$table":"{table}","EventId":"{id}","TimeGenerated":"{time}"}}"#
            ));
        }
    }
    world.flush();
    let report = world.lake().maintain().unwrap();
    assert_eq!((report.expired_files, report.expired_rows), (1, 1));
    assert_eq!(world.count("AuditLog"), 1);
    assert_eq!(world.count("APIAccessLog"), 2);
    assert_eq!(
        parquet_files(&world.config.dir).len(),
        4,
        "within the grace"
    );
}
