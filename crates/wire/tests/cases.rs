//! Runs `tests/cases/<protocol>/*.yml`: how bodies are read, and how they are weakened.

use std::path::{Path, PathBuf};

use atalaya_model::{Constraints, Redaction, Span};
use atalaya_wire::{ParseLimits, ParsedCall, Protocol, RequestHead, body_span, protocols};
use serde::Deserialize;

/// One case. Absent expectations are not checked, but an absent `unjudged` means none.
#[derive(Deserialize)]
struct Case {
    /// What is shown.
    name: String,
    #[serde(flatten)]
    head: Head,
    body: String,
    /// `[kind, path, text]`, in order, all of them.
    segments: Option<Vec<(String, String, String)>>,
    /// `reason path what`.
    #[serde(default)]
    unjudged: Vec<String>,
    facts: Option<Facts>,
    /// Part of the error's text.
    error: Option<String>,
}

/// What of the request's head matters; a POST without anything else by default.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    method: String,
    path: String,
    query: String,
    content_type: String,
}

impl Head {
    pub(crate) fn get(&self) -> RequestHead<'_> {
        RequestHead {
            method: if self.method.is_empty() {
                "POST"
            } else {
                &self.method
            },
            path: &self.path,
            query: &self.query,
            content_type: &self.content_type,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Facts {
    model: Option<String>,
    stream: bool,
    framing: Option<String>,
    operation: Option<String>,
    reply_to: Option<String>,
    max_tokens: Option<u64>,
    temperature: Option<f64>,
    user: Option<String>,
    tools: Vec<String>,
    messages: u32,
    user_turns: u32,
}

#[derive(Deserialize)]
struct ConstrainCase {
    name: String,
    #[serde(flatten)]
    head: Head,
    body: String,
    #[serde(default)]
    constraints: Constraints,
    /// Every place where one of these texts stands is redacted.
    #[serde(default)]
    redact: Vec<String>,
    /// The whole body afterwards.
    expect: String,
    /// `kind count`.
    applied: Vec<String>,
}

#[test]
fn bodies_are_read_as_the_cases_say() {
    for_each_file("parse.yml", |protocol, text, file| {
        let cases: Vec<Case> = serde_saphyr::from_str(text).expect(file);
        for case in cases {
            check_parse(protocol, &case, &format!("{file}: {}", case.name));
        }
    });
}

#[test]
fn bodies_are_weakened_as_the_cases_say() {
    for_each_file("constrain.yml", |protocol, text, file| {
        let cases: Vec<ConstrainCase> = serde_saphyr::from_str(text).expect(file);
        for case in cases {
            check_constrain(protocol, &case, &format!("{file}: {}", case.name));
        }
    });
}

fn check_parse(protocol: &dyn Protocol, case: &Case, at: &str) {
    let body = case.body.trim_end_matches('\n').as_bytes();
    let call = match (
        protocol.parse(&case.head.get(), body, &ParseLimits::default()),
        &case.error,
    ) {
        (Ok(call), None) => call,
        (Err(error), Some(expected)) => {
            assert!(error.to_string().contains(expected), "{at}: {error}");
            return;
        }
        (Ok(_), Some(_)) => panic!("{at}: should have been refused"),
        (Err(error), None) => panic!("{at}: {error}"),
    };
    assert_spans_hold(body, &call, at);
    if let Some(expected) = &case.segments {
        let found: Vec<(String, String, String)> = call
            .segments
            .iter()
            .map(|s| {
                (
                    s.kind.as_str().into(),
                    s.path.to_string(),
                    s.text.to_string(),
                )
            })
            .collect();
        assert_eq!(&found, expected, "{at}");
    }
    let unjudged: Vec<String> = call
        .unjudged
        .iter()
        .map(|u| {
            let what = u
                .what
                .as_deref()
                .map(|what| format!(" {what}"))
                .unwrap_or_default();
            format!("{} {}{what}", u.reason.as_str(), u.path)
        })
        .collect();
    assert_eq!(unjudged, case.unjudged, "{at}");
    if let Some(facts) = &case.facts {
        assert_eq!(call.model.as_deref(), facts.model.as_deref(), "{at}");
        assert_eq!(call.stream, facts.stream, "{at}");
        assert_eq!(call.max_tokens, facts.max_tokens, "{at}");
        assert_eq!(call.temperature, facts.temperature, "{at}");
        assert_eq!(call.user.as_deref(), facts.user.as_deref(), "{at}");
        assert_eq!(call.tools, facts.tools, "{at}");
        if let Some(framing) = &facts.framing {
            assert_eq!(call.framing.as_str(), framing, "{at}");
        }
        if facts.operation.is_some() {
            assert_eq!(
                call.operation.as_deref(),
                facts.operation.as_deref(),
                "{at}"
            );
        }
        if facts.reply_to.is_some() {
            assert_eq!(call.reply_to.as_deref(), facts.reply_to.as_deref(), "{at}");
        }
        assert_eq!(
            (call.message_count, call.user_turns),
            (facts.messages, facts.user_turns),
            "{at}"
        );
    }
}

/// Every character of every segment leads back to source bytes inside its segment, in order.
pub(crate) fn assert_spans_hold(body: &[u8], call: &ParsedCall<'_>, at: &str) {
    for segment in &call.segments {
        let mut end_before = segment.body.start;
        for (start, c) in segment.text.char_indices().take(200) {
            let span = body_span(body, segment, Span::new(start, start + c.len_utf8()));
            assert!(
                span.start == end_before && span.end <= segment.body.end,
                "{at} {}",
                segment.path
            );
            end_before = span.end;
            let source = std::str::from_utf8(&body[span.start..span.end]).expect("characters");
            let once = atalaya_wire::json::unescape(source);
            let twice = atalaya_wire::json::unescape(&once);
            assert!(
                source == c.to_string() || once == c.to_string() || twice == c.to_string(),
                "{at} {}",
                segment.path
            );
        }
    }
}

fn check_constrain(protocol: &dyn Protocol, case: &ConstrainCase, at: &str) {
    let body = case.body.trim_end_matches('\n').as_bytes();
    let call = protocol
        .parse(&case.head.get(), body, &ParseLimits::default())
        .expect(at);
    let redactions = redactions(&call, &case.redact);
    let (weaker, applied) = protocol
        .constrain(body, &call, &case.constraints, &redactions)
        .expect(at);
    let weaker = String::from_utf8(weaker).expect(at);
    assert_eq!(weaker, case.expect.trim_end_matches('\n'), "{at}");
    let applied: Vec<String> = applied
        .iter()
        .map(|done| format!("{} {}", done.kind, done.count))
        .collect();
    assert_eq!(applied, case.applied, "{at}");
    protocol
        .parse(&case.head.get(), weaker.as_bytes(), &ParseLimits::default())
        .expect(at);
}

fn redactions(call: &ParsedCall<'_>, words: &[String]) -> Vec<Redaction> {
    let mut redactions = Vec::new();
    for (index, segment) in call.segments.iter().enumerate() {
        for word in words {
            for (start, _) in segment.text.match_indices(word.as_str()) {
                redactions.push(Redaction {
                    segment: u32::try_from(index).expect("few"),
                    span: Span::new(start, start + word.len()),
                    replacement: "[REDACTED:\"x\"]".into(),
                });
            }
        }
    }
    redactions
}

/// Runs over every protocol's file of that name; a protocol without cases is a defect.
pub(crate) fn for_each_file(name: &str, mut check: impl FnMut(&dyn Protocol, &str, &str)) {
    for protocol in protocols::ALL {
        let file = folder(protocol.name()).join(name);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => panic!("{}: {error}", file.display()),
        };
        check(*protocol, &text, &file.display().to_string());
    }
}

pub(crate) fn folder(protocol: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(protocol)
}
