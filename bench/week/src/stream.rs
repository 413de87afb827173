//! Streaming analytics over the week.

use atalaya_analytics::Limits;
use atalaya_detect::{AnalyticRunner, CorrelationLimits, RuleCatalogue};

use crate::rows::Week;
use crate::run::{Alert, Stories};

/// What the analytics raise of the rows, in the order of their times.
pub(crate) fn all(catalogue: &RuleCatalogue, weeks: &[&Week]) -> Vec<Alert> {
    let mut runner =
        AnalyticRunner::new(catalogue, Limits::default(), CorrelationLimits::default());
    let mut rows: Vec<_> = weeks.iter().flat_map(|week| week.stream()).collect();
    rows.sort_by_key(|(_, row)| row.micros);
    let mut stories = Stories::default();
    for (table, row) in rows {
        runner.row(table, &row.json);
        for found in runner.take() {
            let suppression = i64::try_from(found.rule.suppression.as_micros()).unwrap_or(0);
            let rule = found.rule.origin.to_string();
            stories.raise(&rule, found.hit, row.micros, suppression);
        }
    }
    stories.alerts
}
