//! Correlations in SPL: `streamstats time_window` slides; `bin` and `stats` are the fixed buckets
//! of the community's converter.

use super::super::render::{self, Result};
use super::super::{Context, Converter, spl};
use super::{
    Base, Plan, Source, Windows, expression_text, no_chain, no_kind, parts, problem, span,
};
use crate::ir::CorrelationKind;

use spl::{eval_field, quoted, quoted_field};

pub(super) fn write(
    converter: &Converter<'_>,
    plan: &Plan<'_>,
    context: &mut Context,
) -> Result<String> {
    let search = search(converter, plan, context)?;
    let body = match plan.windows {
        Windows::Tumbling => tumbling(plan)?,
        Windows::Sliding => sliding(plan, context)?,
    };
    Ok(format!("{search}\n\n{body}"))
}

/// The events of all rules.
fn search(converter: &Converter<'_>, plan: &Plan<'_>, context: &mut Context) -> Result<String> {
    let mut searches = Vec::with_capacity(plan.bases.len());
    for base in &plan.bases {
        let Source::Rule { expr, .. } = &base.source else {
            return Err(no_chain("SPL", &base.name));
        };
        let cond = render::expand(expr)?;
        searches.push(spl::search(&cond, context)?.text());
    }
    let _ = converter;
    if let [only] = searches.as_slice() {
        return Ok(only.clone());
    }
    let members: Vec<String> = searches
        .iter()
        .zip(&plan.bases)
        .map(|(search, base)| {
            format!(
                "[ search {search} | eval event_type={}{} ]",
                quoted(&base.name),
                renames(plan, base)
            )
        })
        .collect();
    Ok(format!("| multisearch\n{}", members.join("\n")))
}

fn renames(plan: &Plan<'_>, base: &Base<'_>) -> String {
    plan.group
        .iter()
        .zip(&base.group)
        .filter(|(name, field)| name != field)
        .map(|(name, field)| {
            format!(
                " | rename {} as {}",
                quoted_field(field),
                quoted_field(name)
            )
        })
        .collect()
}

/// Function, name of its result, and where the bounds are tested.
fn function(plan: &Plan<'_>, context: &mut Context) -> Result<(String, &'static str)> {
    let value = || {
        plan.bases
            .first()
            .and_then(|base| base.values.first())
            .map(|field| quoted_field(field))
            .unwrap_or_default()
    };
    Ok(match plan.kind() {
        CorrelationKind::EventCount => ("count".to_owned(), "event_count"),
        CorrelationKind::ValueCount => {
            let fields = plan.bases.first().map_or(0, |base| base.values.len());
            if fields > 1 {
                return Err(problem(
                    "SPL counts different values of one field only",
                    "join the fields in an `eval` of your own, or convert to KQL or SQL",
                ));
            }
            (format!("dc({})", value()), "value_count")
        }
        CorrelationKind::ValueSum => (format!("sum({})", value()), "value_sum"),
        CorrelationKind::ValueAvg => (format!("avg({})", value()), "value_avg"),
        CorrelationKind::ValueMedian => (format!("median({})", value()), "value_median"),
        CorrelationKind::ValuePercentile => {
            context.lossy(
                "SPL's `exactperc` takes the nearest value where Sigma interpolates between two"
                    .to_owned(),
            );
            (
                format!("exactperc{}({})", plan.quantile() * 100.0, value()),
                "value_percentile",
            )
        }
        CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
            ("dc(event_type)".to_owned(), "event_type_count")
        }
    })
}

fn tumbling(plan: &Plan<'_>) -> Result<String> {
    let mut unused = Context::default();
    let by: String = plan
        .group
        .iter()
        .map(|name| format!(" {}", quoted_field(name)))
        .collect();
    let bin = format!("| bin _time span={}", span(plan.timespan()));
    if plan.kind() == CorrelationKind::TemporalOrdered {
        return Err(no_kind("SPL with fixed windows", plan.kind()));
    }
    if let Some(expression) = plan.expression() {
        let words = (" ", " OR ", "NOT ");
        let condition = expression_text(expression, words, &|index| {
            let name = plan.bases.get(index).map(|base| base.name.as_str());
            format!("event_types={}", quoted(name.unwrap_or_default()))
        });
        return Ok(format!(
            "{bin}\n| stats values(event_type) as event_types by _time{by}\n\n| search {condition}"
        ));
    }
    let (function, name) = function(plan, &mut unused)?;
    Ok(format!(
        "{bin}\n| stats {function} as {name} by _time{by}\n\n| search {}",
        plan.bounds_text(name, " ", "==")
    ))
}

fn sliding(plan: &Plan<'_>, context: &mut Context) -> Result<String> {
    let group: Vec<String> = plan.group.iter().map(|name| quoted_field(name)).collect();
    let by = if group.is_empty() {
        String::new()
    } else {
        format!(" by {}", group.join(" "))
    };
    let present: String = group.iter().map(|name| format!("{name}=* ")).collect();
    let mut text = if present.is_empty() {
        "| sort 0 _time".to_owned()
    } else {
        format!("| search {}\n| sort 0 _time", present.trim_end())
    };
    if plan.kind() == CorrelationKind::TemporalOrdered {
        text.push_str(&ordered(plan, &by)?);
        return Ok(text);
    }
    let window = format!("\n| streamstats time_window={}", span(plan.timespan()));
    if let Some(expression) = plan.expression() {
        for (index, base) in plan.bases.iter().enumerate() {
            text.push_str(&format!(
                "\n| eval is_rule{index}=if(event_type={}, 1, 0)",
                quoted(&base.name)
            ));
        }
        let sums: Vec<String> = (0..plan.bases.len())
            .map(|index| format!("sum(is_rule{index}) as rule{index}_count"))
            .collect();
        let words = (" AND ", " OR ", "NOT ");
        let condition =
            expression_text(expression, words, &|index| format!("rule{index}_count > 0"));
        text.push_str(&format!(
            "{window} {}{by}\n\n| where {condition}",
            sums.join(" ")
        ));
        return Ok(text);
    }
    let (function, name) = function(plan, context)?;
    text.push_str(&format!(
        "{window} {function} as {name}{by}\n\n| search {}",
        plan.bounds_text(name, " ", "==")
    ));
    Ok(text)
}

/// For each rule the latest start of a chain up to it: an event of rule *n* continues the best
/// chain of the events before.
fn ordered(plan: &Plan<'_>, by: &str) -> Result<String> {
    if plan.expression().is_some() || !plan.needs_all() {
        return Err(problem(
            "an ordered correlation of some of its rules only cannot be said in SPL",
            "ask for all rules, or write one correlation per order",
        ));
    }
    let mut text = String::new();
    let mut start = "_time".to_owned();
    for (index, base) in plan.bases.iter().enumerate() {
        if index > 0 {
            let before = index - 1;
            text.push_str(&format!(
                "\n| streamstats current=f max({}) as before{index}{by}",
                format_args!("start{before}")
            ));
            start = format!("before{index}");
        }
        text.push_str(&format!(
            "\n| eval start{index}=if(event_type={}, {start}, null())",
            quoted(&base.name)
        ));
    }
    let last = plan.bases.len().saturating_sub(1);
    let (number, unit) = parts(plan.timespan());
    let seconds = match unit {
        "days" => number * 86_400,
        "hours" => number * 3_600,
        "minutes" => number * 60,
        _ => number,
    };
    text.push_str(&format!(
        "\n\n| where {} > 0 AND _time - start{last} <= {seconds}",
        eval_field(&format!("start{last}"))
    ));
    Ok(text)
}
