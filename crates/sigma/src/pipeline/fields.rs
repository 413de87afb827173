//! Steps that rename fields.

use super::transformation::{Kind, Outcome};
use crate::ir::{Expr, Item, LogSource, Part, Test};

/// The names that a field becomes; none if the step leaves it as it is.
pub(super) fn names(kind: &Kind, field: &str) -> Vec<String> {
    match kind {
        Kind::FieldMapping(mapping) => mapping.get(field).cloned().unwrap_or_default(),
        Kind::FieldPrefixMapping(mapping) => mapping
            .iter()
            .find_map(|(prefix, targets)| {
                let rest = field.strip_prefix(prefix.as_str())?;
                Some(
                    targets
                        .iter()
                        .map(|target| format!("{target}{rest}"))
                        .collect(),
                )
            })
            .unwrap_or_default(),
        Kind::FieldSuffix(suffix) => vec![format!("{field}{suffix}")],
        Kind::FieldPrefix(prefix) => vec![format!("{prefix}{field}")],
        _ => Vec::new(),
    }
}

/// Renames an item's field, and the fields that it refers to.
pub(super) fn rename(kind: &Kind, item: &mut Item) -> Option<Outcome> {
    for test in &mut item.tests {
        if let Test::FieldRef { field, .. } = test
            && let Some(name) = names(kind, field).into_iter().next()
        {
            *field = name;
        }
    }
    // Keywords become a search of a field by a mapping of the empty name only.
    let field = item.field.as_deref();
    let names = match (field, kind) {
        (Some(field), _) => names(kind, field),
        (None, Kind::FieldMapping(mapping)) => mapping.get("").cloned().unwrap_or_default(),
        (None, _) => return None,
    };
    let mut items = names.into_iter().map(|name| Item {
        field: Some(name),
        ..item.clone()
    });
    let first = items.next()?;
    let rest: Vec<Item> = items.collect();
    if rest.is_empty() {
        return Some(Outcome::Keep(first));
    }
    let members = std::iter::once(first).chain(rest).map(Expr::Item);
    Some(Outcome::Replace(Expr::Or(members.collect())))
}

/// Puts the log source into the texts of an added condition: `$product`, `$category`, `$service`.
pub(super) fn fill(expr: &mut Expr, source: &LogSource) {
    match expr {
        Expr::And(members) | Expr::Or(members) => {
            members.iter_mut().for_each(|member| fill(member, source));
        }
        Expr::Not(inner) => fill(inner, source),
        Expr::Item(item) => {
            for test in &mut item.tests {
                let Test::Text(pattern) = test else {
                    continue;
                };
                for part in &mut pattern.parts {
                    if let Part::Literal(text) = part {
                        *text = text
                            .replace("${category}", &source.category)
                            .replace("${product}", &source.product)
                            .replace("${service}", &source.service)
                            .replace("$category", &source.category)
                            .replace("$product", &source.product)
                            .replace("$service", &source.service);
                    }
                }
            }
        }
    }
}
