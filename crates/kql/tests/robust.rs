//! Nothing that somebody types brings the parser down or takes for ever.

use atalaya_kql::{BindOptions, LogTables, bind};
use proptest::prelude::*;

const OPTIONS: BindOptions = BindOptions {
    now_ticks: 638_900_000_000_000_000,
    strict: false,
};

#[test]
fn nesting_and_length_are_bounded() {
    for query in [
        format!("print {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("print {}1", "-".repeat(10_000)),
        format!("{}T{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("print {}", "a[".repeat(10_000)),
        format!("T | where x in ({}", "y in (".repeat(10_000)),
        format!("print x = \"{}\"", "a".repeat(1 << 20)),
        format!("print {}1", "1+".repeat(200_000)),
        format!("print {}1", "1*1+".repeat(120)),
        format!("T | where {}true", "x == 1 or ".repeat(50_000)),
        format!("T | where {}T | take 1", "y in (z, ".repeat(120)),
        format!("T | where {}a", "a.".repeat(50_000)),
        format!("AuditLog {}", "| take 1 ".repeat(50_000)),
        format!("AuditLog {}", "| mv-apply d on (".repeat(10_000)),
        format!("AuditLog {}", "| partition by UserId (".repeat(10_000)),
        format!("AuditLog | parse UserId with {}", "'a' b ".repeat(50_000)),
        "let f = (x: (*)) { ".repeat(10_000),
        format!("print dynamic({}", "[".repeat(100_000)),
        format!("search {}", "not(".repeat(10_000)),
        "print $x, $".to_owned(),
    ] {
        let _ = bind(&query, &LogTables, OPTIONS);
        let _ = atalaya_kql::format(&query);
    }
}

#[test]
fn long_lists_and_names_that_double_are_bounded() {
    let numbered = |from: usize, unit: &str| -> String {
        let one = |number: usize| unit.replace('#', &number.to_string());
        (from..from + 11_000).map(one).collect()
    };
    let doubled = |first: &str, line: &str, last: &str| {
        let line = |number: usize| {
            let before = number.to_string();
            line.replace('<', &before)
                .replace('#', &(number + 1).to_string())
        };
        let lines: String = (0..40).map(line).collect();
        format!("{first}{lines}{last}")
    };
    for query in [
        doubled("let v0 = 1;", "let v# = v< + v<;", "print v40"),
        doubled("let v0 = AuditLog;", "let v# = union v<, v<;", "v40"),
        doubled(
            "let v0 = () { 1 };",
            "let v# = () { v<() + v<() };",
            "print v40()",
        ),
        doubled("AuditLog", "| as a# | union a#", ""),
        numbered(0, "let f# = () { 1 };") + "AuditLog",
        "AuditLog | project UserId".to_owned() + &numbered(0, ", x# = UserId"),
        "AuditLog | summarize count()".to_owned() + &numbered(0, ", max(UserId)"),
        "AuditLog | make-series count()".to_owned() + &numbered(0, ", max(UserId)"),
        "AuditLog | mv-expand a = UserId".to_owned() + &numbered(0, ", x# = UserId"),
        "AuditLog | project-reorder UserId".to_owned() + &numbered(0, ", x#*"),
        "AuditLog | parse UserId with ''".to_owned() + &numbered(0, " 'x' v#"),
        "AuditLog | where true".to_owned() + &numbered(0, " or Name# == 1"),
        "find in (AuditLog) where true".to_owned() + &numbered(0, " or UserId == 'x#'"),
        "print 1".to_owned() + &numbered(0, ", strcatt#()"),
        "print 1".to_owned() + &numbered(0, " + long("),
        "print 1".to_owned() + &numbered(0, ", dynamic(["),
        "AuditLog".to_owned() + &numbered(0, "// #\n"),
        "print ".to_owned() + &",".repeat(200_000),
        "print ".to_owned() + &"a".repeat(200_000) + "()",
        "|!~".repeat(50_000),
    ] {
        let bound = bind(&query, &LogTables, OPTIONS);
        assert!(bound.diagnostics.len() <= 25_000, "{}", &query[..40]);
        let _ = atalaya_kql::format(&query);
    }
}

#[test]
fn places_are_whole_characters() {
    for query in [
        "print (dynamic({\"\u{e9}type\": \u{e9} is",
        "AuditLog\u{a0}take 1",
        "print 1\u{a0}",
    ] {
        for said in bind(query, &LogTables, OPTIONS).diagnostics {
            let place = query.get(said.span.start..said.span.end);
            assert!(place.is_some(), "{query}: {said:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_text_does_not_panic(query in "\\PC{0,200}") {
        let _ = bind(&query, &LogTables, OPTIONS);
    }

    #[test]
    fn shuffled_queries_do_not_panic(words in prop::collection::vec(
        prop::sample::select(vec![
            "AuditLog", "|", "where", "summarize", "by", "count()", "(", ")", ",", "==", "'x'",
            "1", "1h", "let", "x", "=", ";", "join", "on", "kind", "inner", "[", "]", "{", "}",
            "extend", "project", "between", "..", "in", "!", "~", "mv-expand", "to", "typeof",
            "parse", "with", "parse-kv", "as", "mv-apply", "search", "make-series", "step", "scan",
            "declare", "evaluate", "bag_unpack(", "top-nested", "of", "externaldata(", "=>",
            "datatable", ":", "long", "union", "toscalar", "prev(", "UserId", "$left.", "*", "-",
            "arg_max(", "é", "\"", "@'", "```", "//", "\n", "sort", "asc", "dynamic(", "ago(",
        ]), 0..40)) {
        let query = words.join(" ");
        let _ = bind(&query, &LogTables, OPTIONS);
        if let Ok(once) = atalaya_kql::format(&query) {
            let twice = atalaya_kql::format(&once).expect("it was formatted before");
            prop_assert_eq!(once, twice);
        }
    }
}
