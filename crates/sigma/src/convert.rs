//! Rules in other languages.
//!
//! ```text
//! ir::Collection ── pipelines ──▶ rules in the target's fields ── language ──▶ query ── output
//! ```
//!
//! A language is a file (one test, one list) over the shared renderer of boolean structure, and a
//! file under `correlation` for rules about many events. What a language cannot say is refused
//! with the remedy; what it says only nearly is said, with a remark. `exact` asks for forms that
//! mean what the rule means even where the community's converters write a shorter one.

mod correlation;
mod eql;
mod esql;
mod kusto;
mod lucene;
mod output;
mod render;
mod shape;
mod spl;
mod sql;

use std::time::Duration;

use atalaya_model::{Diagnostic, Span};
use serde_json::Value;

pub(crate) use kusto::Columns;
pub use output::{Format, Written, write};
pub use sql::SqlDialect;

use crate::code;
use crate::ir::{Collection, Expr, Metadata, Rule, Target, Test};
use crate::pipeline::{Pipeline, Pipelines, State};
use render::{Cond, Result};

/// A query language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// KQL of Sentinel, Defender XDR and this product.
    Kql,
    /// Splunk's search processing language.
    Spl,
    /// Query strings of Elasticsearch and OpenSearch.
    Lucene,
    /// ES|QL of Elasticsearch.
    Esql,
    /// EQL of Elasticsearch.
    Eql,
    /// SQL.
    Sql(SqlDialect),
}

impl Language {
    /// Its names on the command line, the first being the usual one.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("kql", Self::Kql),
        ("spl", Self::Spl),
        ("lucene", Self::Lucene),
        ("esql", Self::Esql),
        ("eql", Self::Eql),
        ("sql", Self::Sql(SqlDialect::DuckDb)),
        ("duckdb", Self::Sql(SqlDialect::DuckDb)),
        ("postgresql", Self::Sql(SqlDialect::PostgreSql)),
        ("kusto", Self::Kql),
        ("splunk", Self::Spl),
    ];

    /// The language of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names
            .find(|(known, _)| *known == name)
            .map(|(_, language)| *language)
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, language)| *language == self)
            .map_or("", |(name, _)| name)
    }
}

/// How windows of correlations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Windows {
    /// As Sigma means them: at each event, the time before it.
    #[default]
    Sliding,
    /// Fixed buckets, as the community's converters write them: shorter, and a burst over a
    /// border is lost.
    Tumbling,
}

/// What may be asked of a conversion.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Write what the rule means even where it takes a longer query.
    pub exact: bool,
    /// How windows are written.
    pub windows: Windows,
    /// The table, index or data set, where no pipeline says it.
    pub table: Option<String>,
}

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub text: String,
    /// Within which time a correlation looks.
    pub timespan: Option<Duration>,
    /// Fields that keep a correlation's windows apart, as the query names them.
    pub group_by: Vec<String>,
    /// Fields that an analyst wants to see, as the query names them.
    pub fields: Vec<String>,
    /// What the query says only nearly.
    pub remarks: Vec<Diagnostic>,
    /// What pipelines noted: table, index, data model.
    pub state: State,
    /// Of a correlation in KQL: the queries for the events that it counts.
    pub bases: Vec<BaseQuery>,
}

/// The events of one rule of a correlation.
#[derive(Clone, Debug)]
pub struct BaseQuery {
    /// Finds them, whatever the time.
    pub text: String,
    /// Its table, if one is known.
    pub table: Option<String>,
    /// Its columns for those of the group, in their order.
    pub group: Vec<String>,
}

/// What became of a rule.
#[derive(Clone, Debug)]
pub struct Converted {
    /// Which rule.
    pub target: Target,
    /// What is said about it.
    pub metadata: Metadata,
    /// One query per condition, or what cannot be said.
    pub result: std::result::Result<Vec<Query>, Vec<Diagnostic>>,
}

