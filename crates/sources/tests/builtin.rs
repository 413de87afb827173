//! Every built-in mapping turns its sample into exactly the rows beside it.

#[test]
fn every_sample_becomes_the_expected_rows() {
    let mut faults = Vec::new();
    for source in atalaya_sources::sources() {
        let name = source.mapping.lines().next().unwrap_or_default();
        if let Err(differences) =
            atalaya_sources::check(source.mapping, source.sample, source.expected)
        {
            let lines = differences.iter().map(|d| format!("{name}: {d}"));
            faults.extend(lines);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn names_are_unique_and_all_four_kinds_of_logs_have_sources() {
    let names: Vec<_> = atalaya_sources::names().collect();
    assert_eq!(names.len(), atalaya_sources::sources().len());
    let mut sorted: Vec<&str> = names.iter().map(|(name, ..)| *name).collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
    for table in ["ModelInferenceLog", "AuditLog", "APIAccessLog"] {
        assert!(names.iter().any(|(_, of, _)| *of == table), "{table}");
    }
}

#[test]
fn mistakes_in_a_mapping_are_named_with_the_nearest_column() {
    let text = "name: x\ntable: AuditLog\nformat: jsonl\ncolumns: {TimeGenerated: t, Resorce: r}\n";
    let fault = atalaya_sources::Mapping::parse(text).unwrap_err();
    assert!(
        fault.message.contains("has no column `Resorce`"),
        "{fault:?}"
    );
    let text = "name: x\ntable: AuditLog\nformat: jsonl\ncolumns: {Resource: r}\n";
    let fault = atalaya_sources::Mapping::parse(text).unwrap_err();
    assert!(fault.message.contains("TimeGenerated"), "{fault:?}");
}

#[test]
fn bad_lines_are_counted_without_their_text_and_the_rest_goes_on() {
    let text = "name: x\ntable: AuditLog\nformat: jsonl\ncolumns: {TimeGenerated: {from: t, time: rfc3339}}\n";
    let mapping = atalaya_sources::Mapping::parse(text).unwrap();
    let log =
        "{\"t\": \"secret words\"}\nnot json\n{\"t\": \"2026-01-02T03:04:05Z\", \"other\": 1}\n";
    let reader = atalaya_sources::MappedReader::new(&mapping, log.as_bytes());
    let (rows, outcome) = reader.rows().unwrap();
    assert_eq!((rows.len(), outcome.mapped, outcome.refused), (1, 1, 2));
    assert_eq!(rows[0]["AdditionalFields"]["other"], 1);
    assert!(
        outcome
            .first_refused
            .iter()
            .all(|r| !r.reason.contains("secret"))
    );
}
