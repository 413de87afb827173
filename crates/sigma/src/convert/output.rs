//! Queries as what a product deploys: a Sentinel analytics rule, a stanza of Splunk's
//! `savedsearches.conf`, a rule of Elastic's detection engine.

mod elastic;
mod sentinel;
mod splunk;
mod tags;

use std::time::Duration;

use atalaya_model::Diagnostic;
use serde_json::json;

use super::{Language, Query, problem};
use crate::ir::Metadata;

/// What queries are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The query itself.
    #[default]
    Query,
    /// A Sentinel analytics rule in YAML.
    Sentinel,
    /// A Sentinel analytics rule as an ARM template.
    SentinelArm,
    /// Stanzas of Splunk's `savedsearches.conf`.
    SavedSearch,
    /// A search of Splunk's accelerated data model.
    DataModel,
    /// Rules of Elastic's detection engine, one JSON a line.
    Elastic,
    /// The body of a search request to Elasticsearch.
    Dsl,
}

impl Format {
    /// Their names on the command line.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("query", Self::Query),
        ("sentinel", Self::Sentinel),
        ("sentinel-arm", Self::SentinelArm),
        ("savedsearch", Self::SavedSearch),
        ("data-model", Self::DataModel),
        ("elastic", Self::Elastic),
        ("dsl", Self::Dsl),
    ];

    /// The format of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names
            .find(|(known, _)| *known == name)
            .map(|(_, format)| *format)
    }
}

/// A query and what is said about its rule.
#[derive(Clone, Copy, Debug)]
pub struct Written<'q> {
    /// What is said about the rule.
    pub metadata: &'q Metadata,
    /// The query.
    pub query: &'q Query,
}

/// Queries as one text.
///
/// # Errors
/// A format that is none of the language's.
pub fn write(
    written: &[Written<'_>],
    language: Language,
    format: Format,
) -> Result<String, Box<Diagnostic>> {
    let fits = match format {
        Format::Query => true,
        Format::Sentinel | Format::SentinelArm => language == Language::Kql,
        Format::SavedSearch | Format::DataModel => language == Language::Spl,
        Format::Elastic => matches!(language, Language::Lucene | Language::Esql | Language::Eql),
        Format::Dsl => matches!(language, Language::Lucene | Language::Eql),
    };
    if !fits {
        let mut names = Format::NAMES.iter();
        let name = names
            .find(|(_, known)| *known == format)
            .map_or("", |(name, _)| *name);
        return Err(problem(
            format!("the format `{name}` is not made of {}", language.name()),
            "sentinel: kql; savedsearch, data-model: spl; elastic: lucene, esql, eql",
        ));
    }
    Ok(match format {
        Format::Query => written
            .iter()
            .map(|one| format!("{}\n", one.query.text))
            .collect(),
        Format::Sentinel => {
            let rules: Vec<String> = written.iter().map(sentinel::yaml).collect();
            rules.join("---\n")
        }
        Format::SentinelArm => sentinel::arm(written),
        Format::SavedSearch => splunk::saved_searches(written),
        Format::DataModel => {
            let mut out = String::new();
            for one in written {
                out.push_str(&splunk::data_model(one)?);
                out.push('\n');
            }
            out
        }
        Format::Elastic => written
            .iter()
            .map(|one| format!("{}\n", elastic::rule(one, language)))
            .collect(),
        Format::Dsl => written
            .iter()
            .map(|one| {
                let query = &one.query.text;
                let body = if language == Language::Eql {
                    json!({ "query": query })
                } else {
                    json!({ "query": { "bool": { "must": [
                        { "query_string": { "query": query, "analyze_wildcard": true } }
                    ] } } })
                };
                format!("{body}\n")
            })
            .collect(),
    })
}

/// How often a rule runs and how far it looks back. A correlation looks back over its span and
/// the time since the last run, so that no window is cut.
fn schedule(query: &Query) -> (Duration, Duration) {
    const SHORT: Duration = Duration::from_secs(300);
    const HOUR: Duration = Duration::from_secs(3_600);
    match query.timespan {
        None => (HOUR, HOUR),
        Some(timespan) => {
            let frequency = timespan.clamp(SHORT, HOUR);
            (frequency, timespan.saturating_add(frequency))
        }
    }
}
