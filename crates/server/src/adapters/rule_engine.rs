//! Rules query the engine.

use std::sync::Arc;

use async_trait::async_trait;
use atalaya_detect::{Column, QueryError, QueryRequest, Table, TimeRange};
use atalaya_query::write::to_json;
use atalaya_query::{Engine, QueryOptions, QueryResult};

use super::lake_tables::ticks;

/// An engine as the rules' engine.
pub struct RuleEngine(pub Arc<Engine>);

#[async_trait]
impl atalaya_detect::QueryEngine for RuleEngine {
    async fn query(&self, request: &QueryRequest) -> Result<Table, QueryError> {
        let options = options(request)
            .ok_or_else(|| QueryError::Failed("its time is out of range".to_owned()))?;
        match self.0.run(&request.kql, &options).await {
            Ok(result) => Ok(table(result)),
            Err(atalaya_query::QueryError::Invalid(problems)) => Err(QueryError::Invalid(problems)),
            Err(atalaya_query::QueryError::TimedOut(after)) => Err(QueryError::TimedOut(after)),
            Err(other) => Err(QueryError::Failed(other.to_string())),
        }
    }
}

fn options(request: &QueryRequest) -> Option<QueryOptions> {
    let range = |range: TimeRange| Some((ticks(range.start)?, ticks(range.end)?));
    Some(QueryOptions {
        range: match request.range {
            Some(asked) => Some(range(asked)?),
            None => None,
        },
        timeout: request.timeout,
        skip_if_nothing_to_read: true,
        ..QueryOptions::for_program(ticks(request.now)?, request.rows_max)
    })
}

fn table(result: QueryResult) -> Table {
    let columns = result.columns.iter().map(|column| Column {
        name: column.name.clone(),
        kusto_type: column.ty.name().to_owned(),
    });
    Table {
        columns: columns.collect(),
        rows: result
            .rows
            .iter()
            .map(|row| row.iter().map(to_json).collect())
            .collect(),
        warnings: result.warnings,
        truncated: result.truncated,
    }
}
