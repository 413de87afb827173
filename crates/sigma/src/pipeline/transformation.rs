//! What a step does, and its run over a rule.

use std::collections::BTreeMap;

use atalaya_model::Diagnostic;
use serde_json::Value;

use super::conditions::Conditions;
use super::placeholders::{self, Selected};
use super::{Run, State, fields, log_tables, values};
use crate::convert::problem;
use crate::ir::{Condition, Expr, Item, LogSource, Rule};

/// One step of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// What messages call it.
    pub(super) place: String,
    /// By what conditions name it.
    pub(super) id: Option<String>,
    pub(super) conditions: Conditions,
    pub(super) kind: Kind,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    FieldMapping(BTreeMap<String, Vec<String>>),
    FieldPrefixMapping(Vec<(String, Vec<String>)>),
    FieldSuffix(String),
    FieldPrefix(String),
    DropItem,
    Hashes(values::Hashes),
    WildcardPlaceholders(Selected),
    ValuePlaceholders(Selected),
    QueryPlaceholders {
        selected: Selected,
        expression: String,
        mapping: BTreeMap<String, String>,
    },
    AddCondition {
        expr: Expr,
        negated: bool,
        template: bool,
    },
    ChangeLogSource(LogSource),
    AddFields(Vec<String>),
    RemoveFields(Vec<String>),
    SetFields(Vec<String>),
    Replace(values::Replace),
    MapString(BTreeMap<String, Vec<String>>),
    Case(values::Case),
    SetState {
        key: String,
        value: Value,
        keep: bool,
    },
    /// Our log tables, by their taxonomy.
    LogTables {
        optional: bool,
    },
    ToRegex(values::RegexMethod),
    SetValue(Value),
    ToNumber,
    ToText,
    SplitDomain {
        domain_field: String,
    },
    RuleFailure(String),
    ItemFailure(String),
    UnmappedField,
    SetAttribute(String, Value),
    Nest(Vec<Step>),
}

/// What becomes of an item.
pub(super) enum Outcome {
    Keep(Item),
    Replace(Expr),
    Drop,
}

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

impl Step {
    /// Runs the step over a rule.
    ///
    /// # Errors
    /// A step that refuses the rule, or leaves nothing of it.
    pub(super) fn run(&self, run: &mut Run<'_>) -> Result<()> {
        if !self.conditions.rule_holds(run.rule, &run.state) {
            return Ok(());
        }
        let done = match &self.kind {
            Kind::Nest(steps) => {
                for step in steps {
                    step.run(run)?;
                }
                true
            }
            Kind::LogTables { optional } => {
                log_tables::run(run, *optional)?;
                true
            }
            kind if kind.is_about_rules() => self.run_on_rule(run)?,
            _ => self.run_on_items(run)?,
        };
        if done && let Some(id) = &self.id {
            run.state.applied.insert(id.clone());
        }
        Ok(())
    }

    fn run_on_rule(&self, run: &mut Run<'_>) -> Result<bool> {
        let rule = &mut *run.rule;
        match &self.kind {
            Kind::AddCondition {
                expr,
                negated,
                template,
            } => add_condition(rule, expr, *negated, *template),
            Kind::ChangeLogSource(source) => rule.source = source.clone(),
            Kind::AddFields(names) => {
                let fields = &mut rule.metadata.fields;
                fields.extend(names.iter().cloned());
            }
            Kind::RemoveFields(names) => {
                rule.metadata.fields.retain(|field| !names.contains(field));
            }
            Kind::SetFields(names) => rule.metadata.fields.clone_from(names),
            Kind::SetState { key, value, keep } if !keep || run.state.value(key).is_none() => {
                run.state.set(key.clone(), value.clone());
            }
            Kind::SetAttribute(name, value) => {
                rule.metadata.custom.insert(name.clone(), value.clone());
            }
            Kind::RuleFailure(message) => {
                return Err(problem(
                    message.clone(),
                    format!("{} refuses such rules: use another pipeline", self.place),
                ));
            }
            _ => {}
        }
        Ok(true)
    }

    fn run_on_items(&self, run: &mut Run<'_>) -> Result<bool> {
        let mut touched = false;
        let language = run.language;
        let (vars, mut state) = (&run.vars, std::mem::take(&mut run.state));
        let mut failure = None;
        let mut change = |mut item: Item| -> Outcome {
            if failure.is_some() || !self.conditions.item_holds(&item, &state) {
                return Outcome::Keep(item);
            }
            let key = item.key.clone();
            let before = item.clone();
            let outcome = match self.change(&mut item, vars, language) {
                Ok(Some(outcome)) => outcome,
                Ok(None) => Outcome::Keep(item),
                Err(problem) => {
                    failure = Some(problem);
                    return Outcome::Keep(before);
                }
            };
            let is_same = matches!(&outcome, Outcome::Keep(after) if *after == before);
            if !is_same {
                touched = true;
                if let Some(id) = &self.id {
                    let applied = state.applied_items.entry(key).or_default();
                    applied.insert(id.clone());
                }
            }
            outcome
        };
        for condition in &mut run.rule.conditions {
            let expr = std::mem::replace(&mut condition.expr, Expr::And(Vec::new()));
            let Some(expr) = rewrite(expr, &mut change) else {
                return Err(problem(
                    "no test is left of the rule's condition",
                    format!("{} drops all of them: narrow its conditions", self.place),
                ));
            };
            condition.expr = expr;
        }
        run.state = state;
        if let Some(problem) = failure {
            return Err(problem);
        }
        let fields = std::mem::take(&mut run.rule.metadata.fields);
        run.rule.metadata.fields = fields
            .into_iter()
            .flat_map(|field| self.listed(field, &run.state))
            .collect();
        Ok(touched)
    }

