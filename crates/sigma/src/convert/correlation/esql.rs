//! Correlations in ES|QL, which has no window functions and no self-join: windows hop instead of
//! sliding. Each event is put into the overlapping windows that it lies in, so a burst over a
//! border is found unless it takes nearly the whole span; nothing is found that is not there.

use super::super::render::{self, Result};
use super::super::{Context, Converter, Language, esql};
use super::{Plan, Source, Windows, no_chain, no_kind, parts, problem};
use crate::ir::CorrelationKind;

use esql::{quoted, quoted_field};

/// Windows that an event lies in.
const HOPS: u64 = 5;

pub(super) fn write(
    converter: &Converter<'_>,
    plan: &Plan<'_>,
    context: &mut Context,
) -> Result<String> {
    if plan.kind() == CorrelationKind::TemporalOrdered {
        return Err(problem(
            "ES|QL has no order of events within a window",
            "convert to EQL, whose `sequence` is made for it",
        ));
    }
    if plan.expression().is_some() {
        return expression(converter, plan, context);
    }
    let mut text = source(converter, plan, context)?;
    let (function, name) = function(plan)?;
    text.push_str(&buckets(plan, context));
    let by: String = plan
        .group
        .iter()
        .map(|field| format!(", {}", quoted_field(field)))
        .collect();
    let listed = listed(plan);
    text.push_str(&format!(
        " | stats {name}={function}{listed} by timebucket{by}\n| where {}",
        plan.bounds_text(name, " and ", "==")
    ));
    Ok(text)
}

/// Fields that the rules want to be seen, as values of the window.
fn listed(plan: &Plan<'_>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for base in &plan.bases {
        let Source::Rule { prepared, .. } = &base.source else {
            continue;
        };
        for field in &prepared.rule.metadata.fields {
            if !plan.group.contains(field) && !seen.contains(field) {
                seen.push(field.clone());
            }
        }
    }
    seen.iter()
        .map(|field| {
            let name = quoted_field(field);
            format!(", {name}=values({name})")
        })
        .collect()
}

/// The events, with their rule if it matters.
fn source(converter: &Converter<'_>, plan: &Plan<'_>, context: &mut Context) -> Result<String> {
    let mut conditions = Vec::with_capacity(plan.bases.len());
    for base in &plan.bases {
        let Source::Rule { expr, .. } = &base.source else {
            return Err(no_chain("ES|QL", &base.name));
        };
        let cond = render::expand(expr)?;
        let mut language = esql::Esql { context };
        conditions.push(render::render(&cond, &mut language)?.text);
    }
    debug_assert!(
        converter.language == Language::Esql,
        "only ES|QL comes here"
    );
    let from = converter.from(&plan.state());
    if let [only] = conditions.as_slice() {
        return Ok(format!("{from} | where {only}"));
    }
    let any: Vec<String> = conditions.iter().map(|one| format!("({one})")).collect();
    let cases: Vec<String> = conditions
        .iter()
        .zip(&plan.bases)
        .map(|(condition, base)| format!("{condition}, {}", quoted(&base.name)))
        .collect();
    let mut text = format!("{from} | where {}", any.join(" or "));
    let has_own_fields = plan.bases.iter().any(|base| base.group != plan.group);
    if plan.kind().is_temporal() || has_own_fields {
        text.push_str(&format!("\n| eval event_type=case({})", cases.join(", ")));
    }
    for (index, name) in plan.group.iter().enumerate() {
        let fields: Vec<Option<&String>> = plan
            .bases
            .iter()
            .map(|base| base.group.get(index))
            .collect();
        if fields.iter().all(|field| *field == Some(name)) {
            continue;
        }
        let cases: Vec<String> = plan
            .bases
            .iter()
            .filter_map(|base| {
                let field = quoted_field(base.group.get(index)?);
                Some(format!("event_type=={}, {field}", quoted(&base.name)))
            })
            .collect();
        text.push_str(&format!(
            "\n| eval {}=case({})",
            quoted_field(name),
            cases.join(", ")
        ));
    }
    Ok(text)
}

/// The column `timebucket`.
fn buckets(plan: &Plan<'_>, context: &mut Context) -> String {
    let (number, unit) = parts(plan.timespan());
    let seconds = plan.timespan().as_secs();
    if plan.windows == Windows::Tumbling || seconds < HOPS || !seconds.is_multiple_of(HOPS) {
        return format!("\n| eval timebucket=date_trunc({number}{unit}, @timestamp)");
    }
    context.lossy(format!(
        "ES|QL has no sliding windows: windows of the span start every {HOPS}th part of it, and a burst that takes longer than the rest can be missed"
    ));
    let hop = seconds / HOPS;
    let mut starts = "timebucket".to_owned();
    for index in 1..HOPS {
        starts = format!("mv_append({starts}, timebucket - {} seconds)", hop * index);
    }
    format!(
        "\n| eval timebucket=date_trunc({hop} seconds, @timestamp) | eval timebucket={starts} | mv_expand timebucket"
    )
}

fn function(plan: &Plan<'_>) -> Result<(String, &'static str)> {
    let value = plan
        .bases
        .first()
        .and_then(|base| base.values.first())
        .map(|field| quoted_field(field))
        .unwrap_or_default();
    Ok(match plan.kind() {
        CorrelationKind::EventCount => ("count()".to_owned(), "event_count"),
        CorrelationKind::ValueCount => {
            if plan.bases.first().is_some_and(|base| base.values.len() > 1) {
                return Err(problem(
                    "ES|QL counts different values of one field only",
                    "convert to KQL or SQL",
                ));
            }
            (format!("count_distinct({value})"), "value_count")
        }
        CorrelationKind::ValueSum => (format!("sum({value})"), "value_sum"),
        CorrelationKind::ValueAvg => (format!("avg({value})"), "value_avg"),
        CorrelationKind::ValueMedian => (format!("median({value})"), "value_median"),
        CorrelationKind::ValuePercentile => (
            format!("percentile({value}, {})", plan.quantile() * 100.0),
            "value_percentile",
        ),
        CorrelationKind::Temporal => ("count_distinct(event_type)".to_owned(), "event_type_count"),
        CorrelationKind::TemporalOrdered => return Err(no_kind("ES|QL", plan.kind())),
    })
}

/// Which rules matched, counted each.
fn expression(converter: &Converter<'_>, plan: &Plan<'_>, context: &mut Context) -> Result<String> {
    let mut text = source(converter, plan, context)?;
    text.push_str(&buckets(plan, context));
    let counts: Vec<String> = plan
        .bases
        .iter()
        .enumerate()
        .map(|(index, base)| {
            format!(
                "rule{index}_count=sum(case(event_type=={}, 1, 0))",
                quoted(&base.name)
            )
        })
        .collect();
    let by: String = plan
        .group
        .iter()
        .map(|field| format!(", {}", quoted_field(field)))
        .collect();
    let Some(expression) = plan.expression() else {
        return Ok(text);
    };
    let condition = super::expression_text(expression, (" and ", " or ", "not "), &|index| {
        format!("rule{index}_count > 0")
    });
    text.push_str(&format!(
        " | stats {} by timebucket{by}\n| where {condition}",
        counts.join(", ")
    ));
    Ok(text)
}
