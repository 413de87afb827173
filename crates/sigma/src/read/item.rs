//! A field's key and values become tests: modifiers are applied, and values that can never match
//! as they are written are read as what is meant.

use atalaya_model::{Diagnostic, Span};
use atalaya_yaml::tree::{Key, Node, Value};

use super::modifiers::{self, Modifiers, Way};
use super::{Reader, encode};
use crate::code;
use crate::ir::{Expr, Item, Network, Number, Operator, Part, Pattern, Position, Test};

/// A value after reading.
enum Read {
    Test(Test),
    /// `"0.4..0.6"`.
    Range(Number, Number),
}

impl Reader<'_, '_> {
    /// Reads one `field|modifier: value`.
    pub(super) fn item(&mut self, key: &Key, node: &Node) -> Option<Expr> {
        let mut words = key.text.split('|');
        let field = words.next().unwrap_or_default().trim().to_owned();
        let modifiers = match modifiers::read(words, key.span) {
            Ok(modifiers) => modifiers,
            Err(error) => {
                self.problems.push(error);
                return None;
            }
        };
        let nodes = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            return self.no_values(field, key, modifiers.negated);
        }
        let (mut tests, mut ranges) = (Vec::with_capacity(nodes.len()), Vec::new());
        let mut complete = true;
        for one in nodes {
            match self.value((&field, &modifiers), one) {
                Some(Read::Test(test)) => tests.push(test),
                Some(Read::Range(low, high)) => ranges.push((low, high)),
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        if nodes.len() == 1 {
            self.fix_dead(key, node, (&tests, &ranges));
        }
        let item = Item {
            field: (!field.is_empty()).then_some(field),
            tests: Vec::new(),
            all: modifiers.all,
            key: key.text.clone(),
            span: key.span,
        };
        let expr = joined(item, tests, ranges);
        Some(if modifiers.negated {
            Expr::Not(Box::new(expr))
        } else {
            expr
        })
    }

    /// `field: []`, which the community's tools read as an absent field.
    fn no_values(&mut self, field: String, key: &Key, is_negated: bool) -> Option<Expr> {
        let message = format!("`{}` has an empty list of values", key.text);
        if field.is_empty() {
            self.error(code::VALUE, key.span, message, "name a keyword");
            return None;
        }
        let message = format!("{message}: it is read as `null`, an absent field");
        let remark = Diagnostic::warning(code::VALUE, key.span, message);
        let help = "name a value, or write `null` if the field shall be absent";
        self.problems.push(remark.with_help(help));
        let expr = Expr::Item(Item {
            field: Some(field),
            tests: vec![Test::Null],
            all: false,
            key: key.text.clone(),
            span: key.span,
        });
        Some(if is_negated {
            Expr::Not(Box::new(expr))
        } else {
            expr
        })
    }

    fn value(&mut self, (field, modifiers): (&str, &Modifiers), node: &Node) -> Option<Read> {
        if matches!(node.value, Value::Map(_) | Value::List(_)) {
            let message = format!("`{field}` needs a text, a number or a list of them here");
            self.error(
                code::VALUE,
                node.span,
                message,
                "write nested fields as `a.b`",
            );
            return None;
        }
        if field.is_empty() && !matches!(modifiers.way, Way::Text | Way::Regex) {
            let message = "this modifier needs a field";
            self.error(
                code::MODIFIER,
                node.span,
                message,
                "keywords are texts or expressions",
            );
            return None;
        }
        let test = match modifiers.way {
            Way::Text => return self.text((field, modifiers), node),
            Way::Regex => self.regex(modifiers, node),
            Way::Exists => match truth(node) {
                Some(there) => Some(Test::Exists(there)),
                None => self.wrong(field, node, "true or false"),
            },
            Way::Compare(operator) => match number(node) {
                Some(number) => Some(Test::Compare(operator, number)),
                None => self.wrong(field, node, "a number"),
            },
            Way::Time(part, operator) => match number(node) {
                Some(number) => Some(Test::Time {
                    part,
                    operator,
                    number,
                }),
                None => self.wrong(field, node, "a number"),
            },
            Way::Cidr => match node.text().and_then(Network::parse) {
                Some(network) => Some(Test::Cidr(network)),
                None => self.wrong(field, node, "an address range such as 10.0.0.0/8"),
            },
            Way::FieldRef => match node.scalar().filter(|name| !name.is_empty()) {
                Some(other) => Some(Test::FieldRef {
                    field: other,
                    position: modifiers.position,
                    cased: modifiers.cased,
                }),
                None => self.wrong(field, node, "the name of a field"),
            },
        };
        test.map(Read::Test)
    }

    fn wrong(&mut self, field: &str, node: &Node, expected: &str) -> Option<Test> {
        let message = format!("`{field}` needs {expected} here");
        self.error(code::VALUE, node.span, message, "");
        None
    }

    fn regex(&mut self, modifiers: &Modifiers, node: &Node) -> Option<Test> {
        let Some(pattern) = node.scalar() else {
            return Some(Test::Null);
        };
        let rust = super::regex_to_rust(&pattern, modifiers.flags.multi_line);
        if let Err(error) = crate::matcher::check_regex(&rust, modifiers.flags) {
            let message = format!("the regular expression cannot be read: {error}");
            self.error(code::VALUE, node.span, message, "");
            return None;
        }
        Some(Test::Regex {
            pattern,
            flags: modifiers.flags,
        })
    }

    /// Texts, and what stands for itself: numbers, truth values, nothing.
    fn text(&mut self, (field, modifiers): (&str, &Modifiers), node: &Node) -> Option<Read> {
        let is_plain = modifiers.position == Position::Whole
            && modifiers.encodings.is_empty()
            && !modifiers.windash
            && !field.is_empty();
        match &node.value {
            Value::Null => return Some(Read::Test(Test::Null)),
            Value::Bool(value) if is_plain => return Some(Read::Test(Test::Bool(*value))),
            Value::Number(number) if is_plain => {
                return Some(Read::Test(Test::Number(Number(number.clone()))));
            }
            Value::Text(text) if is_plain && !modifiers.cased => {
                if let Some((read, remark)) = dead(field, text, node.span) {
                    self.problems.push(remark);
                    return Some(read);
                }
            }
            _ => {}
        }
        let text = node.scalar()?;
        let mut pattern = if modifiers.expand {
            with_placeholders(&text)
        } else {
            Pattern::of_sigma(&text)
        };
        pattern.cased = modifiers.cased;
        let Some(test) = pattern_test(&pattern, modifiers) else {
            let message = format!("`{field}`: a text with wildcards cannot be encoded");
            let help = "write `\\*` and `\\?` if they stand for themselves";
            self.error(code::VALUE, node.span, message, help);
            return None;
        };
        Some(Read::Test(test))
    }

    /// Mends a single dead value where it stands.
    fn fix_dead(
        &mut self,
        key: &Key,
        node: &Node,
        (tests, ranges): (&[Test], &[(Number, Number)]),
    ) {
        if node.text().is_none() || key.text.contains('|') {
            return;
        }
        let whole = key.span.to(node.span);
        let written = key.span.slice(self.text).to_owned();
        if let [Test::Compare(operator, number)] = tests {
            let fixed = format!("{written}|{}: {}", operator.word(), number.0);
            self.fix(code::DEAD_COMPARISON, whole, fixed);
        }
        if let [(low, high)] = ranges {
            let line = self.text[..key.span.start]
                .rfind('\n')
                .map_or(0, |at| at + 1);
            let before = self.text[line..key.span.start].replace(['-', '?'], " ");
            let fixed = format!(
                "{written}|gte: {}\n{before}{written}|lte: {}",
                low.0, high.0
            );
            self.fix(code::DEAD_RANGE, whole, fixed);
        }
    }
}

fn joined(item: Item, tests: Vec<Test>, ranges: Vec<(Number, Number)>) -> Expr {
    let all = item.all;
    let mut any: Vec<Expr> = Vec::with_capacity(ranges.len() + 1);
    for (low, high) in ranges {
        let tests = vec![
            Test::Compare(Operator::GreaterOrEqual, low),
            Test::Compare(Operator::LessOrEqual, high),
        ];
        any.push(Expr::Item(Item {
            tests,
            all: true,
            ..item.clone()
        }));
    }
    if !tests.is_empty() {
        any.push(Expr::Item(Item { tests, ..item }));
    }
    if all {
        Expr::all_of(any)
    } else {
        Expr::any_of(any)
    }
}

/// A pattern after its modifiers; `None` where wildcards cannot be encoded.
fn pattern_test(pattern: &Pattern, modifiers: &Modifiers) -> Option<Test> {
    let dashed = if modifiers.windash {
        encode::windash(pattern)
    } else {
        vec![pattern.clone()]
    };
    let mut variants = Vec::with_capacity(dashed.len());
    for dashed in &dashed {
        for mut encoded in encode::encode(dashed, &modifiers.encodings)? {
            encoded.cased = modifiers.cased;
            let placed = placed(&encoded, modifiers.position);
            if !variants.contains(&placed) {
                variants.push(placed);
            }
        }
    }
    let as_test = |pattern: Pattern| Test::Text(pattern);
    Some(if modifiers.windash && modifiers.encodings.is_empty() {
        Test::Windash {
            pattern: placed(pattern, modifiers.position),
            variants: variants.into_iter().map(as_test).collect(),
        }
    } else if variants.len() == 1 {
        as_test(variants.remove(0))
    } else {
        Test::AnyOf(variants.into_iter().map(as_test).collect())
    })
}

fn placed(pattern: &Pattern, position: Position) -> Pattern {
    let mut out = Pattern {
        cased: pattern.cased,
        ..Pattern::default()
    };
    if matches!(position, Position::Anywhere | Position::End) {
        out.push(Part::Many);
    }
    for part in &pattern.parts {
        out.push(part.clone());
    }
    if matches!(position, Position::Anywhere | Position::Start) {
        out.push(Part::Many);
    }
    out
}

/// `%name%` is a placeholder; a single `%` and `\%` stand for themselves.
fn with_placeholders(text: &str) -> Pattern {
    let mut out = Pattern::default();
    let mut rest = text;
    while let Some((name, from, to)) = placeholder(rest) {
        for part in Pattern::of_sigma(&rest[..from]).parts {
            out.push(part);
        }
        out.push(Part::Placeholder(name.to_owned()));
        rest = &rest[to..];
    }
    for part in Pattern::of_sigma(&rest.replace(r"\%", "%")).parts {
        out.push(part);
    }
    out
}

fn placeholder(text: &str) -> Option<(&str, usize, usize)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find('%')?;
        let after = &text[start + 1..];
        let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))?;
        let is_name = end > 0 && after[end..].starts_with('%');
        if is_name && !text[..start].ends_with('\\') {
            return Some((&after[..end], start, start + end + 2));
        }
        from = start + 1;
    }
}

