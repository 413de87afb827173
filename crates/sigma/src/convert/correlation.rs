//! Rules about many events in other languages.
//!
//! A plan holds what every language needs: the rules that events come from, already rewritten by
//! pipelines, the fields that keep windows apart, the bounds. Windows slide where the language
//! can say it; what a language cannot say is refused.

mod eql;
mod esql;
mod kql;
mod spl;
mod sql;

use std::time::Duration;

use super::render::Result;
use super::{BaseQuery, Converter, Language, Prepared, Query, Windows, problem};
use crate::ir::{
    Bound, Correlation, CorrelationCondition, CorrelationKind, Expr, RuleExpr, Target,
};

/// Correlations of correlations of …
const CHAIN_MAX: usize = 8;

/// A correlation with everything that is needed to write it.
pub(super) struct Plan<'c> {
    pub(super) correlation: &'c Correlation,
    pub(super) bases: Vec<Base<'c>>,
    /// The fields that keep windows apart, as the result names them.
    pub(super) group: Vec<String>,
    pub(super) windows: Windows,
}

/// Where events of a correlation come from.
pub(super) struct Base<'c> {
    /// What the correlation calls it.
    pub(super) name: String,
    pub(super) source: Source<'c>,
    /// Its fields for the fields of the group, in their order.
    pub(super) group: Vec<String>,
    /// Its fields for the values that are computed with.
    pub(super) values: Vec<String>,
}

pub(super) enum Source<'c> {
    /// Events of a rule.
    Rule { prepared: Box<Prepared>, expr: Expr },
    /// Alerts of a correlation.
    Chain(Box<Plan<'c>>),
}

impl Plan<'_> {
    pub(super) fn kind(&self) -> CorrelationKind {
        self.correlation.kind
    }

    pub(super) fn timespan(&self) -> Duration {
        self.correlation.timespan
    }

    /// The bounds of the computed value; empty if there is an expression over rules.
    pub(super) fn bounds(&self) -> &[Bound] {
        match &self.correlation.condition {
            CorrelationCondition::Threshold(threshold) => &threshold.bounds,
            CorrelationCondition::Rules(_) => &[],
        }
    }

    /// The expression over rules that have matched.
    pub(super) fn expression(&self) -> Option<&RuleExpr> {
        match &self.correlation.condition {
            CorrelationCondition::Rules(expression) => Some(expression),
            CorrelationCondition::Threshold(_) => None,
        }
    }

    /// Which part of the values lies below, 0 to 1.
    pub(super) fn quantile(&self) -> f64 {
        match &self.correlation.condition {
            CorrelationCondition::Threshold(threshold) => threshold.percentile / 100.0,
            CorrelationCondition::Rules(_) => 0.5,
        }
    }

    /// Bounds as text: `name >= 3 and name < 9`.
    pub(super) fn bounds_text(&self, name: &str, and: &str, equal: &str) -> String {
        let texts: Vec<String> = self
            .bounds()
            .iter()
            .map(|bound| {
                let symbol = match bound.operator.symbol() {
                    "==" => equal,
                    symbol => symbol,
                };
                format!("{name} {symbol} {}", bound.number.0)
            })
            .collect();
        texts.join(and)
    }

    /// Whether all rules must have matched.
    pub(super) fn needs_all(&self) -> bool {
        use crate::ir::Operator::{Equal, Greater, GreaterOrEqual};
        let rules = u32::try_from(self.bases.len()).map_or(f64::MAX, f64::from);
        match self.bounds() {
            [bound] => match bound.operator {
                GreaterOrEqual | Equal => bound.number.value() >= rules,
                Greater => bound.number.value() >= rules - 1.0,
                _ => false,
            },
            _ => false,
        }
    }
}

/// The expression with each rule written by `rule`.
pub(super) fn expression_text(
    expression: &RuleExpr,
    (and, or, not): (&str, &str, &str),
    rule: &dyn Fn(usize) -> String,
) -> String {
    let words = (and, or, not);
    let group = |members: &[RuleExpr], between: &str| {
        let texts: Vec<String> = members
            .iter()
            .map(|member| expression_text(member, words, rule))
            .collect();
        format!("({})", texts.join(between))
    };
    match expression {
        RuleExpr::And(members) => group(members, and),
        RuleExpr::Or(members) => group(members, or),
        RuleExpr::Not(inner) => format!("{not}({})", expression_text(inner, words, rule)),
        RuleExpr::Rule(index) => rule(*index),
    }
}

