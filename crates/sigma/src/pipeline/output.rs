//! What happens to queries after they are written: post-processing of each, finalizers over all.
//!
//! Templates are Jinja's, run with a bound on steps and without access to anything but the query,
//! what is said about the rule, and the pipeline's state.

use atalaya_model::Diagnostic;
use minijinja::Environment;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::State;
use super::conditions::compiled;
use crate::convert::{problem, text_of};
use crate::ir::{LogSource, Metadata};

/// Steps that a template may take.
const FUEL_MAX: u64 = 200_000;

/// Post-processing of one query.
#[derive(Clone, Debug)]
pub(super) enum Post {
    Embed {
        prefix: String,
        suffix: String,
    },
    Simple(String),
    Template(String),
    Json(String),
    Replace {
        pattern: Box<Regex>,
        replacement: String,
    },
    Nest(Vec<Post>),
}

/// What is made of all queries.
#[derive(Clone, Debug)]
pub(super) enum Finalizer {
    Concat {
        separator: String,
        prefix: String,
        suffix: String,
    },
    Json {
        indent: usize,
    },
    Yaml,
    Template(String),
    Nested(Vec<Finalizer>),
}

impl Post {
    pub(super) fn read(kind: &str, params: &Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str| params.get(key).map(text_of).unwrap_or_default();
        Ok(match kind {
            "embed" => Self::Embed {
                prefix: text("prefix"),
                suffix: text("suffix"),
            },
            "simple_template" => Self::Simple(text("template")),
            "template" => {
                check(&text("template"))?;
                Self::Template(text("template"))
            }
            "json" => Self::Json(text("json_template")),
            "replace" => Self::Replace {
                pattern: Box::new(compiled(&text("pattern"))?),
                replacement: text("replacement"),
            },
            "nest" => match params.get("items") {
                Some(Value::Array(items)) => Self::Nest(
                    items
                        .iter()
                        .filter_map(Value::as_object)
                        .map(|item| {
                            let kind = item.get("type").map(text_of).unwrap_or_default();
                            if kind == "nest" {
                                return Err("`nest` inside `nest`".to_owned());
                            }
                            Self::read(&kind, item)
                        })
                        .collect::<Result<_, _>>()?,
                ),
                _ => return Err("needs a list of `items`".to_owned()),
            },
            other => return Err(format!("there is no post-processing `{other}`")),
        })
    }

    pub(super) fn run(
        &self,
        query: String,
        metadata: &Metadata,
        source: Option<&LogSource>,
        state: &State,
    ) -> Result<String, Box<Diagnostic>> {
        Ok(match self {
            Self::Embed { prefix, suffix } => format!("{prefix}{query}{suffix}"),
            Self::Simple(template) => simple(template, &query, metadata, state),
            Self::Template(template) => {
                let rule = rule_value(metadata, source);
                let state = Value::Object(state.values.clone().into_iter().collect());
                let values = json!({
                    "query": query,
                    "rule": rule,
                    "pipeline": { "state": state },
                });
                render(template, &values)?
            }
            Self::Json(template) => {
                let escaped = Value::String(query).to_string();
                let inner = escaped.trim_start_matches('"');
                let inner = inner.strip_suffix('"').unwrap_or(inner);
                template.replace("%QUERY%", inner)
            }
            Self::Replace {
                pattern,
                replacement,
            } => pattern
                .replace_all(&query, replacement.as_str())
                .into_owned(),
            Self::Nest(items) => {
                let mut query = query;
                for item in items {
                    query = item.run(query, metadata, source, state)?;
                }
                query
            }
        })
    }
}