    /// What an item becomes; `None` if it was changed in place.
    fn change(
        &self,
        item: &mut Item,
        vars: &BTreeMap<String, Vec<Value>>,
        language: crate::convert::Language,
    ) -> Result<Option<Outcome>> {
        match &self.kind {
            Kind::FieldMapping(_)
            | Kind::FieldPrefixMapping(_)
            | Kind::FieldSuffix(_)
            | Kind::FieldPrefix(_) => return Ok(fields::rename(&self.kind, item)),
            Kind::DropItem => return Ok(Some(Outcome::Drop)),
            Kind::Hashes(hashes) => return hashes.split(item, &self.place),
            Kind::SplitDomain { domain_field } => {
                return Ok(values::split_domain(item, domain_field));
            }
            Kind::WildcardPlaceholders(selected) => placeholders::wildcards(item, selected),
            Kind::ValuePlaceholders(selected) => {
                placeholders::values(item, selected, vars, &self.place)?;
            }
            Kind::QueryPlaceholders {
                selected,
                expression,
                mapping,
            } => placeholders::queries(item, selected, expression, mapping),
            Kind::Replace(replace) => replace.run(item),
            Kind::MapString(mapping) => values::map(item, mapping),
            Kind::Case(case) => case.run(item),
            Kind::ToRegex(method) => method.run(item),
            Kind::SetValue(value) => values::set(item, value),
            Kind::ToNumber => values::to_number(item, &self.place)?,
            Kind::ToText => values::to_text(item),
            Kind::ItemFailure(message) => {
                let field = item.field.as_deref().unwrap_or("keywords");
                let message = message.replace("{field}", field);
                return Err(problem(
                    message,
                    format!("{} refuses it: use another pipeline", self.place),
                ));
            }
            Kind::UnmappedField => {
                let field = item.field.as_deref().unwrap_or("keywords");
                return Err(problem(
                    format!("the field `{field}` has no counterpart in the target ({language:?})"),
                    format!("map it in a pipeline of its own before {}", self.place),
                ));
            }
            _ => {}
        }
        Ok(None)
    }

    /// A listed field after the step.
    fn listed(&self, field: String, state: &State) -> Vec<String> {
        if self.conditions.item.is_empty()
            && self.conditions.field_holds(Some(&field), &field, state)
        {
            let names = fields::names(&self.kind, &field);
            if !names.is_empty() {
                return names;
            }
        }
        vec![field]
    }

    /// A correlation's field after the step.
    pub(super) fn field(&self, field: String, rule: &Rule, state: &State) -> String {
        if !self.conditions.rule_holds(rule, state) {
            return field;
        }
        if let Kind::LogTables { optional } = self.kind {
            return log_tables::field(field, rule, optional);
        }
        if let Kind::Nest(steps) = &self.kind {
            return steps
                .iter()
                .fold(field, |field, step| step.field(field, rule, state));
        }
        self.listed(field, state).swap_remove(0)
    }
}

impl Kind {
    fn is_about_rules(&self) -> bool {
        matches!(
            self,
            Self::AddCondition { .. }
                | Self::ChangeLogSource(_)
                | Self::AddFields(_)
                | Self::RemoveFields(_)
                | Self::SetFields(_)
                | Self::SetState { .. }
                | Self::SetAttribute(..)
                | Self::RuleFailure(_)
        )
    }
}

/// The added condition stands before the rule's own, as analysts expect the log source first.
fn add_condition(rule: &mut Rule, expr: &Expr, negated: bool, template: bool) {
    let mut added = expr.clone();
    if template {
        let source = rule.source.clone();
        fields::fill(&mut added, &source);
    }
    if negated {
        added = Expr::Not(Box::new(added));
    }
    for Condition { expr, .. } in &mut rule.conditions {
        let own = std::mem::replace(expr, Expr::And(Vec::new()));
        *expr = Expr::And(vec![added.clone(), own]);
    }
}

/// Rewrites the items of an expression; `None` if nothing is left.
pub(super) fn rewrite(expr: Expr, change: &mut dyn FnMut(Item) -> Outcome) -> Option<Expr> {
    match expr {
        Expr::And(members) => group(members, change, Expr::And),
        Expr::Or(members) => group(members, change, Expr::Or),
        Expr::Not(inner) => rewrite(*inner, change).map(|inner| Expr::Not(Box::new(inner))),
        Expr::Item(item) => match change(item) {
            Outcome::Keep(item) => Some(Expr::Item(item)),
            Outcome::Replace(expr) => Some(expr),
            Outcome::Drop => None,
        },
    }
}

fn group(
    members: Vec<Expr>,
    change: &mut dyn FnMut(Item) -> Outcome,
    of: fn(Vec<Expr>) -> Expr,
) -> Option<Expr> {
    let members: Vec<Expr> = members
        .into_iter()
        .filter_map(|member| rewrite(member, change))
        .collect();
    (!members.is_empty()).then(|| of(members))
}
