//! What is wrong with rules that can be read: fields that their log source does not have,
//! conditions that never or always hold, placeholders that nobody resolves.

mod logic;

use std::collections::HashSet;

use atalaya_model::{Diagnostic, Span};

use crate::ir::{Collection, Item, Rule};
use crate::read::Problem;
use crate::{code, taxonomy};

/// Looks at every rule of a collection.
#[must_use]
pub fn check(collection: &Collection) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in &collection.rules {
        let mut found = Vec::new();
        fields(rule, &mut found);
        placeholders(rule, &mut found);
        for condition in &rule.conditions {
            found.extend(logic::check(condition));
        }
        let file = rule.file;
        problems.extend(
            found
                .into_iter()
                .map(|diagnostic| Problem { file, diagnostic }),
        );
    }
    problems.sort_by_key(|problem| (problem.file, problem.diagnostic.span.start));
    problems
}

fn items(rule: &Rule) -> impl Iterator<Item = &Item> {
    rule.conditions
        .iter()
        .flat_map(|condition| condition.expr.items())
}

fn fields(rule: &Rule, found: &mut Vec<Diagnostic>) {
    let at = Span::new(rule.span.start, rule.span.start);
    let is_public = taxonomy::is_public(&rule.source);
    let Some(table) = taxonomy::table(&rule.source).filter(|_| !is_public) else {
        if !is_public {
            let message = format!(
                "the log source (product `{}`, category `{}`, service `{}`) is none of the log tables",
                rule.source.product, rule.source.category, rule.source.service
            );
            let remark = Diagnostic::warning(code::UNKNOWN_SOURCE, at, message);
            let help = format!(
                "streams can be matched and queries converted, but it cannot be scheduled here; known: {}",
                taxonomy::sources()
            );
            found.push(remark.with_help(help));
        }
        return;
    };
    let mut said: HashSet<&str> = HashSet::new();
    for item in items(rule) {
        let Some(name) = item.field.as_deref() else {
            continue;
        };
        if taxonomy::field(table, name).is_some() || !said.insert(name) {
            continue;
        }
        let known = table.columns.iter().map(|column| column.name);
        let help = atalaya_yaml::nearest(name, known).map_or_else(
            || format!("see `atalaya tables {}`", table.name),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("{} has no field `{name}`", table.name);
        found.push(Diagnostic::error(code::UNKNOWN_FIELD, item.span, message).with_help(help));
    }
}

fn placeholders(rule: &Rule, found: &mut Vec<Diagnostic>) {
    let mut said: HashSet<&str> = HashSet::new();
    for item in items(rule) {
        for name in item.placeholders() {
            if said.insert(name) {
                let message = format!("nothing says what the placeholder `%{name}%` stands for");
                let remark = Diagnostic::warning(code::PLACEHOLDER, item.span, message);
                let help = "give it values in a processing pipeline; until then it matches nothing";
                found.push(remark.with_help(help));
            }
        }
    }
}