fn number(node: &Node) -> Option<Number> {
    match &node.value {
        Value::Number(number) => Some(Number(number.clone())),
        Value::Text(text) => number_of(text),
        _ => None,
    }
}

fn number_of(text: &str) -> Option<Number> {
    let text = text.trim();
    let value: f64 = text.parse().ok()?;
    value.is_finite().then(|| Number(text.to_owned()))
}

/// A text that no event holds, and what is meant by it.
fn dead(field: &str, text: &str, span: Span) -> Option<(Read, Diagnostic)> {
    let says = |read: &str| {
        format!(
            "`{field}: \"{text}\"` compares with the text `{text}`, which no event holds; read as {read}"
        )
    };
    if let Some((operator, number)) = comparison(text) {
        let help = format!("write `{field}|{}: {}`", operator.word(), number.0);
        let remark = Diagnostic::warning(code::DEAD_COMPARISON, span, says("a number"));
        let test = match operator {
            Operator::Equal => Test::Number(number),
            operator => Test::Compare(operator, number),
        };
        return Some((Read::Test(test), remark.with_help(help)));
    }
    let (low, high) = text.split_once("..")?;
    let (low, high) = (number_of(low)?, number_of(high)?);
    let help = format!(
        "write `{field}|gte: {}` and `{field}|lte: {}`",
        low.0, high.0
    );
    let remark = Diagnostic::warning(code::DEAD_RANGE, span, says("a range"));
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
    operators
        .into_iter()
        .find_map(|(symbol, operator)| Some((operator, number_of(text.strip_prefix(symbol)?)?)))
}

/// A truth value, also in the words of the first YAML, which rules use.
fn truth(node: &Node) -> Option<bool> {
    if let Value::Bool(value) = node.value {
        return Some(value);
    }
    match node.text()?.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some(true),
        "no" | "off" => Some(false),
        _ => None,
    }
}
