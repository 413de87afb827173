//! Limits, files and formats.

use std::sync::Arc;
use std::time::Duration;

use atalaya_query::write::{Format, write};
use atalaya_query::{Engine, EngineConfig, FileTables, QueryError, QueryOptions};
use serde_json::json;

use crate::support::{engine, json, options};

const PEOPLE: &str = concat!(
    r#"{"Name":"Ann","Age":31,"At":"2026-01-15T10:00:00.1234567Z","Bag":{"a":[1,2]}}"#,
    "\n",
    r#"{"Name":"Bob","Age":null,"At":"2026-01-15T11:00:00Z","Bag":null}"#,
    "\n",
);

#[test]
fn a_wrong_name_is_a_diagnostic_with_a_place_and_a_remedy() {
    let (engine, _folder) = engine(&[("People", PEOPLE)]);
    let error = engine.run_blocking("People | where Nmae == 'x'", &options());
    let Err(QueryError::Invalid(diagnostics)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(diagnostics[0].span.start, 15);
    assert!(
        diagnostics[0]
            .help
            .as_deref()
            .unwrap_or_default()
            .contains("Name")
    );
}

#[test]
fn json_has_kusto_types_and_values() {
    let (engine, _folder) = engine(&[("People", PEOPLE)]);
    let query = "People | extend Span = At - datetime(2026-01-14) | sort by Name asc";
    let shown = json(&engine.run_blocking(query, &options()).expect("it runs"));
    let types: Vec<_> = shown["columns"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|c| c["type"].clone())
        .collect();
    assert_eq!(types, ["string", "long", "datetime", "dynamic", "timespan"]);
    assert_eq!(
        shown["rows"],
        json!([
            ["Ann", 31, "2026-01-15T10:00:00.1234567Z", {"a": [1, 2]}, "1.10:00:00.1234567"],
            ["Bob", null, "2026-01-15T11:00:00Z", null, "1.11:00:00"],
        ])
    );
}

#[test]
fn every_format_shows_every_row() {
    let (engine, _folder) = engine(&[("People", PEOPLE)]);
    let result = engine
        .run_blocking("People | project Name, Bag | sort by Name asc", &options())
        .expect("it runs");
    for (format, expected) in [
        (Format::Csv, "Name,Bag\nAnn,\"{\"\"a\"\":[1,2]}\"\nBob,\n"),
        (
            Format::Ndjson,
            "{\"Name\":\"Ann\",\"Bag\":{\"a\":[1,2]}}\n{\"Name\":\"Bob\",\"Bag\":null}\n",
        ),
    ] {
        let mut out = Vec::new();
        write(&result, format, None, &mut out).expect("it can be written");
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
    let mut out = Vec::new();
    write(&result, Format::Table, Some(80), &mut out).expect("it can be written");
    let table = String::from_utf8_lossy(&out);
    assert!(table.contains("Ann") && table.contains("2 rows"), "{table}");
}

#[test]
fn a_terminal_never_gets_control_characters_of_the_data() {
    let (engine, _folder) = engine(&[("T", "{\"x\":\"\\u001b[31mred\"}\n")]);
    let result = engine.run_blocking("T", &options()).expect("it runs");
    let mut out = Vec::new();
    write(&result, Format::Table, Some(80), &mut out).expect("it can be written");
    assert!(!out.contains(&0x1b));
}

#[test]
fn rows_beyond_the_limit_are_left_out_and_said_so() {
    let (engine, _folder) = engine(&[]);
    let few = QueryOptions {
        rows_max: 10,
        ..options()
    };
    let result = engine
        .run_blocking("range x from 1 to 100 step 1", &few)
        .expect("it runs");
    assert_eq!((result.rows.len(), result.truncated), (10, true));
}

/// A row is a long and 92 characters: 100 bytes.
const HUNDRED_ROWS: &str = "range x from 1 to 100 step 1 | extend s = strrep('x', 92)";
const RECORDS: &str = "record count limit";
const SIZE: &str = "data size limit";

/// `set` statements, rows of the result, the limit that left out the others.
type Limited<'c> = (&'c str, usize, Option<(&'c str, &'c str)>);

fn limited(options: &QueryOptions, cases: &[Limited<'_>]) {
    let (engine, _folder) = engine(&[]);
    for (sets, count, exceeded) in cases {
        let query = format!("{sets} {HUNDRED_ROWS}");
        let result = engine.run_blocking(&query, options).expect(&query);
        assert_eq!(result.rows.len(), *count, "{query}");
        assert_eq!(result.truncated, exceeded.is_some(), "{query}");
        let warnings = result.warnings.iter();
        let warnings: Vec<_> = warnings.map(|w| (&*w.code, &*w.message)).collect();
        match (exceeded, warnings.as_slice()) {
            (None, []) => {}
            (Some((which, limit)), [(code, message)]) => {
                assert_eq!(*code, "E_QUERY_RESULT_SET_TOO_LARGE", "{query}");
                let said = format!("{which} {limit}:");
                assert!(message.contains(&said), "{query}: {message}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
}

fn person() -> QueryOptions {
    QueryOptions {
        rows_max: 50,
        bytes_max: 2_000,
        ..options()
    }
}

#[test]
fn a_query_sets_the_limits_of_its_result() {
    let cases: [Limited<'_>; 7] = [
        ("", 20, Some((SIZE, "2000"))),
        ("set truncationmaxsize=300;", 3, Some((SIZE, "300"))),
        ("set truncationmaxsize=100000;", 50, Some((RECORDS, "50"))),
        ("set notruncation;", 100, None),
        ("set notruncation=false;", 20, Some((SIZE, "2000"))),
        (
            "set notruncation; set truncationmaxrecords=70;",
            70,
            Some((RECORDS, "70")),
        ),
        (
            "set truncationmaxsize=9999; set truncationmaxrecords=10;",
            10,
            Some((RECORDS, "10")),
        ),
    ];
    limited(&person(), &cases);
}

#[test]
fn what_a_program_reads_is_never_more_than_it_asks_for() {
    let program = QueryOptions {
        timeout: options().timeout,
        ..QueryOptions::for_program(options().now_ticks, 50)
    };
    let cases: [Limited<'_>; 3] = [
        ("set truncationmaxrecords=100;", 50, Some((RECORDS, "50"))),
        ("set notruncation;", 50, Some((RECORDS, "50"))),
        ("set truncationmaxrecords=7;", 7, Some((RECORDS, "7"))),
    ];
    limited(&program, &cases);
}

#[test]
fn only_what_comes_out_is_cut_and_a_limit_is_a_number() {
    let (engine, _folder) = engine(&[]);
    let counted = format!("{HUNDRED_ROWS} | count");
    let counted = engine.run_blocking(&counted, &person()).expect("it runs");
    assert_eq!(json(&counted)["rows"], json!([[100]]));
    for wrong in ["-1", "1.5", "'many'"] {
        let query = format!("set truncationmaxrecords={wrong}; print 1");
        let error = engine.run_blocking(&query, &person()).expect_err(wrong);
        assert!(
            matches!(error, QueryError::Invalid(_)),
            "{wrong}: {error:?}"
        );
    }
}

/// Work that would go on for minutes lets go of the only thread there is, so that the next query runs.
#[test]
fn whatever_a_cancelled_query_computes_stops() {
    let config = EngineConfig {
        threads: 1,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(FileTables::new())).expect("an engine");
    let many = "range x from 1 to 3000000 step 1";
    let queries = [
        format!(
            "{many} | extend s = hash_sha256(tostring(x)) | sort by s asc, x desc | take 3000000 | count"
        ),
        format!(
            "{many} | extend s = strrep(tostring(x), 60) | where s matches regex '(1|2|3)+.*(a|b)$' | count"
        ),
        "let T = range x from 1 to 3000 step 1 | extend k = 1; \
         T | join kind=inner T on k | join kind=inner T on k | summarize sum(x)"
            .to_owned(),
        format!(
            "{many} | extend g = x % 1000 | make-series n = count() on x from 1 to 1000000 step 1 by g"
        ),
        format!("{many} | mv-expand y = range(1, 1000) | where y == x | count"),
        format!(
            "{many} | scan declare (n: long = 0) with (step s: true => n = s.n + strlen(strrep('x', 1000));)"
        ),
        format!(
            "{many} | serialize | extend d = row_cumsum(x) | mv-apply y = range(1, 10) to typeof(long) on (summarize sum(y)) | count"
        ),
        format!(
            "{many} | summarize make_set(strcat(x, '-', x % 7)), dcount(hash_sha256(tostring(x))) by x % 100000"
        ),
    ];
    let short = QueryOptions {
        timeout: Duration::from_millis(200),
        ..options()
    };
    for query in queries {
        let error = engine.run_blocking(&query, &short).expect_err(&query);
        assert!(
            matches!(error, QueryError::TimedOut(_)),
            "{query}: {error:?}"
        );
        let next = engine.run_blocking("print 1", &options());
        assert!(next.is_ok(), "after {query}: {next:?}");
    }
    let error = engine.run_blocking("range x from 1 to 1000000000 step 1 | count", &options());
    assert!(matches!(error, Err(QueryError::Failed(_))), "{error:?}");
}

#[test]
fn a_query_that_takes_too_long_is_cancelled() {
    let (engine, _folder) = engine(&[]);
    let short = QueryOptions {
        timeout: Duration::from_millis(300),
        ..options()
    };
    let query = "let T = range x from 1 to 3000 step 1 | extend k = 1; \
                 T | join kind=inner T on k | join kind=inner T on k | summarize sum(x)";
    let started = std::time::Instant::now();
    let error = engine.run_blocking(query, &short).expect_err("too long");
    assert!(matches!(error, QueryError::TimedOut(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_query_that_needs_too_much_memory_ends_itself_only() {
    let config = EngineConfig {
        memory_bytes_max: 1 << 20,
        threads: 1,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(FileTables::new())).expect("an engine");
    let query =
        "range x from 1 to 1000000 step 1 | extend s = strcat('number ', x) | sort by s asc";
    let error = engine
        .run_blocking(query, &options())
        .expect_err("too much");
    assert!(matches!(error, QueryError::MemoryExceeded(_)), "{error:?}");
    assert!(engine.run_blocking("print 1", &options()).is_ok());
}

#[test]
fn csv_columns_get_the_type_that_all_values_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.csv");
    std::fs::write(
        &path,
        "Id,Zip,Score,At,Ok\n1,00501,0.5,2026-01-15T00:00:00Z,true\n2,10001,1,2026-01-16,false\n",
    )
    .expect("a file");
    let mut files = FileTables::new();
    files.add("T", &path).expect("a table");
    let engine = Engine::new(EngineConfig::default(), Arc::new(files)).expect("an engine");
    let result = engine
        .run_blocking("T | sort by Id asc", &options())
        .expect("it runs");
    let types: Vec<_> = result.columns.iter().map(|c| c.ty.name()).collect();
    assert_eq!(types, ["long", "string", "real", "datetime", "bool"]);
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.jsonl");
    std::fs::write(&path, "{\"a\":1}\n{\"a\":\n").expect("a file");
    let error = FileTables::new().add("T", &path).expect_err("damaged");
    assert!(error.to_string().contains("t.jsonl:2:"), "{error}");
}

#[test]
fn the_range_of_the_caller_hides_rows_of_every_source_table() {
    let (engine, _folder) = engine(&[(
        "AuditLog",
        "{\"TimeGenerated\":\"2026-01-15T10:00:00Z\"}\n{\"TimeGenerated\":\"2026-01-15T11:00:00Z\"}\n",
    )]);
    let ticks = |t: &str| atalaya_query::value::datetime::parse(t).expect("a time");
    let ranged = QueryOptions {
        range: Some((ticks("2026-01-15T10:00:00Z"), ticks("2026-01-15T11:00:00Z"))),
        ..options()
    };
    let result = engine
        .run_blocking("AuditLog | count", &ranged)
        .expect("it runs");
    assert_eq!(json(&result)["rows"], json!([[1]]));
}

/// The shortcut for idle nodes gives what the long way gives, whether there are rows or not.
#[test]
fn skipping_queries_that_have_nothing_to_read_changes_no_answer() {
    let queries = [
        "AuditLog | where RowsDeleted > 1 | project RowsDeleted",
        "AuditLog | summarize count()",
        "AuditLog | summarize count() by RowsDeleted",
        "AuditLog | take 3 | extend y = RowsDeleted + 1 | sort by y asc | project y",
        "AuditLog | join kind=leftouter (print RowsDeleted = long(1)) on RowsDeleted | count",
        "AuditLog | join kind=rightouter (print RowsDeleted = long(1)) on RowsDeleted | project RowsDeleted1",
        "AuditLog | join kind=fullouter (print RowsDeleted = long(1)) on RowsDeleted | project RowsDeleted1",
        "AuditLog | join kind=inner (print RowsDeleted = long(1)) on RowsDeleted | project RowsDeleted1",
        "union (AuditLog | project RowsDeleted), (print RowsDeleted = long(7)) | sort by RowsDeleted asc",
        "let S = materialize(AuditLog | where RowsDeleted > 0 | project RowsDeleted); union S, S | count",
        "let S = materialize(AuditLog | project RowsDeleted); S | where RowsDeleted == 1",
        "print 1",
        "range i from 1 to 3 step 1",
    ];
    for rows in ["", "{\"RowsDeleted\":1}\n{\"RowsDeleted\":2}\n"] {
        let mut files = FileTables::new();
        files
            .add_rows("AuditLog", rows.as_bytes())
            .expect("a table");
        let engine = Engine::new(EngineConfig::default(), Arc::new(files)).expect("an engine");
        for query in queries {
            let mut skipping = options();
            skipping.skip_if_nothing_to_read = true;
            let long = engine.run_blocking(query, &options()).expect(query);
            let short = engine.run_blocking(query, &skipping).expect(query);
            assert_eq!(unordered(&short), unordered(&long), "{query}");
        }
    }
}

/// The answer, its rows in an order of their own: groups come in any.
fn unordered(result: &atalaya_query::QueryResult) -> serde_json::Value {
    let mut shown = json(result);
    if let Some(rows) = shown["rows"].as_array_mut() {
        rows.sort_by_key(ToString::to_string);
    }
    shown
}
