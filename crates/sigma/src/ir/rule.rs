//! Rules about single events, filters, and what is said about a rule.

use atalaya_model::{Severity, Span};
use serde_json::{Map, Value};

use super::expr::Expr;

/// What is said about a rule, not what it looks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Title.
    pub title: String,
    /// UUID, if there is one.
    pub id: Option<String>,
    /// The name that correlations and filters use.
    pub name: Option<String>,
    /// What it finds.
    pub description: String,
    /// `level`.
    pub severity: Option<Severity>,
    /// `status`: stable, test, experimental, deprecated, unsupported.
    pub status: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Licence.
    pub license: Option<String>,
    /// When it was written, as written.
    pub date: Option<String>,
    /// When it was last changed, as written.
    pub modified: Option<String>,
    /// The taxonomy of its fields; absent is `sigma`.
    pub taxonomy: Option<String>,
    /// Tags, e.g. `atlas.aml.t0051`.
    pub tags: Vec<String>,
    /// Benign causes.
    pub false_positives: Vec<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// Fields that an analyst wants to see.
    pub fields: Vec<String>,
    /// Other rules that it has to do with.
    pub related: Vec<Related>,
    /// All other keys: the specification allows any.
    pub custom: Map<String, Value>,
}

impl Metadata {
    /// What a match is reported by: the id, else the name, else the title.
    #[must_use]
    pub fn label(&self) -> &str {
        let id = self.id.as_deref().or(self.name.as_deref());
        id.unwrap_or(&self.title)
    }
}

/// An entry of `related`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The other rule's id.
    pub id: String,
    /// `derived`, `obsolete`, `merged`, `renamed`, `similar`.
    pub kind: String,
}

/// Where a rule looks. Empty is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogSource {
    /// `product`.
    pub product: String,
    /// `category`.
    pub category: String,
    /// `service`.
    pub service: String,
    /// `definition`: how logging must be configured, for people.
    pub definition: String,
}

impl LogSource {
    /// Whether all that is said here is said there too: `windows` covers
    /// `windows, process_creation`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let covers = |mine: &str, theirs: &str| mine.is_empty() || mine == theirs;
        covers(&self.product, &other.product)
            && covers(&self.category, &other.category)
            && covers(&self.service, &other.service)
    }
}

/// A rule about single events.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What is said about it.
    pub metadata: Metadata,
    /// Where it looks.
    pub source: LogSource,
    /// What it looks for: any of these. Nearly always one; a list of conditions is several, and
    /// converters make one query of each. Filters are joined in already.
    pub conditions: Vec<Condition>,
    /// The selections by name as written, for explanations only: pipelines and filters change
    /// conditions and leave these.
    pub selections: Vec<Selection>,
    /// Which of the files that were read together, counted from 0. Spans lie in its text.
    pub file: usize,
    /// Where its document stands in the file.
    pub span: Span,
}

/// A condition with its selections put in.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What must hold.
    pub expr: Expr,
    /// As written: `selection and not 1 of filter_*`.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A named part of a detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub expr: Expr,
    /// Where its name stands.
    pub span: Span,
}

/// A filter: environment tuning beside the rules. Its condition is joined to the rules' by `and`
/// as written.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What is said about it.
    pub metadata: Metadata,
    /// Applies to rules whose log source is covered by this one.
    pub source: LogSource,
    /// Which rules.
    pub rules: FilterRules,
    /// What must hold as well.
    pub condition: Condition,
    /// Which of the files that were read together.
    pub file: usize,
    /// Where its document stands in the file.
    pub span: Span,
}

/// The rules that a filter is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterRules {
    /// `rules: any`, or not said: every rule of the log source.
    Any,
    /// These, by id or name, with their places.
    Named(Vec<(String, Span)>),
}
