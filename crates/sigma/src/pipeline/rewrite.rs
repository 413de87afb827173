//! Whole collections rewritten for a place, to be matched there.

use atalaya_model::Diagnostic;

use super::{Pipelines, State};
use crate::convert::Language;
use crate::ir::{Alias, Collection, Correlation, CorrelationCondition, Rule, Target};

/// What became of a rule: as it was, and what the pipelines noted.
type Before = (Rule, State);

impl Pipelines {
    /// Rewrites all rules, and the fields of correlations along with those of their rules.
    ///
    /// # Errors
    /// A step that refuses a rule.
    pub fn rewrite(&self, collection: &mut Collection) -> Result<(), Box<Diagnostic>> {
        let mut before = Vec::with_capacity(collection.rules.len());
        for rule in &mut collection.rules {
            let original = rule.clone();
            let state = self.apply(rule, Language::Kql)?;
            before.push((original, state));
        }
        for correlation in &mut collection.correlations {
            self.rewrite_fields(correlation, &before);
        }
        Ok(())
    }

    fn rewrite_fields(&self, correlation: &mut Correlation, before: &[Before]) {
        let mut aliases = Vec::new();
        for name in &mut correlation.group_by {
            let is_alias = |alias: &&Alias| alias.name == *name;
            let known = correlation.aliases.iter().find(is_alias);
            let references = correlation.rules.iter();
            let mapped: Vec<(String, String)> = references
                .map(|reference| {
                    let of_rule = known.and_then(|alias| {
                        let mut fields = alias.fields.iter();
                        fields.find(|(rule, _)| *rule == reference.name)
                    });
                    let field = of_rule.map_or(name.as_str(), |(_, field)| field.as_str());
                    let field = self.field_in(field, reference.target, before);
                    (reference.name.clone(), field)
                })
                .collect();
            let first = mapped.first().map(|(_, field)| field.clone());
            match first {
                Some(first) if known.is_none() && mapped.iter().all(|(_, f)| *f == first) => {
                    *name = first;
                }
                _ => aliases.push(Alias {
                    name: name.clone(),
                    fields: mapped,
                }),
            }
        }
        correlation.aliases = aliases;
        let first = correlation.rules.first().and_then(|rule| rule.target);
        if let CorrelationCondition::Threshold(threshold) = &mut correlation.condition {
            for field in &mut threshold.fields {
                *field = self.field_in(field, first, before);
            }
        }
    }

    fn field_in(&self, field: &str, target: Option<Target>, before: &[Before]) -> String {
        let of_rule = match target {
            Some(Target::Rule(index)) => before.get(index),
            _ => None,
        };
        of_rule.map_or_else(
            || field.to_owned(),
            |(rule, state)| self.field(field, rule, state),
        )
    }
}
