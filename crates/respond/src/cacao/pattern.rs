//! Conditions of runbooks as comparison expressions of STIX 2.1's patterning grammar, which is what
//! CACAO's `if-condition` wants.
//!
//! The grammar has no `not` before a bracket, no order of severities and no lists on the left:
//! `not` moves inwards, an order becomes the set of what fits, and "contains" a regular expression
//! without backslashes, so that nothing is escaped twice. A fact that is not there is an empty
//! variable.

use atalaya_model::Severity;
use serde_json::Value;

use super::variables::Variables;
use crate::condition::{Condition, Node, Operand, Operator};

const SEVERITIES: [Severity; 5] = [
    Severity::Informational,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// Writes a condition; the variables that it asks for are noted.
pub(super) fn write(condition: &Condition, variables: &mut Variables) -> String {
    node(condition.root(), false, variables)
}

fn node(found: &Node, negated: bool, variables: &mut Variables) -> String {
    match found {
        Node::Not(inner) => node(inner, !negated, variables),
        Node::And(nodes) => joined(
            nodes,
            if negated { "OR" } else { "AND" },
            negated,
            variables,
        ),
        Node::Or(nodes) => joined(
            nodes,
            if negated { "AND" } else { "OR" },
            negated,
            variables,
        ),
        Node::Holds(Operand::Fact(name)) => {
            let path = variables.path(name);
            let not = if negated { "" } else { "NOT " };
            format!("{path} {not}IN ('', '0', 'false')")
        }
        Node::Holds(Operand::Literal(value)) => {
            let holds = !matches!(value, Value::Null | Value::Bool(false));
            constant(holds != negated, variables)
        }
        Node::Compare(left, operator, right) => compare(left, *operator, right, negated, variables),
    }
}

fn joined(nodes: &[Node], word: &str, negated: bool, variables: &mut Variables) -> String {
    let parts: Vec<String> = nodes
        .iter()
        .map(|inner| match inner {
            Node::And(_) | Node::Or(_) | Node::Not(_) => {
                format!("({})", node(inner, negated, variables))
            }
            _ => node(inner, negated, variables),
        })
        .collect();
    parts.join(&format!(" {word} "))
}

/// What is always so, or never: the grammar wants a path on the left of everything.
fn constant(holds: bool, variables: &mut Variables) -> String {
    format!("{} = '{holds}'", variables.always())
}

fn compare(
    left: &Operand,
    operator: Operator,
    right: &Operand,
    negated: bool,
    variables: &mut Variables,
) -> String {
    let (name, operator, other) = match (left, right) {
        (Operand::Fact(name), other) => (name, operator, other),
        (other, Operand::Fact(name)) => (name, turned(operator), other),
        (Operand::Literal(_), Operand::Literal(_)) => {
            let fact = |_: &str| Value::Null;
            let is_so = Condition::of(Node::Compare(left.clone(), operator, right.clone()));
            return constant(is_so.holds(&fact) != negated, variables);
        }
    };
    let not = if negated { "NOT " } else { "" };
    let value = match other {
        Operand::Fact(other) => {
            if is_order(operator) {
                variables.number(name);
                variables.number(other);
            }
            let (path, other) = (variables.path(name), variables.path(other));
            return format!("{path} {not}{} {other}", symbol(operator));
        }
        Operand::Literal(value) => value,
    };
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 => variables.number(name),
        Some(_) => variables.fraction(name),
        None => {}
    }
    let path = variables.path(name);
    if let Some(fitting) = severities(operator, value) {
        return format!("{path} {not}IN ({fitting})");
    }
    match (operator, value) {
        (Operator::In, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            let items = if items.is_empty() {
                "''".to_owned()
            } else {
                items.join(", ")
            };
            format!("{path} {not}IN ({items})")
        }
        (Operator::Contains | Operator::In, value) => {
            format!("{path} {not}MATCHES {}", quoted(&expression(value)))
        }
        (Operator::StartsWith, value) => {
            format!(
                "{path} {not}MATCHES {}",
                quoted(&format!("^{}", expression(value)))
            )
        }
        (Operator::Equal | Operator::NotEqual, value) => {
            let sign = if (operator == Operator::Equal) == negated {
                "!="
            } else {
                "="
            };
            format!("{path} {sign} {}", literal(value))
        }
        (operator, value) => format!("{path} {not}{} {}", symbol(operator), literal(value)),
    }
}

