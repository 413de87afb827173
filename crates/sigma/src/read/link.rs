//! After all files are read: names and ids become indexes, filters are joined to their rules.

use std::collections::HashMap;

use atalaya_model::{Diagnostic, Span};

use super::Problem;
use crate::code;
use crate::ir::{Collection, Expr, FilterRules, Metadata, Rule, Target};

/// Deepest chain of correlations.
const CHAIN_MAX: usize = 16;

pub(super) fn link(collection: &mut Collection) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names: HashMap<String, Target> = HashMap::new();
    let rules = collection.rules.iter().enumerate();
    let rules = rules.map(|(i, rule)| (Target::Rule(i), &rule.metadata, rule.file, rule.span));
    let correlations = collection.correlations.iter().enumerate();
    let correlations =
        correlations.map(|(i, c)| (Target::Correlation(i), &c.metadata, c.file, c.span));
    for (target, metadata, file, span) in rules.chain(correlations) {
        register(&mut names, target, metadata, (file, span, &mut problems));
    }
    resolve(collection, &names, &mut problems);
    chains(collection, &mut problems);
    filters(collection, &mut problems);
    problems
}

fn register(
    names: &mut HashMap<String, Target>,
    target: Target,
    metadata: &Metadata,
    (file, span, problems): (usize, Span, &mut Vec<Problem>),
) {
    for (name, is_id) in [(&metadata.id, true), (&metadata.name, false)] {
        let Some(name) = name else {
            continue;
        };
        if names.contains_key(name) {
            let what = if is_id { "id" } else { "name" };
            let message = format!("another rule has the {what} `{name}` already");
            let at = Span::new(span.start, span.start);
            let diagnostic = Diagnostic::warning(code::DUPLICATE_ID, at, message);
            let help = "give each rule an id of its own; correlations and filters name the first";
            problems.push(Problem {
                file,
                diagnostic: diagnostic.with_help(help),
            });
        } else {
            names.insert(name.clone(), target);
        }
    }
}

fn resolve(
    collection: &mut Collection,
    names: &HashMap<String, Target>,
    problems: &mut Vec<Problem>,
) {
    for correlation in &mut collection.correlations {
        let file = correlation.file;
        for reference in correlation.rules.iter_mut().filter(|r| r.target.is_none()) {
            reference.target = names.get(&reference.name).copied();
            if reference.target.is_none() {
                let message = format!("there is no rule `{}`", reference.name);
                let known = names.keys().map(String::as_str);
                let help = atalaya_yaml::nearest(&reference.name, known).map_or_else(
                    || "name it by `name` or `id`; all files must be read together".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let error = Diagnostic::error(code::CORRELATION, reference.span, message);
                problems.push(Problem {
                    file,
                    diagnostic: error.with_help(help),
                });
            }
        }
    }
}

/// Correlations of correlations must end at rules.
fn chains(collection: &mut Collection, problems: &mut Vec<Problem>) {
    let mut broken = Vec::new();
    for index in 0..collection.correlations.len() {
        if depth(collection, index, 0).is_none() {
            broken.push(index);
        }
    }
    for index in broken {
        let correlation = &mut collection.correlations[index];
        let at = Span::new(correlation.span.start, correlation.span.start);
        let message =
            format!("correlations name each other in a circle, or more than {CHAIN_MAX} deep");
        problems.push(Problem {
            file: correlation.file,
            diagnostic: Diagnostic::error(code::CORRELATION, at, message),
        });
        for reference in &mut correlation.rules {
            if matches!(reference.target, Some(Target::Correlation(_))) {
                reference.target = None;
            }
        }
    }
}

fn depth(collection: &Collection, index: usize, from: usize) -> Option<usize> {
    if from >= CHAIN_MAX {
        return None;
    }
    let mut deepest = from;
    for reference in &collection.correlations.get(index)?.rules {
        if let Some(Target::Correlation(inner)) = reference.target {
            deepest = deepest.max(depth(collection, inner, from + 1)?);
        }
    }
    Some(deepest)
}

fn filters(collection: &mut Collection, problems: &mut Vec<Problem>) {
    let filters = std::mem::take(&mut collection.filters);
    for filter in &filters {
        let mut found = vec![false; named(&filter.rules).len()];
        for rule in &mut collection.rules {
            if !filter.source.covers(&rule.source) || !wants(&filter.rules, rule, &mut found) {
                continue;
            }
            for condition in &mut rule.conditions {
                let own = std::mem::replace(&mut condition.expr, Expr::And(Vec::new()));
                condition.expr = Expr::And(vec![own, filter.condition.expr.clone()]);
            }
        }
        for ((name, span), found) in named(&filter.rules).iter().zip(found) {
            if !found {
                let message =
                    format!("the filter is for `{name}`, which is no rule of its log source");
                let remark = Diagnostic::warning(code::FILTER, *span, message);
                problems.push(Problem {
                    file: filter.file,
                    diagnostic: remark.with_help("name rules by `id` or `name`"),
                });
            }
        }
    }
    collection.filters = filters;
}

fn named(rules: &FilterRules) -> &[(String, Span)] {
    match rules {
        FilterRules::Any => &[],
        FilterRules::Named(names) => names,
    }
}

fn wants(rules: &FilterRules, rule: &Rule, found: &mut [bool]) -> bool {
    if *rules == FilterRules::Any {
        return true;
    }
    let metadata = &rule.metadata;
    let mut wanted = false;
    for ((name, _), found) in named(rules).iter().zip(found) {
        if Some(name) == metadata.id.as_ref() || Some(name) == metadata.name.as_ref() {
            *found = true;
            wanted = true;
        }
    }
    wanted
}
