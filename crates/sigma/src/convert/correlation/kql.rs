//! Correlations in KQL, windows sliding and closed.
//!
//! At least *n* events need no join: sorted by group and time, the event *n* - 1 before lies
//! within the span (`prev`). Everything else joins each event's time with the events of its group
//! in the span before it.

use super::super::render::{self, Result};
use super::super::{Context, Converter, kusto, problem};
use super::{Base, Plan, Source, Windows, expression_text, span};
use crate::ir::{CorrelationKind, Operator};

use kusto::{column, quoted};

/// Events back that `prev` is asked for; more take the join.
const PREV_MAX: f64 = 1_000.0;

pub(super) fn write(
    converter: &Converter<'_>,
    plan: &Plan<'_>,
    context: &mut Context,
) -> Result<String> {
    let mut writer = Writer {
        converter,
        context,
        lets: Vec::new(),
    };
    let body = writer.plan(plan)?;
    let mut text = writer.lets.concat();
    text.push_str(&body);
    Ok(text)
}

struct Writer<'w> {
    converter: &'w Converter<'w>,
    context: &'w mut Context,
    lets: Vec<String>,
}

impl Writer<'_> {
    fn plan(&mut self, plan: &Plan<'_>) -> Result<String> {
        if plan.windows == Windows::Tumbling {
            return self.tumbling(plan);
        }
        if let Some(back) = events_back(plan)
            && let [base] = plan.bases.as_slice()
            && matches!(base.source, Source::Rule { .. })
        {
            return self.counted(plan, base, back);
        }
        let events = self.events(plan)?;
        Ok(match plan.kind() {
            CorrelationKind::TemporalOrdered => self.ordered(plan, &events)?,
            _ => self.joined(plan, &events)?,
        })
    }

    /// `table | where condition`, and its column of time.
    fn rows(&mut self, base: &Base<'_>) -> Result<(String, String)> {
        match &base.source {
            Source::Rule { prepared, expr } => {
                let Some(table) = self.converter.table(&prepared.state) else {
                    return Err(problem(
                        format!("KQL needs a table for the events of `{}`", base.name),
                        "name a pipeline that knows the log source, or `--table`",
                    ));
                };
                let cond = render::expand(expr)?;
                let columns =
                    std::mem::replace(&mut self.context.columns, prepared.state.columns());
                let condition = self.converter.condition(&cond, prepared, self.context);
                self.context.columns = columns;
                let time = prepared
                    .state
                    .text("time_column")
                    .unwrap_or("TimeGenerated");
                let prelude = prepared.state.text("prelude").unwrap_or_default();
                let rows = format!("{table}{prelude}\n| where {}", condition?);
                Ok((rows, time.to_owned()))
            }
            Source::Chain(plan) => {
                let body = self.plan(plan)?;
                let name = format!("Alerts{}", self.lets.len());
                self.lets
                    .push(format!("let {name} = materialize(\n{body});\n"));
                Ok((name, "TimeGenerated".to_owned()))
            }
        }
    }

    /// At least n events: the one n - 1 before lies within the span.
    fn counted(&mut self, plan: &Plan<'_>, base: &Base<'_>, back: u64) -> Result<String> {
        let (rows, time) = self.rows(base)?;
        let group: Vec<String> = base.group.iter().map(|field| column(field)).collect();
        let mut text = rows;
        text.push_str(&present(&group));
        let mut sort: Vec<String> = group.iter().map(|name| format!("{name} asc")).collect();
        sort.push(format!("{time} asc"));
        text.push_str(&format!("\n| sort by {}", sort.join(", ")));
        if back == 0 {
            return Ok(text);
        }
        text.push_str(&format!("\n| extend WindowStart = prev({time}, {back})"));
        let same: Vec<String> = group
            .iter()
            .map(|name| format!("prev({name}, {back}) == {name} and "))
            .collect();
        text.push_str(&format!(
            "\n| where {}{time} - WindowStart <= {}",
            same.concat(),
            span(plan.timespan())
        ));
        Ok(text)
    }

    /// All events with time, rule, value and group; the name of the `let`.
    fn events(&mut self, plan: &Plan<'_>) -> Result<String> {
        let mut sources = Vec::with_capacity(plan.bases.len());
        for base in &plan.bases {
            let (rows, time) = self.rows(base)?;
            let mut columns = vec![
                format!("AlertTime = {time}"),
                format!("RuleName = {}", quoted(&base.name)),
            ];
            if !plan.kind().is_temporal()
                && let Some(value) = value(plan, base)
            {
                columns.push(format!("RuleValue = {value}"));
            }
            for (name, field) in plan.group.iter().zip(&base.group) {
                let (name, field) = (column(name), column(field));
                columns.push(if name == field {
                    name
                } else {
                    format!("{name} = {field}")
                });
            }
            sources.push(format!("{rows}\n| project {}", columns.join(", ")));
        }
        let group: Vec<String> = plan.group.iter().map(|name| column(name)).collect();
        let body = if let [only] = sources.as_slice() {
            only.clone()
        } else {
            let members: Vec<String> = sources.iter().map(|source| format!("({source})")).collect();
            format!("union {}", members.join(",\n"))
        };
        if sources.len() > 1 && plan.kind() == CorrelationKind::EventCount {
            self.context.lossy(
                "an event that matches several of the rules counts once per rule in KQL".to_owned(),
            );
        }
        let name = format!("Events{}", self.lets.len());
        self.lets.push(format!(
            "let {name} = materialize(\n{body}{});\n",
            present(&group)
        ));
        Ok(name)
    }

    /// Each event's time with the events of its group in the span before.
    fn joined(&mut self, plan: &Plan<'_>, events: &str) -> Result<String> {
        let group: Vec<String> = plan.group.iter().map(|name| column(name)).collect();
        let (key, on) = key(&group);
        let by = by(&group);
        let mut text = format!(
            "{events}\n| distinct AlertTime{}{key}\n| join kind=inner ({events}{key} | project-rename EventTime = AlertTime) on {on}\n| where EventTime between ((AlertTime - {}) .. AlertTime)",
            comma(&group),
            span(plan.timespan()),
        );
        if let Some(expression) = plan.expression() {
            let counts: Vec<String> = plan
                .bases
                .iter()
                .enumerate()
                .map(|(index, base)| {
                    format!("Rule{index} = countif(RuleName == {})", quoted(&base.name))
                })
                .collect();
            text.push_str(&format!("\n| summarize {} by {by}", counts.join(", ")));
            let words = (" and ", " or ", "not");
            let condition = expression_text(expression, words, &|index| format!("Rule{index} > 0"));
            text.push_str(&format!("\n| where {condition}"));
        } else {
            text.push_str(&aggregate(plan, &by));
        }
        text.push_str("\n| project-rename TimeGenerated = AlertTime");
        Ok(text)
    }

    /// The earliest event of each rule after that of the rule before.
    fn ordered(&mut self, plan: &Plan<'_>, events: &str) -> Result<String> {
        if plan.expression().is_some() || !plan.needs_all() {
            return Err(problem(
                "an ordered correlation of some of its rules only cannot be said in KQL",
                "ask for all rules, or write one correlation per order",
            ));
        }
        let group: Vec<String> = plan.group.iter().map(|name| column(name)).collect();
        let (key, on) = key(&group);
        let by = by(&group);
        let by = if group.is_empty() {
            format!("{by}, Key")
        } else {
            by
        };
        let mut text = format!("{events}\n| distinct AlertTime{}{key}", comma(&group));
        for (index, base) in plan.bases.iter().enumerate() {
            let after = match index.checked_sub(1) {
                None => format!("Step0 >= AlertTime - {}", span(plan.timespan())),
                Some(before) => format!("Step{index} > Step{before}"),
            };
            let columns = if group.is_empty() {
                "Key".to_owned()
            } else {
                group.join(", ")
            };
            text.push_str(&format!(
                "\n| join kind=inner ({events} | where RuleName == {}{key} | project {columns}, Step{index} = AlertTime) on {on}\n| where {after} and Step{index} <= AlertTime\n| summarize Step{index} = min(Step{index}) by {by}",
                quoted(&base.name)
            ));
        }
        text.push_str("\n| project-rename TimeGenerated = AlertTime");
        Ok(text)
    }

    /// Fixed buckets.
    fn tumbling(&mut self, plan: &Plan<'_>) -> Result<String> {
        if plan.kind() == CorrelationKind::TemporalOrdered || plan.expression().is_some() {
            return Err(problem(
                "fixed windows have no order of events",
                "leave out `--windows tumbling`",
            ));
        }
        let events = self.events(plan)?;
        let group: Vec<String> = plan.group.iter().map(|name| column(name)).collect();
        let by = format!(
            "TimeGenerated = bin(AlertTime, {}){}",
            span(plan.timespan()),
            comma(&group)
        );
        Ok(format!("{events}{}", aggregate(plan, &by)))
    }
}

