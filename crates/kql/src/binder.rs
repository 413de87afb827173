//! Tree to bound tree: names, types, ranges, serialization.

mod aggregate;
mod apply;
mod by_names;
mod calls;
mod dynamic;
mod evaluate;
mod expand;
mod expr;
mod extraction;
mod find;
mod foreign;
mod growth;
mod join;
mod literal;
mod names;
mod order;
mod patterns;
mod plugins;
mod project;
mod range;
mod reduce;
mod rel;
mod sampling;
mod scan;
mod scope;
mod search;
mod series;
mod settings;
mod several;
mod shared;
mod sources;
mod top_nested;
mod typing;
mod union;

use atalaya_model::{Diagnostic, Level, Span};

use crate::ast::{LetValue, Script};
use crate::bound::{BoundQuery, ColumnDef, Further, RelNode, Render, Truncation};
use crate::catalog::Catalog;
use crate::parser::parse;
pub(crate) use evaluate::plugin_names;
pub use foreign::check_stored_function;
use scope::{Env, Value};

/// How to bind.
#[derive(Clone, Copy, Debug)]
pub struct BindOptions {
    /// `now()`, ticks since 0001-01-01 UTC; fixed for the whole query.
    pub now_ticks: i64,
    /// Refuse what real Kusto refuses, instead of running what is meant with a warning.
    pub strict: bool,
}

/// A query, bound as far as possible.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The bound query; nothing if there are errors.
    pub query: Option<BoundQuery>,
    /// What is wrong, and what is only suspicious.
    pub diagnostics: Vec<Diagnostic>,
    /// Some columns follow from the data: run this, then bind again with what it gives (see
    /// [`bind_with`]).
    pub question: Option<Question>,
}

/// What has to be looked up in the data before a query can be bound.
#[derive(Clone, Debug)]
pub struct Question {
    /// One column.
    pub query: BoundQuery,
    /// What is asked of its values.
    pub kind: QuestionKind,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    /// The keys of bags and the types of their values.
    Keys,
    /// The distinct values, as names.
    Values,
}

/// Parses and binds a query.
#[must_use]
pub fn bind(source: &str, catalog: &dyn Catalog, options: BindOptions) -> Bound {
    bind_with(source, catalog, options, &[])
}

/// Binds a query whose earlier questions have been answered, in their order.
#[must_use]
pub fn bind_with(
    source: &str,
    catalog: &dyn Catalog,
    options: BindOptions,
    answers: &[Vec<ColumnDef>],
) -> Bound {
    let parsed = parse(source);
    let mut binder = Binder {
        source: source.to_owned(),
        foreign: Vec::new(),
        catalog,
        options,
        diagnostics: parsed.diagnostics,
        materialized: Vec::new(),
        further: Vec::new(),
        render: None,
        depth: 0,
        growth: growth::Growth::default(),
        bin_auto: settings::BinAuto::default(),
        truncation: Truncation::default(),
        answers,
        asked: 0,
        question: None,
    };
    let query = binder.script(&parsed.script);
    binder.home();
    // Read from the top, as the query is.
    binder.diagnostics.sort_by_key(|said| said.span.start);
    let has_errors = binder.diagnostics.iter().any(|d| d.level == Level::Error);
    let query = query.filter(|_| !has_errors).map(|root| BoundQuery {
        materialized: binder.materialized,
        root,
        further: binder.further,
        render: binder.render,
        truncation: binder.truncation,
    });
    Bound {
        query,
        question: binder.question.filter(|_| !has_errors),
        diagnostics: binder.diagnostics,
    }
}

/// Most functions and let-bound row sets inlined into each other.
const INLINE_DEPTH_MAX: usize = 64;

pub(crate) struct Binder<'b> {
    /// The query, and behind it the stored functions and plugins that it mentions.
    pub(crate) source: String,
    foreign: Vec<foreign::Foreign>,
    pub(crate) catalog: &'b dyn Catalog,
    pub(crate) options: BindOptions,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) materialized: Vec<RelNode>,
    pub(crate) further: Vec<Further>,
    pub(crate) render: Option<Render>,
    depth: usize,
    growth: growth::Growth,
    /// What `set` statements say of `bin_auto`.
    bin_auto: settings::BinAuto,
    /// And of the size of results.
    truncation: Truncation,
    answers: &'b [Vec<ColumnDef>],
    asked: usize,
    question: Option<Question>,
}

