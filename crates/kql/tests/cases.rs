//! Queries and what is said about them.

use atalaya_kql::bound::BoundQuery;
use atalaya_kql::{BindOptions, Bound, LogTables, bind};
use atalaya_model::{Level, SourceFile};

const NOW: i64 = 638_900_000_000_000_000;

fn run(query: &str, strict: bool) -> Bound {
    bind(
        query,
        &LogTables,
        BindOptions {
            now_ticks: NOW,
            strict,
        },
    )
}

fn schema(query: &str) -> String {
    let bound = run(query, false);
    let Some(BoundQuery { root, .. }) = bound.query else {
        unreachable!("{query}: {:?}", bound.diagnostics)
    };
    let columns: Vec<String> = root
        .schema
        .iter()
        .map(|column| format!("{}:{}", column.name, column.ty.name()))
        .collect();
    columns.join(" ")
}

#[test]
fn the_seeds_queries_bind_as_written() {
    for (query, columns, warnings) in [
        (
            include_str!("cases/seed_host_process_volume.kql"),
            "Account:string count_:long",
            &[][..],
        ),
        (
            include_str!("cases/seed_high_score_injection.kql"),
            "UserId:string count_:long",
            &[],
        ),
        (
            include_str!("cases/seed_confidence_drop.kql"),
            "ModelId:string PredictedClass:string count_:long avg_ConfidenceDrop:real",
            &["ATL104", "ATL102", "ATL101"],
        ),
        (
            include_str!("cases/seed_training_data_tampering.kql"),
            "PerformedBy_UPN:string ModificationCount:long",
            &[],
        ),
    ] {
        assert_eq!(schema(query), columns);
        let codes: Vec<String> = run(query, false)
            .diagnostics
            .into_iter()
            .map(|d| d.code)
            .collect();
        assert_eq!(codes, warnings, "{query}");
    }
}

