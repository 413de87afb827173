use super::Config;

#[test]
fn the_printed_default_is_the_default() {
    let text = Config::default_text();
    assert_eq!(Config::parse(&text).unwrap(), Config::default(), "{text}");
    for word in [
        "data_dir: \"atalaya-data\"",
        "# Longest request body, bytes.",
        "strict:",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn what_is_shown_reads_as_the_same() {
    let config = Config::parse("node_id: east-7\nrules: {every_s: 5}\n").unwrap();
    assert_eq!(Config::parse(&config.to_text()).unwrap(), config);
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    let cases = [
        ("versoin: 1\n", "versoin", "version"),
        ("version: 7\n", "version", "write 1"),
        (
            "gateway:\n  upstreams: {vllm: {base_url: \"http://127.0.0.1:8000\"}}\n  routes: [{upstream: vlm}]\n",
            "vlm",
            "did you mean vllm?",
        ),
        (
            "lake: {retention_days: {AuditLogs: 30}}\n",
            "AuditLogs",
            "did you mean AuditLog?",
        ),
        ("gateway: {listen: [localhost]}\n", "localhost", ""),
        ("query: {timeout_ms: 0}\n", "timeout_ms", "above 0"),
    ];
    for (text, place, remedy) in cases {
        let problems = Config::parse(text).unwrap_err();
        let problem = &problems[0];
        assert!(
            problem.span.slice(text).contains(place)
                || text[problem.span.start..].starts_with(place),
            "{text:?}: {problem:?}"
        );
        let said = format!(
            "{} {}",
            problem.message,
            problem.help.as_deref().unwrap_or("")
        );
        assert!(said.contains(remedy), "{text:?}: {said}");
    }
}
