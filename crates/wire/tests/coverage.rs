//! The coverage matrix is true: the document is the one that the tables give, and every kind of text
//! that a protocol claims is shown by one of its cases.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use atalaya_model::SegmentKind;
use atalaya_wire::{Framing, ParseLimits, Protocol, matrix, protocols};
use serde::Deserialize;

use crate::answers::check_golden;
use crate::cases::{Head, for_each_file};

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    head: Head,
    body: String,
}

/// `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_document_is_what_the_tables_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coverage-gateway.md");
    let matrix = matrix();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("folder")).expect("made");
        std::fs::write(&file, &matrix).expect("written");
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == matrix, "stale: run the test with UPDATE_GOLDEN=1");
}

#[test]
fn every_kind_that_a_protocol_claims_of_requests_is_shown_by_a_case() {
    let mut failed = Vec::new();
    for_each_file("parse.yml", |protocol, text, file| {
        let cases: Vec<Case> = serde_saphyr::from_str(text).expect(file);
        let mut shown = BTreeSet::new();
        for case in &cases {
            let body = case.body.trim_end_matches('\n').as_bytes();
            if let Ok(call) = protocol.parse(&case.head.get(), body, &ParseLimits::default()) {
                shown.extend(call.segments.iter().map(|segment| segment.kind.as_str()));
            }
        }
        assert_shown(
            protocol,
            &protocol.coverage().request,
            &shown,
            "requests",
            &mut failed,
        );
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// `documents.yml` are answers and documents of frames; what is read of them is in the golden file.
#[test]
fn answers_are_taken_apart_as_the_golden_files_say_and_show_every_kind() {
    let mut failed = Vec::new();
    for_each_file("documents.yml", |protocol, text, file| {
        let documents: Vec<String> = serde_saphyr::from_str(text).expect(file);
        let mut shown = BTreeSet::new();
        let mut golden = String::new();
        for document in &documents {
            let answer = protocol
                .parse_answer(document.as_bytes(), &ParseLimits::default())
                .unwrap_or_else(|error| panic!("{file}: {document}: {error}"));
            let _ = writeln!(golden, "{document}");
            for (index, segment) in answer.call.segments.iter().enumerate() {
                let delta = answer.deltas.iter().find(|delta| delta.segment == index);
                let piece = delta.map_or(String::new(), |delta| {
                    let json = if delta.is_json { ", JSON" } else { "" };
                    format!(" (piece of {}{json})", delta.channel)
                });
                let kind = segment.kind.as_str();
                let _ = writeln!(golden, "  {kind} {}{piece}: {}", segment.path, segment.text);
                shown.insert(kind);
            }
            for part in &answer.call.unjudged {
                let what = part.what.as_deref().unwrap_or("");
                let _ = writeln!(
                    golden,
                    "  unjudged {} {what} {}",
                    part.reason.as_str(),
                    part.path
                );
            }
        }
        check_golden(protocol.name(), "texts.txt", &golden);
        assert_shown(
            protocol,
            &protocol.coverage().answer,
            &shown,
            "answers",
            &mut failed,
        );
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_protocol_that_streams_says_in_which_framings() {
    for protocol in protocols::ALL {
        for framing in protocol.coverage().streams {
            assert!(
                framing.is_stream() && framing != Framing::Whole,
                "{}",
                protocol.name()
            );
        }
    }
}

fn assert_shown(
    protocol: &dyn Protocol,
    claimed: &[SegmentKind],
    shown: &BTreeSet<&'static str>,
    place: &str,
    failed: &mut Vec<String>,
) {
    let missing: Vec<&str> = claimed
        .iter()
        .map(|kind| kind.as_str())
        .filter(|kind| !shown.contains(kind))
        .collect();
    if !missing.is_empty() {
        let name = protocol.name();
        failed.push(format!(
            "{name} claims {missing:?} of {place}, but no case shows it"
        ));
    }
}
