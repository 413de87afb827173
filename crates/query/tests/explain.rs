//! What a query reads: seen in the plans that `explain` shows.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use atalaya_query::{Engine, EngineConfig, FileTables, Step};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::support::options;

const ROWS: i64 = 40_000;
const GROUP_ROWS: usize = 10_000;
/// 2026-01-15T00:00:00Z; a row each second.
const START_US: i64 = 1_768_435_200_000_000;

fn rows() -> RecordBatch {
    let times = (0..ROWS).map(|row| START_US + row * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let id = |row: i64| format!("id-{:08}", row * 7_919 % 100_003);
    let note = |row: i64| {
        let word = if row == 25_000 {
            "xylocarpon"
        } else {
            "ordinary"
        };
        format!("an {word} note on row {}", row % 10)
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("TimeGenerated", Arc::new(times)),
        (
            "SessionId",
            Arc::new(StringArray::from_iter_values((0..ROWS).map(id))),
        ),
        (
            "PromptText",
            Arc::new(StringArray::from_iter_values((0..ROWS).map(note))),
        ),
        (
            "Score",
            Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row / 400))),
        ),
        ("Other", Arc::new(Int64Array::from_iter_values(0..ROWS))),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

/// A file as the lake writes it: row groups in order of time, with its indexes.
fn write(path: &Path) {
    let rows = rows();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(16 << 10)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::Page)
        .build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties)).expect("a writer");
    let mut terms = atalaya_terms::index::Builder::new(["PromptText"]);
    let mut values = atalaya_terms::values::Builder::new(["SessionId"]);
    for start in (0..rows.num_rows()).step_by(GROUP_ROWS) {
        let group = rows.slice(start, GROUP_ROWS);
        terms.add_row_group(&group);
        values.add_row_group(&group);
        writer.write(&group).expect("rows");
    }
    terms.finish(&mut writer).expect("an index");
    values.finish(&mut writer).expect("an index");
    writer.close().expect("a footer");
}

fn explained(kql: &str) -> Vec<Step> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.parquet");
    write(&path);
    let mut files = FileTables::new();
    files.add("T", &path).expect("a table");
    let engine = Engine::new(EngineConfig::default(), Arc::new(files)).expect("an engine");
    engine.explain_blocking(kql, &options()).expect(kql)
}

/// The line of the scan.
fn scan(steps: &[Step]) -> String {
    let lines = steps.iter().flat_map(|step| step.plan.lines());
    let mut scans = lines.filter(|line| line.contains("DataSourceExec: file_groups"));
    scans.next().expect("a scan of files").to_owned()
}

/// A number of the scan's metrics: `rows=12`, `rows=1.2 K`.
fn metric(line: &str, name: &str) -> f64 {
    let text = line.split(&format!("{name}=")).nth(1).expect(name);
    let text = text.split([',', ']']).next().unwrap_or_default();
    let mut parts = text.split_whitespace();
    let number: f64 = parts.next().and_then(|n| n.parse().ok()).expect(name);
    match parts.next() {
        Some("K") => number * 1e3,
        Some("M") => number * 1e6,
        _ => number,
    }
}

#[test]
fn only_the_columns_that_are_asked_for_are_read() {
    let line = scan(&explained(
        "T | where Score > 10 | summarize count() by Score",
    ));
    assert!(line.contains("projection=[Score@3 as c3]"), "{line}");
    let sorted = explained(
        "T | sort by TimeGenerated asc | extend Before = prev(Score) | summarize max(Before)",
    );
    let line = scan(&sorted);
    let read = line
        .split("projection=[")
        .nth(1)
        .and_then(|rest| rest.split("file_type").next());
    let read = read.expect("a projection");
    assert!(
        read.contains("TimeGenerated") && read.contains("Score"),
        "{line}"
    );
    assert!(
        !read.contains("PromptText") && !read.contains("Other"),
        "{line}"
    );
}

#[test]
fn comparisons_are_pushed_into_the_scan_and_exclude_row_groups() {
    // A quarter of the times, a tenth of the scores.
    let cases = [
        (
            "T | where TimeGenerated >= datetime(2026-01-15T08:20:00Z) | count",
            10_000.0,
        ),
        ("T | where Score == 3 | count", 400.0),
        (
            "T | where Score between (10 .. 12) and Other > 0 | count",
            40_000.0,
        ),
    ];
    for (kql, rows_max) in cases {
        let steps = explained(kql);
        let line = scan(&steps);
        assert!(line.contains("predicate="), "{kql}: {line}");
        assert!(metric(&line, "output_rows") <= rows_max, "{kql}: {line}");
    }
    let line = scan(&explained(cases[1].0));
    assert!(line.contains("pruning_predicate="), "{line}");
    let read = metric(&line, "output_rows") + metric(&line, "pushdown_rows_pruned");
    assert!(read <= 10_000.0, "one row group of four: {line}");
}

