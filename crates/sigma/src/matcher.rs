//! A field's key and values become a condition: modifiers, numbers, and values that can never
//! match as they are written.

use atalaya_model::{Diagnostic, Span};
use serde_json::Value;

use crate::code;
use crate::rule::{Expr, FieldMatch, Match, Number, Operator};

/// Modifiers of the specification that are not supported here.
const UNSUPPORTED: &[&str] = &[
    "base64",
    "base64offset",
    "wide",
    "utf16",
    "utf16le",
    "utf16be",
    "windash",
    "fieldref",
    "expand",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
];
const SUPPORTED: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "cased",
    "re",
    "i",
    "m",
    "s",
    "cidr",
    "lt",
    "lte",
    "gt",
    "gte",
    "neq",
    "exists",
];

/// How a text is compared.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Equals,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Cidr,
    Compare(Operator),
    Exists,
}

#[derive(Default)]
struct Modifiers {
    way: Way,
    flags: String,
    all: bool,
    cased: bool,
    negated: bool,
}

/// Reads one `field|modifier: value`; remarks and errors go to `problems`.
pub(crate) fn read(
    key: &str,
    value: &Value,
    span: Span,
    problems: &mut Vec<Diagnostic>,
) -> Option<Expr> {
    let mut parts = key.split('|');
    let field = parts.next().unwrap_or_default().trim().to_owned();
    let modifiers = modifiers(parts, span, problems)?;
    if field.is_empty() {
        let message = "keyword searches over whole events are not supported here";
        let help = "name the field, e.g. `PromptText|contains`";
        problems.push(Diagnostic::error(code::VALUE, span, message).with_help(help));
        return None;
    }
    let items: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    let (mut values, mut ranges) = (Vec::new(), Vec::new());
    for item in items {
        match one(&modifiers, item, (&field, span), problems)? {
            Read::Value(value) => values.push(value),
            Read::Range(low, high) => ranges.push((low, high)),
        }
    }
    let with = |values, all| {
        Expr::Field(FieldMatch {
            field: field.clone(),
            span,
            all,
            cased: modifiers.cased,
            values,
        })
    };
    let mut any: Vec<Expr> = ranges
        .into_iter()
        .map(|(low, high)| {
            with(
                vec![
                    Match::Compare(Operator::GreaterOrEqual, low),
                    Match::Compare(Operator::LessOrEqual, high),
                ],
                true,
            )
        })
        .collect();
    if !values.is_empty() || any.is_empty() {
        any.push(with(values, modifiers.all));
    }
    let expr = crate::condition::joined(any, if modifiers.all { Expr::And } else { Expr::Or });
    Some(if modifiers.negated {
        Expr::Not(Box::new(expr))
    } else {
        expr
    })
}

fn modifiers<'k>(
    words: impl Iterator<Item = &'k str>,
    span: Span,
    problems: &mut Vec<Diagnostic>,
) -> Option<Modifiers> {
    let mut modifiers = Modifiers::default();
    for word in words {
        match word {
            "contains" => modifiers.way = Way::Contains,
            "startswith" => modifiers.way = Way::StartsWith,
            "endswith" => modifiers.way = Way::EndsWith,
            "re" => modifiers.way = Way::Regex,
            "cidr" => modifiers.way = Way::Cidr,
            "exists" => modifiers.way = Way::Exists,
            "all" => modifiers.all = true,
            "cased" => modifiers.cased = true,
            "neq" => modifiers.negated = true,
            "i" | "m" | "s" if modifiers.way == Way::Regex => modifiers.flags.push_str(word),
            word => match Operator::of_word(word).filter(|_| SUPPORTED.contains(&word)) {
                Some(operator) => modifiers.way = Way::Compare(operator),
                None => {
                    problems.push(unknown_modifier(word, span));
                    return None;
                }
            },
        }
    }
    Some(modifiers)
}

