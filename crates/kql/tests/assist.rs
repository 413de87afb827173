//! What an editor shows: `¦` marks the cursor.

use atalaya_kql::{BindOptions, Completion, CompletionKind, LogTables, complete, hover};

const OPTIONS: BindOptions = BindOptions {
    now_ticks: 638_000_000_000_000_000,
    strict: false,
};

fn at(marked: &str) -> (String, usize) {
    let offset = marked.find('¦').expect("a cursor");
    (marked.replace('¦', ""), offset)
}

fn completions(marked: &str) -> Vec<Completion> {
    let (source, offset) = at(marked);
    complete(&source, offset, &LogTables, OPTIONS)
}

#[test]
fn what_can_follow_is_offered() {
    offered(&[
        ("AIGuard¦", "AIGuardrailDecisions", CompletionKind::Table),
        (
            "AIGuardrailDecisions | su¦",
            "summarize",
            CompletionKind::Operator,
        ),
        (
            "AIGuardrailDecisions | where User¦",
            "UserId",
            CompletionKind::Column,
        ),
        (
            "AIGuardrailDecisions | extend a = 1 | where a¦",
            "a",
            CompletionKind::Column,
        ),
        (
            "AIGuardrailDecisions | where strl¦",
            "strlen",
            CompletionKind::Function,
        ),
        (
            "AIGuardrailDecisions | extend pack_a¦",
            "pack_all",
            CompletionKind::Function,
        ),
        (
            "AIGuardrailDecisions | summarize dc¦",
            "dcount",
            CompletionKind::Function,
        ),
        (
            "let seen = AIGuardrailDecisions | take 1;\nse¦",
            "seen",
            CompletionKind::Table,
        ),
        (
            "let seen = AIGuardrailDecisions | project Who = UserId;\nseen | where W¦",
            "Who",
            CompletionKind::Column,
        ),
        (
            "AIGuardrailDecisions | join (AIGuard¦",
            "AIGuardrailDecisions",
            CompletionKind::Table,
        ),
        (
            "AIGuardrailDecisions | join (AIGuardrailDecisions | project Inner = UserId | where In¦",
            "Inner",
            CompletionKind::Column,
        ),
        (
            "let n = 5; AIGuardrailDecisions | where n¦",
            "n",
            CompletionKind::Keyword,
        ),
    ]);
}

#[test]
fn words_of_an_operator_are_offered() {
    offered(&[
        (
            "AIGuardrailDecisions | evaluate rows¦",
            "rows_near",
            CompletionKind::Function,
        ),
        (
            "AIGuardrailDecisions | join kind=leftan¦",
            "leftanti",
            CompletionKind::Keyword,
        ),
        (
            "AIGuardrailDecisions | render time¦",
            "timechart",
            CompletionKind::Keyword,
        ),
    ]);
}

fn offered(cases: &[(&str, &str, CompletionKind)]) {
    for (marked, label, kind) in cases {
        let found = completions(marked);
        let is_there = found
            .iter()
            .any(|found| found.label == *label && found.kind == *kind);
        assert!(is_there, "{marked}: {found:#?}");
    }
}

#[test]
fn what_cannot_follow_is_not() {
    for (marked, label) in [
        ("AIGuardrailDecisions | where dcou¦", "dcount"),
        (
            "AIGuardrailDecisions | project Who = UserId | where User¦",
            "UserId",
        ),
        ("AIGuardrailDecisions | ¦", "UserId"),
        ("¦", "UserId"),
    ] {
        let found = completions(marked);
        assert!(!found.iter().any(|found| found.label == label), "{marked}");
    }
}

#[test]
fn names_say_what_they_mean() {
    for (marked, wanted) in [
        (
            "AIGuardrailDecisions | where Us¦erId == ''",
            "UserId: string",
        ),
        ("AIGuardrailDecisions | wh¦ere true", "where condition"),
        ("print str¦len('a')", "strlen(1 argument): long"),
        ("AIGuardrail¦Decisions | count", "UserId: string"),
        (
            "AIGuardrailDecisions | extend n = 1.5 | project n¦",
            "n: real",
        ),
    ] {
        let (source, offset) = at(marked);
        let found = hover(&source, offset, &LogTables, OPTIONS).expect(marked);
        assert!(found.text.contains(wanted), "{marked}: {}", found.text);
    }
    let (source, offset) = at("print 1¦2");
    assert_eq!(hover(&source, offset, &LogTables, OPTIONS), None);
}

#[test]
fn no_offset_is_out_of_place() {
    let source = "AIGuardrailDecisions | where Prompt has 'ß' | summarize count() by (";
    for offset in 0..=source.len() + 2 {
        let _ = complete(source, offset, &LogTables, OPTIONS);
        let _ = hover(source, offset, &LogTables, OPTIONS);
    }
}
