//! Cost of KQL queries over decision rows in Parquet.
//!
//! `generate` writes the rows, always the same ones; `serve` answers queries that it reads from
//! standard input, a line of JSON each, with what they cost. `compare.py` beside this crate asks
//! it and the peers in turn.

mod generate;
mod serve;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What the product allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Cost of KQL queries over decision rows in Parquet")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes decision rows of a week as Parquet files, one for each day.
    Generate {
        /// Where the files go.
        folder: PathBuf,
        /// How many rows in all.
        #[arg(long, default_value_t = 20_000_000)]
        rows: u64,
    },
    /// Answers queries over the files until its input ends.
    Serve {
        /// Where the files are.
        folder: PathBuf,
        /// Threads that a query runs on.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Generate { folder, rows } => generate::run(&folder, rows),
        Command::Serve { folder, threads } => serve::run(&folder, threads),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(3)
        }
    }
}
