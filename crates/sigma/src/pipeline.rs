//! Processing pipelines: rules rewritten for a place before they are converted (or matched).
//!
//! ```text
//! YAML ── document ──▶ steps (conditions + transformation) ── apply ──▶ rule, state
//!                      post-processing, finalizers         ── finish ──▶ text
//! ```
//!
//! The format is the community's (pySigma's), read here from its documentation: field mappings,
//! added conditions, placeholders, values rewritten, state for the converter. The step types that
//! run Python are refused. Ready-made pipelines lie in `builtin/` and are this same YAML.

mod builtin;
mod conditions;
mod document;
mod fields;
mod log_tables;
mod logic;
mod output;
mod placeholders;
mod rewrite;
mod transformation;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use atalaya_model::{Diagnostic, Span};
use atalaya_tables::ColumnType;
use serde_json::Value;

use crate::convert::{Columns, Language};
use crate::ir::{LogSource, Metadata, Rule};

pub use builtin::{NAMES, OWN_SOURCES};

/// Files are read up to this size.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Steps of all pipelines of a conversion.
pub const STEPS_MAX: usize = 10_000;

/// One pipeline.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Lower ones run first.
    pub priority: i64,
    vars: BTreeMap<String, Vec<Value>>,
    steps: Vec<transformation::Step>,
    post: Vec<output::Post>,
    finalizers: Vec<output::Finalizer>,
}

impl Pipeline {
    /// Reads a pipeline.
    ///
    /// # Errors
    /// What is wrong with it; spans lie in `text`.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a pipeline of {} bytes", text.len());
            let diagnostic = Diagnostic::error(crate::code::PIPELINE, Span::default(), message);
            return Err(vec![
                diagnostic.with_help(format!("at most {TEXT_BYTES_MAX} bytes are read")),
            ]);
        }
        document::read(text)
    }

    /// A ready-made pipeline.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        builtin::named(name)
    }
}

/// The pipelines of a conversion, in the order in which they run.
#[derive(Clone, Debug, Default)]
pub struct Pipelines {
    list: Vec<Pipeline>,
}

impl Pipelines {
    /// Sorts by priority; equal ones keep their order.
    #[must_use]
    pub fn new(mut list: Vec<Pipeline>) -> Self {
        list.sort_by_key(|pipeline| pipeline.priority);
        Self { list }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Rewrites a rule.
    ///
    /// # Errors
    /// A step that refuses the rule.
    pub fn apply(&self, rule: &mut Rule, language: Language) -> Result<State, Box<Diagnostic>> {
        let steps: usize = self.list.iter().map(|pipeline| pipeline.steps.len()).sum();
        if steps > STEPS_MAX {
            return Err(crate::convert::problem(
                format!("the pipelines have {steps} steps"),
                format!("at most {STEPS_MAX} are run"),
            ));
        }
        let mut run = Run {
            rule,
            language,
            state: State::default(),
            vars: BTreeMap::new(),
        };
        for pipeline in &self.list {
            let vars = pipeline.vars.iter();
            run.vars
                .extend(vars.map(|(name, values)| (name.clone(), values.clone())));
        }
        for pipeline in &self.list {
            for step in &pipeline.steps {
                step.run(&mut run)?;
            }
        }
        Ok(run.state)
    }

    /// The field that a rule's field has become, for the fields of correlations.
    #[must_use]
    pub fn field(&self, field: &str, rule: &Rule, state: &State) -> String {
        let mut name = field.to_owned();
        for pipeline in &self.list {
            for step in &pipeline.steps {
                name = step.field(name, rule, state);
            }
        }
        name
    }

    /// Post-processing of one query.
    ///
    /// # Errors
    /// A template that cannot be filled.
    pub fn finish(
        &self,
        query: String,
        rule: &Rule,
        state: &State,
    ) -> Result<String, Box<Diagnostic>> {
        self.finish_with(query, &rule.metadata, Some(&rule.source), state)
    }

    /// Post-processing of a query whose rule is a correlation.
    ///
    /// # Errors
    /// A template that cannot be filled.
    pub fn finish_with(
        &self,
        mut query: String,
        metadata: &Metadata,
        source: Option<&LogSource>,
        state: &State,
    ) -> Result<String, Box<Diagnostic>> {
        for pipeline in &self.list {
            for post in &pipeline.post {
                query = post.run(query, metadata, source, state)?;
            }
        }
        Ok(query)
    }

    /// All queries as one text, if a pipeline says how.
    ///
    /// # Errors
    /// A template that cannot be filled.
    pub fn finalize(&self, queries: &[String]) -> Result<Option<String>, Box<Diagnostic>> {
        let mut finalizers = self.list.iter().flat_map(|pipeline| &pipeline.finalizers);
        let Some(first) = finalizers.next() else {
            return Ok(None);
        };
        let mut text = first.run(queries)?;
        for finalizer in finalizers {
            text = finalizer.run(&[text])?;
        }
        Ok(Some(text))
    }
}

/// What pipelines noted about a rule for the converter: `index`, `query_table`, `data_model_set`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    values: BTreeMap<String, Value>,
    /// Ids of the steps that applied to the rule.
    applied: BTreeSet<String>,
    /// Ids of the steps that applied to an item, by its key.
    applied_items: BTreeMap<String, BTreeSet<String>>,
}

impl State {
    /// A text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_str()
    }

    /// A value.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A text, or a list of them.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<String> {
        match self.values.get(key) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(values)) => values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Notes a value.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.values.insert(key.into(), value);
    }

    /// Types of the table's columns: `columns: {EventID: int}`; what is not named is a string.
    #[must_use]
    pub(crate) fn columns(&self) -> Columns {
        let Some(Value::Object(columns)) = self.values.get("columns") else {
            return Columns::Unknown;
        };
        let typed = columns.iter().filter_map(|(name, ty)| {
            let ty = match ty.as_str()? {
                "bool" => ColumnType::Bool,
                "int" => ColumnType::Int,
                "long" => ColumnType::Long,
                "real" => ColumnType::Real,
                "datetime" => ColumnType::DateTime,
                "dynamic" => ColumnType::Dynamic,
                "guid" => ColumnType::Guid,
                "timespan" => ColumnType::Timespan,
                _ => return None,
            };
            Some((name.clone(), ty))
        });
        Columns::Known(typed.collect())
    }
}

/// A rule on its way through the pipelines.
struct Run<'r> {
    rule: &'r mut Rule,
    language: Language,
    state: State,
    vars: BTreeMap<String, Vec<Value>>,
}
