//! `atalaya tables`: which tables and columns there are.

use crate::exit::{Exit, Failure};
use crate::output;

/// List the log tables, or the columns of one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Table.
    table: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = match &args.table {
        None => {
            let rows: Vec<Vec<String>> = atalaya_tables::ALL
                .iter()
                .map(|table| vec![table.name.to_owned(), table.doc.to_owned()])
                .collect();
            output::table(&["Table", "Holds"], &rows)
        }
        Some(name) => columns(name)?,
    };
    output::data(&text).map_err(|error| Failure::world("writing the list", error))?;
    Ok(Exit::Fine)
}

fn columns(name: &str) -> Result<String, Failure> {
    let table = atalaya_tables::find(name).ok_or_else(|| {
        Failure::BadInput(format!(
            "error: there is no table {name}; see `atalaya tables`"
        ))
    })?;
    let rows: Vec<Vec<String>> = table
        .columns
        .iter()
        .map(|column| {
            vec![
                column.name.to_owned(),
                column.ty.kusto_name().to_owned(),
                format!("{:?}", column.sensitivity).to_lowercase(),
                column.doc.to_owned(),
            ]
        })
        .collect();
    Ok(output::table(
        &["Column", "Type", "Sensitivity", "Meaning"],
        &rows,
    ))
}
