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
