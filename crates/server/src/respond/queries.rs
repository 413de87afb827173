//! Runbooks query the engine; a command opens one when a step first needs it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atalaya_model::Timestamp;
use atalaya_query::write::to_json;
use atalaya_query::{Engine, QueryError, QueryOptions};
use atalaya_respond::ports::{PortError, Queries, Rows};
use tokio::sync::OnceCell;

use crate::adapters::ticks;
use crate::config::Config;
use crate::open;

/// Longest time of a query of a runbook.
const TIMEOUT: Duration = Duration::from_secs(25);

/// The engine as the runbooks'.
pub(super) struct EngineQueries {
    config: Config,
    engine: OnceCell<Arc<Engine>>,
}

impl EngineQueries {
    pub(super) fn new(config: Config, engine: Option<Arc<Engine>>) -> Self {
        Self {
            config,
            engine: OnceCell::new_with(engine),
        }
    }

    async fn engine(&self) -> Result<&Arc<Engine>, PortError> {
        self.engine
            .get_or_try_init(|| async {
                let config = self.config.clone();
                let opened = tokio::task::spawn_blocking(move || {
                    let tables = open::tables_to_look_at(&config)?;
                    open::engine(&config, tables)
                });
                match opened.await {
                    Ok(Ok(engine)) => Ok(Arc::new(engine)),
                    Ok(Err(error)) => Err(PortError::Final(error.to_string())),
                    Err(error) => Err(PortError::Final(error.to_string())),
                }
            })
            .await
    }
}

#[async_trait]
impl Queries for EngineQueries {
    async fn query(&self, kql: &str, rows_max: usize) -> Result<Rows, PortError> {
        let now = ticks(Timestamp::now())
            .ok_or_else(|| PortError::Final("the clock is out of range".to_owned()))?;
        let options = QueryOptions {
            timeout: TIMEOUT,
            ..QueryOptions::for_program(now, rows_max)
        };
        match self.engine().await?.run(kql, &options).await {
            Ok(result) => Ok(Rows {
                columns: result.columns.iter().map(|c| c.name.clone()).collect(),
                rows: result
                    .rows
                    .iter()
                    .map(|row| row.iter().map(to_json).collect())
                    .collect(),
                truncated: result.truncated,
            }),
            Err(QueryError::Invalid(problems)) => {
                let first = problems.first().map_or("", |p| p.message.as_str());
                Err(PortError::Final(format!("the query is wrong: {first}")))
            }
            Err(other) => Err(PortError::Retry(other.to_string())),
        }
    }
}
