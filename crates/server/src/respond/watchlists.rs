//! Watchlists of control state as tables of queries: what runbooks and analysts put there, and what
//! is normal for each caller.
//!
//! Read when a query binds, on its thread: an entry can be queried as soon as it is written, by the
//! node and by commands beside it.

use std::sync::Arc;

use atalaya_kql::bound::ColumnDef;
use atalaya_query::LiveWatchlists;
use atalaya_respond::runbook::Step;
use atalaya_respond::tuning::watch;
use atalaya_store::{Document, DocumentFilter, SqliteStore};
use serde_json::{Value, json};

use crate::config::Config;

/// The store as watchlists.
pub(crate) struct StoreWatchlists {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) config: Config,
}

impl StoreWatchlists {
    fn entries(&self, alias: &str) -> Result<Vec<Document>, String> {
        let filter = DocumentFilter::of("watchlist").facet("list", alias);
        self.store
            .documents_now(&filter)
            .map_err(|error| error.to_string())
    }

    fn baselines(&self) -> Result<Option<watch::Baselines>, String> {
        let filter = DocumentFilter::of("baselines");
        let found = self.store.documents_now(&filter);
        let found = found.map_err(|error| error.to_string())?;
        let body = found.first().map(|document| document.body.as_str());
        body.map(|body| serde_json::from_str(body).map_err(|error| error.to_string()))
            .transpose()
    }

    /// Whether a runbook would put entries there: then the list is there, and empty.
    fn is_declared(&self, alias: &str) -> bool {
        let Ok(catalogue) = super::runbooks(&self.config) else {
            return false;
        };
        let names = |step: &&Step| match step {
            Step::Action(step) if step.action == "watch" => {
                step.with.get("list").and_then(Value::as_str) == Some(alias)
            }
            _ => false,
        };
        catalogue
            .runbooks()
            .any(|runbook| runbook.all_steps().iter().any(names))
    }
}

impl LiveWatchlists for StoreWatchlists {
    fn columns(&self, alias: &str) -> Option<Vec<ColumnDef>> {
        let is_there = alias == watch::WATCHLIST
            || self.entries(alias).is_ok_and(|entries| !entries.is_empty())
            || self.is_declared(alias);
        is_there.then(|| atalaya_kql::live_watchlist(alias))
    }

    fn rows(&self, alias: &str) -> Result<Vec<u8>, String> {
        let rows: Vec<Value> = if alias == watch::WATCHLIST {
            let baselines = self.baselines()?.unwrap_or_default();
            baselines.rows.iter().map(|row| json!(row)).collect()
        } else {
            let entries = self.entries(alias)?;
            entries
                .iter()
                .filter_map(|entry| row(&entry.body))
                .collect()
        };
        let lines = rows.iter().map(|row| format!("{row}\n"));
        Ok(lines.collect::<String>().into_bytes())
    }
}

fn row(body: &str) -> Option<Value> {
    let item: atalaya_respond::watchlist::Item = serde_json::from_str(body).ok()?;
    Some(json!({
        "SearchKey": item.value, "Kind": item.kind, "Value": item.value, "Reason": item.reason,
        "Author": item.author, "Added": item.added.to_rfc3339(),
    }))
}
