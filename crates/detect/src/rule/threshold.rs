//! Numbers in a rule's query that decide how many alerts it raises, and the rule with another one.
//!
//! A threshold is a computed column that is compared with a number (`where Calls >= 50`), or with
//! a constant that `let` gives a name (`let Least = 50; … | where Calls > Least`). Columns of log
//! tables are none: their numbers say what is looked at, not how much of it.

use std::collections::{BTreeMap, BTreeSet};

use atalaya_kql::lexer::{Kind, Token, lex};
use atalaya_model::{Diagnostic, Span};

use super::{Language, Rule};

/// A number that a computed column has to reach.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleThreshold {
    /// The column.
    pub column: String,
    /// The number.
    pub value: f64,
    /// Whether the number itself is enough (`>=`).
    pub inclusive: bool,
    /// Where the number stands in the rule's file.
    span: Span,
}

impl Rule {
    /// The thresholds of the query, in order; none for what is not written in KQL.
    #[must_use]
    pub fn thresholds(&self) -> Vec<RuleThreshold> {
        if self.language != Language::Kql || self.analytic.is_some() {
            return Vec::new();
        }
        let block = query_block(&self.text);
        let Some(query) = self.text.get(block.start..block.end) else {
            return Vec::new();
        };
        let (tokens, _) = lex(query);
        let mut found = in_query(query, &tokens);
        for threshold in &mut found {
            threshold.span.start += block.start;
            threshold.span.end += block.start;
        }
        found
    }

    /// The same rule with another number.
    ///
    /// # Errors
    /// What is wrong with the rule then.
    pub fn with_threshold(
        &self,
        threshold: &RuleThreshold,
        value: f64,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut text = self.text.clone();
        text.replace_range(threshold.span.start..threshold.span.end, &value.to_string());
        Self::parse(&text, self.origin.clone()).map(|(rule, _)| rule)
    }
}

/// From `query:` to the next key of the file.
fn query_block(text: &str) -> Span {
    let (mut at, mut start) = (0, None);
    for line in text.split_inclusive('\n') {
        match start {
            None if line.starts_with("query:") => start = Some(at),
            Some(start) if line.starts_with(|c: char| !c.is_whitespace()) => {
                return Span::new(start, at);
            }
            _ => {}
        }
        at += line.len();
    }
    Span::new(start.unwrap_or(at), at)
}

fn in_query(query: &str, tokens: &[Token]) -> Vec<RuleThreshold> {
    let text = |token: &Token| token.span.slice(query);
    let is_number = |token: &Token| matches!(token.kind, Kind::Long | Kind::Real);
    let mut constants: BTreeMap<&str, &Token> = BTreeMap::new();
    let mut computed: BTreeSet<&str> = BTreeSet::new();
    for window in tokens.windows(4) {
        let [word, name, equals, number] = window else {
            continue;
        };
        if name.kind != Kind::Name || text(equals) != "=" {
            continue;
        }
        if text(word) != "let" {
            computed.insert(text(name));
        } else if is_number(number) {
            constants.insert(text(name), number);
        }
    }
    let mut found = Vec::new();
    for window in tokens.windows(5) {
        let [before, column, operator, number, after] = window else {
            continue;
        };
        // Of `A - B >= 5` and `B >= 5 * C` the column is a part of what is compared.
        let is_whole = matches!(text(before), "where" | "and" | "or" | "(")
            && !matches!(text(after), "*" | "/" | "%" | "+" | "-");
        if !is_whole {
            continue;
        }
        let inclusive = match text(operator) {
            ">=" => true,
            ">" => false,
            _ => continue,
        };
        let number = match constants.get(text(number)) {
            Some(constant) => constant,
            None if is_number(number) => number,
            None => continue,
        };
        let Ok(value) = text(number).parse::<f64>() else {
            continue;
        };
        if computed.contains(text(column)) {
            found.push(RuleThreshold {
                column: text(column).to_owned(),
                value,
                inclusive,
                span: number.span,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::rule::{Origin, Rule};

    fn rule(query: &str) -> Rule {
        let text = format!(
            "id: r\nname: R\ndescription: d\nversion: 1.0.0\nkind: Scheduled\nseverity: Low\n\
             queryFrequency: 5m\nqueryPeriod: 1h\ntriggerOperator: gt\ntriggerThreshold: 0\n\
             query: |\n  {}\nentityMappings:\n  - entityType: Account\n    fieldMappings: \
             [{{identifier: Name, columnName: UserId}}]\natlas: {{techniques: [AML.T0051]}}\n",
            query.replace('\n', "\n  ")
        );
        Rule::parse(&text, Origin::BuiltIn("r.yml")).unwrap().0
    }

    #[test]
    fn computed_columns_are_thresholds_and_those_of_tables_are_not() {
        let rule = rule(
            "let Least = 20;\nAIGuardrailDecisions\n| where ThreatScore >= 60\n\
             | summarize Calls = count(), Share = 0.5 by UserId\n\
             | extend Most = 2\n| where Calls > Least and (Share >= 0.25) and Calls - Most >= 3 \
             and Most >= 5 * Calls",
        );
        let found: Vec<_> = rule
            .thresholds()
            .into_iter()
            .map(|t| (t.column, t.value, t.inclusive))
            .collect();
        assert_eq!(
            found,
            [
                ("Calls".to_owned(), 20.0, false),
                ("Share".to_owned(), 0.25, true)
            ]
        );
    }

    #[test]
    fn another_number_is_another_query_and_nothing_else() {
        let rule = rule(
            "AIGuardrailDecisions\n| summarize Calls = count() by UserId\n| where Calls >= 20",
        );
        let changed = rule.with_threshold(&rule.thresholds()[0], 35.0).unwrap();
        assert_eq!(
            changed.text,
            rule.text.replace("Calls >= 20", "Calls >= 35")
        );
        assert!(changed.query.contains("Calls >= 35"), "{}", changed.query);
    }
}
