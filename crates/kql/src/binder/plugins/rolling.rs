//! Figures over windows of bins.

use super::{Arguments, Problem, after, quoted};

/// `rolling_percentile(value, percentile, time, bin, bins, dimensions…)`
pub(super) fn rolling_percentile(args: &Arguments<'_>) -> Result<String, Problem> {
    let (value, percentile) = (
        args.column("ValueColumn", 0)?,
        args.literal("Percentile", 1)?,
    );
    let time = quoted(args.column("IndexColumn", 2)?);
    let bin = args.expr("BinSize", 3)?;
    let bins = args.literal("BinsPerWindow", 4)?;
    let dimensions = after(&args.columns_from(5)?);
    let name = quoted(&format!("rolling_{bins}_percentile_{value}_{percentile}"));
    let value = quoted(value);
    Ok(format!(
        "let __plugin_binned = __plugin_rows
            | extend __plugin_bin = bin({time}, {bin}), __plugin_value = {value};
        let __plugin_last = toscalar(__plugin_binned | summarize max(__plugin_bin));
        __plugin_binned
        | mv-expand __plugin_step = range(0, {bins} - 1, 1) to typeof(long)
        | extend __plugin_bin = __plugin_bin + __plugin_step * {bin}
        | where __plugin_bin <= __plugin_last
        | summarize {name} = percentile(__plugin_value, {percentile})
            by {time} = __plugin_bin{dimensions}"
    ))
}

/// `sliding_window_counts(id, time, start, end, lookback, bin, dimensions…)`
pub(super) fn sliding_window_counts(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = args.expr("IdColumn", 0)?;
    let time = quoted(args.column("TimelineColumn", 1)?);
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let (lookback, bin) = (args.expr("LookbackWindow", 4)?, args.expr("Bin", 5)?);
    let dimensions = after(&args.columns_from(6)?);
    Ok(format!(
        "__plugin_rows
        | where {time} between (({start} - {lookback}) .. ({end} + {bin}))
        | extend __plugin_bin = bin_at({time}, {bin}, {start})
        | mv-expand __plugin_to = range(__plugin_bin, __plugin_bin + {lookback} - {bin}, {bin})
            to typeof(datetime)
        | where __plugin_to between ({start} .. {end})
        | summarize Count = count(), Dcount = dcount({id}) by {time} = __plugin_to{dimensions}"
    ))
}