#[test]
fn what_kusto_refuses_is_warned_about_with_the_corrected_text_and_refused_when_strict() {
    let query = include_str!("cases/seed_confidence_drop.kql");
    let source = SourceFile {
        name: "seed.kql",
        text: query,
    };
    let rendered: Vec<String> = run(query, false)
        .diagnostics
        .iter()
        .map(|d| source.render(d))
        .collect();
    let text = rendered.join("\n");
    for expected in [
        "--> seed.kql:6:38",
        "write `ConfidenceScore between (0.40 .. 0.60)`",
        "KS005",
        "The row set must be serialized",
        "write `| sort by TimeGenerated asc` before",
        "`ConfidenceDrop` lies between 0 and 1",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let strict = run(query, true);
    assert!(strict.query.is_none());
    // What is refused does not run, and is not said to.
    let says_it_runs = |d: &&atalaya_model::Diagnostic| {
        d.level == Level::Error && d.message.contains("Run here as if")
    };
    assert!(strict.diagnostics.iter().find(says_it_runs).is_none());
    assert!(text.contains("Run here as if `sort by TimeGenerated asc` came first"));
    assert_eq!(
        strict
            .diagnostics
            .iter()
            .filter(|d| d.level == Level::Error)
            .count(),
        2
    );
}

#[test]
fn columns_are_named_as_kusto_names_them() {
    for (query, expected) in [
        ("print 1, x=2", "print_0:long x:long"),
        (
            "AuditLog | summarize count(), dcount(UserId), make_set(Operation), percentile(SizeBytes, 95), countif(Result == 'x')",
            "count_:long dcount_UserId:long set_Operation:dynamic percentile_SizeBytes_95:long countif_:long",
        ),
        (
            "AuditLog | summarize arg_max(TimeGenerated, Operation) by UserId",
            "UserId:string TimeGenerated:datetime Operation:string",
        ),
        (
            "AuditLog | project tolower(UserId), strcat('a', 'b')",
            "Column1:string Column2:string",
        ),
        (
            "AuditLog | summarize sum(SizeBytes) / count() by bin(TimeGenerated, 1h)",
            "TimeGenerated:datetime Column1:long",
        ),
        (
            "AuditLog | project UserId | join kind=inner (AuditLog | project UserId, Stage) on UserId",
            "UserId:string UserId1:string Stage:string",
        ),
        (
            "AuditLog | project UserId | lookup (AuditLog | project UserId, Stage) on UserId",
            "UserId:string Stage:string",
        ),
        (
            "datatable(a:long, b:dynamic)[1, dynamic([1,2])] | mv-expand b to typeof(long)",
            "a:long b:long",
        ),
        (
            "let T = datatable(a:long)[1]; let f = (x:long) {x * 2}; T | extend y = f(a)",
            "a:long y:long",
        ),
        (
            "union withsource=src (print a=1), (print a='x')",
            "src:string a_long:long a_string:string",
        ),
        ("AuditLog | distinct Operation | count", "Count:long"),
    ] {
        assert_eq!(schema(query), expected, "{query}");
    }
}

#[test]
fn mistakes_are_told_with_code_place_and_remedy() {
    told(&[
        (
            "AuditLgo | take 1",
            "KS142",
            "AuditLgo",
            "did you mean `AuditLog`?",
        ),
        (
            "AuditLog | where Opration == 'x'",
            "KS142",
            "Opration",
            "did you mean `Operation`?",
        ),
        (
            "AuditLog | project UserId | where Stage == ''",
            "KS142",
            "Stage",
            "an earlier `project`",
        ),
        (
            "AuditLog | where SizeBytes == now()",
            "KS106",
            "==",
            "convert",
        ),
        ("AuditLog | where SizeBytes", "KS106", "SizeBytes", ""),
        (
            "AuditLog | summarize by LabelHist",
            "KS116",
            "LabelHist",
            "tostring(LabelHist)",
        ),
        (
            "AuditLog | extend x = toloer(UserId)",
            "KS211",
            "toloer",
            "did you mean `tolower`?",
        ),
        (
            "AuditLog | where Operation == \"open",
            "KS003",
            "",
            "closing quote",
        ),
        ("AuditLog | take", "KS005", "", ""),
        (
            "AuditLog | graph-match x",
            "KQL010",
            "graph-match",
            "joins of the table of edges",
        ),
        (
            "AuditLog | sumarize count()",
            "KQL010",
            "sumarize",
            "`summarize`",
        ),
    ]);
}

#[test]
fn mistakes_in_statements_and_declarations_are_told_too() {
    told(&[
        (
            "AuditLog | summarize count() by bin_auto(TimeGenerated)",
            "KS107",
            "bin_auto(TimeGenerated)",
            "set query_bin_auto_size",
        ),
        (
            "declare pattern P = (a: string) { (\"x\") = { AuditLog } }; P(\"y\")",
            "KS211",
            "P(\"y\")",
            "it has rows for (\"x\")",
        ),
        (
            "AuditLog | assert-schema (UserId: long)",
            "KS106",
            "UserId",
            "",
        ),
        (
            "AuditLog | extend h = hash_many(UserId, Operation)",
            "KS211",
            "hash_many",
            "",
        ),
    ]);
}

/// As Microsoft's analyzer has it: an editor underlines the same word.
#[test]
fn a_mistake_is_said_where_it_is() {
    told(&[
        (
            "AuditLog | where Stage == 'a' and SizeBytes or Stage == 'b'",
            "KS106",
            "and",
            "compare",
        ),
        (
            "AuditLog | where (Stage == 'a') // (\n and\n Stage",
            "KS106",
            "and",
            "",
        ),
        (
            "AuditLog | where SizeBytes has 'x'",
            "KS106",
            "has",
            "tostring(SizeBytes)",
        ),
        (
            "AuditLog | extend x = Stage + SizeBytes",
            "KS106",
            "+",
            "convert",
        ),
        ("AuditLog | extend x = -Stage", "KS106", "-", "convert"),
        (
            "AuditLog | extend x = Stage.Inner",
            "KS106",
            "Inner",
            "parse_json(Stage)",
        ),
        (
            "AuditLog | extend x = Stage[0]",
            "KS106",
            "[0]",
            "parse_json(Stage)",
        ),
        (
            "AuditLog | extend x = (Stge, 1)",
            "KS142",
            "Stge",
            "did you mean `Stage`?",
        ),
        ("AuditLog | where Stage in~ 'a'", "KS005", " ", ""),
        ("AuditLog | where SizeBytes between", "KS005", "", ""),
        (
            "AuditLog | where Stage has_any (Stge('a'))",
            "KS211",
            "Stge",
            "",
        ),
    ]);
}

#[test]
fn a_mistake_in_a_literal_a_call_or_a_join_is_said_where_it_is() {
    told(&[
        ("let x = dynamic(['a', , 'b']); print x", "KS006", ",", ""),
        ("let x = dynamic(['a', 'b'", "KS005", "", ""),
        ("print x = strlen('a', )", "KS119", "strlen('a', )", ""),
        (
            "print x = strlen('a' 'b', 1 2)",
            "KS119",
            "strlen('a' 'b', 1 2)",
            "",
        ),
        ("print x = strlen(])", "KS119", "strlen(]", ""),
        (
            "print x = case(true, 1, false, 2)",
            "KS121",
            "case(true, 1, false, 2)",
            "",
        ),
        (
            "AuditLog | join (AuditLog) | count",
            "KS006",
            "join (AuditLog)",
            "`on`",
        ),
        ("AuditLog | lookup (AuditLog) | count", "KS005", " ", ""),
        ("AuditLog | where [Stage == 'a'", "KS005", "", ""),
        ("print x = 'a", "KS003", "", ""),
        ("let = 1; print 1", "KS142", "let", ""),
        ("datatable(a: long, b: long)[1, 2, 3]", "KS173", "1", ""),
        ("datatable(a: long, b: long)[1, , 3, 4]", "KS173", "1", ""),
    ]);
}

#[test]
fn a_mistake_inside_of_brackets_hides_none_before_or_after_it() {
    // Where the rows of a join stop being read, the join still has its condition.
    told(&[
        (
            "AuditLog | join (AuditLog | where SizeBytes between 3 | count) on Stage",
            "KS005",
            " ",
            "",
        ),
        (
            "AuditLog | join (AuditLog | where Nope > 1 | count Stage == 2) on Stage",
            "KS142",
            "Nope",
            "",
        ),
        (
            "let f = () { AuditLog | where Nope > 1 | count Stage == 2 }; f()",
            "KS142",
            "Nope",
            "",
        ),
        (
            "AuditLog | join kind=inner (AuditLog | where Nope > 1)",
            "KS006",
            "join kind=inner (AuditLog | where Nope > 1)",
            "on",
        ),
        (
            "print x = toscalar(AuditLog | where Nope > 1 | count Stage)",
            "KS142",
            "Nope",
            "",
        ),
    ]);
}

#[test]
fn arguments_have_types() {
    told(&[
        ("print x = ago(true)", "KS107", "true", "convert"),
        ("print x = substring('abc', 'a')", "KS107", "'a'", "convert"),
        ("print x = (parse_json(1))", "KS107", "1", "convert"),
        ("print x = case(1, 2, 3)", "KS107", "1", "convert"),
        ("print x = (strlenn('a'))", "KS211", "strlenn", "strlen"),
        (
            "AuditLog | summarize sum(Stage)",
            "KS106",
            "Stage",
            "toreal",
        ),
        ("print x = 1 has_any ('a')", "KS107", "1", "tostring"),
    ]);
}

#[test]
fn a_literal_that_says_nothing_is_null_with_a_warning() {
    for query in [
        "print datetime(tomorrow)",
        "print long(x)",
        "print timespan(6..00)",
    ] {
        let bound = run(query, true);
        let codes: Vec<&str> = bound.diagnostics.iter().map(|d| d.code.as_str()).collect();
        assert!(bound.query.is_some(), "{query}: {codes:?}");
        assert_eq!(codes, ["ATL105"], "{query}");
    }
}

#[test]
fn a_name_that_comes_twice_is_said_where_it_comes_again() {
    told(&[
        (
            "AuditLog | project Stage, UserId, Stage",
            "KS171",
            "Stage",
            "`Other = Stage`",
        ),
        ("AuditLog | extend a = 1, a = 2", "KS171", "a", ""),
        (
            "AuditLog | project tostring(Stage), Stage",
            "KS171",
            "Stage",
            "",
        ),
        (
            "AuditLog | summarize x = count(), x = dcount(UserId)",
            "KS171",
            "x",
            "",
        ),
        (
            "AuditLog | summarize dcount(Usr) by Stge",
            "KS142",
            "Usr",
            "",
        ),
    ]);
    for fine in [
        "AuditLog | project Stage, tostring(Stage), strlen(Stage)",
        "AuditLog | extend Stage = tolower(Stage), Other = Stage",
        "AuditLog | summarize count(), count() by Stage",
        "AuditLog | where Stage = isempty(Stage)",
    ] {
        assert!(run(fine, true).query.is_some(), "{fine}");
    }
}

/// The first thing that is said of a query: code, place and a part of the remedy.
fn told(cases: &[(&str, &str, &str, &str)]) {
    for (query, code, place, help) in cases {
        let bound = run(query, false);
        assert!(bound.query.is_none(), "{query}");
        let first = &bound.diagnostics[0];
        assert_eq!(first.code, *code, "{query}: {first:?}");
        assert_eq!(first.span.slice(query), *place, "{query}: {first:?}");
        assert!(
            first.help.clone().unwrap_or_default().contains(*help),
            "{query}: {first:?}"
        );
    }
}
