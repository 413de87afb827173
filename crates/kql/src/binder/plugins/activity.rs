//! Who was active when, and for the first time.

use super::{Arguments, Problem, after, quoted};

/// `activity_counts_metrics(id, time, start, end, step, dimensions…)`
pub(super) fn activity_counts_metrics(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let step = args.expr("Step", 4)?;
    let names = args.columns_from(5)?;
    let dimensions = after(&names);
    let keys = names.iter().map(|name| format!("{name} asc, "));
    let keys: String = keys.collect();
    let restarts: Vec<String> = names
        .iter()
        .map(|name| format!("prev({name}) != {name}"))
        .collect();
    let restart = match restarts.as_slice() {
        [] => String::new(),
        restarts => format!(", {}", restarts.join(" or ")),
    };
    Ok(format!(
        "let __plugin_binned = materialize(__plugin_rows
            | where {time} between ({start} .. {end})
            | extend __plugin_bin = bin_at({time}, {step}, {start}), __plugin_id = {id});
        let __plugin_new = __plugin_binned
            | summarize __plugin_bin = min(__plugin_bin) by __plugin_id{dimensions}
            | summarize new_dcount = count() by __plugin_bin{dimensions};
        __plugin_binned
        | summarize ['count'] = count(), ['dcount'] = dcount(__plugin_id)
            by __plugin_bin{dimensions}
        | lookup kind=leftouter __plugin_new on __plugin_bin{dimensions}
        | sort by {keys}__plugin_bin asc
        | project {time} = __plugin_bin{dimensions}, ['count'], ['dcount'],
            new_dcount = coalesce(new_dcount, long(0))
        | extend aggregated_dcount = row_cumsum(new_dcount{restart})"
    ))
}

/// `active_users_count(id, time, start, end, lookback, period, periods, bin, dimensions…)`
pub(super) fn active_users_count(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let (lookback, period) = (args.expr("LookbackWindow", 4)?, args.expr("Period", 5)?);
    let (periods, bin) = (args.expr("ActivePeriodsCount", 6)?, args.expr("Bin", 7)?);
    let dimensions = after(&args.columns_from(8)?);
    Ok(format!(
        "let __plugin_seen = materialize(__plugin_rows
            | where {time} between (({start} - {lookback}) .. {end})
            | extend __plugin_id = {id}, __plugin_time = {time},
                __plugin_period = bin_at({time}, {period}, {start}));
        __plugin_seen
        | where __plugin_time >= {start}
        | join kind=inner (__plugin_seen
            | project __plugin_id, __plugin_before = __plugin_time,
                __plugin_active = __plugin_period{dimensions}) on __plugin_id{dimensions}
        | where __plugin_before <= __plugin_time
            and __plugin_before > __plugin_time - {lookback}
        | summarize __plugin_periods = dcount(__plugin_active)
            by __plugin_id, __plugin_time{dimensions}
        | where __plugin_periods >= {periods}
        | summarize ['dcount'] = dcount(__plugin_id)
            by {time} = bin_at(__plugin_time, {bin}, {start}){dimensions}"
    ))
}
