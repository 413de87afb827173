//! Steps that put something in place of placeholders (`%admins%` under `|expand`).

use std::collections::BTreeMap;

use atalaya_model::Diagnostic;
use serde_json::Value;

use crate::convert::{problem, text_of};
use crate::ir::{Item, Part, Pattern, Test};

/// Which placeholders a step is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Selected {
    pub(super) include: Option<Vec<String>>,
    pub(super) exclude: Vec<String>,
}

impl Selected {
    fn has(&self, name: &str) -> bool {
        let is_included = self
            .include
            .as_ref()
            .is_none_or(|names| names.iter().any(|known| known == name));
        is_included && !self.exclude.iter().any(|known| known == name)
    }
}

/// Values that one item may grow to.
const VALUES_MAX: usize = 100_000;

/// Every selected placeholder becomes `*`.
pub(super) fn wildcards(item: &mut Item, selected: &Selected) {
    for test in &mut item.tests {
        let Test::Text(pattern) = test else {
            continue;
        };
        let mut out = Pattern {
            parts: Vec::new(),
            cased: pattern.cased,
        };
        for part in pattern.parts.drain(..) {
            match part {
                Part::Placeholder(name) if selected.has(&name) => out.push(Part::Many),
                part => out.push(part),
            }
        }
        *pattern = out;
    }
}

/// Every selected placeholder becomes each of its values.
///
/// # Errors
/// A placeholder without values, or more values than an item may have.
pub(super) fn values(
    item: &mut Item,
    selected: &Selected,
    vars: &BTreeMap<String, Vec<Value>>,
    place: &str,
) -> Result<(), Box<Diagnostic>> {
    let mut out = Vec::with_capacity(item.tests.len());
    for test in item.tests.drain(..) {
        let Test::Text(pattern) = test else {
            out.push(test);
            continue;
        };
        let mut grown = vec![Pattern {
            parts: Vec::new(),
            cased: pattern.cased,
        }];
        for part in &pattern.parts {
            let Part::Placeholder(name) = part else {
                for pattern in &mut grown {
                    pattern.push(part.clone());
                }
                continue;
            };
            if !selected.has(name) {
                for pattern in &mut grown {
                    pattern.push(part.clone());
                }
                continue;
            }
            let Some(values) = vars.get(name) else {
                return Err(problem(
                    format!("the placeholder `%{name}%` has no values"),
                    format!("add `vars: {{{name}: […]}}` to {place}"),
                ));
            };
            grown = multiplied(&grown, values);
            if grown.len() + out.len() > VALUES_MAX {
                return Err(problem(
                    format!("the placeholder `%{name}%` makes more than {VALUES_MAX} values"),
                    "shorten the list, or use a lookup of the target",
                ));
            }
        }
        out.extend(grown.into_iter().map(Test::Text));
    }
    item.tests = out;
    Ok(())
}

/// Each pattern followed by each value; `*` and `?` in values are wildcards.
fn multiplied(patterns: &[Pattern], values: &[Value]) -> Vec<Pattern> {
    let mut out = Vec::with_capacity(patterns.len() * values.len().max(1));
    for pattern in patterns {
        for value in values {
            let mut grown = pattern.clone();
            for part in Pattern::of_sigma(&text_of(value)).parts {
                grown.push(part);
            }
            out.push(grown);
            if out.len() > VALUES_MAX {
                return out;
            }
        }
    }
    out
}

/// A value that is only a placeholder becomes text of the target language.
pub(super) fn queries(
    item: &mut Item,
    selected: &Selected,
    expression: &str,
    mapping: &BTreeMap<String, String>,
) {
    for test in &mut item.tests {
        let Test::Text(pattern) = test else {
            continue;
        };
        let [Part::Placeholder(name)] = pattern.parts.as_slice() else {
            continue;
        };
        if selected.has(name) {
            let id = mapping.get(name).unwrap_or(name).clone();
            *test = Test::Query {
                template: expression.to_owned(),
                id,
            };
        }
    }
}
