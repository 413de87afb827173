//! Events made up from a rule's condition: some that it should find, and some that nearly are.

use std::collections::{BTreeMap, BTreeSet};

use atalaya_sigma::ir::{Expr, Item, Part, Pattern, Test};
use serde_json::{Map, Value};

/// Makes up events; the same seed makes the same.
pub(crate) struct Events<'c> {
    state: u64,
    columns: &'c BTreeMap<String, String>,
}

/// The fields that a condition asks of.
pub(crate) fn fields(expr: &Expr) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for item in expr.items() {
        out.extend(item.field.clone());
        for test in item.tests.iter().flat_map(Test::alternatives) {
            if let Test::FieldRef { field, .. } = test {
                out.insert(field.clone());
            }
        }
    }
    out
}

/// Every column is there in the first row, with a value of its type: that is what the types of
/// a table are read from.
pub(crate) fn complete(
    events: &mut [Map<String, Value>],
    fields: &BTreeSet<String>,
    columns: &BTreeMap<String, String>,
) {
    let Some(first) = events.first_mut() else {
        return;
    };
    for field in fields {
        if !first.contains_key(field) && !columns.contains_key(field) {
            first.insert(field.clone(), Value::from(""));
        }
        if !first.contains_key(field) {
            first.insert(field.clone(), Value::Null);
        }
    }
}

impl<'c> Events<'c> {
    pub(crate) fn new(seed: u64, columns: &'c BTreeMap<String, String>) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            columns,
        }
    }

    /// So many events for a condition.
    pub(crate) fn of(&mut self, expr: &Expr, count: usize) -> Vec<Map<String, Value>> {
        let items: Vec<&Item> = expr.items().collect();
        let mut out = Vec::with_capacity(count);
        for number in 0..count {
            let mut texts = BTreeMap::new();
            self.satisfy(expr, number % 6 != 5, &mut texts);
            for _ in 0..number % 3 {
                self.disturb(&items, &mut texts);
            }
            out.push(self.row(texts));
        }
        out
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).expect("31 bits") % bound.max(1)
    }

    /// Values that (probably) make the condition hold, or not.
    fn satisfy(&mut self, expr: &Expr, wanted: bool, out: &mut BTreeMap<String, String>) {
        match expr {
            Expr::Not(inner) => self.satisfy(inner, !wanted, out),
            Expr::And(parts) if wanted => {
                parts.iter().for_each(|part| self.satisfy(part, true, out));
            }
            Expr::Or(parts) if !wanted => {
                parts.iter().for_each(|part| self.satisfy(part, false, out));
            }
            Expr::And(parts) | Expr::Or(parts) => {
                let at = self.below(parts.len());
                if let Some(part) = parts.get(at) {
                    self.satisfy(part, wanted, out);
                }
            }
            Expr::Item(item) if wanted => self.fill(item, out),
            Expr::Item(_) => {}
        }
    }

    fn fill(&mut self, item: &Item, out: &mut BTreeMap<String, String>) {
        let field = item.field.clone().unwrap_or_else(|| "Message".to_owned());
        if item.all {
            let values: Vec<String> = item
                .tests
                .iter()
                .filter_map(|test| self.value(test, out))
                .collect();
            out.insert(field, values.join(" "));
            return;
        }
        let at = self.below(item.tests.len());
        let Some(test) = item.tests.get(at) else {
            return;
        };
        if let Test::FieldRef { field: other, .. } = test {
            out.entry(other.clone())
                .or_insert_with(|| "same".to_owned());
        }
        match self.value(test, out) {
            Some(value) => out.insert(field, value),
            None => out.remove(&field),
        };
    }

    /// A value that passes the test; `None` for absence.
    fn value(&mut self, test: &Test, row: &BTreeMap<String, String>) -> Option<String> {
        Some(match test {
            Test::Text(pattern) => self.text(pattern),
            Test::Number(number) => number.0.clone(),
            Test::Bool(flag) => flag.to_string(),
            Test::Null | Test::Exists(false) => return None,
            Test::Exists(true) => "there".to_owned(),
            Test::Regex { pattern, .. } => self.example(pattern),
            Test::Cidr(network) => network.address.to_string(),
            Test::Compare(_, number) => {
                let step = [-1.0, 0.0, 1.0][self.below(3)];
                format!("{}", number.value() + step)
            }
            Test::FieldRef { field, .. } => {
                row.get(field).cloned().unwrap_or_else(|| "same".to_owned())
            }
            Test::Time { .. } => {
                let hour = self.below(24);
                format!(
                    "2026-0{}-1{}T{hour:02}:30:00Z",
                    1 + self.below(9),
                    self.below(9)
                )
            }
            Test::AnyOf(tests)
            | Test::Windash {
                variants: tests, ..
            } => {
                let at = self.below(tests.len());
                return self.value(tests.get(at)?, row);
            }
            Test::Query { .. } => return None,
        })
    }

    fn text(&mut self, pattern: &Pattern) -> String {
        let mut out = String::new();
        for part in &pattern.parts {
            match part {
                Part::Literal(text) => {
                    let flips = !pattern.cased && self.below(2) == 0;
                    out.extend(
                        text.chars()
                            .map(|c| if flips { c.to_ascii_uppercase() } else { c }),
                    );
                }
                Part::Many => out.push_str(["", "x", "a b", "\n", "é"][self.below(5)]),
                Part::One => out.push(['q', '7', '.'][self.below(3)]),
                Part::Placeholder(_) => {}
            }
        }
        out
    }

    /// A text that an expression may match: its letters without what is special.
    fn example(&mut self, pattern: &str) -> String {
        let mut out = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('d') => out.push('5'),
                    Some('w') => out.push('w'),
                    Some('s') => out.push(' '),
                    Some(c) if !c.is_alphanumeric() => out.push(c),
                    _ => {}
                },
                '.' => out.push('x'),
                '^' | '$' | '(' | ')' | '*' | '+' | '?' | '|' | '{' | '}' | ':' => {}
                '[' => {
                    let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                    out.extend(class.chars().find(|c| c.is_alphanumeric()));
                }
                c => out.push(c),
            }
        }
        out
    }

    /// Changes one value a little, or takes it away.
    fn disturb(&mut self, items: &[&Item], row: &mut BTreeMap<String, String>) {
        let at = self.below(items.len());
        let Some(item) = items.get(at) else {
            return;
        };
        let field = item.field.clone().unwrap_or_else(|| "Message".to_owned());
        let Some(value) = row.get_mut(&field) else {
            let tests: Vec<&Test> = item.tests.iter().collect();
            let at = self.below(tests.len());
            if let Some(value) = tests.get(at).and_then(|test| self.value(test, row)) {
                row.insert(field, value);
            }
            return;
        };
        match self.below(6) {
            0 => {
                row.remove(&field);
            }
            1 => value.insert(0, 'z'),
            2 => value.push('z'),
            3 => {
                value.pop();
            }
            4 => *value = value.to_lowercase(),
            _ => value.clear(),
        }
    }

    /// Texts as values of the columns' types; what is no value of the type is absent.
    fn row(&self, texts: BTreeMap<String, String>) -> Map<String, Value> {
        let mut row = Map::new();
        for (field, text) in texts {
            let value = match self.columns.get(&field).map(String::as_str) {
                None => Some(Value::from(text)),
                Some("int" | "long") => text.parse::<i64>().ok().map(Value::from),
                Some("real" | "decimal") => text.parse::<f64>().ok().map(Value::from),
                Some("bool") => text.parse::<bool>().ok().map(Value::from),
                Some(_) => None,
            };
            row.extend(value.map(|value| (field, value)));
        }
        row
    }
}
