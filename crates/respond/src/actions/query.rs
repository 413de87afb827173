//! Run a KQL query and attach its result to the run.
//!
//! `{name}` in the query becomes the fact as a KQL literal, quoted: what a caller wrote cannot
//! become part of the query. Columns that hold prompt text should not be projected: the result is
//! kept with the run.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Action, ActionError, Call, Parameter, optional, required};
use crate::ports::{Ports, Rows};

/// Rows that are attached when nobody says.
const ROWS_DEFAULT: u64 = 50;
/// Most rows that are attached.
const ROWS_MAX: u64 = 1_000;

/// Runs a query.
pub(super) struct RunQuery;

/// Runs a query for an action.
pub(super) async fn rows(kql: &str, rows_max: usize, ports: &Ports) -> Result<Rows, ActionError> {
    let queries = ports
        .queries
        .as_deref()
        .ok_or_else(|| ActionError::Final("no tables can be queried from here".to_owned()))?;
    Ok(queries.query(kql, rows_max).await?)
}

#[async_trait]
impl Action for RunQuery {
    fn name(&self) -> &'static str {
        "query"
    }
    fn summary(&self) -> &'static str {
        "run a KQL query and attach its rows; `steps.ID.rows` is their number"
    }
    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                required(
                    "query",
                    "KQL; `{caller}` and other facts are filled in as literals",
                ),
                optional("rows_max", "most rows to attach, 50 by default"),
            ]
        }
    }
    fn activity(&self) -> &'static str {
        "analyze-collected-data"
    }
    fn plan(&self, call: &Call) -> String {
        format!("run the query: {}", call.text("query").trim())
    }
    async fn run(&self, call: &Call, ports: &Ports) -> Result<Value, ActionError> {
        let wanted = call
            .number("rows_max")
            .unwrap_or(ROWS_DEFAULT)
            .min(ROWS_MAX);
        let rows_max = usize::try_from(wanted).unwrap_or(50);
        let found = rows(&call.text("query"), rows_max, ports).await?;
        Ok(json!({
            "rows": found.rows.len(), "truncated": found.truncated,
            "columns": found.columns, "table": found.rows,
        }))
    }
}
