//! Conditions of steps: on the rule, on an item (a line of a selection), on a field's name.

use regex::Regex;
use serde_json::{Map, Value};

use super::State;
use super::logic::Group;
use crate::convert::text_of;
use crate::ir::{Expr, Item, LogSource, Rule, Test};

/// A condition on a rule.
#[derive(Clone, Debug)]
pub(super) enum OnRule {
    LogSource(LogSource),
    ContainsItem {
        field: String,
        value: String,
    },
    ContainsField(String),
    StepApplied(String),
    State {
        key: String,
        value: Value,
        operator: String,
    },
    IsRule,
    IsCorrelation,
    Attribute {
        name: String,
        value: String,
        operator: String,
    },
    Tag(String),
}

/// A condition on an item.
#[derive(Clone, Debug)]
pub(super) enum OnItem {
    MatchString {
        any: bool,
        pattern: Box<Regex>,
        negated: bool,
    },
    MatchValue {
        any: bool,
        value: String,
    },
    IsNull {
        any: bool,
    },
    IsBool {
        any: bool,
        value: Option<bool>,
    },
    Wildcard {
        any: bool,
    },
    StepApplied(String),
    State {
        key: String,
        value: Value,
    },
}

/// A condition on a field's name.
#[derive(Clone, Debug)]
pub(super) enum OnField {
    Include(Vec<Name>),
    Exclude(Vec<Name>),
    IsField,
    StepApplied(String),
    State { key: String, value: Value },
}

/// A name or a pattern of names.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Plain(String),
    Pattern(Box<Regex>),
}

impl Name {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Plain(plain) => plain == name,
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

/// The conditions of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) rule: Group<OnRule>,
    pub(super) item: Group<OnItem>,
    pub(super) field: Group<OnField>,
}

impl Conditions {
    pub(super) fn rule_holds(&self, rule: &Rule, state: &State) -> bool {
        self.rule.holds(|condition| condition.holds(rule, state))
    }

    pub(super) fn item_holds(&self, item: &Item, state: &State) -> bool {
        self.item.holds(|condition| condition.holds(item, state))
            && self.field_holds(item.field.as_deref(), &item.key, state)
    }

    pub(super) fn field_holds(&self, field: Option<&str>, key: &str, state: &State) -> bool {
        self.field
            .holds(|condition| condition.holds(field, key, state))
    }
}

impl OnRule {
    pub(super) fn read(kind: &str, params: &Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str| params.get(key).map(text_of).unwrap_or_default();
        let word =
            |key: &str, usual: &str| params.get(key).map_or_else(|| usual.to_owned(), text_of);
        Ok(match kind {
            "logsource" => Self::LogSource(LogSource {
                product: text("product"),
                category: text("category"),
                service: text("service"),
                definition: String::new(),
            }),
            "contains_detection_item" => Self::ContainsItem {
                field: text("field"),
                value: text("value"),
            },
            "contains_field" => Self::ContainsField(text("field")),
            "processing_item_applied" => Self::StepApplied(text("processing_item_id")),
            "processing_state" => Self::State {
                key: text("key"),
                value: params.get("val").cloned().unwrap_or(Value::Null),
                operator: word("op", "eq"),
            },
            "is_sigma_rule" => Self::IsRule,
            "is_sigma_correlation_rule" => Self::IsCorrelation,
            "rule_attribute" => Self::Attribute {
                name: text("attribute"),
                value: text("value"),
                operator: word("op", "eq"),
            },
            "tag" => Self::Tag(text("tag")),
            other => return Err(format!("there is no rule condition `{other}`")),
        })
    }

