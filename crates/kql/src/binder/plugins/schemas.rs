//! One schema out of several.

use super::{Arguments, Problem};
use crate::ast::ExprKind;

/// `schema_merge(PreserveOrder)`: over rows of `getschema`. A column that has several types, or
/// several places where order counts, is named as an error in the result.
#[expect(clippy::unnecessary_wraps, reason = "plugins have one signature")]
pub(super) fn schema_merge(args: &Arguments<'_>) -> Result<String, Problem> {
    let in_order = args
        .find("PreserveOrder", 0)
        .is_none_or(|arg| arg.expr.kind != ExprKind::Bool(false));
    let (place, misplaced) = match in_order {
        true => ("__plugin_place", "__plugin_places > 1"),
        false => ("__plugin_first", "false"),
    };
    Ok(format!(
        "__plugin_rows
        | serialize __plugin_row = row_number()
        | summarize __plugin_first = min(__plugin_row), __plugin_places = dcount(ColumnOrdinal),
            __plugin_place = min(tolong(ColumnOrdinal)), __plugin_types = dcount(ColumnType),
            DataType = take_any(DataType), ColumnType = take_any(ColumnType) by ColumnName
        | extend __plugin_error = case(__plugin_types > 1, 'ERROR(type mismatch)',
            {misplaced}, 'ERROR(columns are out of order)', '')
        | sort by isnotempty(__plugin_error) asc, {place} asc
        | extend __plugin_number = row_number(0)
        | project ColumnName,
            ColumnOrdinal = iff(isempty(__plugin_error), tolong(__plugin_number), long(-1)),
            DataType = iff(isempty(__plugin_error), DataType,
                strcat('ERROR(unknown CSL type:', __plugin_error, ')')),
            ColumnType = iff(isempty(__plugin_error), ColumnType, __plugin_error)"
    ))
}