/// Whether an order is asked for, which numbers have.
const fn is_order(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual
    )
}

/// The operator when its sides are swapped.
const fn turned(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
        Operator::In => Operator::Contains,
        Operator::Contains => Operator::In,
        other => other,
    }
}

const fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Contains | Operator::StartsWith => "MATCHES",
        Operator::In => "IN",
    }
}

/// The severities that an order lets through; `None` if none is asked for.
fn severities(operator: Operator, value: &Value) -> Option<String> {
    if !is_order(operator) {
        return None;
    }
    let wanted: Severity = serde_json::from_value(value.clone()).ok()?;
    let fits = |severity: &Severity| match operator {
        Operator::Less => *severity < wanted,
        Operator::LessOrEqual => *severity <= wanted,
        Operator::Greater => *severity > wanted,
        Operator::GreaterOrEqual => *severity >= wanted,
        _ => false,
    };
    let fitting = SEVERITIES.iter().filter(|severity| fits(severity));
    let names: Vec<String> = fitting.map(|severity| quoted(severity.as_str())).collect();
    Some(if names.is_empty() {
        "''".to_owned()
    } else {
        names.join(", ")
    })
}

fn literal(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            // Whole numbers are written as such: the parser of conditions knows fractions only.
            Some(float) if float.fract() == 0.0 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(flag) => format!("'{flag}'"),
        Value::Null => "''".to_owned(),
        other => quoted(&crate::context::text_of(other)),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A regular expression that finds a text: what would mean something stands in brackets.
fn expression(value: &Value) -> String {
    let text = crate::context::text_of(value);
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '.' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '|' | '$' | '[' | ']' => {
                out.push('[');
                out.push(c);
                out.push(']');
            }
            '^' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::variables::Variables;
    use crate::condition::Condition;

    #[test]
    fn conditions_become_comparisons_of_the_grammar() {
        let cases = [
            (
                "severity >= high",
                "__severity__:value IN ('high', 'critical')",
            ),
            ("severity < informational", "__severity__:value IN ('')"),
            (
                "not severity > low",
                "__severity__:value NOT IN ('medium', 'high', 'critical')",
            ),
            ("10 <= count", "__count__:value >= 10"),
            ("caller == \"o'neil\"", r"__caller__:value = 'o\'neil'"),
            ("agent != null", "__agent__:value != ''"),
            ("caller", "__caller__:value NOT IN ('', '0', 'false')"),
            (
                "techniques contains AML.T0051",
                "__techniques__:value MATCHES 'AML[.]T0051'",
            ),
            (
                "'a+b' in techniques",
                "__techniques__:value MATCHES 'a[+]b'",
            ),
            (
                "caller startswith 'ext-'",
                "__caller__:value MATCHES '^ext-'",
            ),
            ("caller in ['a', 'b']", "__caller__:value IN ('a', 'b')"),
            (
                "not (count > 1 and (caller or rule == 'x'))",
                "__count__:value NOT > 1 OR (__caller__:value IN ('', '0', 'false') AND __rule__:value != 'x')",
            ),
            (
                "steps.check-it.rows > details.Limit",
                "__steps_check-it_rows__:value > __details_Limit__:value",
            ),
            ("1 == 1", "__always__:value = 'true'"),
            ("not true", "__always__:value = 'false'"),
        ];
        for (condition, wanted) in cases {
            let parsed = Condition::parse(condition).unwrap();
            assert_eq!(
                super::write(&parsed, &mut Variables::default()),
                wanted,
                "{condition}"
            );
        }
    }
}
