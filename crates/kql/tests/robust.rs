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
        "print $x, $".to_owned(),
    ] {
        let _ = bind(&query, &LogTables, OPTIONS);
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
            "datatable", ":", "long", "union", "toscalar", "prev(", "UserId", "$left.", "*", "-",
            "arg_max(", "é", "\"", "@'", "```", "//", "\n", "sort", "asc", "dynamic(", "ago(",
        ]), 0..40)) {
        let _ = bind(&words.join(" "), &LogTables, OPTIONS);
    }
}
