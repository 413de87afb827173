//! The YAML of a pipeline becomes steps, with the place of what is wrong.

use std::collections::BTreeMap;

use atalaya_model::{Diagnostic, Span};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::conditions::{Conditions, OnField, OnItem, OnRule, compiled};
use super::logic::Group;
use super::output::{Finalizer, Post};
use super::placeholders::Selected;
use super::transformation::{Kind, Step};
use super::{Pipeline, values};
use crate::code;
use crate::convert::text_of;
use crate::ir::{Expr, Item, LogSource};

/// Nested steps.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    name: Option<String>,
    priority: i64,
    #[serde(rename = "allowed_backends")]
    _allowed_backends: Value,
    vars: BTreeMap<String, Value>,
    transformations: Vec<Map<String, Value>>,
    postprocessing: Vec<Map<String, Value>>,
    finalizers: Vec<Map<String, Value>>,
}

/// Reads a pipeline.
pub(super) fn read(text: &str) -> Result<Pipeline, Vec<Diagnostic>> {
    let document: Document = atalaya_yaml::parse(text).map_err(|problem| vec![*problem])?;
    let name = document.name.unwrap_or_else(|| "pipeline".to_owned());
    let mut reader = Reader {
        text,
        name: &name,
        problems: Vec::new(),
    };
    let steps = reader.steps(&document.transformations, "transformations", 0);
    let post = reader.each(&document.postprocessing, "postprocessing", Post::read);
    let finalizers = reader.each(&document.finalizers, "finalizers", Finalizer::read);
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let vars = document
        .vars
        .into_iter()
        .map(|(name, values)| match values {
            Value::Array(values) => (name, values),
            one => (name, vec![one]),
        })
        .collect();
    Ok(Pipeline {
        priority: document.priority,
        vars,
        steps,
        post,
        finalizers,
        name,
    })
}

struct Reader<'t> {
    text: &'t str,
    name: &'t str,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Notes a problem with the n-th entry of a list; the place is its `type` if that is said
    /// once only, else the list.
    fn problem(&mut self, list: &str, index: usize, kind: &str, message: &str) {
        let needle = format!("type: {kind}");
        let mut places = self.text.match_indices(&needle);
        let place = match (places.next(), places.next()) {
            (Some((start, found)), None) => Span::new(start, start + found.len()),
            _ => self
                .text
                .find(list)
                .map_or_else(Span::default, |start| Span::new(start, start + list.len())),
        };
        let message = format!("{list}[{index}] (`{kind}`): {message}");
        let diagnostic = Diagnostic::error(code::PIPELINE, place, message);
        self.problems
            .push(diagnostic.with_help("see the pipeline reference in docs/sigma-conversion.md"));
    }

    fn each<T>(
        &mut self,
        entries: &[Map<String, Value>],
        list: &str,
        read: impl Fn(&str, &Map<String, Value>) -> Result<T, String>,
    ) -> Vec<T> {
        let mut out = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let kind = text(entry, "type");
            match read(&kind, entry) {
                Ok(value) => out.push(value),
                Err(message) => self.problem(list, index, &kind, &message),
            }
        }
        out
    }

    fn steps(&mut self, entries: &[Map<String, Value>], list: &str, depth: usize) -> Vec<Step> {
        let mut out = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let kind = text(entry, "type");
            let id = entry.get("id").map(text_of);
            let place = match &id {
                Some(id) => format!("step `{id}` of the pipeline `{}`", self.name),
                None => format!("step {} of the pipeline `{}`", index + 1, self.name),
            };
            let read = if kind == "nest" {
                self.nested(entry, list, depth)
            } else {
                read_kind(&kind, entry)
            };
            let step = read.and_then(|kind| {
                Ok(Step {
                    place,
                    id,
                    conditions: conditions(entry)?,
                    kind,
                })
            });
            match step {
                Ok(step) => out.push(step),
                Err(message) => self.problem(list, index, &kind, &message),
            }
        }
        out
    }

    fn nested(
        &mut self,
        entry: &Map<String, Value>,
        list: &str,
        depth: usize,
    ) -> Result<Kind, String> {
        if depth >= DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX} levels"));
        }
        let Some(Value::Array(items)) = entry.get("items") else {
            return Err("needs a list of `items`".to_owned());
        };
        let entries: Vec<Map<String, Value>> = items
            .iter()
            .filter_map(|item| item.as_object().cloned())
            .collect();
        Ok(Kind::Nest(self.steps(&entries, list, depth + 1)))
    }
}

fn text(entry: &Map<String, Value>, key: &str) -> String {
    entry.get(key).map(text_of).unwrap_or_default()
}

fn needed(entry: &Map<String, Value>, key: &str) -> Result<String, String> {
    entry
        .get(key)
        .map(text_of)
        .ok_or_else(|| format!("needs `{key}`"))
}

fn texts(entry: &Map<String, Value>, key: &str) -> Vec<String> {
    match entry.get(key) {
        Some(Value::Array(values)) => values.iter().map(text_of).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![text_of(one)],
    }
}