/// Writes the rules of a collection that raise alerts.
#[must_use]
pub fn convert(
    collection: &Collection,
    language: Language,
    pipelines: &Pipelines,
    options: &Options,
) -> Vec<Converted> {
    let converter = Converter {
        collection,
        language,
        pipelines,
        options,
    };
    let targets = collection.alerting();
    targets
        .filter_map(|target| {
            let metadata = collection.metadata(target)?.clone();
            let result = match target {
                Target::Rule(index) => converter.rule(index),
                Target::Correlation(index) => converter.correlation(index),
            };
            Some(Converted {
                target,
                metadata,
                result: result.map_err(|problem| vec![*problem]),
            })
        })
        .collect()
}

/// Writes the rules that raise alerts in KQL over this product's log tables, one query each: of
/// several conditions any may hold.
///
/// # Errors
/// What the log tables or KQL cannot say; spans lie in the rules' text.
pub fn over_log_tables(
    collection: &Collection,
) -> std::result::Result<Vec<(Metadata, Query)>, Vec<Diagnostic>> {
    let mut collection = collection.clone();
    for rule in &mut collection.rules {
        if rule.conditions.len() > 1
            && let Some(mut first) = rule.conditions.first().cloned()
        {
            let any = rule.conditions.drain(..).map(|one| one.expr).collect();
            first.expr = Expr::any_of(any);
            rule.conditions.push(first);
        }
    }
    let pipelines = Pipelines::new(Pipeline::named("atalaya").into_iter().collect());
    let converted = convert(&collection, Language::Kql, &pipelines, &Options::default());
    let (mut queries, mut problems) = (Vec::new(), Vec::new());
    for one in converted {
        match one.result {
            Ok(all) => queries.extend(all.into_iter().map(|query| (one.metadata.clone(), query))),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(queries)
    } else {
        Err(problems)
    }
}

/// What writing a rule needs and finds out.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Whether the longer, exact forms are wanted.
    pub(crate) exact: bool,
    /// What is known of the table's columns.
    pub(crate) columns: Columns,
    /// What is said only nearly, each once.
    pub(crate) remarks: Vec<Diagnostic>,
}

impl Context {
    /// Notes that a query says something only nearly.
    pub(crate) fn lossy(&mut self, message: String) {
        if self.remarks.iter().all(|remark| remark.message != message) {
            let remark = Diagnostic::warning(code::LOSSY, Span::default(), message);
            self.remarks.push(remark);
        }
    }
}

/// One conversion of a collection.
#[derive(Clone, Copy)]
struct Converter<'c> {
    collection: &'c Collection,
    language: Language,
    pipelines: &'c Pipelines,
    options: &'c Options,
}

/// A rule after pipelines.
struct Prepared {
    rule: Rule,
    state: State,
}

