//! Patterns in rows: `autocluster`, `basket` and `diffpatterns`. The rows become bags of text, a
//! function finds the patterns, and the patterns become columns again.

use super::{Arguments, Problem, quoted};
use crate::bound::{ColumnDef, Type};

/// Most rows that are looked at.
const ROWS_MAX: usize = 100_000;

/// `autocluster(size_weight, weight_column)`
pub(super) fn autocluster(args: &Arguments<'_>) -> Result<String, Problem> {
    let size_weight = number(args, "SizeWeight", 0, "0.5");
    let weight = weight_column(args, 1)?;
    let columns = columns_without(args, &[weight.as_deref()]);
    Ok(query(
        args,
        &columns,
        weight.as_deref(),
        ("", ""),
        &format!("__autocluster(__plugin_all, {size_weight})"),
        COUNTED,
    ))
}

/// `basket(threshold, weight_column, max_dimensions)`
pub(super) fn basket(args: &Arguments<'_>) -> Result<String, Problem> {
    let threshold = number(args, "Threshold", 0, "0.05");
    let weight = weight_column(args, 1)?;
    let items = number(args, "MaxDimensions", 2, "5");
    let columns = columns_without(args, &[weight.as_deref()]);
    Ok(query(
        args,
        &columns,
        weight.as_deref(),
        ("", ""),
        &format!("__basket(__plugin_all, {threshold}, toreal({items}))"),
        COUNTED,
    ))
}

/// `diffpatterns(split_column, value_a, value_b, weight_column, threshold, max_dimensions)`
pub(super) fn diffpatterns(args: &Arguments<'_>) -> Result<String, Problem> {
    let split = args.column("SplitColumn", 0)?.to_owned();
    let (a, b) = (args.expr("SplitValueA", 1)?, args.expr("SplitValueB", 2)?);
    let weight = weight_column(args, 3)?;
    let threshold = number(args, "Threshold", 4, "0.05");
    let items = number(args, "MaxDimensions", 5, "8");
    let columns = columns_without(args, &[weight.as_deref(), Some(&split)]);
    let split = quoted(&split);
    let sides = format!(
        "| where tostring({split}) in (tostring({a}), tostring({b}))
         | extend __plugin_side = tostring({split}) == tostring({a})"
    );
    Ok(query(
        args,
        &columns,
        weight.as_deref(),
        (&sides, ", '$side', __plugin_side"),
        &format!("__diffpatterns(__plugin_all, {threshold}, toreal({items}))"),
        COMPARED,
    ))
}

const COUNTED: &str = "SegmentId = tolong(__plugin_found['$id']), \
    Count = tolong(__plugin_found['$count']), Percent = toreal(__plugin_found['$percent'])";
const COMPARED: &str = "SegmentId = tolong(__plugin_found['$id']), \
    CountA = tolong(__plugin_found['$count_a']), CountB = tolong(__plugin_found['$count_b']), \
    PercentA = toreal(__plugin_found['$percent_a']), \
    PercentB = toreal(__plugin_found['$percent_b']), \
    PercentDiffAB = toreal(__plugin_found['$difference'])";

/// Columns that take no part (weight, side) are there without a value.
fn query(
    args: &Arguments<'_>,
    columns: &[&ColumnDef],
    weight: Option<&str>,
    (before, packed): (&str, &str),
    call: &str,
    figures: &str,
) -> String {
    let pairs: Vec<String> = columns
        .iter()
        .map(|column| format!("{}, tostring({})", text(&column.name), quoted(&column.name)))
        .collect();
    let weight = weight.map_or(String::new(), |weight| {
        format!(", '$weight', toreal({})", quoted(weight))
    });
    let outputs: String = args
        .columns
        .iter()
        .map(|column| {
            let value = format!("__plugin_found[{}]", text(&column.name));
            format!(
                ", {} = {}",
                quoted(&column.name),
                converted(column.ty, &value)
            )
        })
        .collect();
    format!(
        "__plugin_rows {before}
        | take {ROWS_MAX}
        | summarize __plugin_all = make_list(bag_pack({}{weight}{packed}), {ROWS_MAX})
        | extend __plugin_found = {call}
        | mv-expand __plugin_found
        | project {figures}{outputs}",
        pairs.join(", ")
    )
}

/// A literal, or what holds without it. `~` stands for that too.
fn number(args: &Arguments<'_>, name: &str, at: usize, default: &str) -> String {
    let given = args.literal(name, at).unwrap_or(default);
    if given.trim_matches(['\'', '"']) == "~" {
        return default.to_owned();
    }
    given.to_owned()
}

fn weight_column(args: &Arguments<'_>, at: usize) -> Result<Option<String>, Problem> {
    match args.literal("WeightColumn", at) {
        Ok(text) if text.trim_matches(['\'', '"']) != "~" => args
            .column("WeightColumn", at)
            .map(|name| Some(name.to_owned())),
        _ => Ok(None),
    }
}

fn columns_without<'a>(args: &'a Arguments<'_>, left_out: &[Option<&str>]) -> Vec<&'a ColumnDef> {
    let is_left_out = |column: &&ColumnDef| left_out.contains(&Some(column.name.as_str()));
    args.columns
        .iter()
        .filter(|column| !is_left_out(column))
        .collect()
}

fn converted(ty: Type, value: &str) -> String {
    match ty {
        Type::String => format!("tostring({value})"),
        Type::Dynamic => format!("parse_json(tostring({value}))"),
        ty => format!("to{}(tostring({value}))", ty.name()),
    }
}

/// `'a b'`
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}
