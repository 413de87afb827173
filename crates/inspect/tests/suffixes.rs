//! Ends of texts (`data/suffixes.txt`): what no person writes is found where it stands, odd ends of
//! innocent texts are left alone.

use atalaya_inspect::{Inspector, Scratch};
use atalaya_model::{SegmentKind, Verdict};

const CASES: &str = include_str!("data/suffixes.txt");
const RULE: &str = "classifier.adversarial_suffix";
/// From this score on the default policy acts.
const ACTED_ON: u8 = 60;

fn cases(wanted: &'static str) -> impl Iterator<Item = &'static str> {
    let lines = CASES.lines().filter(|line| !line.starts_with('#'));
    let cases = lines.map(|line| line.split_once('\t').unwrap_or_default());
    cases
        .filter(move |(kind, _)| *kind == wanted)
        .map(|(_, text)| text)
}

fn judge(text: &str, kind: SegmentKind) -> Verdict {
    Inspector::builtin().inspect_text(text, kind, &mut Scratch::default())
}

#[test]
fn suffixes_are_found_where_they_stand() {
    for text in cases("suffix") {
        let verdict = judge(text, SegmentKind::User);
        let found = verdict.findings.iter().find(|f| f.rule == RULE);
        let found = found.unwrap_or_else(|| panic!("missed: {text}"));
        assert!(found.score >= ACTED_ON, "{} {text}", found.score);
        // The request is what a person wrote; most of the suffix is behind it.
        assert!(found.span.start > text.len() / 4, "{text}");
        assert_eq!(found.span.end, text.len());
    }
}

#[test]
fn a_suffix_on_a_later_line_is_found() {
    let text = cases("suffix").next().expect("a case");
    let verdict = judge(
        &format!("Hello!\nI have a question.\n{text}\n\n"),
        SegmentKind::User,
    );
    assert!(verdict.findings.iter().any(|f| f.rule == RULE));
}

#[test]
fn a_word_below_hides_no_suffix() {
    let text = cases("suffix").next().expect("a case");
    for below in ["\n.", "\n\nThanks a lot!", "\n---\n\nBest,\nAda"] {
        let verdict = judge(&format!("{text}{below}"), SegmentKind::User);
        let found = verdict.findings.iter().any(|f| f.rule == RULE);
        assert!(found, "{below:?}");
    }
}

#[test]
fn odd_ends_of_innocent_texts_are_left_alone() {
    let mut texts = 0;
    for text in cases("innocent") {
        texts += 1;
        let verdict = judge(text, SegmentKind::User);
        assert!(!verdict.findings.iter().any(|f| f.rule == RULE), "{text}");
    }
    assert!(texts > 30);
}

#[test]
fn only_what_users_write_has_suffixes() {
    for text in cases("suffix") {
        for kind in [
            SegmentKind::System,
            SegmentKind::ToolResult,
            SegmentKind::Document,
        ] {
            let verdict = judge(text, kind);
            assert!(!verdict.findings.iter().any(|f| f.rule == RULE), "{text}");
        }
    }
}

#[test]
fn an_explanation_says_where_the_suffix_starts() {
    let inspector = Inspector::builtin();
    let explain = |text: &str| {
        let mut scratch = Scratch::default();
        inspector.explain(text, SegmentKind::User, &mut scratch)
    };
    let text = cases("suffix").next().expect("a case");
    assert!(explain(text).expect("words").suffix.is_some());
    let text = cases("innocent").next().expect("a case");
    assert!(explain(text).expect("words").suffix.is_none());
}
