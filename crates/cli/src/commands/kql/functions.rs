//! `atalaya kql functions`

use atalaya_kql::catalogue::{
    AGGREGATES, Function, REFUSED, REFUSED_OPERATORS, Returns, SCALARS, WINDOWS,
};

use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// List the functions that queries may call, from the code that binds them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format; a table on a terminal, NDJSON in a pipe.
    #[arg(long)]
    format: Option<Format>,
    /// List what Kusto has and this engine refuses, with the reasons
    #[arg(long)]
    refused: bool,
}

const HEADER: [&str; 4] = ["Function", "Kind", "Arguments", "Returns"];

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if args.refused {
        return refused(args.format);
    }
    let scalars = SCALARS.iter().filter(|f| !f.name.starts_with("__"));
    let scalars = scalars.map(|function| {
        let is_window = WINDOWS.contains(&function.name);
        row(function, if is_window { "window" } else { "scalar" })
    });
    let aggregates = AGGREGATES.iter().map(|function| row(function, "aggregate"));
    let rows: Vec<Vec<String>> = scalars.chain(aggregates).collect();
    let text = match Format::or_default(args.format) {
        Format::Table => output::table(&HEADER, &rows),
        Format::Csv => output::csv(&HEADER, &rows),
        Format::Json => {
            let list: Vec<_> = rows.iter().map(|row| object(row)).collect();
            format!("{}\n", serde_json::Value::Array(list))
        }
        Format::Ndjson => {
            let lines = rows.iter().map(|row| format!("{}\n", object(row)));
            lines.collect()
        }
    };
    output::data(&text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}

fn refused(format: Option<Format>) -> Result<Exit, Failure> {
    let functions = REFUSED
        .iter()
        .map(|(name, reason)| vec![(*name).to_owned(), (*reason).to_owned()]);
    let operators = REFUSED_OPERATORS
        .iter()
        .map(|(name, reason, remedy)| vec![(*name).to_owned(), format!("{reason}; {remedy}")]);
    let rows: Vec<Vec<String>> = functions.chain(operators).collect();
    let object = |row: &Vec<String>| serde_json::json!({"name": row[0], "reason": row[1]});
    let text = match Format::or_default(format) {
        Format::Table => output::table(&["Function or operator", "Refused because"], &rows),
        Format::Csv => output::csv(&["Function or operator", "Refused because"], &rows),
        Format::Json => {
            let list: Vec<_> = rows.iter().map(object).collect();
            format!("{}\n", serde_json::Value::Array(list))
        }
        Format::Ndjson => rows
            .iter()
            .map(|row| format!("{}\n", object(row)))
            .collect(),
    };
    output::data(&text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}

fn row(function: &Function, kind: &str) -> Vec<String> {
    let arguments = match (function.min, function.max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    let returns = match function.returns {
        Returns::Always(ty) => ty.name().to_owned(),
        Returns::Of(index) => format!("type of argument {}", index + 1),
        Returns::Common(index) => format!("common type from argument {}", index + 1),
        Returns::Rounded => "type of the rounded value".to_owned(),
        Returns::Sum => "type of a sum".to_owned(),
    };
    vec![
        function.name.to_owned(),
        kind.to_owned(),
        arguments,
        returns,
    ]
}

fn object(row: &[String]) -> serde_json::Value {
    serde_json::json!({
        "name": row[0], "kind": row[1], "arguments": row[2], "returns": row[3],
    })
}
