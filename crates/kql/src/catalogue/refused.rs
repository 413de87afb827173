//! What Kusto has and this engine refuses, each with the reason. A refusal is better than a wrong
//! answer.

/// Why no cluster can be asked.
const CLUSTER: &str = "there is no Kusto cluster behind this engine";
/// Why nothing outside is asked.
const OUTSIDE: &str = "queries reach nothing outside of the engine";
/// Why code of others does not run.
const CODE: &str = "queries run no code of other languages";
/// Why a result could not be the same.
const UNDOCUMENTED: &str = "its exact result is not documented, and a near one would be wrong";
/// Why periods are not scored.
const PERIODS: &str = "how it scores periods is not documented; `series_seasonal` and \
                       `series_decompose` find the period themselves";
/// Why a shape is not computed.
const SHAPES: &str = "outlines of buffers and simplified shapes depend on the library that Kusto uses; \
                      `geo_distance_point_to_line` and `geo_distance_point_to_polygon` say what \
                      is near";

/// Names and reasons, sorted.
pub const REFUSED: &[(&str, &str)] = &[
    ("ai_chat_completion", OUTSIDE),
    ("ai_chat_completion_prompt", OUTSIDE),
    ("ai_embed_text", OUTSIDE),
    ("ai_embeddings", OUTSIDE),
    ("azure_digital_twins_query_request", OUTSIDE),
    ("cluster", CLUSTER),
    ("cosmosdb_sql_request", OUTSIDE),
    ("csharp", CODE),
    ("current_cluster_endpoint", CLUSTER),
    ("current_database", CLUSTER),
    ("current_principal", CLUSTER),
    ("current_principal_details", CLUSTER),
    ("current_principal_is_member_of", CLUSTER),
    ("cursor_after", CLUSTER),
    ("cursor_before_or_at", CLUSTER),
    ("cursor_current", CLUSTER),
    ("database", CLUSTER),
    ("dax_request", OUTSIDE),
    (
        "estimate_data_size",
        "sizes are those of another storage engine",
    ),
    ("execute_query", CLUSTER),
    ("execute_show_command", CLUSTER),
    ("extent_id", CLUSTER),
    ("extent_tags", CLUSTER),
    (
        "external_table",
        "name the address with `externaldata`, if it is allowed",
    ),
    (
        "funnel_sequence",
        "it gives three tables; `scan` finds sequences one by one",
    ),
    (
        "funnel_sequence_completion",
        "its exact result is not documented; `scan` finds sequences, `summarize` counts them",
    ),
    ("geo_line_buffer", SHAPES),
    ("geo_line_densify", SHAPES),
    ("geo_line_simplify", SHAPES),
    ("geo_point_buffer", SHAPES),
    ("geo_polygon_buffer", SHAPES),
    ("geo_polygon_densify", SHAPES),
    ("geo_polygon_simplify", SHAPES),
    (
        "geo_polygon_to_h3cells",
        "the order of its cells is not documented; `geo_polygon_to_s2cells` covers areas too",
    ),
    ("geo_simplify_polygons_array", SHAPES),
    (
        "graph",
        "graphs are not supported; joins say the same for paths of fixed length",
    ),
    ("hash_combine", UNDOCUMENTED),
    ("hash_many", UNDOCUMENTED),
    ("http_request", OUTSIDE),
    ("http_request_post", OUTSIDE),
    ("infer_storage_schema", OUTSIDE),
    ("materialized_view", CLUSTER),
    ("mysql_request", OUTSIDE),
    (
        "parse_user_agent",
        "its table of browsers is not part of the engine; use `parse` or `extract`",
    ),
    (
        "parse_version",
        "it needs 128-bit decimals, which the engine does not have; use `split` and `toint`",
    ),
    ("postgresql_request", OUTSIDE),
    (
        "preview",
        "it gives two tables; use `take`, and `count` in a query of its own",
    ),
    ("python", CODE),
    ("r", CODE),
    ("row_id", CLUSTER),
    ("series_periods_detect", PERIODS),
    ("series_periods_validate", PERIODS),
    ("sql_request", OUTSIDE),
    ("stored_query_result", CLUSTER),
];

/// Why graphs are not walked.
const GRAPHS: &str = "graphs are not supported";
/// What says the same without a graph.
const JOINS: &str =
    "joins of the table of edges with itself say the same for paths of fixed length";
/// What only stands at the start.
const STARTS: &str = "it gives rows of its own, and cannot follow a pipe";

/// Operators, why each is refused, and what to write instead.
pub const REFUSED_OPERATORS: &[(&str, &str, &str)] = &[
    (
        "execute-and-cache",
        "answers are not kept between queries",
        "`materialize` keeps rows within a query",
    ),
    (
        "externaldata",
        STARTS,
        "start the query with it, or join it",
    ),
    ("find", STARTS, "use `search` or `where` after a pipe"),
    ("graph-mark-components", GRAPHS, JOINS),
    ("graph-match", GRAPHS, JOINS),
    ("graph-shortest-paths", GRAPHS, JOINS),
    ("graph-to-table", GRAPHS, JOINS),
    ("graph-where-edges", GRAPHS, JOINS),
    ("graph-where-nodes", GRAPHS, JOINS),
    (
        "macro-expand",
        "there are no groups of clusters or databases here",
        "name the tables in a `union`",
    ),
    ("make-graph", GRAPHS, JOINS),
    ("print", STARTS, "use `extend` or `project` after a pipe"),
    (
        "range",
        STARTS,
        "use `mv-expand` over `range(from, to, step)`",
    ),
];

/// Why an operator of Kusto's is refused, and what to write instead.
#[must_use]
pub fn refused_operator(name: &str) -> Option<(&'static str, &'static str)> {
    let known = REFUSED_OPERATORS.iter().find(|(known, ..)| *known == name);
    known.map(|(_, reason, remedy)| (*reason, *remedy))
}

/// Why a function or plugin of Kusto's is refused.
#[must_use]
pub fn refused(name: &str) -> Option<&'static str> {
    let at = REFUSED
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()?;
    REFUSED.get(at).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::REFUSED;
    use crate::catalogue::{aggregate, scalar};

    #[test]
    fn the_list_is_sorted_and_names_nothing_that_runs() {
        assert!(REFUSED.is_sorted_by_key(|(name, _)| *name));
        for (name, _) in REFUSED {
            assert!(
                scalar(name).is_none() && aggregate(name).is_none(),
                "{name}"
            );
        }
    }
}
