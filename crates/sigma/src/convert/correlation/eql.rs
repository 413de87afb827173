//! Correlations in EQL: `sequence` for order and repetition, `sample` for what happens together.

use super::super::render::{self, Result};
use super::super::{Context, Converter, eql};
use super::{Plan, Source, no_chain, no_kind, problem, span};
use crate::ir::{CorrelationKind, Operator};

/// Repetitions that `with runs` takes.
const RUNS_MAX: f64 = 100.0;

pub(super) fn write(
    _converter: &Converter<'_>,
    plan: &Plan<'_>,
    context: &mut Context,
) -> Result<String> {
    let mut events = Vec::with_capacity(plan.bases.len());
    for base in &plan.bases {
        let Source::Rule { expr, .. } = &base.source else {
            return Err(no_chain("EQL", &base.name));
        };
        let cond = render::expand(expr)?;
        let text = render::render(&cond, &mut eql::Eql { context })?.text;
        // A group field that rules call differently stands with its own event.
        let own = (base.group != plan.group).then(|| by(&base.group));
        events.push(format!("[any where {text}]{}", own.unwrap_or_default()));
    }
    let is_shared = plan.bases.iter().all(|base| base.group == plan.group);
    let by = if is_shared {
        by(&plan.group)
    } else {
        String::new()
    };
    let span = span(plan.timespan());
    match plan.kind() {
        CorrelationKind::EventCount => {
            let [only] = events.as_slice() else {
                return Err(problem(
                    "EQL counts the events of one rule only",
                    "convert to KQL, SPL, ES|QL or SQL",
                ));
            };
            let runs = runs(plan)?;
            Ok(format!(
                "sequence{by} with maxspan={span}\n {only} with runs={runs}"
            ))
        }
        CorrelationKind::TemporalOrdered if plan.expression().is_none() && plan.needs_all() => Ok(
            format!("sequence{by} with maxspan={span}\n {}", events.join("\n ")),
        ),
        CorrelationKind::Temporal if plan.expression().is_none() && plan.needs_all() => {
            if plan.group.is_empty() {
                return Err(problem(
                    "EQL's `sample` needs a field that the events share",
                    "add `group-by` to the correlation",
                ));
            }
            context.lossy(format!(
                "`sample` has no span of its own: run it over the last {span}"
            ));
            Ok(format!("sample{by}\n {}", events.join("\n ")))
        }
        kind => Err(no_kind("EQL", kind)),
    }
}

fn by(group: &[String]) -> String {
    if group.is_empty() {
        return String::new();
    }
    let names: Vec<String> = group.iter().map(|name| eql::quoted_field(name)).collect();
    format!(" by {}", names.join(", "))
}

/// How often the event must come.
fn runs(plan: &Plan<'_>) -> Result<u64> {
    let needed = match plan.bounds() {
        [bound] => match bound.operator {
            Operator::GreaterOrEqual => bound.number.value().ceil(),
            Operator::Greater => bound.number.value().floor() + 1.0,
            _ => f64::NAN,
        },
        _ => f64::NAN,
    };
    if !(1.0..=RUNS_MAX).contains(&needed) {
        return Err(problem(
            format!("EQL says \"at least\" up to {RUNS_MAX} events only"),
            "convert to KQL, SPL, ES|QL or SQL",
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and RUNS_MAX"
    )]
    Ok(needed as u64)
}
