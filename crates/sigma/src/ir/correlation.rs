//! Rules about many events.

use std::time::Duration;

use atalaya_model::Span;

use super::collection::Target;
use super::rule::Metadata;
use super::value::{Number, Operator};

/// A rule about many events of other rules.
///
/// Windows slide and are closed: when an event at time *t* matches, the events of its group in
/// `[t - timespan, t]` are looked at. An event without one of the group's fields belongs to no
/// group.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// What is said about it.
    pub metadata: Metadata,
    /// What is computed over the window.
    pub kind: CorrelationKind,
    /// The rules whose events count, in the order written.
    pub rules: Vec<Reference>,
    /// Fields (or aliases) that keep windows apart; empty is one window for all.
    pub group_by: Vec<String>,
    /// Names for fields that rules call differently.
    pub aliases: Vec<Alias>,
    /// Length of the window.
    pub timespan: Duration,
    /// When it fires.
    pub condition: CorrelationCondition,
    /// `generate`: whether the rules it is made of raise alerts of their own as well.
    pub generate: bool,
    /// Which of the files that were read together.
    pub file: usize,
    /// Where its document stands in the file.
    pub span: Span,
}

/// What is computed over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CorrelationKind {
    /// How many events.
    EventCount,
    /// How many different values of the fields.
    ValueCount,
    /// Sum of a field.
    ValueSum,
    /// Mean of a field.
    ValueAvg,
    /// Percentile of a field, linearly interpolated.
    ValuePercentile,
    /// Median of a field.
    ValueMedian,
    /// How many of the rules (or which, by an expression).
    Temporal,
    /// As `Temporal`, and their events in the order of the rules, each strictly later.
    TemporalOrdered,
}

impl CorrelationKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EventCount,
        Self::ValueCount,
        Self::ValueSum,
        Self::ValueAvg,
        Self::ValuePercentile,
        Self::ValueMedian,
        Self::Temporal,
        Self::TemporalOrdered,
    ];

    /// As `type` says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValuePercentile => "value_percentile",
            Self::ValueMedian => "value_median",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
        }
    }

    /// The type of that word; `temporal_extended` and `temporal_ordered_extended` are older
    /// names of types with an expression.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let word = word.strip_suffix("_extended").unwrap_or(word);
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether it looks at which rules matched rather than at values.
    #[must_use]
    pub const fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }
}

/// A rule by name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As written.
    pub name: String,
    /// Where.
    pub span: Span,
    /// Which one; `None` if no file that was read has it (an error when rules are compiled).
    pub target: Option<Target>,
}

/// A name in `group-by` that means another field in each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// Rule (as written in `rules`) and its field.
    pub fields: Vec<(String, String)>,
}

/// When a correlation fires.
#[derive(Clone, Debug, PartialEq)]
pub enum CorrelationCondition {
    /// The computed value is within these bounds. A temporal correlation without a condition is
    /// `gte` the number of its rules.
    Threshold(Threshold),
    /// Temporal only: an expression over which rules have matched in the window.
    Rules(RuleExpr),
}

/// Bounds of a computed value.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// All must hold; never empty.
    pub bounds: Vec<Bound>,
    /// The fields that are looked at; empty for `event_count` and temporal ones, several only
    /// for `value_count`.
    pub fields: Vec<String>,
    /// Which percentile, 0 to 100; 50 for a median.
    pub percentile: f64,
}

/// One bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The comparison.
    pub operator: Operator,
    /// With what.
    pub number: Number,
}

/// An expression over rules that have matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleExpr {
    /// All of them.
    And(Vec<RuleExpr>),
    /// Any of them.
    Or(Vec<RuleExpr>),
    /// Not this.
    Not(Box<RuleExpr>),
    /// The rule at this index of [`Correlation::rules`].
    Rule(usize),
}

impl Correlation {
    /// The field of the events of `rules[rule]` that a name in `group_by` means.
    #[must_use]
    pub fn field_of<'c>(&'c self, group: &'c str, rule: usize) -> &'c str {
        let written = self
            .rules
            .get(rule)
            .map(|reference| reference.name.as_str());
        let alias = self.aliases.iter().find(|alias| alias.name == group);
        alias
            .and_then(|alias| {
                alias
                    .fields
                    .iter()
                    .find(|(name, _)| Some(name.as_str()) == written)
            })
            .map_or(group, |(_, field)| field)
    }
}