#[test]
fn a_needle_is_looked_up_and_only_its_stretch_of_rows_is_read() {
    let needle = format!("id-{:08}", 12_345_i64 * 7_919 % 100_003);
    let steps = explained(&format!(
        "T | where SessionId == '{needle}' | project Other"
    ));
    assert_eq!(steps.last().map(|step| step.rows), Some(1));
    let lines = steps.iter().flat_map(|step| step.plan.lines());
    let line = lines
        .filter(|line| line.contains("KqlNeedleExec"))
        .collect::<String>();
    let looked_at = metric(&line, "looked_at_rows");
    assert!(looked_at <= 4_200.0, "one stretch of 4,096 rows: {line}");
    assert!(
        line.contains("projection=[Other]") && metric(&line, "output_rows") == 1.0,
        "{line}"
    );
    let nothing = explained("T | where SessionId in ('nobody', 'nothing') | count");
    let reads = nothing
        .iter()
        .any(|step| step.plan.contains("DataSourceExec: file_groups"));
    assert!(!reads, "the file is not even opened: {nothing:?}");
}

#[test]
fn a_file_of_other_times_is_not_opened() {
    let opens = |kql: &str| {
        let steps = explained(kql);
        let mut plans = steps.iter().map(|step| &step.plan);
        plans.any(|plan| plan.contains("DataSourceExec: file_groups"))
    };
    // The last row is of 11:06:39.
    for (since, is_opened) in [("11:06:39", true), ("11:06:41", false)] {
        let kql = format!("T | where TimeGenerated >= datetime(2026-01-15 {since}) | count");
        assert_eq!(opens(&kql), is_opened, "{kql}");
    }
}

#[test]
fn times_are_compared_once_and_to_the_tick() {
    // Rows lie on seconds; a tick is a tenth of what is stored.
    let cases = [
        ("TimeGenerated >= datetime(2026-01-15 11:06:39)", 1),
        ("TimeGenerated > datetime(2026-01-15 11:06:39)", 0),
        ("TimeGenerated > datetime(2026-01-15 11:06:38.9999999)", 1),
        ("TimeGenerated >= datetime(2026-01-15 11:06:39.0000001)", 0),
        ("TimeGenerated < datetime(2026-01-15 00:00:00)", 0),
        ("TimeGenerated < datetime(2026-01-15 00:00:00.0000001)", 1),
        ("TimeGenerated <= datetime(2026-01-14 23:59:59.9999999)", 0),
        ("TimeGenerated == datetime(2026-01-15 00:00:01.0000001)", 0),
        ("datetime(2026-01-15 00:00:02) > TimeGenerated", 2),
        (
            "TimeGenerated between (datetime(2026-01-15 00:00:01) .. datetime(2026-01-15 00:00:03))",
            3,
        ),
    ];
    for (filter, rows) in cases {
        let steps = explained(&format!("T | where {filter} | project TimeGenerated"));
        assert_eq!(steps.last().map(|step| step.rows), Some(rows), "{filter}");
        let plans: String = steps.iter().map(|step| step.plan.as_str()).collect();
        let read = plans.split("predicate=").nth(1).unwrap_or_default();
        let read = read.split("pruning_predicate").next().unwrap_or_default();
        assert!(!read.contains("CAST(TimeGenerated"), "{filter}: {read}");
    }
}

#[test]
fn nothing_is_read_less_for_what_looks_at_other_rows() {
    let until = "TimeGenerated < datetime(2026-01-15 00:00:03)";
    for (filter, rows) in [
        (format!("{until} and row_number() > 1"), 2),
        (format!("isnotnull(prev(TimeGenerated)) and {until}"), 2),
        (format!("isnotnull(next(TimeGenerated)) and {until}"), 3),
    ] {
        let steps = explained(&format!("T | serialize | where {filter}"));
        assert_eq!(steps.last().map(|step| step.rows), Some(rows), "{filter}");
    }
}

#[test]
fn row_groups_without_the_word_are_not_read() {
    let steps = explained("T | where PromptText has 'xylocarpon' | count");
    let line = scan(&steps);
    assert!(metric(&line, "output_rows") <= 10_000.0, "{line}");
}

#[test]
fn every_step_has_rows_and_time() {
    let steps =
        explained("let A = materialize(T | where Score < 5); A | sort by Other desc | take 3");
    assert!(steps.len() >= 2, "{steps:?}");
    assert_eq!(steps.last().map(|step| step.rows), Some(3));
    assert!(steps[0].plan.contains("output_rows=2"), "{}", steps[0].plan);
    let sorted = explained("T | where Score < 5 | sort by SessionId asc | extend n = row_number()");
    let plans: String = sorted.iter().map(|step| step.plan.as_str()).collect();
    assert!(plans.contains("KqlSort: by 1 keys"), "{plans}");
    assert!(plans.contains("KqlWindowExec: 1 functions"), "{plans}");
}
