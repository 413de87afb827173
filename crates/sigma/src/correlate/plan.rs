//! A correlation made ready: numbers for fields, milliseconds for spans, a name for its meaning.

use std::fmt::Write as _;

use super::Limits;
use super::window::Condition;
use crate::ir::{Collection, Correlation, CorrelationCondition, CorrelationKind, Target};
use crate::matcher::{Matcher, Scratch, folded, hash, number};

/// Most events of a group, whatever a threshold says.
const EVENTS_MAX: usize = 1_000_000;

/// A correlation made ready.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: CorrelationKind,
    pub(super) group_by: Vec<String>,
    /// By rule and by name in `group_by`: the field that it means.
    pub(super) fields: Vec<Vec<(String, Field)>>,
    values: Vec<Field>,
    pub(super) condition: Condition,
    pub(super) timespan_ms: i64,
    pub(super) events_max: usize,
    /// Correlations that this one is part of, and its place in them.
    pub(super) users: Vec<(usize, usize)>,
    pub(super) raises_alerts: bool,
    /// The same for the same meaning.
    pub(super) fingerprint: u64,
}

/// The fields whose values a correlation needs.
pub(super) fn fields(correlation: &Correlation, collection: &Collection) -> Vec<String> {
    let mut names = Vec::new();
    for rule in 0..correlation.rules.len() {
        for group in &correlation.group_by {
            let name = correlation.field_of(group, rule);
            names.push(name.to_owned());
            names.extend(column(correlation, collection, (rule, name)).map(str::to_owned));
        }
    }
    if let CorrelationCondition::Threshold(threshold) = &correlation.condition {
        for name in &threshold.fields {
            names.push(name.clone());
            names.extend(column(correlation, collection, (0, name)).map(str::to_owned));
        }
    }
    names
}

/// The column of our tables that a field of a rule means, if it is called differently.
fn column(
    correlation: &Correlation,
    collection: &Collection,
    (rule, name): (usize, &str),
) -> Option<&'static str> {
    match correlation.rules.get(rule)?.target? {
        Target::Rule(index) => crate::taxonomy::column(&collection.rules.get(index)?.source, name),
        Target::Correlation(_) => None,
    }
}

/// A field under its own name and under that of its column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    named: u32,
    column: Option<u32>,
}

impl Field {
    /// Its value in the event that was matched last.
    pub(super) fn value(
        self,
        event: &str,
        matcher: &Matcher,
        scratch: &mut Scratch,
    ) -> Option<String> {
        if let Some(value) = matcher.value(event, scratch, self.named) {
            return Some(value.to_owned());
        }
        matcher
            .value(event, scratch, self.column?)
            .map(str::to_owned)
    }
}

impl Plan {
    pub(super) fn new(
        correlation: &Correlation,
        collection: &Collection,
        matcher: &Matcher,
        limits: Limits,
    ) -> Self {
        let field = |rule: usize, name: &str| Field {
            named: matcher.field(name).unwrap_or(u32::MAX),
            column: column(correlation, collection, (rule, name))
                .and_then(|column| matcher.field(column)),
        };
        let of_rule = |rule: usize| {
            let groups = correlation.group_by.iter();
            let fields = groups.map(|group| {
                let name = correlation.field_of(group, rule);
                (name.to_owned(), field(rule, name))
            });
            fields.collect()
        };
        let at = collection
            .correlations
            .iter()
            .position(|known| std::ptr::eq(known, correlation))
            .map(Target::Correlation);
        let users = collection
            .correlations
            .iter()
            .enumerate()
            .flat_map(|(index, user)| {
                let places = user.rules.iter().enumerate();
                let places =
                    places.filter(move |(_, reference)| at.is_some() && reference.target == at);
                places
                    .map(move |(place, _)| (index, place))
                    .collect::<Vec<_>>()
            });
        let values = match &correlation.condition {
            CorrelationCondition::Threshold(threshold) => threshold.fields.as_slice(),
            CorrelationCondition::Rules(_) => &[],
        };
        let condition = Condition::new(correlation);
        let needed = condition.largest_bound();
        Self {
            kind: correlation.kind,
            group_by: correlation.group_by.clone(),
            fields: (0..correlation.rules.len()).map(of_rule).collect(),
            values: values.iter().map(|name| field(0, name)).collect(),
            condition,
            timespan_ms: i64::try_from(correlation.timespan.as_millis()).unwrap_or(i64::MAX / 4),
            events_max: limits
                .events_per_key_max
                .max(needed.saturating_mul(2))
                .min(EVENTS_MAX),
            users: users.collect(),
            raises_alerts: at.is_none_or(|at| collection.raises_alerts(at)),
            fingerprint: fingerprint(correlation, collection, 0),
        }
    }

    /// What of an event counts: a number, the hash of a text, or nothing (zero). `None`: the
    /// event does not count, because its field is absent or no number.
    pub(super) fn value(
        &self,
        event: &str,
        matcher: &Matcher,
        scratch: &mut Scratch,
    ) -> Option<u64> {
        if self.values.is_empty() {
            return Some(0);
        }
        if self.kind == CorrelationKind::ValueCount {
            let mut all = 0_u64;
            for field in &self.values {
                let text = field.value(event, matcher, scratch)?;
                all = all.rotate_left(17) ^ hash(folded(&text).as_bytes());
            }
            return Some(all);
        }
        let text = self.values.first()?.value(event, matcher, scratch)?;
        number(text.trim()).map(f64::to_bits)
    }
}

/// The key of a group: values folded, lengths before them so that no two groups have one key.
pub(super) fn key(plan: usize, group: &[(String, String)]) -> String {
    let mut key = format!("{plan}");
    for (_, value) in group {
        let value = folded(value);
        let _ = write!(key, ";{}:{value}", value.len());
    }
    key
}

fn fingerprint(correlation: &Correlation, collection: &Collection, depth: usize) -> u64 {
    let mut text = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        correlation.kind,
        correlation.group_by,
        correlation.aliases,
        correlation.timespan,
        correlation.condition
    );
    for reference in &correlation.rules {
        match reference.target {
            Some(Target::Rule(index)) => {
                for condition in collection
                    .rules
                    .get(index)
                    .iter()
                    .flat_map(|r| &r.conditions)
                {
                    for item in condition.expr.items() {
                        let _ = write!(text, "{:?}{:?}{:?}", item.key, item.tests, item.all);
                    }
                    text.push_str(&condition.text);
                }
            }
            Some(Target::Correlation(index)) if depth < 16 => {
                if let Some(inner) = collection.correlations.get(index) {
                    let _ = write!(text, "{}", fingerprint(inner, collection, depth + 1));
                }
            }
            _ => {}
        }
    }
    hash(text.as_bytes())
}
