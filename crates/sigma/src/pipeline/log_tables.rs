//! The step that knows our own log tables: log sources and fields by the taxonomy.
//!
//! A field that follows from rows (the drop of a confidence) is computed before the condition:
//! the state's `prelude` holds the operators.

use std::fmt::Write as _;

use atalaya_model::{Diagnostic, Span};
use serde_json::{Map, Value};

use super::Run;
use super::transformation::{Outcome, rewrite};
use crate::code;
use crate::ir::{Expr, LogSource, Rule, Test};
use crate::taxonomy::{self, Derived, Field};

/// Finds the table and renames the fields.
pub(super) fn run(run: &mut Run<'_>, optional: bool) -> Result<(), Box<Diagnostic>> {
    let source = &run.rule.source;
    if optional && !is_own(source) {
        return Ok(());
    }
    let Some(table) = taxonomy::table(source) else {
        let message = format!(
            "the log source (product `{}`, category `{}`, service `{}`) is none of the log tables",
            source.product, source.category, source.service
        );
        let diagnostic = Diagnostic::error(code::UNKNOWN_SOURCE, Span::default(), message);
        let help = format!("known: {}", taxonomy::sources());
        return Err(Box::new(diagnostic.with_help(help)));
    };
    if run.state.value("query_table").is_none() {
        run.state.set("query_table", Value::from(table.name));
    }
    let typed = table
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), Value::from(column.ty.kusto_name())))
        .filter(|(_, ty)| ty != "string");
    let mut typed: Map<String, Value> = typed.collect();
    let mut derived: Vec<Derived> = Vec::new();
    let mut unknown = None;
    let mut rename = |name: &mut String, span: Span| match taxonomy::field(table, name) {
        Some(Field::Column(column)) => column.name.clone_into(name),
        Some(Field::Derived(found)) => {
            found.column.clone_into(name);
            if !derived.contains(&found) {
                derived.push(found);
            }
        }
        None => unknown = Some((name.clone(), span)),
    };
    for condition in &mut run.rule.conditions {
        let expr = std::mem::replace(&mut condition.expr, Expr::And(Vec::new()));
        let mut change = |mut item: crate::ir::Item| {
            if let Some(field) = &mut item.field {
                rename(field, item.span);
            }
            for test in &mut item.tests {
                if let Test::FieldRef { field, .. } = test {
                    rename(field, item.span);
                }
            }
            Outcome::Keep(item)
        };
        if let Some(expr) = rewrite(expr, &mut change) {
            condition.expr = expr;
        }
    }
    if let Some((name, span)) = unknown {
        let known = table.columns.iter().map(|column| column.name);
        let help = atalaya_yaml::nearest(&name, known).map_or_else(
            || format!("see `atalaya tables {}`", table.name),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("{} has no field `{name}`", table.name);
        let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, span, message);
        return Err(Box::new(diagnostic.with_help(help)));
    }
    let reals = derived.iter();
    typed.extend(reals.map(|derived| (derived.column.to_owned(), Value::from("real"))));
    run.state.set("columns", Value::Object(typed));
    if !derived.is_empty() {
        run.state.set("prelude", Value::from(prelude(&derived)));
    }
    Ok(())
}

/// The operators that compute columns which follow from rows.
fn prelude(derived: &[Derived]) -> String {
    let mut out = String::new();
    for one in derived {
        let [story, time] = one.sort;
        let _ = write!(
            out,
            "\n| sort by {story} asc, {time} asc\n| extend {} = {}",
            one.column, one.expression
        );
    }
    out
}

/// A field of a correlation.
pub(super) fn field(name: String, rule: &Rule, optional: bool) -> String {
    if optional && !is_own(&rule.source) {
        return name;
    }
    let table = taxonomy::table(&rule.source);
    match table.and_then(|table| taxonomy::field(table, &name)) {
        Some(Field::Column(column)) => column.name.to_owned(),
        Some(Field::Derived(derived)) => derived.column.to_owned(),
        None => name,
    }
}

/// Whether it is a source that this product alone writes: Windows events go to many places.
fn is_own(source: &LogSource) -> bool {
    source.product != "windows" && taxonomy::table(source).is_some()
}