fn unknown_modifier(word: &str, span: Span) -> Diagnostic {
    if UNSUPPORTED.contains(&word) {
        let message = format!("the modifier `{word}` is not supported here yet");
        return Diagnostic::error(code::MODIFIER, span, message)
            .with_help("write the values out, or use `re`");
    }
    let known = SUPPORTED.iter().chain(UNSUPPORTED).copied();
    let help = atalaya_yaml::nearest(word, known).map_or_else(
        || "see the Sigma specification, appendix modifiers".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Diagnostic::error(
        code::MODIFIER,
        span,
        format!("there is no modifier `{word}`"),
    )
    .with_help(help)
}

enum Read {
    Value(Match),
    Range(Number, Number),
}

fn one(
    modifiers: &Modifiers,
    value: &Value,
    (field, span): (&str, Span),
    problems: &mut Vec<Diagnostic>,
) -> Option<Read> {
    let wrong = |problems: &mut Vec<Diagnostic>, expected: &str| {
        let message = format!("`{field}` needs {expected} here");
        problems.push(Diagnostic::error(code::VALUE, span, message));
        None
    };
    let value = match (modifiers.way, value) {
        (Way::Exists, Value::Bool(there)) => Match::Exists(*there),
        (Way::Exists, _) => return wrong(problems, "true or false"),
        (Way::Compare(operator), value) => match number(value) {
            Some(number) => Match::Compare(operator, number),
            None => return wrong(problems, "a number"),
        },
        (_, Value::Null) => Match::Null,
        (_, Value::Bool(value)) => Match::Bool(*value),
        (Way::Equals, Value::Number(value)) => Match::Number(Number(value.to_string())),
        (Way::Equals, Value::String(text)) => match dead(field, text) {
            Some((read, remark)) => {
                problems.push(Diagnostic { span, ..remark });
                return Some(read);
            }
            None => Match::Text(text.clone()),
        },
        (way, value @ (Value::String(_) | Value::Number(_))) => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            match way {
                Way::Contains => Match::Text(format!("*{text}*")),
                Way::StartsWith => Match::Text(format!("{text}*")),
                Way::EndsWith => Match::Text(format!("*{text}")),
                Way::Cidr => Match::Cidr(text),
                _ => Match::Regex(text, modifiers.flags.clone()),
            }
        }
        _ => return wrong(problems, "a text, a number or a list of them"),
    };
    Some(Read::Value(value))
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(Number(number.to_string())),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<f64>()
                .ok()
                .filter(|n| n.is_finite())
                .map(|_| Number(text.to_owned()))
        }
        _ => None,
    }
}

/// A text that no event holds, and what is meant by it.
fn dead(field: &str, text: &str) -> Option<(Read, Diagnostic)> {
    if let Some((operator, number)) = comparison(text) {
        let word = operator.word();
        let message = format!(
            "`{field}: \"{text}\"` compares with the text `{text}`, which no event holds; read as a number"
        );
        let help = format!("write `{field}|{word}: {}`", number.0);
        let remark = Diagnostic::warning(code::DEAD_COMPARISON, Span::default(), message);
        return Some((
            Read::Value(Match::Compare(operator, number)),
            remark.with_help(help),
        ));
    }
    let (low, high) = text.split_once("..")?;
    let (low, high) = (number(&low.into())?, number(&high.into())?);
    let message = format!(
        "`{field}: \"{text}\"` compares with the text `{text}`, which no event holds; read as a range"
    );
    let help = format!(
        "write `{field}|gte: {}` and `{field}|lte: {}`",
        low.0, high.0
    );
    let remark = Diagnostic::warning(code::DEAD_RANGE, Span::default(), message);
    Some((Read::Range(low, high), remark.with_help(help)))
}

/// `> 20`, `<=3`, `!= 0`.
pub(crate) fn comparison(text: &str) -> Option<(Operator, Number)> {
    let text = text.trim();
    let operators = [
        (">=", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        ("!=", Operator::NotEqual),
        ("==", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ];
    operators.into_iter().find_map(|(symbol, operator)| {
        Some((operator, number(&text.strip_prefix(symbol)?.into())?))
    })
}