impl Converter<'_> {
    /// Writes a correlation.
    pub(super) fn correlation(&self, index: usize) -> Result<Vec<Query>> {
        let plan = self.plan(index, 0)?;
        let mut context = self.context(&plan.state());
        let text = match self.language {
            Language::Kql => kql::write(self, &plan, &mut context)?,
            Language::Spl => spl::write(self, &plan, &mut context)?,
            Language::Esql => esql::write(self, &plan, &mut context)?,
            Language::Eql => eql::write(self, &plan, &mut context)?,
            Language::Sql(dialect) => sql::write(self, &plan, dialect, &mut context)?,
            Language::Lucene => {
                return Err(problem(
                    "Lucene knows single events only, no correlations",
                    "convert to ES|QL or EQL, or to KQL, SPL or SQL",
                ));
            }
        };
        let state = plan.state();
        let metadata = &plan.correlation.metadata;
        let text = self.pipelines.finish_with(text, metadata, None, &state)?;
        Ok(vec![Query {
            text,
            timespan: Some(plan.timespan()),
            group_by: plan.group.clone(),
            fields: metadata.fields.clone(),
            bases: self.base_queries(&plan)?,
            remarks: context.remarks,
            state,
        }])
    }

    /// The queries for the events, those of inner correlations included.
    fn base_queries(&self, plan: &Plan<'_>) -> Result<Vec<BaseQuery>> {
        let mut out = Vec::new();
        if self.language != Language::Kql {
            return Ok(out);
        }
        for base in &plan.bases {
            match &base.source {
                Source::Rule { prepared, expr } => {
                    let mut context = self.context(&prepared.state);
                    out.push(BaseQuery {
                        text: self.events(expr, prepared, &mut context)?,
                        table: self.table(&prepared.state),
                        group: base.group.clone(),
                    });
                }
                Source::Chain(inner) => out.extend(self.base_queries(inner)?),
            }
        }
        Ok(out)
    }

    fn plan(&self, index: usize, depth: usize) -> Result<Plan<'_>> {
        if depth > CHAIN_MAX {
            return Err(problem(
                format!("correlations refer to each other over more than {CHAIN_MAX} steps"),
                "is there a circle?",
            ));
        }
        let Some(correlation) = self.collection.correlations.get(index) else {
            return Err(problem(
                "a correlation that is not there",
                "check the references",
            ));
        };
        let mut bases = Vec::with_capacity(correlation.rules.len());
        for (place, reference) in correlation.rules.iter().enumerate() {
            let Some(target) = reference.target else {
                return Err(problem(
                    format!("no rule is called `{}`", reference.name),
                    "give the file that has it as well",
                ));
            };
            bases.push(self.base(correlation, place, target, depth)?);
        }
        let Some(first) = bases.first() else {
            return Err(problem(
                "a correlation without rules",
                "name them in `rules`",
            ));
        };
        let group = correlation
            .group_by
            .iter()
            .zip(&first.group)
            .map(|(name, mapped)| {
                let is_alias = correlation.aliases.iter().any(|alias| alias.name == *name);
                if is_alias {
                    name.clone()
                } else {
                    mapped.clone()
                }
            })
            .collect();
        Ok(Plan {
            correlation,
            group,
            bases,
            windows: self.options.windows,
        })
    }

    fn base<'c>(
        &'c self,
        correlation: &'c Correlation,
        place: usize,
        target: Target,
        depth: usize,
    ) -> Result<Base<'c>> {
        let name = correlation
            .rules
            .get(place)
            .map(|reference| reference.name.clone())
            .unwrap_or_default();
        let wanted = correlation
            .group_by
            .iter()
            .map(|group| correlation.field_of(group, place).to_owned());
        let values = match &correlation.condition {
            CorrelationCondition::Threshold(threshold) => threshold.fields.clone(),
            CorrelationCondition::Rules(_) => Vec::new(),
        };
        match target {
            Target::Rule(index) => {
                let prepared = self.prepared(index)?;
                let Some(original) = self.collection.rules.get(index) else {
                    return Err(problem("a rule that is not there", "check the references"));
                };
                let mapped =
                    |field: String| self.pipelines.field(&field, original, &prepared.state);
                let conditions = prepared.rule.conditions.iter();
                let expr = Expr::Or(conditions.map(|one| one.expr.clone()).collect());
                Ok(Base {
                    name,
                    group: wanted.map(mapped).collect(),
                    values: values.into_iter().map(mapped).collect(),
                    source: Source::Rule {
                        prepared: Box::new(prepared),
                        expr,
                    },
                })
            }
            Target::Correlation(index) => Ok(Base {
                name,
                group: wanted.collect(),
                values,
                source: Source::Chain(Box::new(self.plan(index, depth + 1)?)),
            }),
        }
    }
}

impl Plan<'_> {
    /// What pipelines noted about its first rule.
    pub(super) fn state(&self) -> crate::pipeline::State {
        match self.bases.first().map(|base| &base.source) {
            Some(Source::Rule { prepared, .. }) => prepared.state.clone(),
            Some(Source::Chain(plan)) => plan.state(),
            None => crate::pipeline::State::default(),
        }
    }
}

/// A chain, which a language cannot say.
pub(super) fn no_chain(language: &str, name: &str) -> Box<atalaya_model::Diagnostic> {
    problem(
        format!("{language} cannot correlate the alerts of another correlation (`{name}`)"),
        "convert to KQL or SQL, or deploy the inner correlation on its own",
    )
}

/// A kind of correlation that a language cannot say.
pub(super) fn no_kind(language: &str, kind: CorrelationKind) -> Box<atalaya_model::Diagnostic> {
    problem(
        format!(
            "{language} cannot say a correlation of type `{}`",
            kind.word()
        ),
        "convert to KQL or SQL, or let this product match it",
    )
}

/// A duration as most languages write it: `90s`, `5m`, `24h`, `7d`.
pub(super) fn span(timespan: Duration) -> String {
    let (number, unit) = parts(timespan);
    format!("{number}{}", unit.chars().next().unwrap_or('s'))
}

/// Number and unit: up to a minute in seconds, up to a day in hours.
pub(super) fn parts(timespan: Duration) -> (u64, &'static str) {
    let seconds = timespan.as_secs();
    match seconds {
        s if s > 86_400 && s % 86_400 == 0 => (s / 86_400, "days"),
        s if s >= 3_600 && s % 3_600 == 0 => (s / 3_600, "hours"),
        s if s > 60 && s % 60 == 0 => (s / 60, "minutes"),
        s => (s, "seconds"),
    }
}
