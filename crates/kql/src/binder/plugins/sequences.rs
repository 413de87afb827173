//! Events one after the other, and sessions that they make.

use super::{Arguments, Problem, after, quoted};

/// `sequence_detect(time, max_step, max_span, name = condition, …, dimensions…)`: `scan` over the
/// rows of each dimension, in order of time.
pub(super) fn sequence_detect(args: &Arguments<'_>) -> Result<String, Problem> {
    let time = args.column("TimelineColumn", 0)?.to_owned();
    let (step, span) = (
        args.expr("MaxSequenceStepWindow", 1)?,
        args.expr("MaxSequenceSpan", 2)?,
    );
    let steps: Vec<(&str, &str)> = args
        .args
        .iter()
        .filter_map(|arg| {
            let name = arg.names.first()?;
            Some((name.text.as_str(), arg.expr.span.slice(args.source)))
        })
        .collect();
    if steps.len() < 2 {
        return Err(Problem {
            span: args.span,
            message: "a sequence has at least two steps, each `name = condition`".to_owned(),
        });
    }
    let dimensions = args.columns_from(3)?;
    let at = quoted(&time);
    let last = steps.len() - 1;
    let mut declared = Vec::new();
    let mut written = String::new();
    for (index, (_, condition)) in steps.iter().enumerate() {
        declared.push(format!("__at{index}: datetime"));
        let output = if index == last { "all" } else { "none" };
        let mut conditions = format!("({condition})");
        let mut values = vec![format!("__at{index} = {at}")];
        if index > 0 {
            let before = format!("__step{}", index - 1);
            conditions.push_str(&format!(
                " and {at} - {before}.{at} <= {step} and {at} - __step0.{at} <= {span}"
            ));
            for name in &dimensions {
                conditions.push_str(&format!(" and {name} == {before}.{name}"));
            }
            values.extend((0..index).map(|known| format!("__at{known} = {before}.__at{known}")));
        }
        written.push_str(&format!(
            "step __step{index} output={output}: {conditions} => {};",
            values.join(", ")
        ));
    }
    let keys: String = dimensions
        .iter()
        .map(|name| format!("{name} asc, "))
        .collect();
    let mut outputs = dimensions.clone();
    for (index, (name, _)) in steps.iter().enumerate() {
        outputs.push(format!(
            "{} = __at{index}",
            quoted(&format!("{name}_{time}"))
        ));
    }
    outputs.push(format!("Duration = __at{last} - __at0"));
    Ok(format!(
        "__plugin_rows
        | sort by {keys}{at} asc
        | scan declare ({}) with ({written})
        | project {}",
        declared.join(", "),
        outputs.join(", ")
    ))
}

/// `session_count(id, time, start, end, bin, lookback, dimensions…)`: an event begins a session if
/// there was none of the same id within the lookback before it.
pub(super) fn session_count(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let (bin, lookback) = (args.expr("Bin", 4)?, args.expr("LookBackWindow", 5)?);
    let names = args.columns_from(6)?;
    let dimensions = after(&names);
    let keys: String = names.iter().map(|name| format!("{name} asc, ")).collect();
    let other: String = names
        .iter()
        .map(|name| format!(" or prev({name}) != {name}"))
        .collect();
    Ok(format!(
        "__plugin_rows
        | where {time} between (({start} - {lookback}) .. {end})
        | extend __plugin_id = {id}
        | sort by {keys}__plugin_id asc, {time} asc
        | extend __plugin_first = row_number() == 1 or prev(__plugin_id) != __plugin_id{other}
            or {time} - prev({time}) > {lookback}
        | where __plugin_first and {time} >= {start}
        | summarize count_sessions = count() by {time} = bin_at({time}, {bin}, {start}){dimensions}"
    ))
}

/// `rows_near(condition, rows, rows_after)`: rows that meet a condition, and those around them.
pub(super) fn rows_near(args: &Arguments<'_>) -> Result<String, Problem> {
    let condition = args.expr("Condition", 0)?;
    let before = args.expr("NumRows", 1)?;
    let after = match args.find("RowsAfter", 2) {
        Some(_) => args.expr("RowsAfter", 2)?,
        None => before.clone(),
    };
    Ok(format!(
        "let __plugin_numbered = materialize(__plugin_rows
            | serialize __plugin_row = row_number());
        let __plugin_near = __plugin_numbered
            | where {condition}
            | mv-expand __plugin_row = range(__plugin_row - {before}, __plugin_row + {after}, 1)
                to typeof(long)
            | distinct __plugin_row;
        __plugin_numbered
        | join kind=leftsemi __plugin_near on __plugin_row
        | sort by __plugin_row asc
        | project-away __plugin_row"
    ))
}
