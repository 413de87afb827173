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
/// Why a shape is not computed.
const SHAPES: &str =
    "outlines of buffers and simplified shapes depend on the library that Kusto uses";

/// Why something is not there.
const LATER: &str = "it is not supported yet";

/// Names and reasons, sorted.
pub const REFUSED: &[(&str, &str)] = &[
    ("ai_chat_completion", OUTSIDE),
    ("ai_chat_completion_prompt", OUTSIDE),
    ("ai_embed_text", OUTSIDE),
    ("ai_embeddings", OUTSIDE),
    ("azure_digital_twins_query_request", OUTSIDE),
    (
        "bin_auto",
        "set statements are not read: name the size with `bin`",
    ),
    (
        "buildschema",
        "it is not supported yet; `treepath` lists the paths of a value",
    ),
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
    ("dcount_intersect", LATER),
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
        "it is not supported yet; `scan` finds sequences",
    ),
    (
        "funnel_sequence_completion",
        "it is not supported yet; `scan` finds sequences",
    ),
    ("geo_line_buffer", SHAPES),
    ("geo_line_densify", SHAPES),
    ("geo_line_locate_point", SHAPES),
    ("geo_line_simplify", SHAPES),
    ("geo_point_buffer", SHAPES),
    ("geo_polygon_buffer", SHAPES),
    ("geo_polygon_densify", SHAPES),
    ("geo_polygon_simplify", SHAPES),
    ("geo_polygon_to_h3cells", SHAPES),
    ("geo_simplify_polygons_array", SHAPES),
    (
        "graph",
        "graphs are not supported; joins say the same for paths of fixed length",
    ),
    ("hash_combine", UNDOCUMENTED),
    ("hash_many", UNDOCUMENTED),
    ("http_request", OUTSIDE),
    ("http_request_post", OUTSIDE),
    ("identity", LATER),
    ("infer_storage_schema", OUTSIDE),
    ("materialized_view", CLUSTER),
    ("mysql_request", OUTSIDE),
    ("new_activity_metrics", LATER),
    (
        "parse_user_agent",
        "its table of browsers is not part of the engine; use `parse` or `extract`",
    ),
    (
        "parse_version",
        "it needs 128-bit decimals, which the engine does not have",
    ),
    ("postgresql_request", OUTSIDE),
    ("preview", LATER),
    ("python", CODE),
    ("r", CODE),
    ("row_id", CLUSTER),
    ("rows_near", LATER),
    ("schema_merge", LATER),
    ("series_periods_detect", UNDOCUMENTED),
    ("series_periods_validate", UNDOCUMENTED),
    ("sql_request", OUTSIDE),
    ("stored_query_result", CLUSTER),
];

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
