//! `atalaya query`: KQL over the log tables and over files.

mod interactive;

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_query::{Engine, FileTables, QueryError, QueryOptions, TableSource};
use atalaya_server::config::ExternalSource;
use atalaya_server::open;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Run a KQL query over the log tables, or over files
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The query; `-` reads it from standard input. Without one, queries are typed one after the
    /// other.
    kql: Option<String>,
    /// Read the query from a file.
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "kql")]
    file: Option<PathBuf>,
    /// Use a file (CSV, JSON lines, Parquet), or files by a pattern (`logs/*.parquet`), as a
    /// table; may be repeated.
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = parse_table)]
    tables: Vec<(String, PathBuf)>,
    /// Folder of stored functions (functions/NAME.kql) and watchlists (watchlists/ALIAS.csv).
    #[arg(long, value_name = "DIR")]
    library: Option<PathBuf>,
    /// Let externaldata read a file for addresses that start so; may be repeated.
    #[arg(long = "external", value_name = "URL=FILE", value_parser = parse_external)]
    external: Vec<(String, PathBuf)>,
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    /// Most rows of the result.
    #[arg(long, value_name = "N")]
    rows_max: Option<usize>,
    /// Cancel the query after this, seconds.
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// Refuse what real Kusto refuses, instead of running what is meant with a warning.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    place: Place,
}

fn parse_table(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("write NAME=FILE, e.g. T=events.parquet".to_owned()),
    }
}

fn parse_external(text: &str) -> Result<(String, PathBuf), String> {
    // An address may hold `=`, a path rarely does.
    match text.rsplit_once('=') {
        Some((url, file)) if url.contains("://") && !file.is_empty() => {
            Ok((url.to_owned(), PathBuf::from(file)))
        }
        _ => Err("write URL=FILE, e.g. https://feeds.example/=feeds".to_owned()),
    }
}

/// A query, and what it runs on.
pub(crate) struct Prepared {
    pub(crate) engine: Engine,
    pub(crate) tables: Arc<dyn TableSource>,
    pub(crate) options: QueryOptions,
    /// The name that diagnostics show.
    pub(crate) name: String,
    pub(crate) kql: String,
}

pub(crate) fn prepare(args: &Args) -> Result<Prepared, Failure> {
    let (name, kql) = text(args)?;
    let mut config = args.place.load()?;
    if let Some(library) = &args.library {
        config.query.library = Some(library.clone());
    }
    let allowed = args.external.iter().cloned();
    let allowed = allowed.map(|(url, path)| ExternalSource { url, path });
    config.query.external_data.extend(allowed);
    let mut tables = if config.data_dir.is_dir() || args.tables.is_empty() {
        FileTables::before(open::tables_if_any(&config)?)
    } else {
        FileTables::new()
    };
    for (table, path) in &args.tables {
        tables
            .add(table, path)
            .map_err(|error| Failure::BadInput(format!("error: --table {table}: {error}")))?;
    }
    let tables: Arc<dyn TableSource> = Arc::new(tables);
    let engine = open::engine(&config, Arc::clone(&tables))?;
    let mut options = open::query_options(&config, Timestamp::now())?;
    options.strict = args.strict;
    if let Some(rows_max) = args.rows_max {
        options.rows_max = rows_max;
        options.truncation_is_fixed = true;
    }
    options.timeout = args.timeout.map_or(options.timeout, Duration::from_secs);
    Ok(Prepared {
        engine,
        tables,
        options,
        name,
        kql,
    })
}

/// Why a query gave no result, for whoever wrote it.
pub(crate) fn failure(name: &str, kql: &str, error: QueryError) -> Failure {
    match error {
        QueryError::Invalid(problems) => Failure::diagnostics(name, kql, &problems),
        error => Failure::CouldNotRun(error.to_string()),
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let prepared = prepare(args)?;
    if args.is_interactive() {
        return interactive::run(&prepared, args.format);
    }
    let result = prepared
        .engine
        .run_blocking(&prepared.kql, &prepared.options)
        .map_err(|error| failure(&prepared.name, &prepared.kql, error))?;
    output::diagnostics(&prepared.name, &prepared.kql, &result.warnings);
    print(&result, Format::or_default(args.format))?;
    Ok(Exit::Fine)
}

impl Args {
    fn is_interactive(&self) -> bool {
        self.kql.is_none() && self.file.is_none() && std::io::stdin().is_terminal()
    }
}

fn print(result: &atalaya_query::QueryResult, format: Format) -> Result<(), Failure> {
    use atalaya_query::write::{Format as Written, write};
    let format = match format {
        Format::Table => Written::Table,
        Format::Json => Written::Json,
        Format::Ndjson => Written::Ndjson,
        Format::Csv => Written::Csv,
    };
    output::stream(|out| write(result, format, output::width(), out))
        .map_err(|error| Failure::world("writing the result", error))
}

/// The name that diagnostics show, and the query.
fn text(args: &Args) -> Result<(String, String), Failure> {
    if let Some(path) = &args.file {
        return Ok((path.display().to_string(), common::read(path)?));
    }
    match args.kql.as_deref() {
        None if args.is_interactive() => Ok(("<query>".to_owned(), String::new())),
        Some("-") | None => {
            let mut kql = String::new();
            std::io::stdin()
                .read_to_string(&mut kql)
                .map_err(|error| Failure::BadInput(format!("error: standard input: {error}")))?;
            Ok(("<stdin>".to_owned(), kql))
        }
        Some(kql) => Ok(("<query>".to_owned(), kql.to_owned())),
    }
}