/// `{a: b, c: [d, e]}`.
fn mapping(entry: &Map<String, Value>, key: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let Some(Value::Object(mapping)) = entry.get(key) else {
        return Err(format!("needs `{key}`, a mapping"));
    };
    Ok(mapping
        .iter()
        .map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.iter().map(text_of).collect(),
                Value::Null => Vec::new(),
                one => vec![text_of(one)],
            };
            (name.clone(), values)
        })
        .collect())
}

fn flag(entry: &Map<String, Value>, key: &str) -> bool {
    entry.get(key) == Some(&Value::Bool(true))
}

fn read_kind(kind: &str, entry: &Map<String, Value>) -> Result<Kind, String> {
    match kind {
        "field_name_mapping" => Ok(Kind::FieldMapping(mapping(entry, "mapping")?)),
        "field_name_prefix_mapping" => Ok(Kind::FieldPrefixMapping(
            mapping(entry, "mapping")?.into_iter().collect(),
        )),
        "field_name_suffix" => Ok(Kind::FieldSuffix(needed(entry, "suffix")?)),
        "field_name_prefix" => Ok(Kind::FieldPrefix(needed(entry, "prefix")?)),
        "drop_detection_item" => Ok(Kind::DropItem),
        "add_field" => Ok(Kind::AddFields(texts(entry, "field"))),
        "remove_field" => Ok(Kind::RemoveFields(texts(entry, "field"))),
        "set_field" => Ok(Kind::SetFields(texts(entry, "fields"))),
        "add_condition" => add_condition(entry),
        "change_logsource" => Ok(Kind::ChangeLogSource(LogSource {
            product: text(entry, "product"),
            category: text(entry, "category"),
            service: text(entry, "service"),
            definition: String::new(),
        })),
        "set_state" => Ok(Kind::SetState {
            key: needed(entry, "key")?,
            value: entry.get("val").cloned().unwrap_or(Value::Null),
            keep: flag(entry, "keep"),
        }),
        "log_tables" => Ok(Kind::LogTables {
            optional: flag(entry, "optional"),
        }),
        "set_custom_attribute" => Ok(Kind::SetAttribute(
            needed(entry, "attribute")?,
            entry.get("value").cloned().unwrap_or(Value::Null),
        )),
        "rule_failure" => Ok(Kind::RuleFailure(needed(entry, "message")?)),
        "detection_item_failure" => Ok(Kind::ItemFailure(needed(entry, "message")?)),
        "strict_field_mapping_failure" => Ok(Kind::UnmappedField),
        "field_name_transform" => Err("runs Python; use `field_name_mapping`".to_owned()),
        other => read_value_kind(other, entry),
    }
}

fn read_value_kind(kind: &str, entry: &Map<String, Value>) -> Result<Kind, String> {
    Ok(match kind {
        "hashes_fields" => Kind::Hashes(values::Hashes {
            algorithms: texts(entry, "valid_hash_algos"),
            prefix: text(entry, "field_prefix"),
            drop_algorithm: flag(entry, "drop_algo_prefix"),
            fields: match entry.get("fields") {
                Some(_) => mapping(entry, "fields")?
                    .into_iter()
                    .filter_map(|(name, mut fields)| Some((name.to_uppercase(), fields.pop()?)))
                    .collect(),
                None => BTreeMap::new(),
            },
        }),
        "wildcard_placeholders" => Kind::WildcardPlaceholders(selected(entry)),
        "value_placeholders" => Kind::ValuePlaceholders(selected(entry)),
        "query_expression_placeholders" => Kind::QueryPlaceholders {
            selected: selected(entry),
            expression: needed(entry, "expression")?,
            mapping: match entry.get("mapping") {
                Some(_) => mapping(entry, "mapping")?
                    .into_iter()
                    .filter_map(|(name, mut values)| Some((name, values.pop()?)))
                    .collect(),
                None => BTreeMap::new(),
            },
        },
        "replace_string" => Kind::Replace(values::Replace {
            regex: compiled(&needed(entry, "regex")?)?,
            replacement: replacement(&needed(entry, "replacement")?),
            skip_special: flag(entry, "skip_special"),
            interpret_special: flag(entry, "interpret_special"),
        }),
        "map_string" => Kind::MapString(mapping(entry, "mapping")?),
        "case" => Kind::Case(match text(entry, "method").as_str() {
            "lower" | "" => values::Case::Lower,
            "upper" => values::Case::Upper,
            "snake_case" => values::Case::Snake,
            other => return Err(format!("there is no case `{other}`")),
        }),
        "regex" => Kind::ToRegex(match text(entry, "method").as_str() {
            "plain" => values::RegexMethod::Plain,
            "ignore_case_flag" => values::RegexMethod::IgnoreCaseFlag,
            "ignore_case_brackets" | "" => values::RegexMethod::IgnoreCaseBrackets,
            other => return Err(format!("there is no method `{other}`")),
        }),
        "set_value" => {
            let value = entry.get("value").cloned().unwrap_or(Value::Null);
            Kind::SetValue(match text(entry, "force_type").as_str() {
                "str" => Value::String(text_of(&value)),
                _ => value,
            })
        }
        "convert_type" => match text(entry, "target_type").as_str() {
            "num" => Kind::ToNumber,
            "str" => Kind::ToText,
            other => return Err(format!("`target_type` is `str` or `num`, not `{other}`")),
        },
        "split_domain" => Kind::SplitDomain {
            domain_field: needed(entry, "domain_field")?,
        },
        other => return Err(unknown(other)),
    })
}

