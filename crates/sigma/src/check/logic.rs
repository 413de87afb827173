//! Conditions that never or always hold.
//!
//! The different lines of a condition are taken as unknowns; all combinations are tried that the
//! lines allow: one field cannot be two different texts, nor above 5 and below 3. Fields with
//! several values (arrays) could be; that is why the result is a warning.

use atalaya_model::Diagnostic;

use crate::code;
use crate::ir::{Condition, Expr, Item, Operator, Part, Test};

/// Most different lines: above, too many combinations.
const LINES_MAX: usize = 12;

pub(super) fn check(condition: &Condition) -> Option<Diagnostic> {
    let mut lines: Vec<&Item> = Vec::new();
    for item in condition.expr.items() {
        if !lines.iter().any(|known| same(known, item)) {
            lines.push(item);
        }
        if lines.len() > LINES_MAX {
            return None;
        }
    }
    let pairs = exclusions(&lines);
    let always: u32 = lines
        .iter()
        .enumerate()
        .filter(|(_, item)| holds_always(item))
        .fold(0, |mask, (index, _)| mask | 1 << index);
    let (mut ever, mut fails) = (false, false);
    for choice in 0..1_u32 << lines.len() {
        let allowed = pairs.iter().all(|pair| choice & pair != *pair) && choice & always == always;
        if allowed {
            let holds = holds(&condition.expr, &lines, choice);
            ever |= holds;
            fails |= !holds;
        }
        if ever && fails {
            return None;
        }
    }
    let (what, help) = if ever {
        (
            "always",
            "an event that has nothing of it matches as well; name what must be there",
        )
    } else {
        ("never", "two of its parts exclude each other")
    };
    let message = format!("the condition `{}` {what} holds", condition.text);
    let code = if ever { code::ALWAYS } else { code::NEVER };
    Some(Diagnostic::warning(code, condition.span, message).with_help(help))
}

fn same(a: &Item, b: &Item) -> bool {
    a.field == b.field && a.tests == b.tests && a.all == b.all
}

fn holds(expr: &Expr, lines: &[&Item], choice: u32) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| holds(part, lines, choice)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, lines, choice)),
        Expr::Not(inner) => !holds(inner, lines, choice),
        Expr::Item(item) => {
            let index = lines.iter().position(|line| same(line, item));
            index.is_some_and(|index| choice & (1 << index) != 0)
        }
    }
}

/// Of keywords, any event has the empty text.
fn holds_always(item: &Item) -> bool {
    item.tests.is_empty() && item.all
}

/// Pairs of lines that cannot both hold, as bits.
fn exclusions(lines: &[&Item]) -> Vec<u32> {
    let mut pairs = Vec::new();
    for (a, first) in lines.iter().enumerate() {
        if excludes_itself(first) {
            pairs.push(1 << a);
        }
        for (b, second) in lines.iter().enumerate().skip(a + 1) {
            if first.field.is_some() && first.field == second.field && exclude(first, second) {
                pairs.push(1 << a | 1 << b);
            }
        }
    }
    pairs
}

/// `|all` over different whole texts.
fn excludes_itself(item: &Item) -> bool {
    if item.field.is_none() || !item.all {
        return item.tests.is_empty() && !item.all;
    }
    let texts: Vec<_> = item.tests.iter().map(text).collect();
    texts
        .iter()
        .flatten()
        .any(|text| texts.iter().flatten().any(|other| other != text))
}

fn exclude(a: &Item, b: &Item) -> bool {
    let pairs = || {
        a.tests
            .iter()
            .flat_map(|x| b.tests.iter().map(move |y| (x, y)))
    };
    if a.all || b.all {
        return pairs().any(|(x, y)| disjoint(x, y));
    }
    pairs().all(|(x, y)| disjoint(x, y))
}

fn disjoint(a: &Test, b: &Test) -> bool {
    if let (Some(a), Some(b)) = (text(a), text(b)) {
        return a != b;
    }
    match (a, b) {
        (Test::Null | Test::Exists(false), other) | (other, Test::Null | Test::Exists(false)) => {
            !matches!(other, Test::Null | Test::Exists(false) | Test::Query { .. })
        }
        _ => match (interval(a), interval(b)) {
            (Some((low_a, high_a)), Some((low_b, high_b))) => low_a > high_b || low_b > high_a,
            _ => false,
        },
    }
}

/// The one text that passes, folded.
fn text(test: &Test) -> Option<String> {
    match test {
        Test::Text(pattern) => match pattern.parts.as_slice() {
            [] => Some(String::new()),
            [Part::Literal(text)] => Some(text.to_lowercase()),
            _ => None,
        },
        Test::Number(number) => Some(number.0.clone()),
        Test::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The numbers that pass. A bound that is excluded is moved by next to nothing.
fn interval(test: &Test) -> Option<(f64, f64)> {
    match test {
        Test::Number(number) => Some((number.value(), number.value())),
        Test::Compare(operator, number) => {
            let value = number.value();
            let all = (f64::NEG_INFINITY, f64::INFINITY);
            Some(match operator {
                Operator::Greater => (value.next_up(), all.1),
                Operator::GreaterOrEqual => (value, all.1),
                Operator::Less => (all.0, value.next_down()),
                Operator::LessOrEqual => (all.0, value),
                Operator::Equal => (value, value),
                Operator::NotEqual => return None,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    fn codes(detection: &str) -> Vec<String> {
        let rule = format!("title: t\nid: 1\nlogsource: {{product: x}}\ndetection:\n{detection}");
        let collection = crate::parse(&rule).unwrap();
        let condition = &collection.rules[0].conditions[0];
        super::check(condition)
            .map(|d| d.code)
            .into_iter()
            .collect()
    }

    #[test]
    fn what_never_or_always_holds_is_found() {
        for (detection, expected) in [
            ("  a: {F: x}\n  condition: a and not a\n", vec!["SIG018"]),
            (
                "  a: {F: x}\n  b: {F: y}\n  condition: a and b\n",
                vec!["SIG018"],
            ),
            (
                "  a: {F: x}\n  b: {F: [y, X]}\n  condition: a and b\n",
                vec![],
            ),
            (
                "  a: {F|gt: 5}\n  b: {F|lt: 3}\n  condition: a and b\n",
                vec!["SIG018"],
            ),
            (
                "  a: {F|gte: 5}\n  b: {F|lte: 5}\n  condition: a and b\n",
                vec![],
            ),
            ("  a: {F|all: [x, y]}\n  condition: a\n", vec!["SIG018"]),
            (
                "  a: {F: null}\n  b: {F|contains: x}\n  condition: a and b\n",
                vec!["SIG018"],
            ),
            ("  a: {F: x}\n  condition: a or not a\n", vec!["SIG019"]),
            (
                "  a: {F: x}\n  b: {G: x}\n  condition: a and not b\n",
                vec![],
            ),
        ] {
            assert_eq!(codes(detection), expected, "{detection}");
        }
    }
}
