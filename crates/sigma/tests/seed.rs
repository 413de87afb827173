//! The rule that everybody copies: valid, and dead in every tool.

use atalaya_model::{Level, SourceFile};
use atalaya_sigma::convert;

const RULE: &str = include_str!(
    "../../../rules/sigma/ai-attack-adaptation/adversarial_example_attack_detection.yml"
);

#[test]
fn it_is_accepted_as_written_and_means_what_is_meant() {
    let collection = atalaya_sigma::parse(RULE).unwrap();
    let queries = convert::over_log_tables(&collection).unwrap();
    assert_eq!(
        queries[0].1.text,
        "ModelInferenceLog
| sort by ModelId asc, TimeGenerated asc
| extend ConfidenceDrop = iff(prev(ModelId) == ModelId, abs(prev(ConfidenceScore) - ConfidenceScore), real(null))
| where ConfidenceDrop > 20 and (ConfidenceScore >= 0.4 and ConfidenceScore <= 0.6) and (ModelType in~ (\"image_classification\", \"speech_recognition\"))
| where isnotempty(ModelId)
| sort by ModelId asc, TimeGenerated asc
| extend WindowStart = prev(TimeGenerated, 10)
| where prev(ModelId, 10) == ModelId and TimeGenerated - WindowStart <= 24h"
    );
    assert_eq!(queries.len(), 1);
}

#[test]
fn remarks_point_at_what_is_dead_and_show_the_standard_form() {
    let collection = atalaya_sigma::parse(RULE).unwrap();
    let source = SourceFile {
        name: "rule.yml",
        text: RULE,
    };
    let rendered: Vec<String> = collection
        .remarks
        .iter()
        .map(|d| source.render(d))
        .collect();
    let all = rendered.join("\n");
    assert!(
        collection
            .remarks
            .iter()
            .all(|remark| remark.level == Level::Warning)
    );
    for part in [
        "SIG010",
        "confidence_drop|gt: 20",
        "SIG011",
        "current_confidence|gte: 0.4",
        "current_confidence|lte: 0.6",
        "SIG012",
        "type: event_count",
        "timespan: 24h",
        "gt: 10",
        "rules: [adversarial_example_attack_detection_event]",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
}

#[test]
fn the_standard_form_that_is_shown_means_the_same() {
    let collection = atalaya_sigma::parse(RULE).unwrap();
    let help = collection.remarks.iter().find_map(|d| {
        let help = d.help.as_deref()?;
        help.split_once("correlation:\n")
            .map(|(_, standard)| standard.to_owned())
    });
    let standard = atalaya_sigma::parse(&help.unwrap()).unwrap();
    let kql_of = |collection| {
        convert::over_log_tables(collection).unwrap()[0]
            .1
            .text
            .clone()
    };
    assert_eq!(
        kql_of(&standard).replace(['(', ')'], ""),
        kql_of(&collection).replace(['(', ')'], "")
    );
}
