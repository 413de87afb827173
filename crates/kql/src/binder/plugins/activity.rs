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

/// `activity_engagement(id, time, start, end, inner, outer, dimensions…)`: how many of those who
/// were active in the outer window are active in the inner one.
pub(super) fn activity_engagement(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let (inner, outer) = (
        args.expr("InnerActivityWindow", 4)?,
        args.expr("OuterActivityWindow", 5)?,
    );
    let dimensions = after(&args.columns_from(6)?);
    Ok(format!(
        "let __plugin_seen = materialize(__plugin_rows
            | where {time} between (({start} - {outer}) .. {end})
            | extend __plugin_id = {id}, __plugin_bin = bin_at({time}, {inner}, {start})
            | distinct __plugin_id, __plugin_bin{dimensions});
        let __plugin_outer = __plugin_seen
            | mv-expand __plugin_to = range(__plugin_bin, __plugin_bin + {outer} - {inner}, {inner})
                to typeof(datetime)
            | where __plugin_to between ({start} .. {end})
            | summarize dcount_activities_outer = dcount(__plugin_id) by __plugin_to{dimensions}
            | project-rename __plugin_bin = __plugin_to;
        __plugin_seen
        | where __plugin_bin >= {start}
        | summarize dcount_activities_inner = dcount(__plugin_id) by __plugin_bin{dimensions}
        | lookup kind=inner __plugin_outer on __plugin_bin{dimensions}
        | project {time} = __plugin_bin{dimensions}, dcount_activities_inner,
            dcount_activities_outer,
            activity_ratio = toreal(dcount_activities_inner) / dcount_activities_outer * 100"
    ))
}

/// `activity_metrics(id, time, start, end, window, dimensions…)`: who is new, who came back.
pub(super) fn activity_metrics(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let window = args.expr("Window", 4)?;
    let dimensions = after(&args.columns_from(5)?);
    Ok(format!(
        "let __plugin_seen = materialize(__plugin_rows
            | where {time} between ({start} .. {end})
            | extend __plugin_id = {id}, __plugin_bin = bin_at({time}, {window}, {start})
            | distinct __plugin_id, __plugin_bin{dimensions});
        let __plugin_new = __plugin_seen
            | summarize __plugin_bin = min(__plugin_bin) by __plugin_id{dimensions}
            | summarize dcount_newvalues = count() by __plugin_bin{dimensions};
        let __plugin_kept = __plugin_seen
            | join kind=inner (__plugin_seen
                | extend __plugin_bin = __plugin_bin + {window}) on __plugin_id, __plugin_bin{dimensions}
            | summarize __plugin_kept = count() by __plugin_bin{dimensions};
        let __plugin_before = __plugin_seen
            | extend __plugin_bin = __plugin_bin + {window}
            | summarize __plugin_all = count() by __plugin_bin{dimensions};
        __plugin_seen
        | summarize dcount_values = count() by __plugin_bin{dimensions}
        | lookup kind=leftouter __plugin_new on __plugin_bin{dimensions}
        | lookup kind=leftouter __plugin_kept on __plugin_bin{dimensions}
        | lookup kind=leftouter __plugin_before on __plugin_bin{dimensions}
        | extend retention_rate = toreal(coalesce(__plugin_kept, long(0)))
            / toreal(coalesce(__plugin_all, long(0)))
        | project {time} = __plugin_bin{dimensions}, dcount_values,
            dcount_newvalues = coalesce(dcount_newvalues, long(0)), retention_rate,
            churn_rate = 1.0 - retention_rate"
    ))
}
