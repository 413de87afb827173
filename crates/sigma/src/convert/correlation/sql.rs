//! Correlations in SQL, windows sliding and closed: each event's time joined with the events of
//! its group in the span before it.

use super::super::render::{self, Result};
use super::super::{Context, Converter, SqlDialect, sql, sql_table};
use super::{Base, Plan, Source, Windows, expression_text, problem};
use crate::ir::CorrelationKind;

use sql::identifier;

pub(super) fn write(
    converter: &Converter<'_>,
    plan: &Plan<'_>,
    dialect: SqlDialect,
    context: &mut Context,
) -> Result<String> {
    if plan.windows == Windows::Tumbling {
        context.lossy("SQL windows slide; `tumbling` was not asked of it before".to_owned());
    }
    let mut writer = Writer {
        converter,
        context,
        dialect,
        tables: Vec::new(),
    };
    let body = writer.plan(plan)?;
    Ok(format!("WITH {}\n{body}", writer.tables.join(",\n")))
}

struct Writer<'w> {
    converter: &'w Converter<'w>,
    context: &'w mut Context,
    dialect: SqlDialect,
    tables: Vec<String>,
}

impl Writer<'_> {
    fn plan(&mut self, plan: &Plan<'_>) -> Result<String> {
        let mut members = Vec::with_capacity(plan.bases.len());
        for (index, base) in plan.bases.iter().enumerate() {
            members.push(self.events(plan, index, base)?);
        }
        let name = format!("events{}", self.tables.len());
        self.tables
            .push(format!("{name} AS (\n{}\n)", members.join("\nUNION ALL\n")));
        if plan.kind() == CorrelationKind::TemporalOrdered {
            return self.ordered(plan, &name);
        }
        let on = on(plan.group.len(), "e");
        let by = by(plan.group.len());
        let having = self.having(plan)?;
        let names = names(plan);
        Ok(format!(
            "SELECT a.ts AS \"timestamp\"{names}, {} AS {}\nFROM (SELECT DISTINCT ts{} FROM {name}) a\nJOIN {name} e ON {on}e.ts BETWEEN a.ts - INTERVAL '{} seconds' AND a.ts\nGROUP BY a.ts{by}\nHAVING {having}",
            self.value(plan),
            identifier(plan.kind().word()),
            plain(plan.group.len()),
            plan.timespan().as_secs(),
        ))
    }

    /// The events of one rule: time, number of the rule, group, value.
    fn events(&mut self, plan: &Plan<'_>, index: usize, base: &Base<'_>) -> Result<String> {
        let (from, time, condition) = match &base.source {
            Source::Rule { prepared, expr } => {
                let cond = render::expand(expr)?;
                let condition = self.converter.condition(&cond, prepared, self.context)?;
                let table = sql_table(&self.converter.table_or_logs(&prepared.state));
                let time = prepared.state.text("time_column").unwrap_or("timestamp");
                (table, identifier(time), condition)
            }
            Source::Chain(inner) => {
                let body = self.plan(inner)?;
                let name = format!("alerts{}", self.tables.len());
                self.tables.push(format!("{name} AS (\n{body}\n)"));
                (name, identifier("timestamp"), "TRUE".to_owned())
            }
        };
        let mut columns = vec![
            format!("CAST({time} AS TIMESTAMP) AS ts"),
            format!("{index} AS rule"),
        ];
        let mut present = String::new();
        for (place, field) in base.group.iter().enumerate() {
            let field = identifier(field);
            columns.push(format!("CAST({field} AS VARCHAR) AS g{place}"));
            present.push_str(&format!(" AND {field} IS NOT NULL"));
        }
        columns.push(format!("{} AS v", self.event_value(plan, base)));
        Ok(format!(
            "SELECT {} FROM {from} WHERE ({condition}){present}",
            columns.join(", ")
        ))
    }

    fn event_value(&self, plan: &Plan<'_>, base: &Base<'_>) -> String {
        let fields: Vec<String> = base.values.iter().map(|field| identifier(field)).collect();
        match (plan.kind(), fields.as_slice()) {
            (_, []) => "NULL".to_owned(),
            (CorrelationKind::ValueCount, [one]) => format!("CAST({one} AS VARCHAR)"),
            (CorrelationKind::ValueCount, several) => {
                let texts: Vec<String> = several
                    .iter()
                    .map(|field| format!("CAST({field} AS VARCHAR)"))
                    .collect();
                texts.join(" || chr(1) || ")
            }
            (_, [one, ..]) => match self.dialect {
                SqlDialect::DuckDb => format!("TRY_CAST({one} AS DOUBLE)"),
                SqlDialect::PostgreSql => format!("CAST({one} AS DOUBLE PRECISION)"),
            },
        }
    }

    fn value(&self, plan: &Plan<'_>) -> String {
        match plan.kind() {
            CorrelationKind::EventCount => "COUNT(*)".to_owned(),
            CorrelationKind::ValueCount => "COUNT(DISTINCT e.v)".to_owned(),
            CorrelationKind::ValueSum => "SUM(e.v)".to_owned(),
            CorrelationKind::ValueAvg => "AVG(e.v)".to_owned(),
            CorrelationKind::ValueMedian | CorrelationKind::ValuePercentile => format!(
                "PERCENTILE_CONT({}) WITHIN GROUP (ORDER BY e.v)",
                plan.quantile()
            ),
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
                "COUNT(DISTINCT e.rule)".to_owned()
            }
        }
    }

    fn having(&mut self, plan: &Plan<'_>) -> Result<String> {
        Ok(match plan.expression() {
            Some(expression) => expression_text(expression, (" AND ", " OR ", "NOT "), &|index| {
                format!("BOOL_OR(e.rule = {index})")
            }),
            None => plan.bounds_text(&self.value(plan), " AND ", "="),
        })
    }

    /// The earliest event of each rule after that of the rule before, within each window.
    fn ordered(&mut self, plan: &Plan<'_>, events: &str) -> Result<String> {
        if plan.expression().is_some() || !plan.needs_all() {
            return Err(problem(
                "an ordered correlation of some of its rules only cannot be said in SQL",
                "ask for all rules, or write one correlation per order",
            ));
        }
        let width = plan.group.len();
        let mut inner = format!("SELECT DISTINCT ts{} FROM {events}", plain(width));
        for index in 0..plan.bases.len() {
            let after = if index == 0 {
                format!(
                    "e.ts >= a.ts - INTERVAL '{} seconds'",
                    plan.timespan().as_secs()
                )
            } else {
                "e.ts > a.step".to_owned()
            };
            inner = format!(
                "SELECT a.ts{0}, MIN(e.ts) AS step FROM ({inner}) a JOIN {events} e ON {1}e.rule = {index} AND {after} AND e.ts <= a.ts GROUP BY a.ts{0}",
                by(width),
                on(width, "e"),
            );
        }
        Ok(format!(
            "SELECT a.ts AS \"timestamp\"{} FROM ({inner}) a",
            names(plan)
        ))
    }
}

fn plain(width: usize) -> String {
    (0..width).map(|place| format!(", g{place}")).collect()
}

fn by(width: usize) -> String {
    (0..width).map(|place| format!(", a.g{place}")).collect()
}

fn on(width: usize, other: &str) -> String {
    (0..width)
        .map(|place| format!("{other}.g{place} = a.g{place} AND "))
        .collect()
}

fn names(plan: &Plan<'_>) -> String {
    plan.group
        .iter()
        .enumerate()
        .map(|(place, name)| format!(", a.g{place} AS {}", identifier(name)))
        .collect()
}
