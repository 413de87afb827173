//! Operators of a pipeline, and how each is written.

/// Name and syntax of every operator that runs.
pub const OPERATORS: &[(&str, &str)] = &[
    ("as", "as Name"),
    ("assert-schema", "assert-schema (Column: type, …)"),
    ("consume", "consume"),
    ("count", "count [as Name]"),
    ("distinct", "distinct Column, …"),
    ("evaluate", "evaluate plugin(argument, …)"),
    ("extend", "extend [Column =] expression, …"),
    ("facet", "facet by Column, … [with (operator | …)]"),
    ("filter", "filter condition"),
    ("fork", "fork [Name =] (operator | …) …"),
    ("getschema", "getschema"),
    ("invoke", "invoke function(argument, …)"),
    ("join", "join [kind=Kind] (Table) on Column, …"),
    ("limit", "limit count"),
    (
        "lookup",
        "lookup [kind=leftouter|inner] (Table) on Column, …",
    ),
    (
        "make-series",
        "make-series aggregate [default=value] on Time from start to end step bin [by Column]",
    ),
    ("mv-apply", "mv-apply Item = Array on (operator | …)"),
    (
        "mv-expand",
        "mv-expand [Column =] Array [to typeof(type)], …",
    ),
    ("order", "order by Column [asc|desc] [nulls first|last], …"),
    (
        "parse",
        "parse [kind=simple|regex|relaxed] expression with pattern",
    ),
    ("parse-kv", "parse-kv expression as (Key: type, …) with (…)"),
    ("parse-where", "parse-where expression with pattern"),
    ("partition", "partition by Column (operator | …)"),
    ("project", "project [Column =] expression, …"),
    ("project-away", "project-away Column or pattern, …"),
    (
        "project-by-names",
        "project-by-names 'Column or pattern', …",
    ),
    ("project-keep", "project-keep Column or pattern, …"),
    ("project-rename", "project-rename New = Old, …"),
    ("project-reorder", "project-reorder Column [asc|desc], …"),
    (
        "reduce",
        "reduce by expression [with threshold=share, characters=text]",
    ),
    ("render", "render visualization [with (property=value, …)]"),
    ("sample", "sample count"),
    ("sample-distinct", "sample-distinct count of Column"),
    (
        "scan",
        "scan declare (Column: type) with (step name: condition => Column = value; …)",
    ),
    ("search", "search [in (Table, …)] predicate"),
    ("serialize", "serialize [Column = expression], …"),
    ("sort", "sort by Column [asc|desc] [nulls first|last], …"),
    (
        "summarize",
        "summarize [Column =] aggregate, … [by [Column =] expression, …]",
    ),
    ("take", "take count"),
    ("top", "top count by Column [asc|desc]"),
    ("top-hitters", "top-hitters count of Column [by expression]"),
    ("top-nested", "top-nested count of Column by aggregate, …"),
    (
        "union",
        "union [kind=inner|outer] [withsource=Column] [isfuzzy=true] Table, …",
    ),
    ("where", "where condition"),
];

/// How an operator is written.
#[must_use]
pub fn operator(name: &str) -> Option<&'static str> {
    let known = OPERATORS.iter().find(|(known, _)| *known == name);
    known.map(|(_, syntax)| *syntax)
}