impl Finalizer {
    pub(super) fn read(kind: &str, params: &Map<String, Value>) -> Result<Self, String> {
        let text =
            |key: &str, usual: &str| params.get(key).map_or_else(|| usual.to_owned(), text_of);
        Ok(match kind {
            "concat" => Self::Concat {
                separator: text("separator", "\n"),
                prefix: text("prefix", ""),
                suffix: text("suffix", ""),
            },
            "json" => Self::Json {
                indent: params
                    .get("indent")
                    .and_then(Value::as_u64)
                    .and_then(|indent| usize::try_from(indent.min(16)).ok())
                    .unwrap_or(0),
            },
            "yaml" => Self::Yaml,
            "template" => {
                check(&text("template", ""))?;
                Self::Template(text("template", ""))
            }
            "nested" => match params.get("finalizers") {
                Some(Value::Array(items)) => Self::Nested(
                    items
                        .iter()
                        .filter_map(Value::as_object)
                        .map(|item| {
                            let kind = item.get("type").map(text_of).unwrap_or_default();
                            if kind == "nested" {
                                return Err("`nested` inside `nested`".to_owned());
                            }
                            Self::read(&kind, item)
                        })
                        .collect::<Result<_, _>>()?,
                ),
                _ => return Err("needs a list of `finalizers`".to_owned()),
            },
            other => return Err(format!("there is no finalizer `{other}`")),
        })
    }

    pub(super) fn run(&self, queries: &[String]) -> Result<String, Box<Diagnostic>> {
        Ok(match self {
            Self::Concat {
                separator,
                prefix,
                suffix,
            } => format!("{prefix}{}{suffix}", queries.join(separator)),
            Self::Json { indent: 0 } => json!(queries).to_string(),
            Self::Json { indent } => indented(queries, *indent),
            Self::Yaml => queries
                .iter()
                .map(|query| format!("- {}\n", json!(query)))
                .collect(),
            Self::Template(template) => render(template, &json!({ "queries": queries }))?,
            Self::Nested(items) => {
                let mut texts = queries.to_vec();
                for item in items {
                    texts = vec![item.run(&texts)?];
                }
                texts.swap_remove(0)
            }
        })
    }
}

fn indented(queries: &[String], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let lines: Vec<String> = queries
        .iter()
        .map(|query| format!("{pad}{}", json!(query)))
        .collect();
    format!("[\n{}\n]", lines.join(",\n"))
}

/// `{query}`, `{rule.title}`, `{pipeline.state[key]}`.
fn simple(template: &str, query: &str, metadata: &Metadata, state: &State) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, behind)) = behind.split_once('}') else {
            out.push('{');
            rest = behind;
            continue;
        };
        let state_key = name
            .strip_prefix("pipeline.state[")
            .and_then(|key| key.strip_suffix(']'));
        match (name, state_key) {
            ("query", _) => out.push_str(query),
            (_, Some(key)) => {
                let value = state.value(key.trim_matches(['\'', '"']));
                out.push_str(&value.map(text_of).unwrap_or_default());
            }
            (name, None) => {
                let rule = rule_value(metadata, None);
                let value = name.strip_prefix("rule.").and_then(|key| rule.get(key));
                out.push_str(&value.map(text_of).unwrap_or_default());
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// What templates see of a rule.
fn rule_value(metadata: &Metadata, source: Option<&LogSource>) -> Value {
    let source = source.cloned().unwrap_or_default();
    json!({
        "title": metadata.title,
        "id": metadata.id,
        "name": metadata.name,
        "description": metadata.description,
        "level": metadata.severity.map(|severity| severity.to_string()),
        "status": metadata.status,
        "author": metadata.author,
        "license": metadata.license,
        "date": metadata.date,
        "modified": metadata.modified,
        "tags": metadata.tags,
        "falsepositives": metadata.false_positives,
        "references": metadata.references,
        "fields": metadata.fields,
        "custom_attributes": metadata.custom,
        "logsource": {
            "product": source.product,
            "category": source.category,
            "service": source.service,
        },
    })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_recursion_limit(64);
    environment
}

fn check(template: &str) -> Result<(), String> {
    environment()
        .template_from_str(template)
        .map(|_| ())
        .map_err(|error| format!("the template: {error}"))
}

fn render(template: &str, values: &Value) -> Result<String, Box<Diagnostic>> {
    environment()
        .render_str(
            template,
            minijinja::Value::from(minijinja::value::Serde(values)),
        )
        .map_err(|error| problem(format!("a template: {error}"), "mend the template"))
}