impl Converter<'_> {
    fn prepared(&self, index: usize) -> Result<Prepared> {
        let Some(rule) = self.collection.rules.get(index) else {
            return Err(problem("a rule that is not there", "check the references"));
        };
        let mut rule = rule.clone();
        let state = self.pipelines.apply(&mut rule, self.language)?;
        Ok(Prepared { rule, state })
    }

    fn context(&self, state: &State) -> Context {
        Context {
            exact: self.options.exact,
            columns: state.columns(),
            remarks: Vec::new(),
        }
    }

    fn rule(&self, index: usize) -> Result<Vec<Query>> {
        let prepared = self.prepared(index)?;
        let mut queries = Vec::with_capacity(prepared.rule.conditions.len());
        for condition in &prepared.rule.conditions {
            let mut context = self.context(&prepared.state);
            let text = self.events(&condition.expr, &prepared, &mut context)?;
            let text = self
                .pipelines
                .finish(text, &prepared.rule, &prepared.state)?;
            queries.push(Query {
                text,
                timespan: None,
                group_by: Vec::new(),
                fields: prepared.rule.metadata.fields.clone(),
                remarks: context.remarks,
                state: prepared.state.clone(),
                bases: Vec::new(),
            });
        }
        Ok(queries)
    }

    /// The query for single events.
    fn events(&self, expr: &Expr, prepared: &Prepared, context: &mut Context) -> Result<String> {
        let cond = render::expand(expr)?;
        let condition = self.condition(&cond, prepared, context)?;
        Ok(match self.language {
            Language::Kql => match self.table(&prepared.state) {
                Some(table) => {
                    let prelude = prepared.state.text("prelude").unwrap_or_default();
                    format!("{table}{prelude}\n| where {condition}")
                }
                None => condition,
            },
            Language::Spl => {
                let fields = &prepared.rule.metadata.fields;
                if fields.is_empty() {
                    condition
                } else {
                    format!("{condition} | table {}", fields.join(","))
                }
            }
            Language::Lucene => condition,
            Language::Esql => format!("{} | where {condition}", self.from(&prepared.state)),
            Language::Eql => format!("any where {condition}"),
            Language::Sql(_) => {
                let table = sql_table(&self.table_or_logs(&prepared.state));
                format!("SELECT * FROM {table} WHERE {condition}")
            }
        })
    }

    /// A condition as text.
    fn condition(
        &self,
        cond: &Cond<'_>,
        prepared: &Prepared,
        context: &mut Context,
    ) -> Result<String> {
        let rendered = match self.language {
            Language::Kql => {
                let mut language = kusto::Kusto::new(cond, context);
                render::render(cond, &mut language)?
            }
            Language::Spl => return Ok(spl::search(cond, context)?.text()),
            Language::Lucene => render::render(cond, &mut lucene::Lucene { context })?,
            Language::Esql => render::render(cond, &mut esql::Esql { context })?,
            Language::Eql => render::render(cond, &mut eql::Eql { context })?,
            Language::Sql(dialect) => {
                let table = self.table_or_logs(&prepared.state);
                let mut language = sql::Sql { dialect, table };
                render::render(cond, &mut language)?
            }
        };
        Ok(rendered.text)
    }

    /// The table that the rule looks at.
    fn table(&self, state: &State) -> Option<String> {
        state
            .text("query_table")
            .or_else(|| state.text("table_name"))
            .map(str::to_owned)
            .or_else(|| self.options.table.clone())
    }

    fn table_or_logs(&self, state: &State) -> String {
        self.table(state).unwrap_or_else(|| "logs".to_owned())
    }

    /// The source command of ES|QL.
    fn from(&self, state: &State) -> String {
        let mut indices = state.texts("index");
        if indices.is_empty() {
            indices.extend(self.options.table.clone());
        }
        let mut seen: Vec<String> = Vec::new();
        for index in indices {
            if !seen.contains(&index) {
                seen.push(index);
            }
        }
        if seen.is_empty() || seen.iter().any(|index| index == "*") {
            seen = vec!["*".to_owned()];
        }
        format!("from {} metadata _id, _index, _version", seen.join(","))
    }
}

/// A table's name in SQL: plain names stay readable.
fn sql_table(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    if is_plain {
        name.to_owned()
    } else {
        sql::identifier(name)
    }
}

/// Something that a conversion cannot do.
pub(crate) fn problem(message: impl Into<String>, help: impl Into<String>) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(code::CONVERSION, Span::default(), message.into()).with_help(help.into()),
    )
}

/// A test that a language has nothing for.
pub(crate) fn unsupported(language: &str, field: &str, test: &Test) -> Box<Diagnostic> {
    let what = match test {
        Test::FieldRef { .. } => "compare with another field",
        Test::Time { .. } => "take a part of a time",
        Test::Regex { .. } => "search by a regular expression",
        Test::Null | Test::Exists(_) => "ask whether something is there",
        _ => "say this test",
    };
    let message = format!("{language} cannot {what} (`{field}`)");
    problem(
        message,
        "convert to another language, or leave this part out of the rule",
    )
}

/// A piece of the target language with the field and the placeholder's name put in.
pub(crate) fn template(template: &str, field: &str, id: &str) -> String {
    template.replace("{field}", field).replace("{id}", id)
}

/// A JSON value as text of one line.
pub(crate) fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