/// How many events before the one that must lie within the span.
fn events_back(plan: &Plan<'_>) -> Option<u64> {
    let [bound] = plan.bounds() else {
        return None;
    };
    let number = bound.number.value();
    let needed = match bound.operator {
        Operator::GreaterOrEqual => number.ceil(),
        Operator::Greater => number.floor() + 1.0,
        _ => return None,
    };
    let is_usable = plan.kind() == CorrelationKind::EventCount
        && plan.expression().is_none()
        && needed <= PREV_MAX;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and PREV_MAX"
    )]
    is_usable.then(|| (needed.max(1.0) - 1.0) as u64)
}

/// The value of an event that is computed with.
fn value(plan: &Plan<'_>, base: &Base<'_>) -> Option<String> {
    let fields: Vec<String> = base.values.iter().map(|field| column(field)).collect();
    match fields.as_slice() {
        [] => None,
        [one] if plan.kind() == CorrelationKind::ValueCount => Some(format!("tostring({one})")),
        [one] => Some(format!("todouble({one})")),
        several => Some(format!("tostring(pack_array({}))", several.join(", "))),
    }
}

/// Computes the value and keeps what is within the bounds.
fn aggregate(plan: &Plan<'_>, by: &str) -> String {
    let bounds = |name: &str| plan.bounds_text(name, " and ", "==");
    let simple = |name: &str, function: &str| {
        format!(
            "\n| summarize {name} = {function} by {by}\n| where {}",
            bounds(name)
        )
    };
    match plan.kind() {
        CorrelationKind::EventCount => simple("EventCount", "count()"),
        CorrelationKind::ValueCount => simple(
            "ValueCount",
            "count_distinctif(RuleValue, isnotempty(RuleValue))",
        ),
        CorrelationKind::ValueSum => simple("ValueSum", "sum(RuleValue)"),
        CorrelationKind::ValueAvg => simple("ValueAvg", "avg(RuleValue)"),
        CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
            simple("RuleCount", "count_distinct(RuleName)")
        }
        CorrelationKind::ValuePercentile | CorrelationKind::ValueMedian => format!(
            "\n| where isnotnull(RuleValue)\n| summarize Values = array_sort_asc(make_list(RuleValue)) by {by}\n| extend Position = (array_length(Values) - 1) * {}\n| extend Low = tolong(Position)\n| extend Percentile = todouble(Values[Low]) + (Position - Low) * (todouble(Values[min_of(Low + 1, array_length(Values) - 1)]) - todouble(Values[Low]))\n| where {}\n| project-away Values, Position, Low",
            real(plan.quantile()),
            bounds("Percentile")
        ),
    }
}

fn real(number: f64) -> String {
    let text = format!("{number}");
    if text.contains('.') {
        text
    } else {
        format!("{text}.0")
    }
}

fn by(group: &[String]) -> String {
    format!("AlertTime{}", comma(group))
}

fn comma(group: &[String]) -> String {
    group.iter().map(|name| format!(", {name}")).collect()
}

/// What joins: the group, or a constant.
fn key(group: &[String]) -> (&'static str, String) {
    if group.is_empty() {
        ("\n| extend Key = 1", "Key".to_owned())
    } else {
        ("", group.join(", "))
    }
}

/// An event without one of the group's fields belongs to no group.
fn present(group: &[String]) -> String {
    if group.is_empty() {
        return String::new();
    }
    let tests: Vec<String> = group
        .iter()
        .map(|name| format!("isnotempty({name})"))
        .collect();
    format!("\n| where {}", tests.join(" and "))
}
