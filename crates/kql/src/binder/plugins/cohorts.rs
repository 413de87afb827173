//! What becomes of those who are new: `new_activity_metrics`.

use super::{Arguments, Problem, after, quoted};
use crate::ast::ExprKind;

/// What may follow the window: the cohort, dimensions, and rows of earlier times.
#[derive(Default)]
struct Rest {
    cohort: Option<String>,
    dimensions: Vec<String>,
    lookback: Option<String>,
}

fn rest(args: &Arguments<'_>) -> Rest {
    let mut rest = Rest::default();
    let unnamed = args.args.iter().filter(|arg| arg.names.is_empty());
    for (at, arg) in unnamed.skip(5).enumerate() {
        let text = arg.expr.span.slice(args.source);
        match &arg.expr.kind {
            ExprKind::Name(name) if args.columns.iter().any(|column| column.name == *name) => {
                rest.dimensions.push(quoted(name));
            }
            _ if at == 0 => rest.cohort = Some(format!("({text})")),
            _ => rest.lookback = Some(format!("({text})")),
        }
    }
    let named = |name: &str| args.expr(name, usize::MAX).ok();
    rest.cohort = rest.cohort.or_else(|| named("Cohort"));
    rest.lookback = rest.lookback.or_else(|| named("Lookback"));
    rest
}

/// `new_activity_metrics(id, time, start, end, window, cohort, dimensions…, lookback)`: for those
/// who were new in one window, how many were seen in each later one.
pub(super) fn new_activity_metrics(args: &Arguments<'_>) -> Result<String, Problem> {
    let id = quoted(args.column("IdColumn", 0)?);
    let column = args.column("TimelineColumn", 1)?;
    let time = quoted(column);
    let (from, to) = (
        quoted(&format!("from_{column}")),
        quoted(&format!("to_{column}")),
    );
    let (start, end) = (args.expr("Start", 2)?, args.expr("End", 3)?);
    let window = args.expr("Window", 4)?;
    let rest = rest(args);
    let dimensions = after(&rest.dimensions);
    let cohort = rest.cohort.map_or_else(String::new, |cohort| {
        format!("| where __plugin_from == bin_at({cohort}, {window}, {start})")
    });
    let lookback = rest.lookback.map_or_else(String::new, |rows| {
        format!("| where __plugin_id !in (({rows} | distinct {id}))")
    });
    Ok(format!(
        "let __plugin_seen = materialize(__plugin_rows
            | where {time} between ({start} .. {end})
            | extend __plugin_id = {id}, __plugin_bin = bin_at({time}, {window}, {start})
            | distinct __plugin_id, __plugin_bin{dimensions});
        let __plugin_first = materialize(__plugin_seen
            | summarize __plugin_from = min(__plugin_bin) by __plugin_id{dimensions}
            {lookback});
        let __plugin_pairs = __plugin_first
            {cohort}
            | summarize __plugin_size = count() by __plugin_from{dimensions}
            | mv-expand __plugin_bin = range(__plugin_from, {end}, {window}) to typeof(datetime);
        let __plugin_kept = __plugin_first
            | join kind=inner __plugin_seen on __plugin_id{dimensions}
            | summarize dcount_retained_values = count() by __plugin_from, __plugin_bin{dimensions};
        let __plugin_new = __plugin_first
            | join kind=inner __plugin_seen on __plugin_id{dimensions}
            | summarize __plugin_news = count()
                by __plugin_born = __plugin_from, __plugin_bin{dimensions};
        let __plugin_later = __plugin_pairs
            | join kind=inner __plugin_new on __plugin_bin{dimensions}
            | where __plugin_born > __plugin_from
                or (__plugin_born == __plugin_from and __plugin_from == __plugin_bin)
            | summarize dcount_new_values = sum(__plugin_news)
                by __plugin_from, __plugin_bin{dimensions};
        __plugin_pairs
        | lookup kind=leftouter __plugin_later on __plugin_from, __plugin_bin{dimensions}
        | lookup kind=leftouter __plugin_kept on __plugin_from, __plugin_bin{dimensions}
        | extend dcount_retained_values = coalesce(dcount_retained_values, long(0))
        | project {from} = __plugin_from, {to} = __plugin_bin{dimensions},
            dcount_new_values = coalesce(dcount_new_values, long(0)), dcount_retained_values,
            dcount_churn_values = __plugin_size - dcount_retained_values,
            retention_rate = toreal(dcount_retained_values) / __plugin_size,
            churn_rate = 1.0 - toreal(dcount_retained_values) / __plugin_size
        | sort by {from} asc, {to} asc"
    ))
}
