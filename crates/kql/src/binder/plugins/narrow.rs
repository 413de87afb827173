//! `evaluate narrow()`: a row for every cell.

use super::{Arguments, Problem};

#[allow(clippy::unnecessary_wraps, reason = "as plugins with arguments do")]
pub(super) fn narrow(_: &Arguments<'_>) -> Result<String, Problem> {
    Ok("__plugin_rows
        | extend __plugin_bag = pack_all()
        | serialize Row = row_number() - 1
        | mv-expand kind=array __plugin_bag
        | project Row, Column = tostring(__plugin_bag[0]), Value = tostring(__plugin_bag[1])"
        .to_owned())
}

/// `evaluate identity()`: the rows as they are.
#[expect(clippy::unnecessary_wraps, reason = "plugins have one signature")]
pub(super) fn identity(_: &Arguments<'_>) -> Result<String, Problem> {
    Ok("__plugin_rows".to_owned())
}