fn unknown(kind: &str) -> String {
    const KINDS: &[&str] = &[
        "field_name_mapping",
        "field_name_prefix_mapping",
        "field_name_suffix",
        "field_name_prefix",
        "drop_detection_item",
        "add_field",
        "remove_field",
        "set_field",
        "add_condition",
        "change_logsource",
        "set_state",
        "set_custom_attribute",
        "rule_failure",
        "detection_item_failure",
        "strict_field_mapping_failure",
        "hashes_fields",
        "wildcard_placeholders",
        "value_placeholders",
        "query_expression_placeholders",
        "replace_string",
        "map_string",
        "case",
        "regex",
        "set_value",
        "convert_type",
        "split_domain",
        "log_tables",
        "nest",
    ];
    match atalaya_yaml::nearest(kind, KINDS.iter().copied()) {
        Some(near) => format!("no transformation is called so; did you mean `{near}`?"),
        None => "no transformation is called so".to_owned(),
    }
}

fn selected(entry: &Map<String, Value>) -> Selected {
    Selected {
        include: entry.get("include").map(|_| texts(entry, "include")),
        exclude: texts(entry, "exclude"),
    }
}

/// Python's `\1` and `\g<name>` as `${1}` and `${name}`.
fn replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some('g') if chars.peek() == Some(&'<') => {
                    let name: String = chars.by_ref().skip(1).take_while(|c| *c != '>').collect();
                    out.push_str("${");
                    out.push_str(&name);
                    out.push('}');
                }
                Some('\\') | None => out.push('\\'),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
            },
            c => out.push(c),
        }
    }
    out
}

fn add_condition(entry: &Map<String, Value>) -> Result<Kind, String> {
    let Some(Value::Object(conditions)) = entry.get("conditions") else {
        return Err("needs `conditions`, a mapping of fields to values".to_owned());
    };
    let mut members = Vec::with_capacity(conditions.len());
    for (field, value) in conditions {
        let tests = match value {
            Value::Array(values) => values.iter().map(values::test_of).collect(),
            one => vec![values::test_of(one)],
        };
        members.push(Expr::Item(Item {
            field: (!field.is_empty()).then(|| field.clone()),
            tests,
            all: false,
            key: field.clone(),
            span: Span::default(),
        }));
    }
    let expr = match members.len() {
        0 => return Err("`conditions` is empty".to_owned()),
        1 => members.swap_remove(0),
        _ => Expr::And(members),
    };
    Ok(Kind::AddCondition {
        expr,
        negated: flag(entry, "negated"),
        template: flag(entry, "template"),
    })
}

fn conditions(entry: &Map<String, Value>) -> Result<Conditions, String> {
    Ok(Conditions {
        rule: group(entry, "rule_conditions", "rule_cond", OnRule::read)?,
        item: group(
            entry,
            "detection_item_conditions",
            "detection_item_cond",
            OnItem::read,
        )?,
        field: group(
            entry,
            "field_name_conditions",
            "field_name_cond",
            OnField::read,
        )?,
    })
}

type Reading<C> = fn(&str, &Map<String, Value>) -> Result<C, String>;

fn group<C>(
    entry: &Map<String, Value>,
    list: &str,
    prefix: &str,
    read: Reading<C>,
) -> Result<Group<C>, String> {
    let one = |value: &Value| -> Result<C, String> {
        let Some(params) = value.as_object() else {
            return Err(format!("`{list}` needs mappings with `type`"));
        };
        read(&text(params, "type"), params)
    };
    let mut named = Vec::new();
    match entry.get(list) {
        None | Some(Value::Null) => {}
        Some(Value::Array(conditions)) => {
            for condition in conditions {
                let id = condition.get("id").map(text_of);
                named.push((id, one(condition)?));
            }
        }
        Some(Value::Object(conditions)) => {
            for (id, condition) in conditions {
                named.push((Some(id.clone()), one(condition)?));
            }
        }
        Some(_) => return Err(format!("`{list}` is a list or a mapping")),
    }
    let key = |suffix: &str| entry.get(&format!("{prefix}_{suffix}"));
    // The usual joining of conditions on fields and rules is `and`.
    let any = match key("op").or_else(|| key("linking")).map(text_of).as_deref() {
        None | Some("and" | "all") => false,
        Some("or" | "any") => true,
        Some(other) => return Err(format!("`{prefix}_op` is `and` or `or`, not `{other}`")),
    };
    let negated = [key("not"), key("negation")]
        .into_iter()
        .flatten()
        .any(|value| value == &Value::Bool(true));
    let expression = key("expr").map(text_of);
    let expression = expression.or_else(|| key("expression").map(text_of));
    Group::new(named, any, negated, expression.as_deref())
}