    fn holds(&self, rule: &Rule, state: &State) -> bool {
        match self {
            Self::LogSource(source) => source.covers(&rule.source),
            Self::ContainsItem { field, value } => any_item(rule, |item| {
                item.field.as_deref() == Some(field)
                    && item
                        .tests
                        .iter()
                        .any(|test| plain_text(test).is_some_and(|text| text == *value))
            }),
            Self::ContainsField(field) => {
                any_item(rule, |item| item.field.as_deref() == Some(field))
            }
            Self::StepApplied(id) => state.applied.contains(id),
            Self::State {
                key,
                value,
                operator,
            } => {
                let is = state.value(key).is_some_and(|found| found == value);
                is != (operator == "ne")
            }
            Self::IsRule => true,
            Self::IsCorrelation => false,
            Self::Attribute {
                name,
                value,
                operator,
            } => attribute(rule, name).is_some_and(|found| compares(&found, operator, value)),
            Self::Tag(tag) => rule.metadata.tags.iter().any(|found| found == tag),
        }
    }
}

fn any_item(rule: &Rule, test: impl Fn(&Item) -> bool + Copy) -> bool {
    let mut conditions = rule.conditions.iter();
    conditions.any(|condition| any_in(&condition.expr, test))
}

fn any_in(expr: &Expr, test: impl Fn(&Item) -> bool + Copy) -> bool {
    match expr {
        Expr::And(members) | Expr::Or(members) => members.iter().any(|member| any_in(member, test)),
        Expr::Not(inner) => any_in(inner, test),
        Expr::Item(item) => test(item),
    }
}

fn attribute(rule: &Rule, name: &str) -> Option<String> {
    let metadata = &rule.metadata;
    match name {
        "title" => Some(metadata.title.clone()),
        "id" => metadata.id.clone(),
        "name" => metadata.name.clone(),
        "description" => Some(metadata.description.clone()),
        "status" => metadata.status.clone(),
        "author" => metadata.author.clone(),
        "date" => metadata.date.clone(),
        "modified" => metadata.modified.clone(),
        "license" => metadata.license.clone(),
        "taxonomy" => Some(
            metadata
                .taxonomy
                .clone()
                .unwrap_or_else(|| "sigma".to_owned()),
        ),
        "level" => metadata.severity.map(|severity| severity.to_string()),
        other => metadata.custom.get(other).map(text_of),
    }
}

/// `eq`, `ne`, `gte`, …: numbers, levels and statuses by rank, else as text.
fn compares(found: &str, operator: &str, wanted: &str) -> bool {
    const LEVELS: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
    const STATUSES: [&str; 5] = [
        "unsupported",
        "deprecated",
        "experimental",
        "test",
        "stable",
    ];
    let rank = |text: &str| {
        let among = |words: &[&str]| words.iter().position(|word| *word == text.to_lowercase());
        among(&LEVELS).or_else(|| among(&STATUSES))
    };
    let order = match (found.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(found), Ok(wanted)) => found.partial_cmp(&wanted),
        _ => match (rank(found), rank(wanted)) {
            (Some(found), Some(wanted)) => Some(found.cmp(&wanted)),
            _ => Some(found.cmp(wanted)),
        },
    };
    let Some(order) = order else {
        return false;
    };
    match operator {
        "eq" => order.is_eq(),
        "ne" => order.is_ne(),
        "gt" => order.is_gt(),
        "gte" => order.is_ge(),
        "lt" => order.is_lt(),
        "lte" => order.is_le(),
        _ => false,
    }
}

impl OnItem {
    pub(super) fn read(kind: &str, params: &Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str| params.get(key).map(text_of).unwrap_or_default();
        let any = params.get("cond").and_then(Value::as_str) != Some("all");
        Ok(match kind {
            "match_string" => Self::MatchString {
                any,
                pattern: Box::new(anchored(&text("pattern"))?),
                negated: params.get("negate") == Some(&Value::Bool(true)),
            },
            "match_value" => Self::MatchValue {
                any,
                value: text("value"),
            },
            "is_null" => Self::IsNull { any },
            "is_bool" => Self::IsBool {
                any,
                value: params.get("value").and_then(Value::as_bool),
            },
            "contains_wildcard" => Self::Wildcard { any },
            "processing_item_applied" => Self::StepApplied(text("processing_item_id")),
            "processing_state" => Self::State {
                key: text("key"),
                value: params.get("val").cloned().unwrap_or(Value::Null),
            },
            other => return Err(format!("there is no detection item condition `{other}`")),
        })
    }