impl Binder<'_> {
    fn script(&mut self, script: &Script) -> Option<RelNode> {
        let mut env = Env::default();
        self.settings(&env, &script.sets);
        let text = self.source.clone();
        self.stored_functions(&mut env, &text, None);
        for binding in &script.lets {
            self.bind_let(&mut env, binding);
            if !std::mem::take(&mut self.further).is_empty() {
                let message = "several results cannot be one table".to_owned();
                self.error("KQL011", binding.name.span, message);
            }
        }
        let Some(query) = &script.query else {
            if self.diagnostics.is_empty() {
                let end = Span::new(text.len(), text.len());
                let diagnostic = Diagnostic::warning("KQL005", end, "there is no query")
                    .with_help("write a table, or an expression after the let statements");
                self.diagnostics.push(diagnostic);
            }
            return None;
        };
        // A query may be only the name of a let-bound scalar or a scalar expression.
        self.pipeline(&env, query)
    }

    /// The answer to the next question, or the question for whoever has the data.
    pub(crate) fn ask(&mut self, rows: RelNode, kind: QuestionKind) -> Option<Vec<ColumnDef>> {
        let answer = self.answers.get(self.asked).cloned();
        self.asked += 1;
        if answer.is_none() && self.question.is_none() {
            let query = BoundQuery {
                materialized: self.materialized.clone(),
                root: rows,
                further: Vec::new(),
                render: None,
                truncation: Truncation::default(),
            };
            self.question = Some(Question { query, kind });
        }
        answer
    }

    fn bind_let(&mut self, env: &mut Env, binding: &crate::ast::Let) {
        let before = self.made();
        let value = match &binding.value {
            LetValue::Function(_) | LetValue::Pattern(_)
                if self.grow(env.len(), binding.name.span).is_none() =>
            {
                None
            }
            LetValue::Function(lambda) => Some(Value::Function {
                lambda: (**lambda).clone().into(),
                env: env.clone(),
            }),
            LetValue::Pattern(pattern) => Some(Value::Pattern {
                pattern: (**pattern).clone().into(),
                env: env.clone(),
            }),
            LetValue::Tabular(pipeline) => {
                self.pipeline(env, pipeline).map(|n| Value::Rows(n.into()))
            }
            LetValue::Materialize(pipeline) => self.pipeline(env, pipeline).map(|node| {
                let shared = self.share(node);
                Value::Rows(shared.into())
            }),
            LetValue::Scalar(expr) => match self.rows_of_expr(env, expr) {
                Some(rows) => rows.map(|node| Value::Rows(node.into())),
                None => self
                    .scalar(env, expr)
                    .map(|expr| Value::Scalar(expr.into())),
            },
        };
        let size = self.made() - before;
        env.set(&binding.name.text, value.unwrap_or(Value::Broken), size);
    }

    fn enter(&mut self, span: Span) -> bool {
        if self.depth >= INLINE_DEPTH_MAX {
            self.error(
                "KQL002",
                span,
                "functions call each other too deeply".to_owned(),
            );
            return false;
        }
        self.depth += 1;
        true
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn error(&mut self, code: &str, span: Span, message: String) {
        self.diagnostics
            .push(Diagnostic::error(code, span, message));
    }

    pub(crate) fn error_help(&mut self, code: &str, span: Span, message: String, help: String) {
        self.diagnostics
            .push(Diagnostic::error(code, span, message).with_help(help));
    }

    /// What real Kusto refuses but whose meaning is clear: an error in strict mode, else a warning.
    pub(crate) fn lenient(&mut self, code: &str, span: Span, message: String, help: String) {
        let diagnostic = if self.options.strict {
            Diagnostic::error(code, span, message)
        } else {
            Diagnostic::warning(code, span, message)
        };
        self.diagnostics.push(diagnostic.with_help(help));
    }
}
