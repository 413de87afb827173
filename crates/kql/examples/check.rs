//! Checks queries for a comparison with the official analyzer: lines of JSON with `id`, `query` and
//! `tables` (`{"T": "(a: string, b: long)"}`) in, one line of JSON for each out, with `ok`, `errors`
//! (code, message, start, len) and `schema`.
//!
//! ```sh
//! cargo run --release -p atalaya-kql --example check < queries.jsonl > checked.jsonl
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a tool for developers, not part of the product"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use atalaya_kql::bound::{ColumnDef, Type};
use atalaya_kql::{BindOptions, Catalog, bind, format};
use atalaya_model::Level;
use serde_json::{Value, json};

/// What takes longer is told.
const SLOW: Duration = Duration::from_secs(1);

struct Tables(HashMap<String, Vec<ColumnDef>>);

impl Catalog for Tables {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.0.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

fn main() {
    let options = BindOptions {
        now_ticks: 638_900_000_000_000_000,
        strict: true,
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of text");
        let case: Value = serde_json::from_str(&line).expect("a line of JSON");
        let tables = case["tables"].as_object().into_iter().flatten();
        let tables = tables.map(|(name, columns)| (name.clone(), columns_of(columns)));
        let catalog = Tables(tables.collect());
        let query = case["query"].as_str().unwrap_or_default();
        let started = Instant::now();
        let bound = bind(query, &catalog, options);
        let formatted = format(query).ok();
        if started.elapsed() > SLOW {
            eprintln!("{}: {:?}", case["id"], started.elapsed());
        }
        let stable = formatted.is_none_or(|once| format(&once).is_ok_and(|twice| twice == once));
        let errors = bound.diagnostics.iter().filter(|d| d.level == Level::Error);
        let errors: Vec<Value> = errors
            .map(|d| {
                let length = d.span.end - d.span.start;
                json!({"code": d.code, "msg": d.message, "start": d.span.start, "len": length})
            })
            .collect();
        let asks = bound.question.is_some();
        let schema = bound.query.map(|query| {
            let columns = query.root.schema.iter();
            columns
                .map(|column| json!([column.name, column.ty.name()]))
                .collect::<Vec<_>>()
        });
        let checked = json!({
            "id": case["id"], "ok": errors.is_empty(), "errors": errors, "schema": schema,
            "depends_on_data": asks, "formats": stable,
        });
        writeln!(out, "{checked}").expect("the line is written");
    }
}

/// `(a: string, b: long)`
fn columns_of(text: &Value) -> Vec<ColumnDef> {
    let text = text.as_str().unwrap_or_default();
    let inner = text.trim_start_matches('(').trim_end_matches(')');
    let column = |part: &str| {
        let (name, ty) = part.rsplit_once(':')?;
        let ty = Type::parse(ty.trim())?;
        let name = name.trim().to_owned();
        Some(ColumnDef {
            name,
            ty,
            range: None,
        })
    };
    inner.split(',').filter_map(column).collect()
}