    fn holds(&self, item: &Item, state: &State) -> bool {
        let over = |any: bool, test: &dyn Fn(&Test) -> bool| {
            if any {
                item.tests.iter().any(test)
            } else {
                item.tests.iter().all(test)
            }
        };
        match self {
            Self::MatchString {
                any,
                pattern,
                negated,
            } => {
                over(*any, &|test| {
                    plain_text(test).is_some_and(|text| pattern.is_match(&text))
                }) != *negated
            }
            Self::MatchValue { any, value } => over(*any, &|test| {
                plain_text(test).is_some_and(|text| text == *value)
            }),
            Self::IsNull { any } => over(*any, &|test| test == &Test::Null),
            Self::IsBool { any, value } => over(*any, &|test| match test {
                Test::Bool(found) => value.is_none_or(|value| value == *found),
                _ => false,
            }),
            Self::Wildcard { any } => over(
                *any,
                &|test| matches!(test, Test::Text(pattern) if pattern.as_literal().is_none()),
            ),
            Self::StepApplied(id) => state
                .applied_items
                .get(&item.key)
                .is_some_and(|applied| applied.contains(id)),
            Self::State { key, value } => state.value(key).is_some_and(|found| found == value),
        }
    }
}

impl OnField {
    pub(super) fn read(kind: &str, params: &Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str| params.get(key).map(text_of).unwrap_or_default();
        let names = || -> Result<Vec<Name>, String> {
            let fields = match params.get("fields") {
                Some(Value::Array(fields)) => fields.clone(),
                Some(one) => vec![one.clone()],
                None => return Err(format!("`{kind}` needs `fields`")),
            };
            let is_pattern = matches!(
                params
                    .get("type_")
                    .or_else(|| params.get("match"))
                    .and_then(Value::as_str),
                Some("re" | "regex")
            ) || params.get("mode").and_then(Value::as_str) == Some("re");
            fields
                .iter()
                .map(|field| {
                    let field = text_of(field);
                    Ok(if is_pattern {
                        Name::Pattern(Box::new(anchored(&field)?))
                    } else {
                        Name::Plain(field)
                    })
                })
                .collect()
        };
        Ok(match kind {
            "include_fields" => Self::Include(names()?),
            "exclude_fields" => Self::Exclude(names()?),
            "is_field" => Self::IsField,
            "processing_item_applied" => Self::StepApplied(text("processing_item_id")),
            "processing_state" => Self::State {
                key: text("key"),
                value: params.get("val").cloned().unwrap_or(Value::Null),
            },
            other => return Err(format!("there is no field name condition `{other}`")),
        })
    }

    fn holds(&self, field: Option<&str>, key: &str, state: &State) -> bool {
        match self {
            Self::Include(names) => {
                field.is_some_and(|field| names.iter().any(|name| name.is(field)))
            }
            Self::IsField => field.is_some(),
            Self::Exclude(names) => {
                !field.is_some_and(|field| names.iter().any(|name| name.is(field)))
            }
            Self::StepApplied(id) => state
                .applied_items
                .get(key)
                .is_some_and(|applied| applied.contains(id)),
            Self::State { key, value } => state.value(key).is_some_and(|found| found == value),
        }
    }
}

/// A test's value as rules write it, for comparisons with patterns.
pub(super) fn plain_text(test: &Test) -> Option<String> {
    match test {
        Test::Text(pattern) => Some(pattern.to_sigma()),
        Test::Number(number) => Some(number.0.clone()),
        Test::Bool(value) => Some(value.to_string()),
        Test::Regex { pattern, .. } => Some(pattern.clone()),
        _ => None,
    }
}

/// A regular expression that matches from the start, as Python's `re.match` does.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    compiled(&format!("^(?:{pattern})"))
}

/// Compiled size of a pipeline's regular expressions.
const REGEX_BYTES_MAX: usize = 1 << 20;

pub(super) fn compiled(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| format!("the regular expression `{pattern}`: {error}"))
}
