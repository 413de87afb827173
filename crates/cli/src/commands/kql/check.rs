//! `atalaya kql check`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use atalaya_kql::bound::{ColumnDef, Type};
use atalaya_kql::{BindOptions, Catalog, LogTables};
use atalaya_model::{Diagnostic, Level, SourceFile};
use serde_json::{Value, json};

use crate::commands::kql::read;
use crate::exit::{Exit, Failure};
use crate::output;

/// Say whether queries are right, and which columns they give
///
/// A `.jsonl` file holds one query per line: {"query": "…", "id": "…"}; any other file is one
/// query. Ends with 1 when a query is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Tables instead of the log tables: JSON lines {"table": "T", "columns": [["a", "long"]]}.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// One JSON document per query.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Refuse what real Kusto refuses, instead of warning.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Diagnostics with carets.
    Text,
    /// {"id", "ok", "errors", "warnings", "columns"}
    Json,
}

struct Query {
    id: String,
    text: String,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let schemas = match &args.schema {
        None => None,
        Some(path) => Some(Schemas::read(path)?),
    };
    let catalog: &dyn Catalog = match &schemas {
        None => &LogTables,
        Some(schemas) => schemas,
    };
    let options = BindOptions {
        now_ticks: super::now_ticks(),
        strict: args.strict,
    };
    let mut exit = Exit::Fine;
    for path in &args.files {
        for query in queries(path)? {
            let bound = atalaya_kql::bind(&query.text, catalog, options);
            let is_wrong = bound.diagnostics.iter().any(|d| d.level == Level::Error);
            if is_wrong {
                exit = Exit::Found;
            }
            match args.format {
                Format::Text => output::diagnostics(&query.id, &query.text, &bound.diagnostics),
                Format::Json => {
                    let line = format!("{}\n", verdict(&query, &bound));
                    output::data(&line).map_err(|error| Failure::world("writing", error))?;
                }
            }
        }
    }
    Ok(exit)
}

fn verdict(query: &Query, bound: &atalaya_kql::Bound) -> Value {
    let of = |level: Level| -> Vec<Value> {
        let all = bound.diagnostics.iter().filter(|d| d.level == level);
        all.map(|d| shown(&query.text, d)).collect()
    };
    let errors = of(Level::Error);
    let columns = bound.query.as_ref().map(|query| {
        let schema = query.root.schema.iter();
        let pairs = schema.map(|column| json!([column.name, column.ty.name()]));
        Value::Array(pairs.collect())
    });
    json!({
        "id": query.id,
        "ok": errors.is_empty(),
        "errors": errors,
        "warnings": of(Level::Warning),
        "columns": columns,
    })
}

fn shown(text: &str, diagnostic: &Diagnostic) -> Value {
    let (line, column) = SourceFile { name: "", text }.line_column(diagnostic.span.start);
    json!({
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "start": diagnostic.span.start,
        "length": diagnostic.span.end - diagnostic.span.start,
        "line": line,
        "column": column,
    })
}

fn queries(path: &Path) -> Result<Vec<Query>, Failure> {
    let name = path.display().to_string();
    let text = read(path)?;
    if path
        .extension()
        .is_none_or(|extension| extension != "jsonl")
    {
        return Ok(vec![Query { id: name, text }]);
    }
    let mut queries = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let bad = |why: String| Failure::BadInput(format!("error: {name}:{}: {why}", index + 1));
        let record: Value = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        let query = record["query"].as_str();
        let query = query.ok_or_else(|| bad("there is no text `query`".to_owned()))?;
        let id = match &record["id"] {
            Value::String(id) => id.clone(),
            _ => format!("{name}:{}", index + 1),
        };
        queries.push(Query {
            id,
            text: query.to_owned(),
        });
    }
    Ok(queries)
}

/// Tables of a schema file.
pub(super) struct Schemas(BTreeMap<String, Vec<ColumnDef>>);

impl Schemas {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let mut tables = BTreeMap::new();
        for (index, line) in read(path)?.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let bad = |why: &str| Failure::BadInput(format!("error: {name}:{}: {why}", index + 1));
            let record: Value = serde_json::from_str(line).map_err(|e| bad(&e.to_string()))?;
            let table = record["table"]
                .as_str()
                .ok_or_else(|| bad("there is no `table`"))?;
            let pairs = record["columns"].as_array();
            let pairs = pairs.ok_or_else(|| bad("there is no list `columns`"))?;
            let mut columns = Vec::with_capacity(pairs.len());
            for pair in pairs {
                let (Some(column), Some(ty)) = (pair[0].as_str(), pair[1].as_str()) else {
                    return Err(bad("a column is a pair [\"name\", \"type\"]"));
                };
                let ty = Type::parse(ty).ok_or_else(|| bad(&format!("`{ty}` is no type")))?;
                columns.push(ColumnDef {
                    name: column.to_owned(),
                    ty,
                    range: None,
                });
            }
            tables.insert(table.to_owned(), columns);
        }
        Ok(Self(tables))
    }
}

impl Catalog for Schemas {
    fn table(&self, name: &str) -> Option<Vec<ColumnDef>> {
        self.0.get(name).cloned()
    }

    fn table_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
