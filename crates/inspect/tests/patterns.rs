//! The built-in pattern files hold what their own cases say.

use atalaya_inspect::Inspector;

#[test]
fn every_case_of_every_pattern_file_holds() {
    let inspector = Inspector::builtin();
    assert!(
        inspector.rules().count() > 100,
        "pattern files were refused"
    );
    let failed = inspector.failed_cases();
    for case in &failed {
        let wanted = if case.found {
            "must match"
        } else {
            "must not match"
        };
        eprintln!("{} {wanted}: {:?}", case.rule, case.text);
    }
    assert_eq!(failed.len(), 0);
}
